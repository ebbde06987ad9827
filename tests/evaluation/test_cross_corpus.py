import dataclasses

import audformat
import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.evaluation import cross_corpus, evaluate

SETTINGS = {"protocol": "cross-corpus", "train_workdir": "runs/a"}
SCALES = st.tuples(st.integers(-5, 5), st.integers(1, 100)).map(lambda s: (s[0], s[0] + s[1]))


def corpora(**changes):
    """Two corpora whose files have the same names, the training corpus rated from 1 to 7."""
    runs = []
    for name, scale, seed in (("A", (1.0, 7.0), 1), ("B", (1.0, 5.0), 2)):
        table, labels = run_folder.corpus(n_each=30, seed=seed)
        labels = labels.assign(
            speaker=f"{name}" + labels["speaker"], session=f"{name}" + labels["session"],
            mood=np.where(labels["arousal"] > 3, "high", "low"),
        )  # fmt: skip
        ratings = cross_corpus.onto(labels[["arousal", "valence"]], (1.0, 5.0), scale)
        run = cross_corpus.Run(name, {"x": table}, labels.assign(**ratings), scale)
        runs.append(run)
    train, test = runs
    return train, dataclasses.replace(test, **changes)


def crossed(train, test, targets=("arousal", "valence"), within=False):
    settings = run_folder.settings(targets=targets, within_corpus=within, **SETTINGS)
    joined = cross_corpus.join(train, test, settings)
    return joined, evaluate.evaluate(joined.tables, joined.labels, settings)


def test_one_corpus_is_predicted_after_training_on_another():
    train, test = corpora()
    joined, found = crossed(train, test)
    row = evaluated.row(found, "x")
    assert row["ccc"] > 0.95 and row["n_utterances"] == len(test.labels) and row["n_speakers"] == 4
    assert set(evaluated.of(found.predictions, "x").index) == set(test.labels.index)
    assert joined.said == {
        "train_corpus": "A",
        "scales": "1 to 7 mapped linearly onto 1 to 5",
        "standardised": "by the training corpus",
    }
    assert joined.notes[:2] == [
        "trained on A, tested on B",
        "scales of arousal, valence in training and test: 1 to 7 mapped linearly onto 1 to 5",
    ]
    assert found.notes == ["features are standardised by the training corpus"]


@given(SCALES, SCALES, st.floats(0, 1))
def test_scales_are_brought_together_by_a_line(one, other, share):
    rating = pd.Series([one[0], one[0] + share * (one[1] - one[0]), one[1]], dtype=float)
    there = cross_corpus.onto(rating, one, other)
    assert there.iloc[[0, 2]].tolist() == pytest.approx(other)
    assert there.iloc[1] == pytest.approx(other[0] + share * (other[1] - other[0]))
    pd.testing.assert_series_equal(cross_corpus.onto(there, other, one), rating, atol=1e-9)


@pytest.mark.parametrize("within", [False, True])
def test_standardised_within_each_corpus_another_microphone_does_not_matter(within):
    train, test = corpora()
    other = 7 * test.tables["x"] + 40
    plain, moved = (
        crossed(train, dataclasses.replace(test, tables={"x": table}), within=within)[1]
        for table in (test.tables["x"], other)
    )
    pairs = (evaluated.of(found.predictions, "x")["prediction"] for found in (plain, moved))
    assert np.allclose(*pairs, atol=1e-3) == within


def test_speakers_of_both_corpora_are_noted():
    train, test = corpora()
    labels = test.labels.assign(speaker=test.labels["speaker"].replace({"Bs0": "As0"}))
    _, found = crossed(train, dataclasses.replace(test, labels=labels))
    _, note = found.notes
    assert note.startswith(
        "warning: 1 of 4 speakers of split test are, by name, in training too, such as As0"
    )


def test_classes_are_predicted_too():
    joined, found = crossed(*corpora(), targets=("mood",))
    assert evaluated.row(found, "x", "mood")["uar"] > 0.8 and joined.said["scales"] == ""


def test_segments_and_whole_files_go_together():
    train, test = corpora()
    segments = audformat.utils.to_segmented_index(train.labels.index)
    train = dataclasses.replace(
        train,
        labels=train.labels.set_axis(segments),
        tables={"x": train.tables["x"].set_axis(segments)},
    )
    assert evaluated.row(crossed(train, test)[1], "x")["ccc"] > 0.95


@pytest.mark.parametrize(("change", "message"), [
    (lambda run: {"scale": ()}, "config.eval.scale=.*needs the scales of both corpora"),
    (lambda run: {"scale": (1.0, 3.0)}, r"config.eval.scale=\(1.0, 3.0\): but ratings of arousal"),
    (lambda run: {"labels": run.labels.drop(columns="arousal")},
     "'arousal' has no value in the labels of B .--workdir.*valence, mood; give a target"),
    (lambda run: {"labels": run.labels.assign(arousal="low")},
     "'arousal' holds numbers in A, classes in B"),
    (lambda run: {"tables": {"x": run.tables["x"].iloc[:, 1:]}}, "'x': its columns in config"),
])  # fmt: skip
def test_what_cannot_be_compared_is_refused(change, message):
    train, test = corpora()
    with pytest.raises(UserError, match=message):
        crossed(train, dataclasses.replace(test, **change(test)))


def test_sessions_of_one_name_in_two_corpora_are_not_one():
    runs = [
        dataclasses.replace(run, labels=run.labels.assign(session=run.labels["session"].str[1:]))
        for run in corpora()
    ]
    settings = run_folder.settings(targets=("arousal",), battery=True, **SETTINGS)
    joined = cross_corpus.join(*runs, settings)
    battery = evaluate.evaluate(joined.tables, joined.labels, settings).battery
    assert "partner: training and test sessions are of two corpora" in battery["omitted"]
    assert not any(row["analysis"] == "partner" for row in battery["rows"])


def test_an_evaluation_of_0_2_0_within_corpora_is_known_by_the_same_digest():
    """Version 0.2.0 took the digests of tables that were already standardised."""
    train, test = corpora()
    (table,) = cross_corpus.identifying(crossed(train, test, within=True)[0].tables).values()
    each = [run.tables["x"] for run in (train, test)]
    expected = np.concatenate([(one - one.mean()) / one.std(ddof=0) for one in each])
    np.testing.assert_array_equal(table.to_numpy(), expected)
    files = [f"{cross_corpus.PREFIX}{file}" for file in each[0].index]
    assert table.index.tolist() == [*files, *each[1].index]
