"""Whatever is asked of whatever labels: a report, and predictors that load; or a line why not."""

import warnings

import numpy as np
import pytest
import run_folder
from fuzzing import outcome

from emoasr import eval as command
from emoasr.prediction import saved

CHOICES = {  # of `config.eval`
    "targets": [
        *[("arousal",), ("kind",), ("valence", "kind"), ("arousal", "valence")] * 3,
        ("arousal", "arousal_low"),
        ("kind", "kind_sad"),
        ("time",),
    ],
    "protocol": [
        "leave-one-speaker-out",
        "leave-one-session-out",
        "group-2-fold",
        "predefined-test",
        "predefined-test",
    ],
    "partner": ["in", "in", "in", "out"],
    "n_selected": [0, 3, 100],
    "regressor": ["linear", "ridge"],
    "chosen_on": ["train"] * 4 + ["dev"],
    "fewest_of_class": [1, 4],
    "scale": [(), (1.0, 5.0)],
    "battery": [True, False, False],
    "layers": [{}] * 8 + [{"layer00": (1,)}],
    "within_speaker": [False, False, True],
}
RECOGNIZERS = [  # of which the metadata of `neural` tell
    *[{"recognizer": "0123456789abcdef", "tap": "gate", "pooling": "mean"}] * 3,
    {"recognizer": "0123456789abcdef"},
    {},
]
SIZES = [1.0] * 7 + [1e-30, 1e30, 1e160, 1e307]  # of features


@pytest.fixture(autouse=True)
def no_pictures(undrawn):
    """Nothing is drawn in this process."""


def labelled(rng):
    """Tables and labels of a few speakers; some labels are missing, or do not vary."""
    table, labels = run_folder.corpus(int(rng.integers(3, 7)), int(rng.integers(4, 13)))
    kinds, shares = ["sad", "glad", "calm"], rng.permutation([0.6, 0.35, 0.05])
    labels["kind"] = rng.choice(kinds, len(labels), p=shares)
    parts = ["train", "train", *rng.choice(["train", "dev", "test"], 4)]
    parts = [parts, range(6), ["train", *rng.choice(["dev", "test"], 5)]][rng.integers(3)]
    labels["split"] = labels["speaker"].map(lambda name: parts[int(name[1:])])
    labels = labels.assign(**dict.fromkeys(("arousal_low", "kind_sad", "time"), labels["valence"]))
    for column in ("speaker", "session", "split", "valence", "kind"):
        lost = rng.random(len(labels)) < rng.choice([0, 0.1, 0.5, 1], p=[0.8, 0.1, 0.05, 0.05])
        labels[column] = labels[column].mask(lost)
    if rng.random() < 0.3:
        of_one = (labels["speaker"] == "s1").to_numpy()
        labels.loc[of_one, ["arousal", "valence"]] = 3.0
    neural = run_folder.neural_like(labels.index, n_layers=3, n_units=2)
    return {"neural": neural, "mfcc": table.astype(float) * rng.choice(SIZES)}, labels


@pytest.mark.parametrize("seed", range(30))
def test_a_report_or_one_line(tmp_path, seed):
    rng = np.random.default_rng(seed)
    recognizer = RECOGNIZERS[rng.integers(len(RECOGNIZERS))]
    config = run_folder.write(tmp_path / "w", *labelled(rng), **recognizer)
    config.eval.update({name: which[rng.integers(len(which))] for name, which in CHOICES.items()})
    with warnings.catch_warnings(action="error"):
        outcome(command.main, config, tmp_path / "w")
    for predictor in tmp_path.glob("w/eval/*/predictors/*"):
        assert saved.load(predictor).record.targets == config.eval.targets
