"""Several processes that work on one training: how they meet, agree, tell errors, and part.

Process 0 writes and prints for all. All take part in every step, so that one that is lost ends the
others too; the same commands then continue from the last checkpoint.
"""

import atexit
import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, TypeVar

import jax
import ml_collections
import numpy as np
from jax.experimental import multihost_utils

import emoasr
from emoasr.errors import UserError, one_line
from emoasr.settings import bounds
from emoasr.training import rendezvous

T = TypeVar("T")

_TEXT_BYTES = 1024  # of what processes tell each other
_LAST_WORDS = 2.0  # seconds for the others to tell why they stop: without process 0 JAX aborts them
_PATIENCE = 5.0  # seconds that this process's own threads have to end
_LOST = ("Gloo", "NCCL", "RCCL", "CoordinationService")  # in JAX's errors where another is gone


class _Farewell:
    """How this process ends: JAX's own way is to wait for the others, who may wait for this one.

    Attributes:
        status: leave without them, with this status; None: all come to their end together.
        pause: seconds before leaving.
    """

    status: int | None = None
    pause = 0.0

    def __call__(self) -> None:
        """Leaves, at the interpreter's end."""
        if self.status is not None:
            sys.stdout.flush()
            sys.stderr.flush()
            time.sleep(self.pause)
            os._exit(self.status)

    def soon(self) -> None:
        """Leaves though threads may not end: one that saves a checkpoint waits for the others."""
        if self.status is not None:
            leaving = threading.Timer(_PATIENCE, os._exit, [self.status])
            leaving.daemon = True
            leaving.start()


_farewell = _Farewell()


def start(config: ml_collections.ConfigDict) -> str:
    """Joins the other processes, if `config.distributed` says that there are any.

    To be called before JAX computes anything.

    Args:
        config: a training's; `distributed` says where process 0 is, and which this one is.

    Returns:
        What sets this process apart in a workdir that all use: empty for the first.

    Raises:
        UserError: a number is out of bounds; the others are not there in time, or have another
            version or configuration.
    """
    bounds.check(config)
    given = config.distributed
    if not given.coordinator:
        return ""
    place = rendezvous.place(given)
    atexit.register(_farewell)  # runs before JAX's own
    _farewell.status = 1
    jax.config.update("jax_enable_preemption_service", False)  # with it SIGTERM ends nothing
    rendezvous.meet(given, place)
    _farewell.pause = _LAST_WORDS if is_first() else 0.0
    if jax.device_count() != jax.process_count() * jax.local_device_count():
        raise UserError(
            f"config.distributed: process {jax.process_index()} has {jax.local_device_count()} of "
            f"{jax.device_count()} devices; give each of {jax.process_count()} equally many"
        )
    with _loss_told():
        versions = f"emoasr {emoasr.__version__}, JAX {jax.__version__}"
        agree("version", versions, "install the same everywhere")
        settings = _flat(config)
        agree("--config", " ".join(settings), "give all processes the same")
        for field, value in settings.items():
            agree(field, str(value), "give all processes the same")
    return f"process-{jax.process_index()}" if jax.process_index() else ""


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


@contextlib.contextmanager
def job() -> Iterator[None]:
    """Around all that the processes do: the first alone prints; an error in one ends all.

    Raises:
        UserError: another process has ended.
    """
    with contextlib.ExitStack() as stack:
        stack.enter_context(_loss_told())
        if not is_first():
            nowhere = stack.enter_context(Path(os.devnull).open("w"))
            stack.enter_context(contextlib.redirect_stdout(nowhere))
        try:
            yield
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt) and _farewell.status:
                _farewell.status = 130
                time.sleep(_farewell.pause)  # the command ends the process without Python's end
            _farewell.soon()
            raise
        _farewell.status = None


@contextlib.contextmanager
def together() -> Iterator[None]:
    """Around what each process does by itself: all wait for all, and tell an error in any of them.

    Raises:
        UserError: of another process.
    """
    own: Exception | None = None
    try:
        yield
    except Exception as error:  # noqa: BLE001  whatever it is, the others must not wait
        own = error
    told = _exchange(one_line(own) if own else "")
    if any(told):
        _farewell.status = None
    if own:
        raise own
    for process, text in enumerate(told):
        if text:
            raise UserError(f"process {process}: {text}")


def any_asks(own: object, together: bool) -> bool:
    """Whether any process of several asks for an end; one alone need not be `together` with others.

    Args:
        own: whether this process does.
        together: whether all come here at this step; several processes are asked then only.
    """
    if jax.process_count() == 1:
        return bool(own)
    return together and any(_exchange("stop" if own else ""))


def first_alone(action: Callable[[], T]) -> T:
    """What `action` gives; the other processes do it after the first, and find the files it made.

    Raises:
        UserError: as `together`.
    """
    found = []
    for first in (True, False):
        with together():
            if is_first() == first:
                found.append(action())
    return found[0]


def agree(what: str, value: str, remedy: str) -> None:
    """Sees that all processes have the same.

    Args:
        what: a name for the value.
        value: this process's.
        remedy: what to do where it differs.

    Raises:
        UserError: in all processes; it names one that differs.
    """
    told = _exchange(value)
    for process, other in enumerate(told):
        if other != told[0]:
            _farewell.status = None
            raise UserError(
                f"{what}: process {process} has {other!r}, process 0 {told[0]!r}; {remedy}"
            )


def _exchange(text: str) -> list[str]:
    """The texts of all processes."""
    if jax.process_count() == 1:
        return [text]
    own = text.encode(errors="backslashreplace")[:_TEXT_BYTES].ljust(_TEXT_BYTES, b"\0")
    told = multihost_utils.process_allgather(np.frombuffer(own, np.uint8))
    return [bytes(row).rstrip(b"\0").decode(errors="ignore") for row in told]


@contextlib.contextmanager
def _loss_told() -> Iterator[None]:
    """Tells in a line that another process does not answer any more."""
    try:
        yield
    except (RuntimeError, ValueError) as error:  # JAX's are either
        if jax.process_count() == 1 or not any(name in str(error) for name in _LOST):
            raise
        raise UserError(
            f"process {jax.process_index()}: another process of this job has ended; see what it "
            "said, and start all with the same --workdir again: the last checkpoint is kept"
        ) from None


def _flat(config: Mapping[str, Any], name: str = "config") -> dict[str, Any]:
    """The fields that must be the same everywhere, by their flags' names."""
    fields: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping | ml_collections.ConfigDict):
            fields |= _flat(value, f"{name}.{key}") if key != "distributed" else {}
        else:
            fields[f"{name}.{key}"] = value
    return fields
