"""Progress bars: a terminal sees all states, a log few."""

import io
import sys

from emoasr.system import progress


def _drawn(terminal: bool, monkeypatch, **options) -> list[str]:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    for _ in progress.bar(range(200), desc="work", **options):
        pass
    return stream.getvalue().split("\r")


def test_a_terminal_shows_every_state(monkeypatch):
    drawn = _drawn(True, monkeypatch, mininterval=0.0)
    assert len(drawn) > 200
    assert "work: 100%" in drawn[-1]


def test_a_log_says_how_far_it_is_now_and_then(monkeypatch):
    drawn = _drawn(False, monkeypatch)
    assert len(drawn) < 5
    assert "work: 100%" in drawn[-1]
