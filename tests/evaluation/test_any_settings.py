"""Whatever is asked of whatever labels: results and a report, or one line that says why not."""

import numpy as np
import pytest
import run_folder
from fuzzing import outcome

from emoasr import eval as command

CHOICES = {  # of `config.eval`
    "targets": [("arousal",), ("kind",), ("valence", "kind"), ("arousal", "valence")],
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
    "battery": [True, False],
}


@pytest.fixture(autouse=True)
def no_pictures(undrawn):
    """Nothing is drawn in this process."""


def labelled(rng):
    """Tables and labels of a few speakers; some labels are missing, or do not vary."""
    table, labels = run_folder.corpus(int(rng.integers(3, 7)), int(rng.integers(4, 13)))
    kinds, shares = ["sad", "glad", "calm"], rng.permutation([0.6, 0.35, 0.05])
    labels["kind"] = rng.choice(kinds, len(labels), p=shares)
    splits = ["train", "train", *rng.choice(["train", "dev", "test"], 4)]
    labels["split"] = labels["speaker"].map(lambda name: splits[int(name[1:])])
    for column in ("speaker", "session", "split", "valence", "kind"):
        lost = rng.random(len(labels)) < rng.choice([0, 0.1, 0.5, 1], p=[0.8, 0.1, 0.05, 0.05])
        labels[column] = labels[column].mask(lost)
    if rng.random() < 0.3:
        of_one = (labels["speaker"] == "s1").to_numpy()
        labels.loc[of_one, ["arousal", "valence"]] = 3.0
    neural = run_folder.neural_like(labels.index, n_layers=3, n_units=2)
    return {"neural": neural, "mfcc": table}, labels


@pytest.mark.parametrize("seed", range(30))
def test_a_report_or_one_line(tmp_path, seed):
    rng = np.random.default_rng(seed)
    config = run_folder.write(tmp_path / "w", *labelled(rng))
    config.eval.update({name: which[rng.integers(len(which))] for name, which in CHOICES.items()})
    outcome(command.main, config, tmp_path / "w")
