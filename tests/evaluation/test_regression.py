import warnings

import evaluated
import numpy as np
import pytest
import run_folder
from scipy import optimize
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from emoasr.evaluation import evaluate


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_the_baseline_is_the_mean_of_the_training_fold():
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    mse = []
    for speaker in sorted(set(labels.speaker)):
        test = labels.speaker == speaker
        mean = labels.arousal[~test].astype(float).mean()
        mse.append(((labels.arousal[test] - mean) ** 2).mean())
    baseline = evaluated.row(result, "mean")
    assert baseline["mse_mean"] == pytest.approx(np.mean(mse))
    assert baseline["mse_std"] == pytest.approx(np.std(mse))
    assert baseline["mse_variance"] == pytest.approx(np.var(mse))
    assert (baseline["n_features"], baseline["n_selected"]) == (0, 0)
    assert evaluated.of(result.selected, "mean").empty


def test_predictions_equal_a_regression_done_by_hand():
    table, labels = run_folder.corpus(n_features=3)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=100))
    test = labels.speaker == "s2"
    by_hand = LinearRegression().fit(
        table[~test].astype(float), labels.valence[~test].astype(float)
    )
    ours = evaluated.of(result.predictions, "x", "valence")
    np.testing.assert_allclose(
        ours[ours.fold == "s2"]["prediction"], by_hand.predict(table[test].astype(float))
    )
    assert evaluated.row(result, "x")["n_selected"] == 3


def test_ridge_on_all_features_equals_a_search_for_the_penalty_by_hand():
    table, labels = run_folder.corpus()
    settings = run_folder.settings(n_selected=0, regressor="ridge")
    result = evaluate.evaluate({"x": table}, labels, settings)
    train, test = labels.speaker != "s2", labels.speaker == "s2"
    X, y = table.to_numpy(float), labels.valence.to_numpy(float)
    X = (X - X[train].mean(0)) / X[train].std(0)

    def error(alpha):  # one utterance left out at a time
        folds = cross_val_predict(Ridge(alpha), X[train], y[train], cv=LeaveOneOut())
        return np.mean((folds - y[train]) ** 2)

    alpha = min(np.logspace(0, 5, 11), key=error)
    by_hand = Ridge(alpha).fit(X[train], y[train]).predict(X[test])
    ours = evaluated.of(result.predictions, "x", "valence")
    np.testing.assert_allclose(ours[ours.fold == "s2"]["prediction"], by_hand, rtol=1e-6)
    assert (
        evaluated.row(result, "x")["n_selected"] == 8
        and evaluated.row(result, "x")["regressor"] == "ridge"
    )


def test_support_vector_regression_is_of_standardised_ratings_and_features():
    table, labels = run_folder.corpus(n_each=40)
    settings = run_folder.settings(n_selected=0, regressor="svr")
    result = evaluate.evaluate({"x": table}, labels, settings)
    train, test = labels.speaker != "s2", labels.speaker == "s2"
    X, y = table.to_numpy(float), labels.valence.to_numpy(float)
    X = (X - X[train].mean(0)) / X[train].std(0)
    mean, std = y[train].mean(), y[train].std()

    def loss(w_D):  # squared, beyond .1; liblinear penalises the intercept too
        off = np.abs(X[train] @ w_D[:-1] + w_D[-1] - (y[train] - mean) / std) - 0.1
        return 0.5 * w_D @ w_D + 1e-3 * np.sum(np.maximum(off, 0) ** 2)

    w_D = optimize.minimize(loss, np.zeros(X.shape[1] + 1), tol=1e-10).x
    by_hand = (X[test] @ w_D[:-1] + w_D[-1]) * std + mean
    ours = evaluated.of(result.predictions, "x", "valence")
    np.testing.assert_allclose(ours[ours.fold == "s2"]["prediction"], by_hand, atol=1e-3)


@pytest.mark.parametrize("value", [0.0, 0.1, -3e5])
def test_constant_features_do_no_harm(value):
    table, labels = run_folder.corpus()
    without = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=9))
    table["constant"] = np.float32(value)
    table["constant64"] = value
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=10))
    assert evaluated.row(result, "x")["mse_mean"] == pytest.approx(
        evaluated.row(without, "x")["mse_mean"]
    )
    last = result.selected[result.selected["rank"] > 8]
    assert set(last["feature"]) == {"constant", "constant64"}


def test_float32_features_give_what_float64_ones_give():
    table, labels = run_folder.corpus(n_features=40)
    single = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=20))
    double = evaluate.evaluate(
        {"x": table.astype(float)}, labels, run_folder.settings(n_selected=20)
    )
    assert single.rows == double.rows


def test_support_vector_regression_finds_a_linear_relation():
    table, labels = run_folder.corpus(n_each=300)  # its C is for hundreds of utterances and more
    settings = run_folder.settings(regressor="svr", n_selected=0)
    assert evaluated.row(evaluate.evaluate({"x": table}, labels, settings), "x")["ccc"] > 0.7
