"""Metrics of predictions: errors, correlation, agreement."""

from collections.abc import Sequence

import audmetric
import numpy as np
import pandas as pd
import sklearn.metrics

VARIANTS = {"": "prediction", "clipped_": "clipped"}  # prefix of a metric, column it is of
METRICS = ("mse_mean", "rmse", "mae", "r2", "pearson", "ccc", "pearson_mean", "ccc_mean")

Metrics = dict[str, float | None]


def metrics(predicted: pd.DataFrame, column: str) -> Metrics:
    """Metrics of one rating's predictions.

    `mse_mean`, `mse_variance` and `mse_std` are those of the folds' mean squared errors, each fold
    counting once, as in the paper's table 1; the variance is the population's (divided by the
    number of folds), undefined of a single fold. `pearson_mean` and `ccc_mean` (Lin 1989) are means
    over the folds where they are defined. `rmse`, `mae`, `r2`, `pearson` and `ccc` pool the
    utterances of all test folds.

    Args:
        predicted: columns `fold`, `label` and `column`.
        column: the predictions' column.

    Returns:
        The metrics; None where undefined.
    """
    truth, prediction = predicted["label"].to_numpy(), predicted[column].to_numpy()
    folds = [(f["label"].to_numpy(), f[column].to_numpy()) for _, f in predicted.groupby("fold")]
    mse = np.array([audmetric.mean_squared_error(*fold) for fold in folds])
    several, varies = len(mse) > 1, np.ptp(truth) > 0 and len(truth) > 1
    found = {
        "mse_mean": mse.mean(),
        "mse_variance": mse.var() if several else np.nan,
        "mse_std": mse.std() if several else np.nan,
        "rmse": sklearn.metrics.root_mean_squared_error(truth, prediction),
        "mae": sklearn.metrics.mean_absolute_error(truth, prediction),
        "r2": sklearn.metrics.r2_score(truth, prediction) if varies else np.nan,
        "pearson": _pearson(truth, prediction),
        "ccc": audmetric.concordance_cc(truth, prediction),
        "pearson_mean": _mean([_pearson(*fold) for fold in folds]),
        "ccc_mean": _mean([audmetric.concordance_cc(*fold) for fold in folds]),
    }
    return {key: finite(value) for key, value in found.items()}


def all_metrics(predicted: pd.DataFrame) -> Metrics:
    """`metrics` as predicted, and clipped to the scale under keys that begin with `clipped_`."""
    return {
        prefix + key: value
        for prefix, column in VARIANTS.items()
        for key, value in metrics(predicted, column).items()
    }


def has_classes(predicted: pd.DataFrame) -> bool:
    """Whether predictions are classes, not ratings."""
    return "clipped" not in predicted


def finite(value: float) -> float | None:
    """The value; None if it is NaN or infinite."""
    return float(value) if np.isfinite(value) else None


def _pearson(truth: np.ndarray, prediction: np.ndarray) -> float:
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(prediction) == 0:
        return np.nan
    return audmetric.pearson_cc(truth, prediction)


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else np.nan
