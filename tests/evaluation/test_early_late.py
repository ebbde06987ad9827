"""Simulated speakers of whom it is known whether they differ."""

import numpy as np
import pandas as pd
import pytest

from emoasr.evaluation import early_late
from emoasr.evaluation.dataset import Dataset
from emoasr.inference.columns import unit_names

LAYERS, UNITS = 3, 8


def speakers(spread, seed, n_speakers=12, sizes=(25, 50)):
    """Ratings drive the units of the first layer by 0.5 on average, those of the last by 0.2.

    Units share noise, as those of networks do; `spread` is the standard deviation, over speakers,
    of the first.
    """
    rng = np.random.default_rng(seed)
    frames, ratings, who = [], [], []
    for s in range(n_speakers):
        n = sizes[s % len(sizes)]
        slopes = np.repeat([0.5 + spread * rng.standard_normal(), 0.3, 0.2], UNITS)
        slopes *= rng.uniform(0.5, 1.5, LAYERS * UNITS)
        y = rng.standard_normal((n, 2))
        shared = rng.standard_normal((n, 3)) @ rng.standard_normal((3, LAYERS * UNITS)) / 2
        frames.append(y[:, :1] * slopes + shared + rng.standard_normal((n, LAYERS * UNITS)))
        ratings.append(y)
        who += [f"s{s:02d}"] * n
    x = np.concatenate(frames)
    index = pd.Index([f"{i}.wav" for i in range(len(x))], name="file")
    table = pd.DataFrame(x, index, unit_names(LAYERS, UNITS))
    targets = pd.DataFrame(np.concatenate(ratings), index, ["arousal", "valence"])
    return Dataset({"neural": table}, targets, pd.DataFrame({"speaker": who}, index), ())


def found_in(dataset, dialogues=None):
    alone = pd.Series(index=dataset.ratings.index, dtype=object)
    return early_late.contrasts(dataset, "neural", alone if dialogues is None else dialogues)


def by_hand(x, y):
    z = abs(np.arctanh([np.corrcoef(unit, y)[0, 1] for unit in x.T]))
    return z[:UNITS].mean() - z[-UNITS:].mean()


@pytest.mark.parametrize("dialogues", [False, True])
def test_values_and_variances_are_those_of_leaving_out_by_hand(dialogues):
    dataset = speakers(0.3, 0, n_speakers=4, sizes=(24,))
    of = pd.Series(np.arange(96) // 2, dataset.ratings.index).astype(str)
    found = found_in(dataset, of if dialogues else None)
    assert found.targets == ("arousal", "valence", "arousal − valence")
    parts = np.arange(24) // (2 if dialogues else 1)
    values, variances = [], []
    for s in range(4):
        rows = slice(24 * s, 24 * s + 24)
        x = dataset.tables["neural"].to_numpy()[rows]
        y = dataset.ratings["arousal"].to_numpy()[rows]
        without = [by_hand(x[parts != g], y[parts != g]) for g in np.unique(parts)]
        values.append(by_hand(x, y))
        variances.append((len(without) - 1) * np.var(without))
    np.testing.assert_allclose(found.value_ST[:, 0], values, atol=1e-9)
    np.testing.assert_allclose(found.variance_ST[:, 0], np.mean(variances), rtol=1e-9)
    pair = found.value_ST[:, 0] - found.value_ST[:, 1]
    np.testing.assert_allclose(found.value_ST[:, 2], pair, atol=1e-12)


@pytest.fixture
def dealt_once(monkeypatch):
    monkeypatch.setattr(early_late, "_DEALT", 1)  # slow, and not what is asked


@pytest.mark.usefixtures("dealt_once")
def test_homogeneous_speakers_differ_by_no_more_than_by_chance():
    every = [found_in(speakers(0.0, seed)).variation() for seed in range(50)]
    p, i2 = (np.array([[r[key] for r in records] for records in every]) for key in ("p", "i2"))
    print("p < .05:", (p < 0.05).mean(axis=0), "mean I²:", i2.mean(axis=0).round(2))
    assert np.mean(p[:, 0] < 0.05) <= 0.12 and i2[:, 0].mean() < 0.2
    np.testing.assert_allclose(np.quantile(p[:, 0], (0.25, 0.5, 0.75)), (0.25, 0.5, 0.75), atol=0.2)
    assert np.mean(p[:, 1] < 0.05) <= 0.05  # nothing correlates: too careful, never too bold


def test_speakers_who_differ_are_found_by_both_tests():
    arousal, valence, _ = found_in(speakers(0.3, 1)).variation()
    assert arousal["p"] < 0.001 and arousal["dealt_p"] == 0.01 and arousal["i2"] > 0.5
    assert valence["p"] > 0.05 and valence["dealt_p"] > 0.05


@pytest.mark.usefixtures("dealt_once")
def test_the_true_spread_and_a_new_speaker_are_found():
    found = found_in(speakers(0.15, 2, n_speakers=30, sizes=(150,)))
    arousal, value_S = found.variation()[0], found.value_ST[:, 0]
    sampling = found.variance_ST[0, 0]
    assert arousal["tau"] ** 2 == pytest.approx(value_S.var(ddof=1) - sampling, rel=1e-6)
    assert sampling < 0.3 * value_S.var(ddof=1)
    inside = (value_S > arousal["new_low"]) & (value_S < arousal["new_high"])
    assert inside.mean() > 0.85
    assert arousal["early_late_low"] < arousal["early_late"] < arousal["early_late_high"]


def test_few_speakers_are_one_sentence_and_those_left_out_are_named():
    assert found_in(speakers(0, 0, n_speakers=3)) == (
        "3 speakers with 10 utterances or more, and ratings that vary; comparing them needs 4"
    )
    dataset = speakers(0, 0, n_speakers=7)
    dataset.ratings.loc[dataset.groups["speaker"] == "s01", "valence"] = 3.0
    few = (dataset.groups["speaker"] == "s02") & (np.arange(len(dataset.groups)) % 4 > 0)
    found = found_in(dataset.where(~few))
    assert found.left_out == ("s01", "s02") and len(found.speakers) == 5
    assert np.isfinite(found.value_ST).all()


def test_constant_units_ratings_twice_and_other_scales_change_nothing():
    dataset = speakers(0.2, 3)
    plain = found_in(dataset)
    dataset.tables["neural"].iloc[:, : LAYERS * UNITS] *= np.logspace(-4, 6, LAYERS * UNITS)
    np.testing.assert_allclose(found_in(dataset).value_ST, plain.value_ST, atol=1e-9)
    dataset.tables["neural"].iloc[:, 3] = 0.1
    dataset.ratings["again"] = dataset.ratings["arousal"]
    found = found_in(dataset)
    assert np.isfinite(found.value_ST).all()
    assert "arousal − again" not in found.targets and "valence − again" in found.targets
