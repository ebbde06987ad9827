"""Several processes that work on one training: how they wait, agree and share errors."""

import contextlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils

from emoasr.errors import UserError, one_line

EVERYWHERE = "all processes of this job end with this error"


def is_first() -> bool:
    """Whether this process is the one that writes."""
    return jax.process_index() == 0


@contextlib.contextmanager
def barrier() -> Iterator[None]:
    """Around what each process does by itself: all wait for each other, and raise any one's error.

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
        own.add_note(EVERYWHERE)
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
    error.add_note(EVERYWHERE)
    raise error
