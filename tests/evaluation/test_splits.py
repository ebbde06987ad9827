import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import assume, given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.evaluation import ablations, dataset, evaluate, regression, splits
from emoasr.settings import choices


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
        ("abcabc", "111222", "leave-one-session-out", "in", "without the speakers of session 1"),
        ("abcade", "111222", "leave-one-session-out", "in", "without the speakers of session 1"),
        ("aabbcc", "111222", "leave-one-speaker-out", "out", "without the sessions of b, fewer"),
        ("aabbcc", "112233", "group-3-fold", "in", ""),
        ("aabbcc", "112233", "group-4-fold", "in", "it needs 4 speakers or more"),
        ("aaaabb", "112233", "group-2-fold", "in", "it needs 3 utterances or more"),
    ],
)  # fmt: skip
def test_what_cannot_be_split_is_explained(speakers, sessions, protocol, partner, problem):
    groups = pd.DataFrame({"speaker": list(speakers), "session": list(sessions)})
    found = splits.split_problem(groups, protocol, partner)
    assert found.startswith(problem) and bool(found) == bool(problem)


@given(
    people=st.lists(st.tuples(st.integers(0, 6), st.integers(0, 3)), min_size=4, max_size=40),
    protocol=st.sampled_from(["leave-one-speaker-out", "leave-one-session-out"]),
    partner=st.sampled_from(["in", "out"]),
)
def test_nobody_is_in_training_and_test(people, protocol, partner):
    groups = pd.DataFrame(people, columns=["speaker", "session"]).astype(str)
    assume(groups["speaker"].nunique() > 1 and groups["session"].nunique() > 1)
    tested = []
    for fold in splits.split(groups, protocol, partner):
        train, test = groups.iloc[fold.train], groups.iloc[fold.test]
        assert not set(train["speaker"]) & set(test["speaker"])
        if protocol == "leave-one-session-out" or partner == "out":
            assert not set(train["session"]) & set(test["session"])
        tested += fold.test.tolist()
    assert sorted(tested) == list(range(len(groups)))


@pytest.mark.parametrize("missing", [1, 5])
def test_a_missing_speaker_does_not_make_sessions_of_speakers(missing):
    table, labels = run_folder.corpus(n_speakers=8)
    labels.loc[labels.index[:missing], "speaker"] = None
    settings = run_folder.settings(protocol="leave-one-session-out")
    found = evaluate.evaluate({"x": table}, labels, settings)
    assert evaluated.row(found, "x")["n_speakers"] == 8
    assert evaluated.row(found, "x")["n_utterances"] == len(labels) - missing
    reasons = [s["reason"] for s in found.skipped]
    assert reasons == [
        f"no speaker; needed for {target}"
        for target in ("arousal", "valence")
        for _ in range(missing)
    ]
    assert found.notes == []


def test_sessions_that_stand_for_speakers_are_noted():
    table, labels = run_folder.corpus(n_speakers=8)
    settings = run_folder.settings(protocol="leave-one-session-out")
    for without in (labels.drop(columns="speaker"), labels.assign(speaker=None)):
        (note,) = evaluate.evaluate({"x": table}, without, settings).notes
        assert note.startswith("the labels name no speakers")


@pytest.mark.parametrize("battery", [False, True])
def test_speakers_of_several_sessions_are_noted(battery):
    table, labels = run_folder.corpus(n_speakers=8, n_each=6, n_features=2)
    labels.loc[labels.index[0], "session"] = "session3"  # s0, else in session0
    protocol = "leave-one-speaker-out" if battery else "leave-one-session-out"
    settings = run_folder.settings(protocol=protocol, battery=battery)
    (note,) = evaluate.evaluate({"x": table}, labels, settings).notes
    assert note.startswith("leave-one-session-out: 1 of 8 speakers speak in several sessions")
    assert "leaves 30 to 36 of 48 utterances" in note


@given(
    speakers=st.lists(st.integers(0, 12), min_size=8, max_size=60),
    n_folds=st.integers(2, 6),
)
def test_folds_of_speakers_share_nobody_and_test_everyone_once(speakers, n_folds):
    assume(len(set(speakers)) >= n_folds)
    groups = pd.DataFrame({"speaker": [f"s{i}" for i in speakers]})
    folds = splits.split(groups, f"group-{n_folds}-fold")
    assert sorted(i for fold in folds for i in fold.test) == list(range(len(groups)))
    assert len({fold.name for fold in folds}) == len(folds) == n_folds
    for fold in folds:
        assert not {*groups["speaker"][fold.train]} & {*groups["speaker"][fold.test]}
        assert len(fold.train) + len(fold.test) == len(groups)


def test_folds_of_speakers_are_named_and_each_speaker_as_good_as_alone():
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(protocol="group-2-fold"))
    assert set(result.predictions["fold"]) == {"fold 1 of 2", "fold 2 of 2"}
    assert evaluated.row(result, "x")["n_folds"] == 2
    n_speakers = labels["speaker"].nunique()
    settings = run_folder.settings(protocol=f"group-{n_speakers}-fold")
    folds, alone = (
        evaluated.row(evaluate.evaluate({"x": table}, labels, s), "x")
        for s in (settings, run_folder.settings())
    )
    assert folds["mse_mean"] == pytest.approx(alone["mse_mean"], rel=1e-9)
    assert folds["ccc"] == pytest.approx(alone["ccc"], rel=1e-9)


PARTS = {"s0": "train", "s1": "train", "s2": "Dev", "s3": "Test", "s4": "test", "s5": "test"}


@pytest.fixture
def given_splits():
    table, labels = run_folder.corpus(n_speakers=6, n_each=12)
    return table, labels.assign(split=labels["speaker"].map(PARTS))


def test_predefined_splits_train_on_train_and_test_one_split(given_splits):
    table, labels = given_splits
    settings = run_folder.settings(protocol="predefined-TEST")
    found = evaluate.evaluate({"x": table}, labels, settings)
    row = evaluated.row(found, "x")
    assert (row["n_utterances"], row["n_folds"], row["n_speakers"]) == (36, 1, 3)
    tested = found.predictions.index.unique()
    assert set(labels.loc[tested, "speaker"]) == {"s3", "s4", "s5"}
    assert found.notes == ["neither trained on nor tested: dev 12"]
    changed = table.copy()
    changed[(labels["speaker"] == "s2").to_numpy()] = 1e3  # dev is not looked at
    again = evaluate.evaluate({"x": changed}, labels, settings)
    pd.testing.assert_frame_equal(found.predictions, again.predictions)


def test_whoever_is_in_both_splits_is_named_and_unknown_speakers_are_kept(given_splits):
    table, labels = given_splits
    labels.loc[labels.index[-1], "speaker"] = "s0"
    labels.loc[labels.index[[0, -2]], "speaker"] = None
    notes = evaluate.evaluate(
        {"x": table}, labels, run_folder.settings(protocol="predefined-test")
    ).notes
    assert any(
        "1 of 4 speakers of split test are, by name, in training too, such as s0" in n
        for n in notes
    )
    assert "split train: 1 utterance without a speaker, counted as one speaker" in notes


@pytest.mark.parametrize("target", ["valence", "kind"])
@pytest.mark.parametrize("speaker", ["s3", None])
def test_of_one_test_speaker_there_are_metrics_without_intervals(given_splits, speaker, target):
    table, labels = given_splits
    labels["kind"] = np.where(labels["valence"] > 3, "high", "low")
    tested = labels["split"].str.lower() == "test"
    labels["speaker"] = labels["speaker"].mask(tested, speaker)
    settings = run_folder.settings(protocol="predefined-test", regressor="ridge", targets=(target,))
    found = evaluate.evaluate({"x": table, "y": table + 1}, labels, settings)
    assert any(
        "split test has a single speaker: no metric has an interval" in n for n in found.notes
    )
    key = "uar" if target == "kind" else "ccc"
    for record in (evaluated.row(found, "x", target), found.differences[0]):
        assert record[key] is not None and record[f"{key}_low"] is record[f"{key}_high"] is None


@pytest.mark.parametrize("sessions", [True, False])
def test_with_predefined_splits_the_partner_is_ablated_and_no_other_protocol(
    given_splits, sessions
):
    table, labels = given_splits
    settings = run_folder.settings(protocol="predefined-test")
    shared = labels["speaker"].map(dict(zip(PARTS, "abcbdd", strict=True)))  # of s1 and s3
    labels = labels.assign(session=shared) if sessions else labels.drop(columns="session")
    (data,), _ = dataset.prepare({"x": table}, labels, settings)
    plan = ablations.plan(data, regression.predictor_configs(data.tables, settings), settings)
    names = {name for name, _ in plan.analyses}
    assert ("partner" in names) == sessions and "protocol" not in names
    assert not any(why.startswith("protocol") for why in plan.omitted)
    assert any(why.startswith("partner") for why in plan.omitted) != sessions


def test_penalties_may_be_chosen_on_dev(given_splits):
    table, labels = given_splits
    labels["kind"] = np.where(labels["valence"] > 3, "high", "low")
    targets = ("valence", "kind")  # which are noise: what is best for dev is not so for train
    changes = {"protocol": "predefined-test", "regressor": "ridge", "targets": targets}
    train, dev = (
        evaluate.evaluate({"x": table}, labels, run_folder.settings(chosen_on=which, **changes))
        for which in ("train", "dev")
    )
    assert [{row["chosen_on"] for row in found.rows} for found in (train, dev)] == [
        {"train"}, {"dev"}
    ]  # fmt: skip
    predicted = (evaluated.of(f.predictions, "x", "valence")["prediction"] for f in (train, dev))
    assert not np.allclose(*predicted)


@pytest.mark.parametrize(("change", "message"), [
    ({"regressor": "linear"}, "regressor linear has no penalty to choose"),
    ({"protocol": "predefined-dev"}, "there is no such split besides training and test"),
    ({"protocol": "group-3-fold"}, "there is no such split besides training and test"),
])  # fmt: skip
def test_what_cannot_be_chosen_on_dev_is_refused(given_splits, change, message):
    table, labels = given_splits
    settings = {"protocol": "predefined-test", "regressor": "ridge", "chosen_on": "dev", **change}
    with pytest.raises(UserError, match=message):
        choices.check_evaluation(run_folder.settings(**settings))
        evaluate.evaluate({"x": table}, labels, run_folder.settings(**settings))


def test_a_split_dev_must_be_there_to_choose_on(given_splits):
    table, labels = given_splits
    settings = run_folder.settings(protocol="predefined-test", regressor="ridge", chosen_on="dev")
    with pytest.raises(UserError, match="no utterance has this split .there are: test, train"):
        evaluate.evaluate({"x": table}, labels.replace({"Dev": "test"}), settings)


@pytest.mark.parametrize(
    ("protocol", "labels_of", "message"),
    [
        ("predefined-test2", lambda labels: labels, "the split test2 .there are: dev, test, train"),
        ("predefined-test", lambda labels: labels.drop(columns="split"), "a column 'split'"),
        ("predefined-test", lambda labels: labels.drop(columns="speaker"), "a column 'speaker'"),
    ],
)
def test_splits_that_are_not_there_are_refused(given_splits, protocol, labels_of, message):
    table, labels = given_splits
    with pytest.raises(UserError, match=message):
        evaluate.evaluate({"x": table}, labels_of(labels), run_folder.settings(protocol=protocol))
