import audmetric
import numpy as np
import pytest
from made_predictions import predicted
from scipy import stats
from sklearn import metrics as sk

from emoasr.evaluation.metrics import metrics


def test_metrics_are_those_of_the_libraries():
    frame = predicted()
    y, p = frame["label"].to_numpy(), frame["prediction"].to_numpy()
    found = metrics(frame, "prediction")
    folds = [f for _, f in frame.groupby("fold")]
    r = [stats.pearsonr(f["label"], f["prediction"]).statistic for f in folds]
    assert found["rmse"] == pytest.approx(np.sqrt(sk.mean_squared_error(y, p)))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, p))
    assert found["r2"] == pytest.approx(sk.r2_score(y, p))
    assert found["ccc"] == pytest.approx(audmetric.concordance_cc(y, p))
    assert found["pearson_mean"] == pytest.approx(np.mean(r))


def test_errors_of_a_single_fold_have_no_spread():
    frame = predicted()
    found = metrics(frame[frame["fold"] == frame["fold"].iloc[0]], "prediction")
    assert found["mse_mean"] > 0
    assert found["mse_variance"] is None and found["mse_std"] is None
