import evaluated
import numpy as np
import pytest
import run_folder

from emoasr.errors import UserError
from emoasr.evaluation import evaluate


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"targets": ("dominance",)}, "config.eval.targets: .*'dominance'.*arousal, valence"),
        (
            {"targets": ("speaker",)},
            r"config.eval.targets: speaker: 0 classes to distinguish in 48 utterances with "
            r"features \('s0': no training speaker has this class when speaker s0 is held out",
        ),
        ({"targets": ("arousl",)}, "no column 'arousl'.*did you mean arousal"),
        ({"scale": (0.0, 1.0)}, r"config.eval.scale=\(0.0, 1.0\): but ratings of arousal"),
    ],
)
def test_a_setting_that_does_not_fit_the_labels_is_named(change, message):
    table, labels = run_folder.corpus()
    with pytest.raises(UserError, match=message) as caught:
        evaluate.evaluate({"x": table}, labels, run_folder.settings(**change))
    assert "\n" not in str(caught.value)


def test_fewer_than_three_speakers_are_refused():
    table, labels = run_folder.corpus(n_speakers=2)
    with pytest.raises(UserError, match="2 speaker.*arousal and valence.*needs 3 or more"):
        evaluate.evaluate({"x": table}, labels, run_folder.settings())


def test_leaving_the_partner_out_needs_sessions():
    table, labels = run_folder.corpus()
    settings = run_folder.settings(partner="out")
    with pytest.raises(UserError, match="config.eval.partner=out: needs the session"):
        evaluate.evaluate({"x": table}, labels.drop(columns="session"), settings)
    labels["session"] = "all"
    with pytest.raises(UserError, match="without the sessions of s0"):
        evaluate.evaluate({"x": table}, labels, settings)


def test_a_speaker_whose_ratings_are_all_equal_is_noted():
    table, labels = run_folder.corpus()
    labels.loc[labels.speaker == "s1", "arousal"] = np.float32(2)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    (note,) = result.notes
    assert note.startswith("speaker s1: all 12 ratings of arousal are 2;")
    assert evaluated.row(result, "x")["pearson_mean"] is not None


def test_a_rating_off_the_scale_is_named():
    table, labels = run_folder.corpus(n_speakers=10)  # one of 120: more would be another scale
    labels.loc["wav/0007.wav", "valence"] = 5.5
    (note,) = evaluate.evaluate({"x": table}, labels, run_folder.settings()).notes
    assert note == (
        "off the scale from 1 to 5: 1 rating of valence, such as 5.5 (file wav/0007.wav)"
    )


def test_targets_rated_on_different_utterances_are_each_compared_on_theirs():
    table, labels = evaluated.layered_corpus(n_speakers=4, n_each=8)
    labels.loc[labels.index[:5], "valence"] = np.nan
    found = evaluate.evaluate({"neural": table}, labels, run_folder.settings(battery=True))
    n = {(r["target"], r["n_utterances"]) for r in [*found.rows, *found.battery["rows"]]}
    assert n == {("arousal", 32), ("valence", 27)}
    assert [r["target"] for r in found.rows] == ["arousal"] * 2 + ["valence"] * 2


@pytest.mark.parametrize(("protocol", "noted"), [
    ("leave-one-speaker-out", ["speaker s0", "speaker s4", "speaker s5"]),
    ("leave-one-session-out", ["session session2"]),
    ("group-3-fold", []),
    ("predefined-test", []),
])  # fmt: skip
def test_ratings_that_do_not_vary_are_noted_of_groups_that_are_folds(protocol, noted):
    table, labels = run_folder.corpus(n_speakers=6)
    labels["split"] = labels["speaker"].map({"s1": "test"}).fillna("train")
    labels.loc[labels["speaker"] == "s0", "arousal"] = 2.0
    labels.loc[labels["session"] == "session2", "arousal"] = 4.0  # s4, s5
    notes = evaluate.evaluate({"x": table}, labels, run_folder.settings(protocol=protocol)).notes
    alike = [note for note in notes if "ratings of arousal are" in note]
    assert [note.partition(":")[0] for note in alike] == noted
    assert all(f"within this {note.split()[0]} is undefined" in note for note in alike)


@pytest.mark.parametrize(("first", "second"), [
    ("wav/0001.wav", "wav/0002.wav"),  # of two speakers
    ("wav/0000.wav", "wav/0004.wav"),  # of one speaker, in what becomes two sessions
])  # fmt: skip
def test_a_recording_of_two_speakers_or_sessions_is_noted(first, second):
    table, labels = run_folder.corpus()
    table.loc[second] = table.loc[first]
    labels.loc["wav/0004.wav", "session"] = "another"
    (note,) = evaluate.evaluate({"x": table}, labels, run_folder.settings()).notes
    assert note == (
        "warning: x: 2 utterances have exactly the features of one of another speaker or session, "
        f"such as (file {first}) and (file {second}); one recording twice?"
    )


@pytest.mark.parametrize("targets", [("arousal", "valence"), ("valence", "arousal")], ids=str)
def test_recordings_are_compared_whatever_they_are_rated_for(targets):
    table, labels = run_folder.corpus()
    table.iloc[-1] = table.iloc[-2]
    first = np.arange(len(labels)) < len(labels) / 2
    labels = labels.assign(
        arousal=labels["arousal"].where(first), valence=labels["valence"].where(~first)
    )
    (note,) = evaluate.evaluate({"x": table}, labels, run_folder.settings(targets=targets)).notes
    assert note.endswith("(file wav/0046.wav) and (file wav/0047.wav); one recording twice?")


def test_a_speakers_own_recording_twice_is_no_leak_between_folds():
    table, labels = run_folder.corpus()
    table.loc["wav/0004.wav"] = table.loc["wav/0000.wav"]
    assert evaluate.evaluate({"x": table}, labels, run_folder.settings()).notes == []


def test_splits_may_be_numbers_of_which_none_is_train():
    table, labels = run_folder.corpus()
    labels["split"] = np.arange(len(labels)) % 3
    settings = run_folder.settings(protocol="predefined-2")
    with pytest.raises(UserError, match="the split train .there are: 0, 1, 2"):
        evaluate.evaluate({"x": table}, labels, settings)
