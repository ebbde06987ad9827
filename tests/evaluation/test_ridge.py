import warnings

import numpy as np
import pytest
from sklearn.linear_model import Ridge as OnePenalty
from sklearn.linear_model import RidgeCV
from sklearn.preprocessing import StandardScaler

from emoasr.evaluation import standardised
from emoasr.evaluation.ridge import PENALTIES, Ridge
from emoasr.evaluation.standardised import Standardised


def features(n, d, seed=0):
    """Correlated, one column constant, one twice, one hardly varying beside its mean."""
    random = np.random.default_rng(seed)
    x_ND = random.standard_normal((n, d)) @ random.standard_normal((d, d))
    x_ND[:, 0], x_ND[:, 1], x_ND[:, 2] = 0.1, x_ND[:, 3], 1e4 + 1e-2 * x_ND[:, 2]
    return x_ND.astype(np.float32)


@pytest.mark.parametrize("shape", [(400, 8), (60, 50), (51, 50), (50, 50), (30, 50)])
@pytest.mark.parametrize("noise", [0.01, 1.0, 100.0])
def test_it_predicts_what_scikit_learns_ridge_does(shape, noise, monkeypatch):
    monkeypatch.setattr(standardised, "_ROWS", 17)  # several blocks, the last one smaller
    x_ND, random = features(*shape), np.random.default_rng(1)
    y_NT = 3 + (x_ND[:, 3:6] - x_ND[:, 3:6].mean(0)) * [1, -1, 0]
    y_NT = y_NT + noise * random.standard_normal(y_NT.shape)
    rows = np.sort(random.choice(shape[0], shape[0] - 5, replace=False))
    at_PD = features(20, shape[1], seed=2)
    scaler = StandardScaler().fit(x_ND[rows].astype(np.float64))
    theirs = RidgeCV(PENALTIES, alpha_per_target=True)
    theirs.fit(scaler.transform(x_ND[rows].astype(np.float64)), y_NT[rows])
    train = Standardised(x_ND, rows)
    ours = Ridge().fit(train, y_NT[rows]).predict(train.scaled(at_PD))
    expected = theirs.predict(scaler.transform(at_PD.astype(np.float64)))
    np.testing.assert_allclose(ours, expected, rtol=1e-6, atol=1e-6 * np.ptp(expected))


@pytest.mark.parametrize("n", [1, 2, 3])
def test_of_hardly_any_utterances_it_predicts_numbers_without_a_warning(n):
    x_ND = StandardScaler().fit_transform(features(n, 6).astype(float))
    y_NT = np.arange(2.0 * n).reshape(n, 2)
    with warnings.catch_warnings(action="error"):
        model = Ridge().fit(x_ND, y_NT)
    np.testing.assert_allclose(model.predict(np.zeros((1, 6))), [y_NT.mean(axis=0)])
    assert set(model.penalties_T) <= set(PENALTIES)


@pytest.mark.parametrize("n", [30, 80])
@pytest.mark.parametrize("noise", [0.1, 30.0])
def test_a_penalty_is_chosen_on_a_development_set(n, noise):
    x_ND, random = features(n + 40, 50), np.random.default_rng(1)
    y_NT = x_ND[:, 3:5] + noise * random.standard_normal((n + 40, 2))
    train, y_dev = Standardised(x_ND, np.arange(n)), y_NT[n:]
    dev, at_PD = train.scaled(x_ND[n:]), train.scaled(features(9, 50, seed=2))
    ours = Ridge().fit(train, y_NT[:n], (dev, y_dev)).predict(at_PD)
    for t in range(2):
        models = [OnePenalty(penalty).fit(train[:], y_NT[:n, t]) for penalty in PENALTIES]
        best = min(models, key=lambda model: np.mean((model.predict(dev) - y_dev[:, t]) ** 2))
        np.testing.assert_allclose(ours[:, t], best.predict(at_PD), rtol=1e-6)


@pytest.mark.parametrize("order", ["C", "F"])
def test_blocks_are_standardised_as_the_whole(order, monkeypatch):
    monkeypatch.setattr(standardised, "_COLUMNS", 3)
    x_ND, rows = np.array(features(40, 10), order=order), np.arange(5, 35)
    scaler = StandardScaler().fit(x_ND[rows].astype(np.float64))
    whole = scaler.transform(x_ND[rows].astype(np.float64))
    train = Standardised(x_ND, rows)
    np.testing.assert_array_equal(train[:], whole)
    np.testing.assert_array_equal(train[3:8], whole[3:8])
    np.testing.assert_array_equal(train.columns(np.array([9, 2])), whole[:, [9, 2]])
