"""How often 95 % intervals of differences include zero where the true difference is zero."""

import itertools

import numpy as np
import pandas as pd
import pytest
import run_folder

from emoasr.evaluation import cross_validation, dataset, jackknife
from emoasr.evaluation.comparison import Comparison
from emoasr.evaluation.regression import predictor_configs


def drawn(data, compared):
    """Intervals of differences between feature sets, by drawing speakers."""
    del data
    return [compared.difference(a, b) for a, b in itertools.combinations(compared.metrics, 2)]


def refitted(data, compared):
    """The same, with everything fitted again without each speaker."""
    configs = list(compared.metrics)
    parts = jackknife.without_each_speaker(data, configs, 1)
    return [jackknife.limits(parts, compared, *ab) for ab in itertools.combinations(configs, 2)]


def shares_that_include_zero(n_runs, make, how=drawn):
    """Of three feature sets with nothing between them: how often the interval includes zero."""
    found = []
    for seed in range(n_runs):
        table, labels = run_folder.corpus(n_speakers=8, n_each=15, n_features=24, seed=seed)
        table = make(table, labels, np.random.default_rng(seed))
        tables = {name: table.iloc[:, i * 8 : i * 8 + 8] for i, name in enumerate("abc")}
        settings = run_folder.settings(targets=("arousal",), n_selected=0)
        (data,), _ = dataset.prepare(tables, labels, settings)
        fitted = cross_validation.run(data, predictor_configs(tables, settings)[:-1], 1, "")
        found += how(data, Comparison("arousal", fitted.of_target("arousal")))
    included = {
        key: np.mean([d[f"{key}_low"] <= 0 <= d[f"{key}_high"] for d in found])
        for key in ("mse_mean", "ccc")
    }
    shares = ", ".join(f"{key} {share:.3f}" for key, share in included.items())
    print(f"{len(found)} intervals, shares that include zero: {shares}")
    return included


def equally_good(table, labels, rng):
    """Features that follow the label alike, each speaker's in a way of its own."""
    truth = rng.standard_normal(len(table))
    labels["arousal"] = (3 + 0.7 * truth).clip(1, 5)
    slope = rng.normal(1, 0.3, (8, 24))[labels["speaker"].str[1:].astype(int)]
    noise = rng.normal(0, 2, table.shape)
    return pd.DataFrame(slope * truth[:, None] + noise, table.index, table.columns)


def permuted(table, labels, rng):
    """Labels exchanged within each speaker."""
    labels["arousal"] = labels.groupby("speaker")["arousal"].transform(rng.permutation)
    return table


@pytest.mark.slow
def test_intervals_between_equally_good_sets_include_zero():
    assert min(shares_that_include_zero(40, equally_good).values()) > 0.85


@pytest.mark.slow
def test_intervals_on_permuted_labels_include_zero():
    included = shares_that_include_zero(50, permuted)
    # what CCC is left is the chance of the training folds, see the docstring of `bootstrap`
    assert included["mse_mean"] > 0.9 and included["ccc"] > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("make", [equally_good, permuted])
def test_refitted_intervals_include_zero(make):
    assert min(shares_that_include_zero(16, make, refitted).values()) > 0.9
