import contextlib
import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import jax
import made_training
import numpy as np
import pytest
from made_extraction import record, settings

from emoasr import extract, pretrain
from emoasr.extraction import row_store
from emoasr.system import interrupts, processes
from emoasr.training import checkpoints, loop, metrics, scoring, sharding

MESSAGE = "stopped; the same command continues"
pytestmark = pytest.mark.usefixtures("quick_compilation")


def strike():
    signal.raise_signal(signal.SIGINT)


class Struck:
    def __del__(self):
        strike()


def in_a_destructor():
    Struck()  # Python swallows what is raised there


def in_a_collection():
    def struck(phase, _):
        if phase == "start":
            strike()

    gc.callbacks.append(struck)
    try:
        gc.collect()
    finally:
        gc.callbacks.remove(struck)


def in_an_import(tmp_path):
    (tmp_path / "struck_in_import.py").write_text(
        "import signal\n"
        "try:\n    signal.raise_signal(signal.SIGINT)\n"
        "except KeyboardInterrupt:\n    raise ImportError('cannot be initialized') from None\n"
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(tmp_path)
        __import__("struck_in_import")


def in_a_device_callback():
    def struck(x):
        strike()
        return x

    shape = jax.ShapeDtypeStruct((), np.float32)
    jax.jit(lambda x: jax.pure_callback(struck, shape, x))(np.float32(1)).block_until_ready()


def in_a_callback_on_another_thread():
    thread = threading.Thread(target=strike)
    thread.start()
    thread.join()


def where_all_is_caught():
    with contextlib.suppress(BaseException):
        strike()


def where_errors_are_translated():
    try:
        strike()
    except BaseException as error:
        raise ValueError("something went wrong") from error


KINDS = [
    strike, in_a_destructor, in_a_collection, in_an_import, in_a_device_callback,
    in_a_callback_on_another_thread, where_all_is_caught, where_errors_are_translated,
]  # fmt: skip


@pytest.fixture(autouse=True)
def a_terminal():
    """As in a terminal's foreground: what shells start in the background ignores Ctrl-C."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture(autouse=True)
def nothing_is_left_behind(a_terminal):
    """Handlers and hooks of the program that runs a command are as they were."""

    def there():
        signals = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)
        hooks = sys.unraisablehook, threading.excepthook
        return [signal.getsignal(s) for s in signals], hooks, signal.pthread_sigmask(0, ())

    before, hook = there(), sys.excepthook
    yield
    assert there() == before
    sys.excepthook = hook


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_wherever_a_signal_comes_the_command_ends_in_an_interrupt(kind, tmp_path, capfd):
    cleaned = []
    with pytest.raises(KeyboardInterrupt), interrupts.handled():
        try:
            kind(*[tmp_path] * kind.__code__.co_argcount)
            while True:  # what was swallowed comes again
                time.sleep(0.01)
        finally:
            time.sleep(0.6)  # and does not come again meanwhile
            cleaned.append(True)
    assert cleaned
    assert "Traceback" not in capfd.readouterr().err or kind is in_a_device_callback  # JAX's log


@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_the_interrupt_says_which_signal_it_was(signum):
    with pytest.raises(KeyboardInterrupt) as output, interrupts.handled(), interrupts.handled():
        signal.raise_signal(signum)
    assert output.value.args == (signum,)


def test_without_a_signal_errors_are_what_they_are():
    with pytest.raises(ValueError, match="mine"), interrupts.handled():
        raise ValueError("mine")
    with interrupts.handled(), interrupts.deferred() as stop:
        assert not stop


def test_what_is_ignored_stays_ignored():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interrupts.handled():
            strike()
    finally:
        signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("around", [contextlib.nullcontext, interrupts.handled])
def test_a_deferred_block_finishes_what_it_is_at(around):
    done = []
    with pytest.raises(KeyboardInterrupt), around():
        with interrupts.deferred() as stop:
            while not stop:
                strike()
                time.sleep(0.6)
                done.append("step")
            done.append("saved")
        done.append("gone on")
    assert done == ["step", "saved"]


def test_in_a_notebook_a_second_signal_interrupts_at_once():
    with pytest.raises(KeyboardInterrupt), interrupts.deferred():
        strike()
        strike()
        pytest.fail("not interrupted")


def test_other_threads_than_the_main_one_can_run_what_defers():
    asked = []

    def run():
        with interrupts.handled(), interrupts.deferred() as stop:
            asked.append(bool(stop))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert asked == [False]


def once(monkeypatch, owner, name, after=0):
    """Lets a signal come in the midst of a call of a function, once, after some calls of it."""
    function, calls = getattr(owner, name), []

    def struck(*args, **options):
        calls.append(name)
        if len(calls) == after + 1:
            strike()
        return function(*args, **options)

    monkeypatch.setattr(owner, name, struck)


STRIKES = {  # where in a training, and after which call
    "before there is a state": (loop, "create", 0),
    "at a batch": (sharding, "spread", 1),
    "within metrics": (metrics.MetricsLog, "write", 0),
    "while saving": (checkpoints.TrainingCheckpoints, "save", 0),
    "within a validation": (scoring, "transcripts", 0),
    "while drawing": (metrics.MetricsLog, "draw", 0),
    "at the last step": (sharding, "spread", 0),
    "at the end": (loop, "_export", 0),
}


def test_a_training_stopped_wherever_it_was_ends_like_an_unbroken_one(
    speech, tmp_path, monkeypatch, capsys
):
    c = made_training.settings(
        speech, tmp_path / "data", log_every=3, eval_every=4, checkpoint_every=100
    )
    pretrain.main(c, tmp_path / "unbroken")
    for owner, name, after in STRIKES.values():
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            once(patch, owner, name, after)
            pretrain.main(c, tmp_path / "stopped")
    assert not (tmp_path / "stopped" / "pretrain" / "recognizer").exists()
    capsys.readouterr()
    pretrain.main(c, tmp_path / "stopped")
    assert "continuing after step 6 of 6" in capsys.readouterr().out
    expected = made_training.weights(tmp_path / "unbroken")
    for name, value in made_training.weights(tmp_path / "stopped").items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)
    assert made_training.rows(tmp_path / "stopped") == made_training.rows(tmp_path / "unbroken")


def test_a_stopped_training_has_done_its_step_and_saved_it(speech, tmp_path, monkeypatch, capsys):
    c = made_training.settings(speech, tmp_path / "data", checkpoint_every=100, log_every=100)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        once(patch, sharding, "spread", 2)
        pretrain.main(c, tmp_path / "run")
    pretrain.main(c, tmp_path / "run")
    assert "continuing after step 3 of 6" in capsys.readouterr().out


def test_rows_that_came_out_are_on_disk(speech, small_recognizer, tmp_path, monkeypatch, capsys):
    c = settings(speech, small_recognizer, batch_frames=1, feature_sets=("neural", "mfcc"))
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        once(patch, row_store.RowStore, "put", 8)  # two sets: four batches of one are kept
        extract.main(c, tmp_path)
    capsys.readouterr()
    extract.main(c, tmp_path)
    assert "neural: 4 of 12 rows are there already" in capsys.readouterr().out
    assert record(tmp_path)["used"] == 12


def end(process: subprocess.Popen) -> tuple[int, str, str]:
    out, err = process.communicate()
    return process.returncode, out, err


def start(*command: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, *command], cwd=Path(__file__).parents[2], start_new_session=True,
        text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        env=os.environ | {"PYTHONUNBUFFERED": ""},
    )  # fmt: skip


PROGRAM = """
import signal, sys, threading, time
from emoasr.system import interrupts
interrupts.prepare()
{early}
@interrupts.handled()
def main():
    threading.Thread(target=time.sleep, args=[9999]).start()  # Python's own end would wait for it
    print("kept", end="")
    {late}
main()
"""
AGAIN = (
    "with interrupts.deferred():\n"
    "        signal.raise_signal(signal.SIGINT); time.sleep(1.2)\n"
    "        signal.raise_signal(signal.SIGINT); time.sleep(9999)"
)


@pytest.mark.parametrize(
    ("early", "late", "status", "printed"),
    [
        ("signal.raise_signal(signal.SIGINT)", "", 130, ""),
        ("", "signal.raise_signal(signal.SIGINT)", 130, "kept"),
        ("", "signal.raise_signal(signal.SIGTERM)", 143, "kept"),
        ("", AGAIN, 130, ""),
    ],
    ids=["at imports", "Ctrl-C", "SIGTERM", "twice while a step never ends"],
)
def test_a_program_ends_with_one_line(early, late, status, printed):
    output = end(start("-c", PROGRAM.format(early=early, late=late)))
    assert output == (status, printed, f"{MESSAGE}\n")


def test_ctrl_c_while_the_handlers_are_being_set_is_one_line_too():
    code = """
import signal, threading
from emoasr.system import interrupts
class Thread(threading.Thread):
    def start(self):
        signal.raise_signal(signal.SIGINT)
threading.Thread = Thread
interrupts.prepare()
"""
    assert end(start("-c", code)) == (130, "", f"{MESSAGE}\n")


def test_the_import_of_an_extension_comes_to_its_end_first(tmp_path):
    """Interrupted in its midst, some crash the process later."""
    (tmp_path / "numbers.py").write_text(  # which the extension imports
        "import signal\nsignal.raise_signal(signal.SIGINT)\n"
        "class Number:\n    register = staticmethod(print)\n"
    )
    late = "import _decimal; time.sleep(9999)"
    code = PROGRAM.format(early=f"sys.path.insert(0, {str(tmp_path)!r})", late=late)
    status, printed, errors = end(start("-c", code))
    assert (status, errors) == (130, f"{MESSAGE}\n") and "decimal.Decimal" in printed  # registered


def blocked_signals(_) -> set[int]:
    return signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_helping_processes_do_not_hear_a_terminals_interrupt():
    (blocked,) = processes.results(blocked_signals, [None], 1)
    assert signal.SIGINT in blocked


def test_a_terminals_interrupt_leaves_no_process_of_opensmile(speech, tmp_path):
    pytest.importorskip("opensmile")
    flags = ("--config=folder", f"--config.corpus.path={speech}", f"--workdir={tmp_path / 'run'}",
             "--config.feature_sets=('egemaps',)", "--config.workers=2")  # fmt: skip
    process = start("-m", "emoasr.extract", *flags)
    while b"popen_loky" not in children(process.pid) and process.poll() is None:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # they are at their imports
    status, _, output = end(process)
    lines = [line for line in output.splitlines() if "egemaps:" not in line and line]
    assert (status, lines) == (130, [MESSAGE])
    with contextlib.suppress(ProcessLookupError):
        for _ in range(600):
            os.killpg(process.pid, 0)
            time.sleep(0.05)
        pytest.fail("processes are left")


def children(pid: int) -> bytes:
    """The command lines of a process's children."""
    output = b""
    for path in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (path / "stat").read_text().rpartition(")")[2].split()[1] == str(pid):
                output += (path / "cmdline").read_bytes()
    return output
