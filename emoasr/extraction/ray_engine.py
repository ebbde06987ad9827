"""A pass over a corpus on Ray Data: its batches on any number of machines.

The driver plans batches, keeps rows and knows what is done, as on one machine; Ray's actors run the
batches through the same code, so the rows are the same, and a run goes on from the other's rows.
"""

import dataclasses
import logging
import os
import socket
from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

import numpy as np

from emoasr import __version__
from emoasr.errors import UserError, one_line
from emoasr.settings.extraction import Cluster
from emoasr.system import extras, interrupts

if TYPE_CHECKING:  # workers set the device's memory before JAX is imported
    import ray

    from emoasr.inference.device_functions import DeviceFunction
    from emoasr.inference.planning import Plan
    from emoasr.inference.runner import Result

_MOST_BATCHES = 16  # of a task: what a lost machine costs
_PATIENCE = 10.0  # seconds, for a cluster's head
_LONG = -1  # in place of a bucket's number
_TASKS = 4  # an actor, at least: so that none waits long for another's last


def start(address: str) -> None:
    """Connects to the cluster, or makes one of this machine; before JAX computes anything.

    Args:
        address: of its head, HOST:PORT; empty: Ray on this machine alone.

    Raises:
        UserError: Ray is not installed, or no cluster answers.
    """
    extras.require("ray", "config.engine=ray")
    import jax
    import ray

    jax.config.update("jax_platforms", "cpu")  # the driver's; a GPU's memory is the actors'
    os.environ.setdefault("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")  # as Ray will by itself soon
    options = {"address": address} if address else {"include_dashboard": False}
    try:
        if address:  # Ray itself would ask for minutes
            host, _, port = address.rpartition(":")
            socket.create_connection((host, int(port)), _PATIENCE).close()
        with interrupts.kept_from_libraries():
            ray.init(
                **options, configure_logging=False, log_to_driver=False, ignore_reinit_error=True
            )
    except (OSError, OverflowError, RuntimeError, ValueError) as error:
        raise UserError(
            f"config.ray.address={address}: no Ray cluster answers there ({_line(error)}); "
            "give its head's HOST:PORT"
        ) from None
    context = ray.data.DataContext.get_current()
    context.enable_progress_bars = False  # ours counts hours of audio
    logging.getLogger("ray.data").setLevel(logging.ERROR)


def run(plan: "Plan", function: "DeviceFunction", cluster: Cluster) -> Iterator["Result"]:
    """As `runner.run(plan, function)`, by the cluster's actors, in any order.

    Raises:
        UserError: a machine has another version of emoasr, or nothing is left that could go on.
    """
    import ray

    from emoasr.inference.runner import Result

    tasks = _tasks(plan, cluster.actors)
    if not tasks:
        return
    # in a list, so that Ray passes the reference, not its value, and can restart actors
    held = [ray.put((plan, function))]
    dataset = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
        _Actor,
        fn_constructor_args=(held, __version__),
        batch_size=1,
        compute=ray.data.ActorPoolStrategy(size=cluster.actors),
        num_cpus=cluster.cpus,
        num_gpus=cluster.gpus,
        runtime_env={"env_vars": _environment(cluster)},
    )
    try:
        blocks = dataset.iter_batches(batch_size=None, batch_format="numpy")
        for found in cast("Iterator[dict[str, np.ndarray]]", blocks):
            indices, silent, failed = (found.pop(name) for name in ("index", "silent", "failed"))
            done = failed == ""
            yield Result(
                indices[done],
                {name: values_RC[done] for name, values_RC in found.items()},
                silent[done],
                dict(zip(indices[~done].tolist(), failed[~done].tolist(), strict=True)),
            )
    except ray.exceptions.RayError as error:
        raise UserError(f"Ray gave up: {_line(error)}; what is finished is kept") from None


def _tasks(plan: "Plan", n_actors: int) -> list[dict[str, int]]:
    """Stretches of buckets, whole batches each, longest first; and each long utterance."""
    n_batches = sum(bucket.n_batches for bucket in plan.buckets)
    share = min(max(n_batches // (_TASKS * n_actors), 1), _MOST_BATCHES)
    long = [{"bucket": _LONG, "start": i, "stop": i + 1} for i in range(len(plan.long))]
    short = [
        {"bucket": b, "start": start, "stop": start + share * bucket.batch_size}
        for b, bucket in reversed(list(enumerate(plan.buckets)))
        for start in range(0, len(bucket.indices), share * bucket.batch_size)
    ]
    return long + short


def _environment(cluster: Cluster) -> dict[str, str]:
    """An actor's, set before JAX is imported: it takes no more of a GPU than its share."""
    if not cluster.gpus:
        return {"JAX_PLATFORMS": "cpu"}
    return {"XLA_PYTHON_CLIENT_MEM_FRACTION": f"{min(cluster.gpus, 1.0) * cluster.gpu_memory:.3f}"}


class _Actor:
    """An actor: holds the networks and what was compiled for them."""

    def __init__(self, held: "list[ray.ObjectRef]", version: str):
        import ray

        from emoasr.inference import compilation_cache
        from emoasr.system import limits

        if version != __version__:
            raise UserError(f"a worker has emoasr {__version__}, the driver {version}")
        limits.share_freed_memory()
        compilation_cache.enable_cache()
        self._plan, self._function = ray.get(held[0])

    def __call__(self, task: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Rows of a task's utterances; `failed` says why one has none."""
        from emoasr.inference import runner

        part = self._part(*(int(task[name][0]) for name in ("bucket", "start", "stop")))
        indices = np.array([*part.long, *(i for b in part.buckets for i in b.indices)])
        place = {int(i): r for r, i in enumerate(indices)}
        failed, silent = [""] * len(indices), np.zeros(len(indices), bool)
        rows: dict[str, np.ndarray] = {}
        for result in runner.run(part, self._function):
            done = [place[int(i)] for i in result.indices]
            silent[done] = result.silent
            for i, why in result.failed.items():
                failed[place[i]] = why
            for name, values_RC in result.arrays.items():
                shape = (len(indices), np.shape(values_RC)[-1])
                rows.setdefault(name, np.zeros(shape, np.float32))[done] = values_RC
        return {"index": indices, **rows, "failed": np.array(failed), "silent": silent}

    def _part(self, number: int, start: int, stop: int) -> "Plan":
        """The part of the plan that a task is."""
        if number == _LONG:
            return dataclasses.replace(self._plan, buckets=[], long=self._plan.long[start:stop])
        bucket = self._plan.buckets[number]
        part = dataclasses.replace(bucket, indices=bucket.indices[start:stop])
        return dataclasses.replace(self._plan, buckets=[part], long=[])


def _line(error: BaseException) -> str:
    """The cause that Ray wraps, without its traceback."""
    cause = getattr(error, "cause", None) or error
    lines = [line for line in str(cause).splitlines() if line.strip()] or [type(cause).__name__]
    return one_line(lines[-1].strip())
