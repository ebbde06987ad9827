"""A command's output: in any encoding, to a reader that may close the pipe."""

import contextlib
import contextvars
import math
import os
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from emoasr.errors import UserError, one_line

UNDEFINED = "–"

_FEW = 3  # names in a line
_VERBOSE = contextvars.ContextVar("verbose", default=False)


def set_verbose(on: bool) -> None:
    """Says whether `detail` prints, until the command ends."""
    _VERBOSE.set(on)


def detail(line: str) -> None:
    """Prints what few want to know: only with `--verbose`."""
    if _VERBOSE.get():
        print(line)


def few(names: Sequence[str]) -> str:
    """`: a, b` to add to a line about things of which there are few; nothing if there are more."""
    return f": {', '.join(map(one_line, names))}" if len(names) <= _FEW else ""


def counted(n: int, noun: str) -> str:
    """So many of something, as `1 fold` or `2 folds`, `0 classes` or `3 entries`."""
    if n != 1:
        noun = re.sub(r"(?<![aeiou])y$", "ie", noun) + ("es" if noun.endswith("s") else "s")
    return f"{n} {noun}"


def number(value: float | None) -> str:
    """Three decimals and no zero before the point, as .259; `UNDEFINED` for None."""
    if value is None or not math.isfinite(value):
        return UNDEFINED
    text = f"{value:,.3f}" if abs(value) < 1000 else f"{value:,.0f}"
    text = re.sub(r"^(-?)0\.", r"\1.", text)
    return "." + "0" * 3 if text == "-.000" else text.replace("-", "−")


@contextlib.contextmanager
def any_reader(goes_on: bool) -> Iterator[None]:
    """Around a command: its streams take any text, and their readers may close them.

    Args:
        goes_on: whether the work continues when its output is no longer read (`| head -1`); else it
            ends there, without a message.

    Raises:
        UserError: the output cannot be written, as on a full disk.
    """
    with contextlib.ExitStack() as stack:
        stack.callback(set_verbose, False)
        stack.enter_context(contextlib.suppress(_UnreadError))
        for stream, redirect in (
            (sys.stdout, contextlib.redirect_stdout),
            (sys.stderr, contextlib.redirect_stderr),
        ):
            if stream is not None:  # the shell closed it
                stack.enter_context(_any_encoding(stream))
                output: Any = _Output(stream, goes_on)
                stack.enter_context(redirect(output))
                stack.callback(output.flush)
        yield


@contextlib.contextmanager
def _any_encoding(stream: Any) -> Iterator[None]:
    """Characters that a stream's encoding lacks are escaped instead of raising an error."""
    if not hasattr(stream, "reconfigure"):  # a notebook's stream takes any text
        yield
        return
    before = stream.errors
    stream.reconfigure(errors="backslashreplace")
    try:
        yield
    finally:
        stream.reconfigure(errors=before)


class _UnreadError(Exception):
    """Nobody reads the output any more."""


class _Output:
    """A stream whose reader may close it (`| head -1`), or whose disk may be full."""

    def __init__(self, stream: Any, goes_on: bool):
        self._stream, self._goes_on, self._lost = stream, goes_on, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        self._try(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        self._try(self._stream.flush)

    def _try(self, action: Callable[[], object]) -> None:
        try:
            if not self._lost:
                action()
        except OSError as error:
            self._lost = True
            with contextlib.suppress(OSError, ValueError):  # else Python reports it at its exit
                os.dup2(os.open(os.devnull, os.O_WRONLY), self._stream.fileno())
            if not isinstance(error, BrokenPipeError):
                raise UserError(
                    f"the output cannot be written ({error.strerror}); redirect it elsewhere"
                ) from None
            if not self._goes_on:
                raise _UnreadError from None
