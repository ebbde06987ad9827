import re

import made_report
import pytest

from emoasr.report import terminal


@pytest.fixture(scope="module")
def results():
    return made_report.make()[0]


def test_the_summary_counts_and_shows_the_tables(results):
    lines = terminal.summary(results).splitlines()
    assert lines[0] == "made <up>: 50 found, 48 extracted"
    assert "valence: 48 utterances, leave-one-speaker-out, 4 folds" in lines
    files = f"{made_report.SPEAKER}, b.wav"
    assert lines[lines.index("skipped: 2") + 1] == f"  2 x audio: {made_report.REASON}: {files}"
    titles = [line for line in lines if line.startswith(("As ", "Compared ", "Clipped "))]
    assert titles == [
        "Clipped to the rating scale, with 95 % intervals by speaker",
        "As predicted, not clipped",
        "Compared with the paper",
    ]
    assert len([line for line in lines if "baseline (training mean)" in line]) == 2
    assert not [line for line in lines if re.match(r"\s*mean [^M]", line)]


def test_many_reasons_are_cut_short(results):
    skipped = [
        {"file": "a", "start": None, "end": None, "step": "audio", "reason": f"reason {i}"}
        for i in range(10)
    ]
    lines = terminal.summary({**results, "skipped": skipped}).splitlines()
    assert [line for line in lines if line.startswith("  1 x")][-1] == "  1 x audio: reason 7: a"
    assert "  and 2 more reasons, in the report" in lines


def test_an_utterance_that_is_left_out_for_several_reasons_counts_once(results):
    one = {"file": "a", "start": 0.0, "end": 1.0, "step": "eval", "reason": "no rating of arousal"}
    skipped = [one, {**one, "reason": "no rating of valence"}, {**one, "start": 1.0, "end": None}]
    lines = terminal.summary({**results, "skipped": skipped}).splitlines()
    assert lines[lines.index("skipped: 2") + 1] == "  2 x eval: no rating of arousal: a, a"


def test_conclusions_of_ablations_come_last(results):
    battery = {"trend": [{"verdict": "no trend"}], "omitted": ["partner: no sessions"]}
    battery["speakers"] = {"variation": [], "traits": []}
    lines = terminal.summary({**results, "battery": battery}).splitlines()
    assert lines[-2:] == ["layers: no trend", "not done: partner: no sessions"]
