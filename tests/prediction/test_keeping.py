"""What an evaluation says where it keeps no predictor; the evaluation itself goes on."""

import re
import warnings

import numpy as np
import pytest
import run_folder

from emoasr import eval as command

KNOWN = {"recognizer": "0123456789abcdef", "tap": "gate", "pooling": "mean"}
SPLIT = {"protocol": "predefined-test"}


@pytest.fixture(autouse=True)
def no_pictures(undrawn):
    """Nothing is drawn in this process."""


def mood(labels):
    kinds = np.array(["low", "high"])[(labels["arousal"] > 3).astype(int)]
    return labels.assign(mood=kinds, mood_low=labels["valence"])


def one_trains(labels):
    part = np.where(labels["speaker"] == "s0", "train", "test")
    return labels.assign(split=part)


def nobody_trains(labels):
    labels = one_trains(labels)
    return labels.assign(speaker=labels["speaker"].where(labels["split"] == "test"))


def one_session_trains(labels):
    part = np.where(labels["session"] == "session0", "train", "test")
    return labels.assign(split=part)


def a_class_does_not_train(labels):
    part = np.array(["train", "dev", "test", "train"])[np.arange(len(labels)) % 4]
    return labels.assign(split=part, mood=np.where(part == "dev", "calm", labels["mood"]))


def of_name(name):
    return lambda labels: labels.assign(**{name: labels["valence"]})


def targets(*names):
    return {"targets": names}


TWICE = "two columns of one name, "


@pytest.mark.parametrize(
    ("change", "settings", "known", "why"),
    [
        (one_trains, SPLIT, KNOWN, "it needs 2 speakers or more"),
        (nobody_trains, SPLIT, KNOWN, "it needs 2 speakers or more"),
        (one_trains, {**SPLIT, **targets("mood")}, KNOWN, "it needs 2 speakers or more"),
        (one_session_trains, {**SPLIT, "partner": "out"}, KNOWN, "fewer than 3 utterances"),
        (a_class_does_not_train, {**SPLIT, **targets("mood")}, KNOWN, "no .* has the mood 'calm'"),
        (of_name("arousal_low"), targets("arousal", "arousal_low"), KNOWN, TWICE + "'arousal_low'"),
        (of_name("fitted"), targets("arousal", "fitted"), KNOWN, TWICE + "'fitted'"),
        (of_name("time"), targets("time"), KNOWN, TWICE + "'time'"),
        (of_name("x" * 201), targets("x" * 201), KNOWN, "more than 200 characters"),
        (mood, targets("mood", "mood_low"), KNOWN, TWICE + "'mood_low'"),
        (mood, {}, {"recognizer": KNOWN["recognizer"]}, "say tap None, not one of gate"),
        (mood, {}, {**KNOWN, "pooling": ["x"]}, r"say pooling \['x'\], not one of mean"),
    ],
)
def test_it_says_why_there_is_no_predictor_and_goes_on(
    change, settings, known, why, tmp_path, capsys
):
    _, labels = run_folder.corpus()
    neural = run_folder.neural_like(labels.index, n_layers=3, n_units=2)
    config = run_folder.write(tmp_path, {"neural": neural}, change(mood(labels)), **known)
    config.eval.update({"name": "e", **settings})
    (tmp_path / "eval" / "e" / "predictors" / "neural").mkdir(parents=True)  # of another evaluation
    with warnings.catch_warnings(action="error"):
        command.main(config, tmp_path)
    (line,) = [line for line in capsys.readouterr().out.splitlines() if "predictor" in line]
    assert line.startswith("neural: no predictor is kept: ")
    assert re.search(why, line)
    assert (tmp_path / "eval" / "e" / "results.json").exists()
    assert not (tmp_path / "eval" / "e" / "predictors" / "neural").exists()


def splits(labels):
    part = np.where(labels["speaker"].isin(["s0", "s1"]), "train", "test")
    return labels.assign(split=part)


def each_of_half(labels):
    first = np.arange(len(labels)) < len(labels) / 2
    return labels.assign(
        arousal=labels["arousal"].where(first), valence=labels["valence"].where(~first)
    )


LEFT_OUT = "On speakers who were left out (leave-one-speaker-out), 95 % intervals"


@pytest.mark.parametrize(("change", "settings", "n", "said"), [
    (mood, {}, 48, LEFT_OUT),
    (each_of_half, {}, 48, LEFT_OUT),
    (splits, SPLIT, 24, "On utterances of another split (predefined-test), 95 % intervals"),
    (mood, {"selection": {"scope": "all"}}, 48, "features were selected on all utterances, these"),
])  # fmt: skip
def test_the_card_says_what_was_fitted_and_what_figures_are_of(change, settings, n, said, tmp_path):
    _, labels = run_folder.corpus()
    neural = run_folder.neural_like(labels.index, n_layers=3, n_units=2)
    config = run_folder.write(tmp_path, {"neural": neural}, change(labels), **KNOWN)
    config.eval.update({"name": "e", **settings})
    command.main(config, tmp_path)
    folder = tmp_path / "eval" / "e" / "predictors" / "neural"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert f", {n} utterances of " in card and said in card
    assert ("too good" in card) == ("selection" in settings)
