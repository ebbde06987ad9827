import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder

from emoasr.evaluation import evaluate, regression


@pytest.mark.parametrize("regressor", regression.REGRESSORS)
def test_the_fitted_model_never_sees_the_held_out_speaker(regressor):
    table, labels = run_folder.corpus()
    settings = run_folder.settings(regressor=regressor)
    before = evaluate.evaluate({"x": table}, labels, settings)
    held_out = labels.speaker == "s1"
    table[held_out] = table[held_out] * 7 + 100
    labels.loc[held_out, ["arousal", "valence"]] = np.float32(5)
    after = evaluate.evaluate({"x": table}, labels, settings)

    ours = [r.selected[r.selected.fold == "s1"].reset_index(drop=True) for r in (before, after)]
    pd.testing.assert_frame_equal(*ours)
    others = [r.selected[r.selected.fold != "s1"].reset_index(drop=True) for r in (before, after)]
    assert not others[0].equals(others[1])
    baseline = [evaluated.of(r.predictions, "mean") for r in (before, after)]
    pd.testing.assert_series_equal(*(b[b.fold == "s1"]["prediction"] for b in baseline))


@pytest.mark.parametrize("k", [1, 5, 8, 50])
def test_selected_lists_k_features_a_fold_the_best_first(k):
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=k))
    for _, fold in result.selected.groupby(["feature_set", "target", "fold"]):
        assert list(fold["rank"]) == list(range(1, min(k, 8) + 1))
        assert fold["f_score"].is_monotonic_decreasing
        assert fold["feature"].is_unique
    assert result.selected.groupby(["target", "fold"]).ngroups == 8


def test_clipping_is_to_the_scale_or_to_the_range_of_the_training_fold():
    table, labels = run_folder.corpus()
    table.iloc[0, 0] = 1000  # extrapolates
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    p = evaluated.of(result.predictions, "x")
    assert p["prediction"].max() > 50
    assert (p["clipped"] == p["prediction"].clip(1, 5)).all()
    assert evaluated.row(result, "x")["clipped_mse_mean"] < evaluated.row(result, "x")["mse_mean"]

    labels.loc[labels.speaker == "s0", "arousal"] *= np.float32(0.5)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(scale=()))
    p = evaluated.of(result.predictions, "x")
    trained_on = labels.arousal[labels.speaker != "s0"]
    assert p["clipped"][p.fold == "s0"].min() >= trained_on.min()
    assert p["clipped"][p.fold == "s0"].max() == pytest.approx(trained_on.max())


def test_the_number_of_workers_does_not_matter():
    table, labels = run_folder.corpus()
    one, three = (
        evaluate.evaluate({"x": table}, labels, run_folder.settings(), workers=n) for n in (1, 3)
    )
    assert one.rows == three.rows and one.differences == three.differences
