"""A training as a job of several processes: how they connect and end.

Process 0 writes and prints for all. All take part in every step, so that one that is lost ends the
others too; the same commands then continue from the last checkpoint.
"""

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import ml_collections

import emoasr
from emoasr.errors import UserError
from emoasr.settings import configurations, distributed
from emoasr.training import multihost

_LAST_WORDS = 2.0  # seconds for the others to say why they stop: without process 0 JAX aborts them
_PATIENCE = 5.0  # seconds that this process's own threads have to end
_LOST = ("Gloo", "NCCL", "RCCL", "CoordinationService")  # in JAX's errors where another is gone


@contextlib.contextmanager
def connected(config: ml_collections.ConfigDict) -> Iterator[None]:
    """Around all that the processes of a job do: process 0 alone prints; an error in one ends all.

    To be entered before JAX computes anything. One process that is a job of its own just works.

    Args:
        config: a training's; `distributed` says where process 0 is, and which this one is.

    Raises:
        UserError: a field is not what it should be; the others are not there in time, have another
            version or configuration, or end.
    """
    if not config.distributed.coordinator:
        yield
        return
    distributed.check_address(config.distributed)
    pause = 0.0
    try:
        _connect(config.distributed)
        pause = _LAST_WORDS if multihost.is_first() else 0.0
        with _lost_process_in_a_line():
            _check_alike(config)
            with (
                Path(os.devnull).open("w") as nowhere,
                contextlib.redirect_stdout(sys.stdout if multihost.is_first() else nowhere),
            ):
                yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            time.sleep(pause)  # the command ends the process without Python's end
        if multihost.EVERYWHERE not in getattr(error, "__notes__", ()):
            _leave_alone(130 if isinstance(error, KeyboardInterrupt) else 1, pause)
        raise


def _connect(given: ml_collections.ConfigDict) -> None:
    """Waits until all processes are there; JAX's own timeout would abort this one.

    Args:
        given: `config.distributed`; its timeout holds for later silence, too.

    Raises:
        UserError: they are not there in time, or there is no cluster.
    """
    jax.config.update("jax_enable_preemption_service", False)  # with it SIGTERM ends nothing
    who = {
        "coordinator_address": given.coordinator,
        "num_processes": given.n_processes,
        "process_id": given.process_id,
    }
    failed: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                **({} if given.coordinator == "auto" else who),
                initialization_timeout=10 * given.timeout,
                heartbeat_timeout_seconds=given.timeout,
                shutdown_timeout_seconds=given.timeout,
            )
        except (RuntimeError, ValueError) as error:
            failed.append(error)

    waiting = threading.Thread(target=initialize, daemon=True)
    waiting.start()
    waiting.join(given.timeout)
    at = f"config.distributed.coordinator={given.coordinator}"
    if waiting.is_alive():
        raise UserError(
            f"{at}: not all processes were there within {given.timeout} s; start them all, process "
            "0 at that address, or raise config.distributed.timeout"
        )
    if failed:
        raise UserError(
            f"{at}: cannot connect to the other processes ({failed[0]}); "
            "give HOST:PORT of process 0"
        )


def _check_alike(config: ml_collections.ConfigDict) -> None:
    """Checks that the processes have equally many devices, one version and one configuration."""
    if jax.device_count() != jax.process_count() * jax.local_device_count():
        raise UserError(
            f"config.distributed: process {jax.process_index()} has {jax.local_device_count()} of "
            f"{jax.device_count()} devices; give each of {jax.process_count()} equally many"
        )
    version = f"emoasr {emoasr.__version__}, JAX {jax.__version__}"
    values = {f"config.{name}": str(value) for name, value in configurations.leaves(config).items()
              if not name.startswith("distributed.")}  # fmt: skip
    multihost.agree({"version": version, **values}, "install and give the same everywhere")


@contextlib.contextmanager
def _lost_process_in_a_line() -> Iterator[None]:
    """Says in a line that another process does not answer any more."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # JAX's are either
        if not any(name in str(error) for name in _LOST):
            raise
        raise UserError(
            f"process {jax.process_index()}: another process of this job has ended; see what it "
            "said, and start all with the same --workdir again: the last checkpoint is kept"
        ) from None


def _leave_alone(status: int, pause: float) -> None:
    """Ends this process without the others: JAX waits for them, who may wait for this one.

    Args:
        status: of the exit.
        pause: seconds before it, at the interpreter's end.
    """

    def leave() -> None:
        sys.stdout.flush()
        sys.stderr.flush()
        time.sleep(pause)
        os._exit(status)

    atexit.register(leave)  # runs before JAX's own
    # threads may not end before: one that saves a checkpoint waits for the others
    timer = threading.Timer(_PATIENCE, os._exit, [status])
    timer.daemon = True
    timer.start()
