"""Predictors of one rating side by side: metrics, intervals, differences, tests."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from emoasr.evaluation import classification
from emoasr.evaluation.bootstrap import Bootstrap
from emoasr.evaluation.metrics import VARIANTS, Metrics, all_metrics, finite, has_classes
from emoasr.evaluation.regression import PredictorConfig


class Comparison:
    """Predictions of one target, compared over the same draws of speakers.

    Attributes:
        target: the rating.
        predictions: by config, see `cross_validation.CrossValidated`.
        metrics: by config, see `metrics_of`.
    """

    def __init__(
        self,
        target: str,
        predictions: Mapping[PredictorConfig, pd.DataFrame],
        trainings: Mapping[PredictorConfig, Sequence[pd.DataFrame]] = MappingProxyType({}),
    ):
        """Compares predictions; those of `trainings` are their means, see `Bootstrap`."""
        self.target, self.predictions = target, dict(predictions)
        self.metrics = {config: metrics_of(frame) for config, frame in predictions.items()}
        self._bootstrap = Bootstrap(self.predictions, trainings)

    def row(self, config: PredictorConfig) -> dict[str, Any]:
        """What was done, on how much, its metrics and their intervals."""
        return {
            **describe(config, self.target, self.predictions[config]),
            **self.metrics[config],
            **self._bootstrap.limits(config),
        }

    def difference(self, a: PredictorConfig, b: PredictorConfig) -> dict[str, Any]:
        """Metrics of a minus those of b, their intervals, and a test over the folds."""
        return {
            "target": self.target,
            "protocol": a.protocol,
            "partner": a.partner,
            "selection": a.selection,
            "regressor": a.regressor,
            "n_selected": a.n_selected,
            "a": a.feature_set,
            "b": b.feature_set,
            **{
                key: _minus(self.metrics[a][key], self.metrics[b][key])
                for key in self._bootstrap.keys
            },
            **self._bootstrap.limits_of_difference(a, b),
            **wilcoxon(self.predictions[a], self.predictions[b]),
        }


def metrics_of(predicted: pd.DataFrame) -> Metrics:
    """Metrics of one target's predictions: of ratings, or of classes."""
    return (classification.metrics if has_classes(predicted) else all_metrics)(predicted)


def describe(config: PredictorConfig, target: str, predicted: pd.DataFrame) -> dict[str, Any]:
    """The fields of a row that say what was done, and on how much."""
    how = dataclasses.asdict(config)
    return {
        "feature_set": how.pop("feature_set"),
        "target": target,
        **how,
        "n_utterances": len(predicted),
        "n_folds": predicted["fold"].nunique(),
        "n_speakers": predicted["speaker"].nunique(),
    }


def wilcoxon(a: pd.DataFrame, b: pd.DataFrame) -> Metrics:
    """P values of the paired two-sided Wilcoxon test over folds' mean squared errors.

    Of classes: over folds' shares of wrong predictions. None where the folds differ, or where no
    error does.
    """
    variants = {"": "prediction"} if has_classes(a) else VARIANTS
    return {
        f"{prefix}wilcoxon_p": _wilcoxon(*(_fold_errors(frame, column) for frame in (a, b)))
        for prefix, column in variants.items()
    }


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b


def _fold_errors(predicted: pd.DataFrame, column: str) -> pd.Series:
    """Of each fold: the share of wrong classes, or the mean squared error of ratings.

    Squares are divided by the ratings' variance, so that the test depends on no unit.
    """
    if has_classes(predicted):
        errors = (predicted[column] != predicted["label"]).astype(float)
    else:
        variance = predicted["label"].var(ddof=0)
        errors = (predicted[column] - predicted["label"]) ** 2 / (variance or 1.0)
    return errors.groupby(predicted["fold"].to_numpy()).mean()


def _wilcoxon(a: pd.Series, b: pd.Series) -> float | None:
    if not a.index.equals(b.index) or np.allclose(a, b):
        return None
    return finite(stats.wilcoxon(a, b).pvalue)
