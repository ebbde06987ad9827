"""Intervals of metrics: how far they might be from these with other speakers.

Intervals are 95 % by bootstrap over speakers: utterances of one speaker are alike, so that
resampling utterances would give intervals that are too narrow. Percentiles are widened for few
speakers as Hesterberg (2015, "What teachers should know about the bootstrap", section 5.3) does.

They take the fitted models as given: other training speakers would have given other models, and
this is not part of the intervals (Bates, Hastie & Tibshirani 2023). With 8 speakers of 15
utterances, intervals of differences whose true value is zero included zero in 89 % of cases (MSE
and CCC) between equally good feature sets; and on labels permuted within speaker, where nothing can
be learned, in 97 % (MSE) and 79 % (CCC: too narrow there). The intervals of `jackknife` included it
in 92 % (MSE) and 94 % (CCC), and in all cases (too wide)
(`pytest -s tests/evaluation/test_jackknife.py -k include_zero`).

Where a prediction is the mean of several trainings, trainings are resampled with the speakers: the
interval includes the variance between trainings, as far as so few show it.
"""

import warnings
from collections.abc import Hashable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from emoasr.evaluation import classification
from emoasr.evaluation.metrics import METRICS, VARIANTS, Metrics, finite, has_classes

_LEVEL = 0.95
_RESAMPLES = 2000
_CELLS_AT_ONCE = 200_000  # of resampled speakers: bounds memory
_ENSEMBLES = 40  # resampled means of trainings
_FLAT = 1e-12  # share of the labels' variance; smaller variances count as zero


class Bootstrap:
    """Intervals of several predictors of one rating, over the same draws of speakers.

    Differences are therefore paired. Every metric in `metrics.METRICS` gets an interval, as
    predicted and clipped, or every one in `classification.METRICS`; it is None where a draw leaves
    the metric undefined, and with fewer than two speakers.

    Attributes:
        keys: names of these metrics.
    """

    def __init__(
        self,
        predictions: Mapping[Any, pd.DataFrame],
        trainings: Mapping[Any, Sequence[pd.DataFrame]] = MappingProxyType({}),
    ):
        """Draws speakers, and of predictors that are means of several trainings, trainings too.

        Args:
            predictions: of the same utterances, by predictor; columns `fold`, `speaker`, `label`,
                `prediction` and, of ratings, `clipped`.
            trainings: of some of them, the predictions of each training, of ratings.
        """
        self._position = {key: i for i, key in enumerate(predictions)}
        speakers = np.unique(next(iter(predictions.values()))["speaker"])
        classes = has_classes(next(iter(predictions.values())))
        make = classification.Cells if classes else _Cells
        cells = [
            [make(one, speakers) for one in _resampled(trainings.get(key, ()), frame)]
            for key, frame in predictions.items()
        ]
        self.keys: tuple[str, ...] = make.keys

        def statistic(draws, axis=-1):
            del axis  # scipy gives one draw a row
            counts = np.zeros((len(draws), len(speakers)))
            np.add.at(counts, (np.arange(len(draws))[:, None], draws), 1)
            return np.stack([_of_draws(means, counts) for means in cells])

        self._drawn_KMB = np.full((len(cells), len(self.keys), 1), np.nan)
        self._level = _LEVEL
        if len(speakers) < 2:
            return
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            drawn = stats.bootstrap(
                (np.arange(len(speakers)),), statistic, vectorized=True, method="percentile",
                n_resamples=_RESAMPLES, batch=max(1, _CELLS_AT_ONCE // len(speakers)), rng=0,
            )  # fmt: skip
        self._drawn_KMB = drawn.bootstrap_distribution
        self._level = _level(len(speakers))

    def limits(self, predictor: Hashable) -> Metrics:
        """`KEY_low` and `KEY_high` of a predictor's metrics."""
        return self._limits(self._drawn_KMB[self._position[predictor]])

    def limits_of_difference(self, a: Hashable, b: Hashable) -> Metrics:
        """`KEY_low` and `KEY_high` of predictor a's metrics minus predictor b's."""
        i, j = self._position[a], self._position[b]
        return self._limits(self._drawn_KMB[i] - self._drawn_KMB[j])

    def _limits(self, drawn_MB: np.ndarray) -> Metrics:
        tails = (1 - self._level) / 2
        limits_2M = np.quantile(drawn_MB, [tails, 1 - tails], axis=-1)
        return {
            f"{key}_{side}": finite(limits_2M[s, m])
            for m, key in enumerate(self.keys)
            for s, side in enumerate(("low", "high"))
        }


def limits_of_mean(values: np.ndarray) -> tuple[float | None, float | None]:
    """Interval of the mean of one value a speaker, (S,); None with fewer than two."""
    if len(values) < 2:
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (values,), np.mean, vectorized=True, method="percentile",
            n_resamples=_RESAMPLES, confidence_level=_level(len(values)), rng=0,
        )  # fmt: skip
    return finite(found.confidence_interval.low), finite(found.confidence_interval.high)


def _resampled(trainings: Sequence[pd.DataFrame], mean: pd.DataFrame) -> Sequence[pd.DataFrame]:
    """Means of trainings drawn with replacement; with fewer than two, their mean itself."""
    if len(trainings) < 2:
        return [mean]
    draws = np.random.default_rng(0).integers(len(trainings), size=(_ENSEMBLES, len(trainings)))
    columns = list(VARIANTS.values())
    values_KNV = np.stack([frame[columns].to_numpy() for frame in trainings])
    means = (values_KNV[draw].mean(axis=0) for draw in draws)
    return [mean.assign(**dict(zip(columns, m.T, strict=True))) for m in means]


def _of_draws(means: Sequence[Any], counts_BS: np.ndarray) -> np.ndarray:
    """Metrics (M, B) of draws of speakers, which take the means of trainings in turn."""
    parts = [cells.metrics(counts_BS[i :: len(means)]) for i, cells in enumerate(means)]
    found_MB = np.empty((parts[0].size // parts[0].shape[-1], len(counts_BS)))
    for i, part in enumerate(parts):
        found_MB[:, i :: len(means)] = part.reshape(len(found_MB), -1)
    return found_MB


class _Cells:
    """Sums over the utterances of each fold and speaker, from which all metrics follow."""

    keys = tuple(prefix + key for prefix in VARIANTS for key in METRICS)

    def __init__(self, predicted: pd.DataFrame, speakers: np.ndarray):
        sums = pd.DataFrame({"n": np.ones(len(predicted))})
        middle = predicted["label"].mean()  # centred, against cancellation in sums of squares
        y = predicted["label"].to_numpy() - middle
        self._flat = _FLAT * (float(np.var(y)) or 1.0)
        for prefix, column in VARIANTS.items():
            p = predicted[column].to_numpy() - middle
            for key, value in {
                "y": y, "p": p, "yy": y * y, "pp": p * p, "yp": y * p,
                "e": abs(y - p), "ee": (y - p) ** 2,
            }.items():  # fmt: skip
                sums[prefix + key] = value
        keys = [predicted["fold"].to_numpy(), predicted["speaker"].to_numpy()]
        grouped = sums.groupby(keys, sort=True).sum()
        folds, of_speaker = (grouped.index.get_level_values(i).to_numpy() for i in (0, 1))
        self._speaker_C = np.searchsorted(speakers, of_speaker)
        self._starts_F = np.flatnonzero(np.r_[True, folds[1:] != folds[:-1]])
        self._sums_C = {key: grouped[key].to_numpy() for key in grouped}

    def metrics(self, counts_BS: np.ndarray) -> np.ndarray:
        """(variants, metrics, B), each draw given by how often it has each speaker."""
        counts_BC = counts_BS[:, self._speaker_C]
        cells_in_F = np.diff(np.r_[self._starts_F, len(self._speaker_C)])
        # a fold counts as often as its speakers were drawn: once in the sample itself
        weight_BF = np.add.reduceat(counts_BC, self._starts_F, axis=1) / cells_in_F
        by_fold = {
            key: np.add.reduceat(counts_BC * sums_C, self._starts_F, axis=1)
            for key, sums_C in self._sums_C.items()
        }
        pooled = {key: value.sum(axis=1) for key, value in by_fold.items()}
        return np.array([
            _of_sums(by_fold, pooled, weight_BF, prefix, self._flat) for prefix in VARIANTS
        ])  # fmt: skip


def _of_sums(
    by_fold: dict, pooled: dict, weight_BF: np.ndarray, prefix: str, flat: float
) -> list[np.ndarray]:
    """`METRICS` in their order, (B,) each; variances below `flat` count as zero."""
    n = pooled["n"]
    with np.errstate(divide="ignore", invalid="ignore"):
        pearson, ccc, variance = _agreement(pooled, prefix, flat)
        fold_pearson, fold_ccc, _ = _agreement(by_fold, prefix, flat)
        squared = pooled[prefix + "ee"] / n
        return [
            _weighted(by_fold[prefix + "ee"] / by_fold["n"], weight_BF),
            np.sqrt(squared),
            pooled[prefix + "e"] / n,
            1 - squared / variance,
            pearson,
            ccc,
            _weighted(fold_pearson, weight_BF),
            _weighted(fold_ccc, weight_BF),
        ]


def _agreement(sums: dict, prefix: str, flat: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pearson's r, CCC, and the labels' variance."""
    n = sums["n"]
    mean_y, mean_p = sums[prefix + "y"] / n, sums[prefix + "p"] / n
    var_y = _variance(sums[prefix + "yy"] / n - mean_y**2, flat)
    var_p = _variance(sums[prefix + "pp"] / n - mean_p**2, flat)
    covariance = sums[prefix + "yp"] / n - mean_y * mean_p
    spread = var_y + var_p + (mean_y - mean_p) ** 2
    ccc = np.where(spread > flat, 2 * covariance / spread, np.nan)
    pearson = np.where((var_y > 0) & (var_p > 0), covariance / np.sqrt(var_y * var_p), np.nan)
    return pearson, ccc, np.where(var_y > 0, var_y, np.nan)


def _variance(value: np.ndarray, flat: float) -> np.ndarray:
    return np.where(value > flat, value, 0.0)


def _weighted(value_BF: np.ndarray, weight_BF: np.ndarray) -> np.ndarray:
    """Mean over the folds that were drawn and where the metric is defined."""
    weight_BF = np.where(np.isfinite(value_BF), weight_BF, 0.0)
    return np.sum(np.nan_to_num(value_BF) * weight_BF, axis=1) / weight_BF.sum(axis=1)


def _level(n_speakers: int) -> float:
    """The level at which a percentile interval covers 95 % with few speakers."""
    t = stats.t.ppf((1 + _LEVEL) / 2, n_speakers - 1)
    return 1 - 2 * stats.norm.cdf(-t * np.sqrt(n_speakers / (n_speakers - 1)))
