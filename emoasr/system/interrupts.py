"""Ctrl-C and SIGTERM: a command stops in good order at any moment.

The first signal raises KeyboardInterrupt in the main thread, so that finished work is written; in a
`deferred` block it waits until the block has finished its current step, and while a C extension is
imported it waits too: half initialized, some crash the process. Libraries may swallow the exception
(in destructors, callbacks, imports): it is raised again until the command unwinds. A second signal,
or a command that does not end in time, ends the process at once, as a kill would; nothing that is
on disk is lost. The status is 130, or 143 after SIGTERM.

Nothing heavy is imported here: Ctrl-C must work before anything else is imported.
"""

import atexit
import contextlib
import functools
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import ExtensionFileLoader
from types import FrameType, TracebackType
from typing import Any

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_REMINDER = getattr(signal, "SIGALRM", None)  # Windows has none: what is swallowed there stays so
_AGAIN = 0.25  # seconds after which what was swallowed is raised again
_ONE_PRESS = 1.0  # seconds: a launcher and the terminal may both send the signal of one Ctrl-C
_GRACE = 30.0  # seconds that unwinding may take
_WAIT = b"\nsaving finished work; press Ctrl-C again to stop at once\n"  # on a terminal
_STOPPED = "stopped; the same command continues"
_EXTENSION = (ExtensionFileLoader.create_module.__code__, ExtensionFileLoader.exec_module.__code__)
_ending = threading.RLock()  # never released: whoever comes second waits for the end


class Listener:
    """The signals received since a command or a block began; true once there was one."""

    def __init__(self, is_watched: bool):
        self.signum = 0
        self.is_deferring = False
        self.wake: Callable[[], object] = lambda: None
        self._is_watched = is_watched
        self._asked_at = 0.0

    def __bool__(self) -> bool:
        return bool(self.signum)

    def hear(self, signum: int, frame: FrameType | None) -> None:
        """The signals' handler."""
        now, first = time.monotonic(), not self.signum
        if first:
            self.signum, self._asked_at = signum, now
            self.wake()
        if first and (self.is_deferring or _in_extension(frame)):
            return
        if not first and self._is_watched:
            if now - self._asked_at > _ONE_PRESS:
                _end_process(self.signum)
            return
        raise KeyboardInterrupt

    def remind(self, signum: int, frame: FrameType | None) -> None:
        """Raises a swallowed interrupt again, unless an exception is being handled.

        That may be what the interrupt has become: the command is unwinding and writes its work.
        """
        del signum
        if not self.signum or self.is_deferring or sys.exception() is not None:
            return
        if not _in_extension(frame):
            raise KeyboardInterrupt


def _in_extension(frame: FrameType | None) -> bool:
    """Whether a C extension is being imported, perhaps by way of Python code that it runs."""
    while frame is not None and frame.f_code not in _EXTENSION:
        frame = frame.f_back
    return frame is not None and _REMINDER is not None  # else nothing would raise it later


_listener: Listener | None = None  # of the command at work in this process
_prepared = contextlib.ExitStack()  # what ends with the command


def prepare() -> None:
    """For the first line of a program that runs a command, so that its imports are covered too.

    The handlers last until the first command ends. An exception hook remains: an uncaught interrupt
    ends the process with one line. Programs that run commands within themselves (notebooks, tests)
    catch it, as always.
    """
    before = sys.excepthook
    if getattr(before, "func", None) is not _uncaught:  # first: a signal may come within this call
        sys.excepthook = functools.partial(_uncaught, before)
    if _listener is None:
        _prepared.enter_context(_listening())


@contextlib.contextmanager
def handled() -> Iterator[None]:
    """Around all that a command does: handles signals.

    Raises:
        KeyboardInterrupt: a signal came, whatever exception it became within. Uncaught, it ends
            the process with one line: native threads that still run (JAX, grain, Orbax) would
            crash the interpreter's own exit.
    """
    with contextlib.ExitStack() as stack:
        if _listener is None:
            prepare()
        stack.push(_prepared.pop_all())
        listener = _listener
        try:
            yield
        except BaseException as error:
            if not (listener or isinstance(error, KeyboardInterrupt)):
                raise
            signum = listener.signum if listener else 0
            raise KeyboardInterrupt(signum or signal.SIGINT) from None
        atexit.unregister(_ignore)
        atexit.register(_ignore)  # runs before libraries' own exit functions: the command is done


@contextlib.contextmanager
def deferred() -> Iterator[Listener]:
    """A block that is not interrupted: it checks the yielded object, and ends once that is true.

    It also works without `handled`, as in a notebook, where a second signal interrupts it.

    Raises:
        KeyboardInterrupt: at the end of a block, if a signal came.
    """
    with contextlib.ExitStack() as stack:
        listener = _listener
        if listener is None:
            listener = Listener(is_watched=False)
            stack.enter_context(_handlers({signal.SIGINT: listener.hear}))
            stack.enter_context(_at_work(listener))
        outer, listener.is_deferring = listener.is_deferring, True
        try:
            yield listener
        finally:
            listener.is_deferring = outer
    if listener and not outer:
        raise KeyboardInterrupt


@contextlib.contextmanager
def kept_from_libraries() -> Iterator[None]:
    """Handlers that a library sets in the block are taken back at its end.

    Ray's of SIGTERM would end a command in another way, and forked processes never.
    """
    before: dict[int, Any] = {signum: signal.getsignal(signum) for signum in _SIGNALS}
    try:
        yield
    finally:
        if threading.current_thread() is threading.main_thread():
            _set(before)


@contextlib.contextmanager
def kept_from_children() -> Iterator[None]:
    """Processes that are started in the block ignore Ctrl-C; this process ends them.

    A terminal sends it to all of them, also during their imports.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # its start, before Python 3.14, would unblock the signal
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # children inherit this
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextlib.contextmanager
def _listening() -> Iterator[Listener]:
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
        # the system's own call; but event loops set another one for their time
        before = signal.set_wakeup_fd(theirs.fileno(), warn_on_full_buffer=False)
        listener.wake = lambda: theirs.send(b"\0")
        threading.Thread(target=_watch, args=(listener, ours), daemon=True).start()
        with theirs, _at_work(listener):  # closed, it ends the watching
            try:
                yield listener
            finally:
                signal.set_wakeup_fd(before)


@contextlib.contextmanager
def _at_work(listener: Listener) -> Iterator[None]:
    global _listener
    _listener = listener
    try:
        yield
    finally:
        _listener = None


@contextlib.contextmanager
def _handlers(handlers: dict[int, Any]) -> Iterator[bool]:
    """Sets handlers until the end of the block; yields False where not in the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield False
        return
    # ignored signals stay ignored: a shell's background jobs do not get the foreground's Ctrl-C
    heard = [s for s in handlers if signal.getsignal(s) is not signal.SIG_IGN]
    before = {signum: signal.signal(signum, handlers[signum]) for signum in heard}
    try:
        yield True
    finally:
        _set(before)


def _set(handlers: Mapping[int, Any]) -> None:
    for signum, handler in handlers.items():
        signal.signal(signum, signal.SIG_DFL if handler is None else handler)


@contextlib.contextmanager
def _silent_about_interrupts(listener: Listener) -> Iterator[None]:
    """No tracebacks of what an interrupt does to destructors and other threads."""
    unraisable, in_thread = sys.unraisablehook, threading.excepthook

    def report_unraisable(error: Any) -> None:
        if not listener:
            unraisable(error)

    def report_in_thread(error: Any) -> None:
        if not listener:
            in_thread(error)

    sys.unraisablehook, threading.excepthook = report_unraisable, report_in_thread
    try:
        yield
    finally:
        sys.unraisablehook, threading.excepthook = unraisable, in_thread


def _watch(listener: Listener, signals: socket.socket) -> None:
    """Sees every signal, whatever the main thread does: reminds it, or ends the process."""
    asked_at = deadline = 0.0
    is_waiting = False  # whether the terminal says so
    with signals:
        while True:
            signals.settimeout(_AGAIN if asked_at else None)
            try:
                heard = signals.recv(64)
            except TimeoutError:
                heard = None
            now = time.monotonic()
            if heard == b"":
                return
            if heard:
                if set(heard) & set(_SIGNALS) and asked_at and now - asked_at > _ONE_PRESS:
                    _end_process(listener.signum or signal.SIGINT)
                asked_at, deadline = asked_at or now, deadline or now + _GRACE
            elif listener.is_deferring:
                if now - asked_at > _ONE_PRESS and not is_waiting and os.isatty(2):
                    is_waiting = bool(os.write(2, _WAIT))
                deadline = now + _GRACE
            elif now > deadline:
                _end_process(listener.signum)
            elif _REMINDER is not None:
                signal.pthread_kill(threading.main_thread().ident or 0, _REMINDER)


def _ignore() -> None:
    for signum in _SIGNALS:
        signal.signal(signum, signal.SIG_IGN)


def _uncaught(
    before: Any, kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """An exception that has left the main program."""
    interrupted = _listener or isinstance(error, KeyboardInterrupt)
    if not interrupted or hasattr(sys, "ps1"):  # a prompt goes on
        before(kind, error, trace)
        return
    _ignore()
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, RuntimeError, AttributeError):
            stream.flush()
    signum = error.args[0] if isinstance(error, KeyboardInterrupt) and error.args else 0
    _end_process(signum or (_listener.signum if _listener else signal.SIGINT))


def _end_process(signum: int) -> None:
    """Ends this process and its children, without Python's own exit."""
    _ending.acquire()
    bars = getattr(getattr(sys.modules.get("tqdm"), "tqdm", None), "_instances", ())
    with contextlib.suppress(OSError):
        # the terminal has written ^C; a progress bar's line is open
        os.write(2, f"{chr(10) if bars or os.isatty(2) else ''}{_STOPPED}\n".encode())
    if "multiprocessing.util" in sys.modules:
        from multiprocessing import active_children, util

        for child in active_children():
            child.kill()
        util._run_finalizers(0)  # type: ignore[attr-defined]  # else its tracker reports leaks
    os._exit(128 + signum)
