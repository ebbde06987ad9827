import dataclasses
import tracemalloc

import made_predictors
import numpy as np
import pandas as pd
import pytest
import run_folder
from sklearn.feature_selection import SelectKBest, f_classif
from sklearn.preprocessing import StandardScaler

from emoasr.evaluation import dataset, evaluate, splits
from emoasr.evaluation.classification import Logistic
from emoasr.evaluation.regression import REGRESSORS
from emoasr.prediction import fitting


@pytest.mark.parametrize("regressor", REGRESSORS)
@pytest.mark.parametrize("n_selected", [0, 3])
def test_the_errors_are_those_of_the_evaluations_folds(regressor, n_selected):
    model, speakers, table, labels = made_predictors.fitted(
        regressor=regressor, n_selected=n_selected
    )
    settings = run_folder.settings(regressor=regressor, n_selected=n_selected)
    found = evaluate.evaluate({"neural": table}, labels, settings).predictions
    for target in model.targets:
        of_target = found[(found["feature_set"] == "neural") & (found["target"] == target.name)]
        errors = (of_target["label"] - of_target["prediction"]).abs()
        np.testing.assert_allclose(target.errors_N, errors, atol=1e-5)
        assert np.count_nonzero(target.weights_D) == (n_selected or table.shape[1])
    assert speakers == tuple(sorted(labels["speaker"].unique()))


def test_the_map_is_that_of_all_utterances():
    model, _, table, labels = made_predictors.fitted(targets=("arousal",))
    predicted = model.unclipped(table.to_numpy())[:, 0]
    errors = predicted - labels["arousal"].to_numpy()
    assert np.abs(errors).mean() < 0.1
    # least squares with a small penalty: the errors' mean is zero
    assert abs(errors.mean()) < 1e-3


@pytest.mark.parametrize("n_selected", [0, 100])
def test_no_square_of_all_features_is_in_memory(n_selected):
    """Of a large network's, that would be gigabytes in every thread."""
    n = 6000
    table, labels = run_folder.corpus(n_features=n)
    settings = run_folder.settings(targets=("arousal",), n_selected=n_selected)
    datasets, _ = dataset.prepare({"neural": table}, labels, settings)
    tracemalloc.start()
    fitting.fit(datasets, settings, "neural")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n * np.dtype(np.float64).itemsize


def test_a_leak_asked_for_in_the_evaluation_is_none_in_a_predictor():
    leaky = made_predictors.fitted(n_selected=3, selection={"scope": "all"})[0]
    right = made_predictors.fitted(n_selected=3)[0]
    for a, b in zip(leaky.targets, right.targets, strict=True):
        np.testing.assert_array_equal(a.errors_N, b.errors_N)


def test_many_speakers_share_folds_and_no_speaker_is_in_two(monkeypatch):
    monkeypatch.setattr(splits, "MOST_FOLDS", 5)
    model, _, _, labels = made_predictors.fitted(n_speakers=12)
    target = model.targets[0]
    assert len(target.fold_biases_F) == 5
    by_speaker = pd.Series(target.folds_N).groupby(labels["speaker"].to_numpy()).nunique()
    assert (by_speaker == 1).all()


def test_targets_with_ratings_of_other_utterances_each_have_their_own():
    table, labels = run_folder.corpus(12, 12, made_predictors.N_UNITS)
    labels.loc[labels.index[:30], "valence"] = np.nan
    model, _ = made_predictors.fit(table, labels)
    assert [len(t.errors_N) for t in model.targets] == [144, 114]
    assert len(model.fitted.known_UP) == 144


def test_inputs_beyond_the_range_and_inputs_fitted_on_are_found():
    model, _, table, _ = made_predictors.fitted()
    x = table.to_numpy()[:3].copy()
    x[1, :8] += 100
    x[2] += 0.01
    predicted = model.predict(x, table.index[:3])
    assert predicted["beyond"].tolist() == pytest.approx([0, 0.5, predicted["beyond"].iloc[2]])
    assert predicted["fitted"].tolist() == [True, False, False]
    assert predicted[["arousal", "arousal_low", "arousal_high"]].stack().between(1, 5).all()


@pytest.mark.parametrize("size", [1, 100])
def test_rounding_makes_no_fitted_utterance_another_one(size):
    table, labels = run_folder.corpus(12, 12, made_predictors.N_UNITS)
    table *= size
    model, _ = made_predictors.fit(table, labels)
    noise = np.random.default_rng(0).uniform(-1, 1, table.shape)
    found = model.predict((table + 2e-5 * size * noise).astype(np.float32).to_numpy(), table.index)
    assert (found["beyond"] == 0).all() and found["fitted"].all()


def test_no_input_gives_no_row():
    model, _, table, _ = made_predictors.fitted()
    none = model.predict(table.to_numpy()[:0], table.index[:0])
    assert none.empty and "valence_high" in none


def test_without_a_scale_nothing_is_clipped():
    model, _, table, _ = made_predictors.fitted(scale=())
    x = table.to_numpy()[:2] * 1000
    found = model.predict(x, table.index[:2])["arousal"]
    np.testing.assert_allclose(found, model.unclipped(x)[:, 0], rtol=1e-6)
    assert not found.between(1, 5).all()
    assert (
        dataclasses.replace(model, scale=(1.0, 5.0))
        .predict(x, table.index[:2])["arousal"]
        .between(1, 5)
        .all()
    )


def test_of_predefined_splits_it_is_fitted_on_train_alone():
    table, labels = run_folder.corpus(12, 12, made_predictors.N_UNITS)
    labels["split"] = ["test" if s in ("s0", "s1", "s2") else "train" for s in labels["speaker"]]
    model, speakers = made_predictors.fit(table, labels, protocol="predefined-test")
    train = labels["split"] == "train"
    assert set(speakers) == set(labels["speaker"][train])
    alone, _ = made_predictors.fit(table[train], labels[train])
    for given, own in zip(model.targets, alone.targets, strict=True):
        np.testing.assert_array_equal(given.weights_D, own.weights_D)
        np.testing.assert_array_equal(given.errors_N, own.errors_N)


@pytest.mark.parametrize("n_selected", [0, 3])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_classes_have_the_probabilities_of_the_pipeline(n_selected, n_classes):
    _, _, table, labels = made_predictors.fitted()
    if n_classes == 2:
        labels["mood"] = labels["mood"].replace("glad", "angry")
    settings = {"targets": ("mood", "arousal"), "n_selected": n_selected}
    model, _ = made_predictors.fit(table, labels, **settings)
    x_ND = table.to_numpy()
    found = model.predict(x_ND, table.index)
    numbers, names = pd.factorize(labels["mood"], sort=True)
    standard_ND = StandardScaler().fit_transform(x_ND.astype(float))
    selector = SelectKBest(f_classif, k=n_selected or "all").fit(standard_ND, numbers)
    kept_ND = selector.transform(standard_ND)
    logistic = Logistic(labels["speaker"].to_numpy()).fit(kept_ND, numbers[:, None])
    expected_NC = logistic._model.predict_proba(kept_ND)
    columns = [f"mood_{name}" for name in names]
    np.testing.assert_allclose(found[columns], expected_NC, atol=1e-4)
    assert found["mood"].tolist() == names[expected_NC.argmax(axis=1)].tolist()
    assert (found["mood"] == labels["mood"]).mean() > 0.7
    assert list(found)[: n_classes + 2] == ["mood", *columns, "arousal"]
    assert model.predict(x_ND[:0], table.index[:0]).empty
