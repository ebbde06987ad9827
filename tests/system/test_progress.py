"""Progress bars: a terminal sees all states, a log few."""

import io
import sys
import time

from emoasr.system import progress


def _drawn(terminal: bool, monkeypatch, work=lambda: None, **options) -> list[str]:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in progress.bar(range(200), desc="work", **options):
        work()
    return stream.getvalue().split("\r")


def test_a_terminal_shows_every_state(monkeypatch):
    drawn = _drawn(True, monkeypatch, mininterval=0.0)
    assert len(drawn) > 200
    assert "work: 100%" in drawn[-1]


def test_a_log_says_nothing_of_short_work(monkeypatch):
    assert _drawn(False, monkeypatch) == [""]


def test_a_log_says_how_far_long_work_is_now_and_then(monkeypatch):
    monkeypatch.setattr(progress, "_LOG_SECONDS", 0.001)
    drawn = _drawn(False, monkeypatch, work=lambda: time.sleep(0.0001))
    assert len(drawn) > 1
    assert drawn[-1].startswith("work: 100%") and drawn[-1].endswith("\n")
