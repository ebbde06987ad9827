"""Several processes that work on one training: how they connect, agree, share errors, and end.

Process 0 writes and prints for all. All take part in every step, so that one that is lost ends the
others too; the same commands then continue from the last checkpoint.
"""

import atexit
import contextlib
import json
import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
from jax.experimental import multihost_utils

import emoasr
from emoasr.errors import UserError, one_line
from emoasr.settings import fields
from emoasr.training import rendezvous

_LAST_WORDS = 2.0  # seconds for the others to say why they stop: without process 0 JAX aborts them
_PATIENCE = 5.0  # seconds that this process's own threads have to end
_LOST = ("Gloo", "NCCL", "RCCL", "CoordinationService")  # in JAX's errors where another is gone
_EVERYWHERE = "all processes of this job end with this error"


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
    rendezvous.check_address(config.distributed)
    pause = 0.0
    try:
        rendezvous.connect(config.distributed)
        pause = _LAST_WORDS if is_first() else 0.0
        with _lost_process_in_a_line():
            _check_alike(config)
            with (
                Path(os.devnull).open("w") as nowhere,
                contextlib.redirect_stdout(sys.stdout if is_first() else nowhere),
            ):
                yield
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            time.sleep(pause)  # the command ends the process without Python's end
        if _EVERYWHERE not in getattr(error, "__notes__", ()):
            _leave_alone(130 if isinstance(error, KeyboardInterrupt) else 1, pause)
        raise


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


@contextlib.contextmanager
def barrier() -> Iterator[None]:
    """Around what each process does by itself: all wait for all, and raise an error of any of them.

    Raises:
        UserError: of another process.
    """
    own: Exception | None = None
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is, the others must not wait
        own = error
    errors = _gather(one_line(own) if own else None)
    if own:
        own.add_note(_EVERYWHERE)
        raise own
    for process, text in enumerate(errors):
        if text is not None:
            _raise_everywhere(f"process {process}: {text}")


@contextlib.contextmanager
def process_0_first() -> Iterator[None]:
    """Around what process 0 does before the others, which then find the files that it made.

    Raises:
        UserError: as `barrier`.
    """
    if not is_first():
        with barrier():
            pass  # process 0 is at it
    with barrier():
        yield
    if is_first():
        with barrier():
            pass  # the others are


def agree(values: Mapping[str, str], remedy: str) -> None:
    """Checks that all processes have the same values.

    Args:
        values: this process's, by name.
        remedy: what to do where they differ.

    Raises:
        UserError: in all processes; it names the first value that differs.
    """
    first, *others = _gather(dict(values))
    for process, other in enumerate(others, 1):
        for name in first | other:
            mine, theirs = first.get(name), other.get(name)
            if mine != theirs:
                _raise_everywhere(
                    f"{name}: process {process} has {theirs!r}, process 0 {mine!r}; {remedy}"
                )


def any_process(value: bool) -> bool:
    """Whether it is true in any process."""
    return any(_gather(value))


def _gather(value: Any) -> list[Any]:
    """The values of all processes, in order; JSON must be able to hold them."""
    if jax.process_count() == 1:
        return [value]
    own = np.frombuffer(json.dumps(value).encode(), np.uint8)
    longest = int(multihost_utils.process_allgather(np.int32(len(own))).max())
    padded = np.pad(own, (0, longest - len(own)), constant_values=ord(" "))  # JSON ignores it
    return [json.loads(bytes(row)) for row in multihost_utils.process_allgather(padded)]


def _raise_everywhere(text: str) -> None:
    """Raises an error that all processes raise: no process waits for another then."""
    error = UserError(text)
    error.add_note(_EVERYWHERE)
    raise error


def _check_alike(config: ml_collections.ConfigDict) -> None:
    """Checks that the processes have equally many devices, one version and one configuration."""
    if jax.device_count() != jax.process_count() * jax.local_device_count():
        raise UserError(
            f"config.distributed: process {jax.process_index()} has {jax.local_device_count()} of "
            f"{jax.device_count()} devices; give each of {jax.process_count()} equally many"
        )
    version = f"emoasr {emoasr.__version__}, JAX {jax.__version__}"
    values = {f"config.{name}": str(value) for name, value in fields.leaves(config).items()
              if not name.startswith("distributed.")}  # fmt: skip
    agree({"version": version, **values}, "install and give the same everywhere")


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
