"""Features standardised within each speaker, as `config.eval.within_speaker` asks."""

import dataclasses

import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emoasr import eval as command
from emoasr.errors import UserError
from emoasr.evaluation import cross_corpus, evaluate, standardised

OWN = (
    "features are standardised within each speaker; means and deviations of test speakers come "
    "from their own utterances, without their labels"
)

UNRATED = {"arousal": np.nan, "valence": np.nan}


def corpus(**changes):
    """A table and labels; `mood` is a class, and the splits have the speakers in order."""
    table, labels = run_folder.corpus(n_speakers=6, **changes)
    split = labels["speaker"].map({"s0": "test", "s1": "test", "s2": "test"}).fillna("train")
    mood = np.where(labels["arousal"] > 3, "high", "low")
    return table, labels.assign(split=split, mood=mood)


def predicted(table, labels, **changes):
    settings = run_folder.settings(within_speaker=True, **changes)
    return evaluate.evaluate({"x": table}, labels, settings)


@pytest.mark.parametrize("asked", [
    {},
    {"protocol": "group-3-fold", "n_selected": 0, "regressor": "ridge"},
    {"protocol": "leave-one-session-out", "regressor": "svr"},
    {"protocol": "predefined-test"},
    {"targets": ("mood",)},
], ids=str)  # fmt: skip
def test_the_voice_or_microphone_of_a_speaker_does_not_matter(asked):
    table, labels = corpus()
    number = labels["speaker"].str[1:].astype(int).to_numpy()[:, None]
    other = table * (1 + number) + 5 * number
    for within in (True, False):
        settings = run_folder.settings(within_speaker=within, **asked)
        plain, moved = (
            evaluate.evaluate({"x": t}, labels, settings).predictions for t in (table, other)
        )
        if "predicted_class" in plain:
            alike = plain["predicted_class"].equals(moved["predicted_class"])
        else:
            alike = np.allclose(plain["prediction"], moved["prediction"], atol=1e-3)
        assert alike == within


@given(st.integers(2, 5), st.integers(1, 7), st.integers(0, 99))
@hypothesis_settings(max_examples=20)
def test_each_group_has_mean_0_and_variance_1(n_groups, n_features, seed):
    rng = np.random.default_rng(seed)
    group = pd.Series(rng.integers(n_groups, size=40)).map("g{}".format)
    x_MD = rng.normal(rng.uniform(-1e3, 1e3), rng.uniform(0.1, 1e3), (40, n_features))
    table = pd.DataFrame(x_MD).assign(constant=7)
    found = standardised.within(table, group)
    assert (found["constant"] == 0).all() and found.index.equals(table.index)
    for _, rows in found.drop(columns="constant").groupby(group.to_numpy()):
        assert np.allclose(rows.mean(), 0, atol=1e-6)
        assert len(rows) == 1 or np.allclose(rows.std(ddof=0), 1)


def test_whole_numbers_are_not_rounded():
    table = pd.DataFrame({"count": [1, 2, 3, 5]})
    found = standardised.within(table, pd.Series(["a", "a", "b", "b"]))
    assert found["count"].tolist() == [-1, 1, -1, 1] and found["count"].dtype == float
    odd = standardised.within(pd.DataFrame({"count": [1, 2, 4]}), pd.Series(["a"] * 3))
    assert odd["count"].tolist() == pytest.approx([-1.0690450, -0.2672612, 1.3363062])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_does_not_vary_within_speakers_is_as_if_it_were_not_there(dtype):
    """A mean of equal numbers may differ from them by rounding."""
    table, labels = corpus()
    of_microphones = np.random.default_rng(0).uniform(0.1, 5, (6, 40))
    number = labels["speaker"].str[1:].astype(int).to_numpy()
    constant = pd.DataFrame(of_microphones[number], table.index).add_prefix("constant")
    wide = pd.concat([table, constant], axis=1).astype(dtype)
    asked = {"n_selected": 0, "regressor": "ridge"}
    found, alone = (predicted(t, labels, **asked).predictions for t in (wide, table.astype(dtype)))
    assert np.allclose(found["prediction"], alone["prediction"], atol=1e-6)


def test_one_recording_of_two_speakers_is_noted_and_lone_utterances_are_not():
    """Its features differ once they are standardised; those of lone utterances are all 0."""
    table, labels = corpus()
    table.iloc[1] = table.iloc[0]
    labels["speaker"] = labels["speaker"].mask(np.arange(len(labels)) == 3, "alone")
    labels["speaker"] = labels["speaker"].mask(np.arange(len(labels)) == 5, "alone too")
    (note,) = (n for n in predicted(table, labels).notes if "exactly the features" in n)
    assert note.startswith("warning: x: 2 utterances have exactly the features of one of another")
    assert "(file wav/0000.wav) and (file wav/0001.wav)" in note


def test_a_speakers_loudness_is_what_was_measured():
    """Of a feature that is standardised within speakers, everyone's mean is 0 but for rounding."""
    table, labels = corpus()
    egemaps = table.assign(loudness_sma3_amean=labels["speaker"].str[1:].astype(float))
    egemaps["loudness_sma3_amean"] += table["f1"]
    neural = run_folder.neural_like(labels.index, n_layers=3, n_units=2)
    tables = {"neural": neural, "egemaps": egemaps}
    plain, within = (
        evaluate.evaluate(
            tables, labels, run_folder.settings(battery=True, n_selected=2, within_speaker=asked)
        ).battery["speakers"]["traits"]
        for asked in (False, True)
    )
    assert [trait for trait in plain if trait["trait"] == "loudness"]
    assert plain == [{**trait, "rho": pytest.approx(trait["rho"])} for trait in within]


def test_results_say_how():
    table, labels = corpus()
    assert predicted(table, labels).notes[0] == OWN
    labels["speaker"] = labels["speaker"].mask(np.arange(len(labels)) == 3, "alone")
    assert predicted(table, labels).notes[1] == (
        "warning: 1 speaker with a single utterance, such as alone: standardised within the "
        "speaker, all its features are 0"
    )


@pytest.mark.parametrize("changed", [{"speaker": None}, {"speaker": "alone", **UNRATED}])
def test_no_warning_is_of_an_utterance_that_is_left_out(changed):
    table, labels = corpus()
    labels.loc[labels.index[3], list(changed)] = list(changed.values())
    assert predicted(table, labels).notes == [OWN]


def test_utterances_without_a_speaker_are_recorded_as_left_out():
    table, labels = corpus()
    labels["speaker"] = labels["speaker"].mask(np.arange(len(labels)) % 24 == 0)
    found = predicted(table, labels, protocol="predefined-test")
    assert {s["reason"] for s in found.skipped} == {
        "no speaker; needed for arousal", "no speaker; needed for valence",
    }  # fmt: skip
    known = labels[labels["speaker"].notna()]
    alone = predicted(table.loc[known.index], known, protocol="predefined-test")
    pd.testing.assert_frame_equal(found.predictions, alone.predictions)


@pytest.mark.parametrize("labels", [
    lambda labels: labels.drop(columns="speaker"), lambda labels: labels.assign(speaker=None),
])  # fmt: skip
def test_labels_without_speakers_are_refused(labels):
    table, known = corpus()
    with pytest.raises(UserError, match="config.eval.within_speaker=True: the labels name no spea"):
        predicted(table, labels(known), protocol="leave-one-session-out")


def test_speakers_of_one_name_in_two_corpora_are_two():
    runs = []
    for name, moved, seed in (("A", 0, 1), ("B", 50, 2)):
        table, labels = run_folder.corpus(n_each=30, seed=seed)
        runs.append(cross_corpus.Run(name, {"x": table + moved}, labels, (1.0, 5.0)))
    settings = run_folder.settings(
        protocol="cross-corpus", train_workdir="runs/a", within_speaker=True
    )
    joined = cross_corpus.join(*runs, settings)
    found = evaluate.evaluate(joined.tables, joined.labels, settings)
    assert joined.said["standardised"] == "within each speaker"
    assert evaluated.row(found, "x")["ccc"] > 0.9
    labels = runs[0].labels.assign(speaker=["alone", *runs[0].labels["speaker"][1:]])
    lone = cross_corpus.join(dataclasses.replace(runs[0], labels=labels), runs[1], settings)
    _, note, *_ = evaluate.evaluate(lone.tables, lone.labels, settings).notes
    assert note.startswith("warning: 1 speaker with a single utterance, such as alone:")
    other = dataclasses.replace(runs[1], tables={"x": 3 * runs[1].tables["x"]})
    again = cross_corpus.join(runs[0], other, settings)
    moved = evaluate.evaluate(again.tables, again.labels, settings)
    assert np.allclose(moved.predictions["prediction"], found.predictions["prediction"], atol=1e-3)


def test_no_predictor_is_kept_and_the_folder_has_its_own_name(tmp_path, capsys):
    table, labels = corpus()
    neural = run_folder.neural_like(labels.index, n_layers=3, n_units=2)
    made = {"recognizer": "0123456789abcdef", "tap": "gate", "pooling": "mean"}
    config = run_folder.write(tmp_path, {"neural": neural, "mfcc": table}, labels, **made)
    config.eval.within_speaker = True
    command.main(config, tmp_path)
    folder = tmp_path / "eval" / f"linear-{config.eval.n_selected}-within-speakers"
    assert not (folder / "predictors" / "neural").exists()
    assert "neural: no predictor is kept: the mean and deviation of" in capsys.readouterr().out
    assert OWN.split(";")[0] in (folder / "report.md").read_text(encoding="utf-8")
    assert '"standardised": "within each speaker"' in (folder / "results.json").read_text()
