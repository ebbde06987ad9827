import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder
import sklearn.metrics
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.evaluation import classification, dataset, evaluate, splits

KINDS = np.array(["angry", "calm", "glad"])


def corpus(n_speakers=6, n_each=15, seed=0):
    """As `run_folder.corpus`; `kind` follows two features and `sex` is the speaker's."""
    table, labels = run_folder.corpus(n_speakers, n_each, seed=seed)
    rng = np.random.default_rng(seed)
    number = rng.integers(0, 3, len(table))
    table["f1"] += 2.0 * (number == 0)
    table["f2"] += 2.0 * (number == 2)
    labels["kind"] = KINDS[number]
    labels["sex"] = labels["speaker"].isin(["s0", "s2", "s4"])
    table["f3"] += 3.0 * labels["sex"]
    return table, labels


def classified(predictions=None, labels=(), seed=0):
    rng = np.random.default_rng(seed)
    n = len(labels) or 60
    return pd.DataFrame(
        {
            "fold": "x",
            "speaker": [f"s{i % 5}" for i in range(n)],
            "label": labels if len(labels) else rng.choice(KINDS, n, p=[0.7, 0.2, 0.1]),
            "prediction": predictions if predictions is not None else rng.choice(KINDS, n),
        }
    )


@pytest.fixture(scope="module")
def found():
    table, labels = corpus()
    settings = run_folder.settings(targets=("arousal", "kind", "sex"))
    return evaluate.evaluate(
        {"x": table, "noise": table + 9 * np.random.default_rng(1).random(table.shape)},
        labels,
        settings,
    )


def test_ratings_and_classes_are_evaluated_side_by_side(found):
    rows = [(r["target"], r["feature_set"], r["regressor"], "uar" in r) for r in found.rows]
    assert rows == [
        ("arousal", "x", "linear", False),
        ("arousal", "noise", "linear", False),
        ("arousal", "mean", "mean", False),
        *(
            row
            for target in ("kind", "sex")
            for row in (
                (target, "x", "logistic", True),
                (target, "noise", "logistic", True),
                (target, "mean", "commonest class", True),
            )
        ),
    ]
    good, poor = (evaluated.row(found, name, "kind") for name in ("x", "noise"))
    assert good["uar"] > 0.7 > poor["uar"]
    assert evaluated.row(found, "mean", "kind")["uar"] == pytest.approx(1 / 3)
    for key in classification.METRICS:
        assert good[f"{key}_low"] <= good[key] <= good[f"{key}_high"]
    (difference,) = [
        d for d in found.differences if (d["target"], d["a"], d["b"]) == ("kind", "x", "noise")
    ]
    assert difference["uar"] == pytest.approx(good["uar"] - poor["uar"])
    assert difference["uar_low"] > 0
    assert 0 < difference["wilcoxon_p"] <= 1


def test_classes_have_columns_of_their_own_and_selected_features(found):
    of_kind = evaluated.of(found.predictions, "x", "kind")
    assert set(of_kind["class"]) == set(KINDS)
    assert of_kind[["label", "prediction", "clipped"]].isna().all().all()
    assert evaluated.of(found.predictions, "x")["class"].isna().all()
    uar = sklearn.metrics.balanced_accuracy_score(of_kind["class"], of_kind["predicted_class"])
    assert evaluated.row(found, "x", "kind")["uar"] == pytest.approx(uar)
    assert set(of_kind["fold"]) == set(of_kind["speaker"])
    best = evaluated.of(found.selected, "x", "kind").query("rank <= 2")["feature"]
    assert set(best) == {"f1", "f2"}


@pytest.mark.parametrize("n_selected", [2, 0, 100])  # a selection, all, more than there are
def test_controls_of_classes(n_selected):
    table, labels = corpus(n_speakers=4, n_each=12)
    settings = run_folder.settings(targets=("kind",), battery=True, n_selected=n_selected)
    found = evaluate.evaluate({"x": table}, labels, settings)
    rows = [r for r in found.battery["rows"] if r["target"] == "kind"]
    assert {r["analysis"] for r in rows} == {"controls", "permuted"}
    permuted = [r["uar"] for r in rows if r["analysis"] == "permuted"]
    assert len(permuted) == 20
    assert np.mean(permuted) == pytest.approx(1 / 3, abs=0.1)
    assert "kind: of classes, only controls" in " ".join(found.battery["omitted"])


def test_labels_of_who_is_held_out_do_not_change_their_predictions():
    table, labels = corpus()
    settings = run_folder.settings(targets=("kind",))
    before = evaluate.evaluate({"x": table}, labels, settings).predictions
    held_out = (labels["speaker"] == "s1").to_numpy()
    changed = labels.assign(kind=np.where(held_out, "glad", labels["kind"]))
    after = evaluate.evaluate({"x": table}, changed, settings).predictions
    for frame in (before, after):
        assert len(frame) == 2 * len(labels)
    fold = before["fold"] == "s1"
    assert before[fold]["predicted_class"].equals(after[after["fold"] == "s1"]["predicted_class"])


@given(st.integers(0, 9999), st.lists(st.integers(0, 4), min_size=5, max_size=5))
@hypothesis_settings(max_examples=30)
def test_a_draws_metrics_from_counts_are_those_of_its_utterances(seed, draw):
    frame = classified(seed=seed)
    speakers = np.unique(frame["speaker"])
    counts = np.bincount(draw, minlength=5)[None].astype(float)
    ours = classification.Cells(frame, speakers).metrics(counts)[:, 0]
    drawn = pd.concat([frame[frame["speaker"] == speakers[i]] for i in draw])
    assert list(ours) == pytest.approx(list(classification.metrics(drawn).values()))


def test_metrics_are_scikit_learns():
    frame = classified()
    truth, prediction = frame["label"], frame["prediction"]
    assert classification.metrics(frame) == pytest.approx(
        {
            "uar": sklearn.metrics.balanced_accuracy_score(truth, prediction),
            "accuracy": np.mean(truth == prediction),
            "macro_f1": sklearn.metrics.f1_score(truth, prediction, average="macro"),
        }
    )
    counts = classification.confusion(frame)
    assert counts.to_numpy().sum() == len(frame)
    assert counts.loc["calm", "glad"] == ((truth == "calm") & (prediction == "glad")).sum()


def test_the_penalty_is_the_one_that_unseen_speakers_prefer():
    table, labels = corpus(n_each=40)
    number = pd.factorize(labels["kind"], sort=True)[0].astype(float)
    model = classification.Logistic(labels["speaker"].to_numpy())
    model.fit(table.to_numpy(float), number[:, None])
    assert np.mean(model.predict(table.to_numpy(float)) == number) > 0.7
    few = classification.Logistic(np.array(["a"] * 4)).fit(np.eye(4), np.array([0.0, 0, 1, 1]))
    assert set(few.predict(np.eye(4))) <= {0.0, 1.0}
    one = classification.Logistic(np.array(["a", "b"])).fit(np.eye(2), np.array([2.0, 2]))
    assert list(one.predict(np.eye(2))) == [2.0, 2.0]


def test_a_class_of_one_speaker_is_left_out_and_counted():
    table, labels = corpus()
    labels.loc[labels.index[[0, 6]], "kind"] = "shy"  # both of s0
    found = evaluate.evaluate({"x": table}, labels, run_folder.settings(targets=("kind",)))
    assert evaluated.row(found, "x", "kind")["n_utterances"] == len(labels) - 2
    assert [s["file"] for s in found.skipped] == list(labels.index[[0, 6]])
    assert found.skipped[0]["reason"].startswith(
        "kind 'shy': no training speaker has this class when"
    )


def test_rare_classes_and_those_that_differ_by_case_are_noted():
    table, labels = corpus()
    labels.loc[labels.index[:4], "kind"] = "Calm"
    found = evaluate.evaluate({"x": table}, labels, run_folder.settings(targets=("kind",)))
    assert found.notes[0] == (
        "kind: in the unweighted average recall 'Calm' counts as much as any other class, with "
        "only 4 utterances"
    )
    assert found.notes[1].startswith("kind: Calm and calm differ only by case")


def test_classes_are_taken_as_one_and_rare_ones_left_out():
    table, labels = corpus()
    kinds = labels["kind"].unique()
    labels.loc[labels.index[:3], "kind"] = "odd"
    labels.loc[labels.index[3:9], "kind"] = "quiet"
    one = f"quiet+{kinds[0]}"
    settings = run_folder.settings(targets=("kind",), merged=(one,), fewest_of_class=4)
    found = evaluate.evaluate({"x": table}, labels, settings)
    (dataset,) = found.datasets
    assert set(dataset.classes) == {one, *kinds[1:]} and len(dataset.ratings) == len(labels) - 3
    counts = np.bincount(dataset.ratings["kind"].astype(int), minlength=len(dataset.classes))
    expected = labels["kind"].isin(one.split("+")).sum()
    assert counts[dataset.classes.index(one)] == expected
    reasons = {s["reason"] for s in found.skipped}
    assert reasons == {"kind 'odd': 3 utterances, fewer than config.eval.fewest_of_class=4"}


def test_a_class_that_is_to_be_merged_must_be_there():
    table, labels = corpus()
    settings = run_folder.settings(targets=("kind",), merged=("cal+odd",))
    with pytest.raises(UserError, match=r"merged='cal\+odd': no utterance has the class 'cal'; "):
        evaluate.evaluate({"x": table}, labels, settings)


def constant(labels):
    return labels.assign(kind="same")


def of_sessions(labels):
    return labels.assign(kind=labels["session"])


def of_nobody(labels):
    return labels.assign(kind=None)


def of_files(labels):
    return labels.assign(kind=labels.index)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (constant, r"kind: 1 class to distinguish"),
        (of_sessions, r"kind: 0 classes to distinguish"),
        (of_nobody, "no value in column 'kind'"),
        (of_files, r"kind: 0 classes to distinguish"),
    ],
)
def test_targets_that_cannot_be_classified(spoil, message):
    table, labels = corpus()
    settings = run_folder.settings(targets=("kind",), protocol="leave-one-session-out")
    with pytest.raises(UserError, match=message) as caught:
        evaluate.evaluate({"x": table}, spoil(labels), settings)
    assert "\n" not in str(caught.value)


def test_a_corpus_without_ratings_can_be_classified():
    table, labels = corpus()
    found = evaluate.evaluate(
        {"x": table}, labels[["speaker", "kind"]], run_folder.settings(targets=("kind",))
    )
    assert evaluated.row(found, "x", "kind")["uar"] > 0.7
    assert "label" not in found.predictions


@pytest.mark.parametrize("seed", [*range(5), 264])  # of the last, folds are others without a class
def test_every_class_that_a_fold_tests_is_in_its_training(seed):
    rng = np.random.default_rng(seed)
    table, labels = run_folder.corpus(n_speakers=6, n_each=6)
    labels["mood"] = rng.choice(list("abcd"), 36, p=[0.6, 0.3, 0.06, 0.04])
    labels["speaker"] = rng.choice(list("uvwxyz"), 36, p=[0.3, 0.25, 0.2, 0.1, 0.1, 0.05])
    settings = run_folder.settings(targets=("mood",), protocol="group-3-fold")
    (found,), _ = dataset.prepare({"x": table}, labels, settings)
    class_N = found.ratings["mood"].to_numpy()
    for fold in splits.split(found.groups, settings.protocol):
        assert {*class_N[fold.test]} <= {*class_N[fold.train]}


def test_with_predefined_splits_only_tested_utterances_of_a_class_count():
    table, labels = corpus()
    tested = labels["speaker"].isin(["s0", "s1"])
    labels["split"] = np.where(tested, "test", "train")
    labels.loc[labels.index[tested][:3], "kind"] = "angry"
    labels.loc[labels.index[tested][3:], "kind"] = "calm"
    settings = run_folder.settings(targets=("kind",), protocol="predefined-test")
    notes = evaluate.evaluate({"x": table}, labels, settings).notes
    (rare,) = (note for note in notes if "recall" in note)
    assert "'angry' counts as much as any other class, with only 3 utterances" in rare


@pytest.mark.parametrize(("setting", "targets", "why"), [
    ({"fewest_of_class": 3}, ("arousal", "valence"), "no target has classes"),
    ({"regressor": "ridge"}, ("emotion",), "all targets have classes"),
])  # fmt: skip
def test_settings_of_the_other_kind_of_target_are_said_to_have_no_effect(setting, targets, why):
    table, labels = run_folder.corpus(n_each=20)
    labels["emotion"] = np.where(labels["arousal"] > 3, "glad", "sad")
    ((name, value),) = setting.items()
    sentence = f"config.eval.{name}={value} has no effect: {why}"
    for asked in (targets, ("arousal", "emotion")):
        settings = run_folder.settings(targets=asked, **setting)
        assert (sentence in evaluate.evaluate({"x": table}, labels, settings).notes) == (
            asked == targets
        )
