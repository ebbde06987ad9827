import evaluated
import pandas as pd
import pytest
import run_folder

from emoasr.evaluation import evaluate, splits


def test_sessions_can_be_held_out():
    table, labels = run_folder.corpus()
    s = run_folder.settings(protocol="leave-one-session-out")
    result = evaluate.evaluate({"x": table}, labels, s)
    assert evaluated.row(result, "x")["n_folds"] == 2
    assert set(result.predictions["fold"]) == {"session0", "session1"}


def test_a_speaker_with_one_utterance_is_a_fold():
    table, labels = run_folder.corpus()
    labels.iloc[0, 0] = "lonely"
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    assert evaluated.row(result, "x")["n_folds"] == 5
    assert (evaluated.of(result.predictions, "x")["fold"] == "lonely").sum() == 1


def test_leaving_the_partner_out_trains_on_other_sessions_only():
    table, labels = evaluated.layered_corpus()
    settings = run_folder.settings(partner="out")
    before = evaluate.evaluate({"neural": table}, labels, settings).predictions
    partner = (labels["session"] == "session0") & (labels["speaker"] == "s1")
    table[partner] = 1000.0
    after = evaluate.evaluate({"neural": table}, labels, settings).predictions
    held_out = before["fold"] == "s0"
    pd.testing.assert_frame_equal(before[held_out], after[held_out])
    other = before["fold"] == "s2"
    assert not before[other].equals(after[other])


@pytest.mark.parametrize(
    ("speakers", "sessions", "protocol", "partner", "problem"),
    [
        ("aabbcc", "112233", "leave-one-speaker-out", "in", ""),
        ("aabbcc", "112233", "leave-one-session-out", "in", ""),
        ("aaaaaa", "112233", "leave-one-speaker-out", "in", "it needs 2 speakers or more"),
        ("aabbcc", "111111", "leave-one-session-out", "in", "it needs 2 sessions or more"),
        ("aaaabb", "112233", "leave-one-speaker-out", "in", "it needs 3 utterances or more"),
        ("aabbcc", "111222", "leave-one-speaker-out", "out", "without the sessions of b, fewer"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_explained(speakers, sessions, protocol, partner, problem):
    groups = pd.DataFrame({"speaker": list(speakers), "session": list(sessions)})
    found = splits.split_problem(groups, protocol, partner)
    assert found.startswith(problem) and bool(found) == bool(problem)
