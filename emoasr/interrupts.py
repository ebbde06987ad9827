"""Ctrl-C and SIGTERM: a command stops in good order, whatever it is at.

The first signal raises KeyboardInterrupt in the main thread, so that what is done gets written; in
a `deferred` block it waits until the block has finished what it is at. Libraries may swallow the
exception (in destructors, callbacks, imports of C extensions): it is raised again until the command
unwinds. A second signal, or a command that does not come to its end, ends the process at once, as
a kill would; that loses nothing that is on disk. The status is 130, or 143 after SIGTERM.

Nothing heavy is imported here: Ctrl-C must be heard before anything else is imported.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REMINDER = getattr(signal, "SIGALRM", None)  # Windows has none: what is swallowed there stays so
_AGAIN = 0.25  # seconds after which what was swallowed is raised again
_ONE_PRESS = 1.0  # seconds: a launcher and the terminal may both send the signal of one Ctrl-C
_GRACE = 30.0  # seconds that unwinding may take
_TOLD = "stopped; the same command continues"


class Listener:
    """What signals have asked for, since a command or a block began to listen.

    True once the user wants an end.
    """

    def __init__(self, is_watched: bool):
        self.signum = 0
        self.is_deferring = False
        self._is_watched = is_watched

    def __bool__(self) -> bool:
        return bool(self.signum)

    def hear(self, signum: int, frame: FrameType | None) -> None:
        """The signals' handler."""
        del frame
        first, self.signum = not self.signum, self.signum or signum
        # a second one is the watching thread's: the main thread may be deep in native code
        if (first and self.is_deferring) or (not first and self._is_watched):
            return
        raise KeyboardInterrupt

    def remind(self, signum: int, frame: FrameType | None) -> None:
        """Raises again what was swallowed, unless the command is unwinding."""
        del signum, frame
        error = sys.exception()
        while error is not None and not isinstance(error, KeyboardInterrupt):
            error = error.__context__
        if self.signum and error is None and not self.is_deferring:
            raise KeyboardInterrupt


_listener: Listener | None = None  # of the command at work in this process


def prepare() -> None:
    """For the first line of a program: an interrupt that nobody catches ends it with one line.

    An exception hook and no handler, so that programs that run commands within themselves
    (notebooks, tests) catch KeyboardInterrupt as always.
    """
    before = sys.excepthook
    if getattr(before, "func", None) is _uncaught:
        return
    from functools import partial

    sys.excepthook = partial(_uncaught, before)


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Around all that a command does, its imports first: how it stops at a signal.

    Raises:
        KeyboardInterrupt: a signal came, whatever was made of it within; ends the process if
            nobody catches it, with one line. Native threads that are still at work (JAX, grain,
            Orbax) would crash the interpreter's own end.
    """
    prepare()
    with contextlib.ExitStack() as stack:
        listener = _listener or stack.enter_context(_listening())
        try:
            yield
        except BaseException as error:
            if not (listener or isinstance(error, KeyboardInterrupt)):
                raise
            raise KeyboardInterrupt(listener.signum or signal.SIGINT) from None


@contextlib.contextmanager
def deferred() -> Iterator[Listener]:
    """A block that is not interrupted: it asks what it is given, and ends itself when that is true.

    Works without `handled` too, in a notebook for instance, where a second signal interrupts.

    Raises:
        KeyboardInterrupt: at the end of a block, if a signal came.
    """
    with contextlib.ExitStack() as stack:
        listener = _listener
        if listener is None:
            listener = Listener(is_watched=False)
            stack.enter_context(_handlers({signal.SIGINT: listener.hear}))
        listener.is_deferring = True
        try:
            yield listener
        finally:
            listener.is_deferring = False
    if listener:
        raise KeyboardInterrupt


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """Processes that are started in the block do not hear Ctrl-C: this one ends them.

    A terminal sends it to all of them, in the middle of their imports too.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its start would unblock
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit this
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _listening() -> Iterator[Listener]:
    global _listener
    listener = Listener(is_watched=True)
    handlers: dict[int, Any] = dict.fromkeys(_SIGNALS, listener.hear)
    if _REMINDER is not None:
        handlers[_REMINDER] = listener.remind
    with _handlers(handlers) as there, _silent_about_interrupts(listener):
        if not there:
            yield listener
            return
        ours, theirs = socket.socketpair()
        theirs.setblocking(False)
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        threading.Thread(target=_watch, args=(listener, ours), daemon=True).start()
        _listener = listener
        try:
            yield listener
        finally:
            _listener = None
            signal.set_wakeup_fd(before)
            theirs.close()  # ends the watching


@contextlib.contextmanager
def _handlers(handlers: dict[int, Any]) -> Iterator[bool]:
    """Sets handlers, and those there were again at the end; only the main thread may: false."""
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    # what is ignored stays so: a shell's background jobs do not hear the Ctrl-C of the foreground
    heard = [s for s in handlers if signal.getsignal(s) is not signal.SIG_IGN]
    before = {signum: signal.signal(signum, handlers[signum]) for signum in heard}
    try:
        yield True
    finally:
        for signum, handler in before.items():
            signal.signal(signum, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def _silent_about_interrupts(listener: Listener) -> Iterator[None]:
    """No tracebacks of what an interrupt does to destructors and other threads."""
    unraisable, in_thread = sys.unraisablehook, threading.excepthook

    def tell_unraisable(told: Any) -> None:
        if not listener:
            unraisable(told)

    def tell_in_thread(told: Any) -> None:
        if not listener:
            in_thread(told)

    sys.unraisablehook, threading.excepthook = tell_unraisable, tell_in_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = unraisable, in_thread


def _watch(listener: Listener, signals: socket.socket) -> None:
    """Sees every signal, whatever the main thread is at: reminds it, or ends the process."""
    asked_at = deadline = None
    with signals:
        while True:
            signals.settimeout(_AGAIN if asked_at else None)
            try:
                heard = set(signals.recv(64))
            except TimeoutError:
                heard = None
            now = time.monotonic()
            if heard == set():
                return
            if heard and heard & set(_SIGNALS):
                if asked_at and now - asked_at > _ONE_PRESS:
                    _end_process(listener.signum or min(heard))
                asked_at, deadline = asked_at or now, deadline or now + _GRACE
            elif listener.is_deferring:
                deadline = now + _GRACE
            elif deadline and now > deadline:
                _end_process(listener.signum)
            elif asked_at and heard is None and _REMINDER is not None:
                signal.pthread_kill(threading.main_thread().ident or 0, _REMINDER)


def _uncaught(
    before: Any, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """An exception that has left the main program."""
    if not isinstance(error, KeyboardInterrupt) or hasattr(sys, "ps1"):  # a prompt goes on
        before(kind, error, trace)
        return
    for signum in _SIGNALS:
        signal.signal(signum, signal.SIG_IGN)
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            stream.flush()
    _end_process(error.args[0] if error.args else signal.SIGINT)


def _end_process(signum: int) -> None:
    """Ends this process and those it started, without what Python would do at its end."""
    bars = getattr(getattr(sys.modules.get("tqdm"), "tqdm", None), "_instances", ())
    with contextlib.suppress(OSError):
        # the terminal has written ^C; a progress bar's line is open
        os.write(2, f"{chr(10) if bars or os.isatty(2) else ''}{_TOLD}\n".encode())
    if "multiprocessing.process" in sys.modules:
        from multiprocessing.process import active_children

        for child in active_children():
            child.kill()
    os._exit(128 + signum)
