"""Figures of merit of predictions, and how far other speakers might have moved them.

Intervals are 95 % by bootstrap over speakers: utterances of one speaker are alike, so that
resampling utterances would promise too much. Percentiles are widened for few speakers as Hesterberg
(2015, "What teachers should know about the bootstrap", section 5.3) does.

They take the fitted models as they are: that other speakers in training would have given other
models is not in them (Bates, Hastie & Tibshirani 2023). With 8 speakers of 15 utterances, intervals
of differences that are zero held zero in 89 % of cases (MSE and CCC) between equally good feature
sets; and on labels permuted within speaker, where all that is learned is chance, in 97 % (MSE) and
83 % (CCC: too narrow there). The intervals of `jackknife` held it in 92 % (MSE) and 94 % (CCC), and
in all cases (too wide) (`pytest -s tests/test_intervals.py -k hold_zero`).
"""

import warnings
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import audmetric
import numpy as np
import pandas as pd
from scipy import stats
from sklearn import metrics as sk

VARIANTS = {"": "prediction", "clipped_": "clipped"}  # prefix of a figure, column it is of
FIGURES = ("mse_mean", "rmse", "mae", "r2", "pearson", "ccc", "pearson_mean", "ccc_mean")

_RESAMPLES = 2000
_CELLS_AT_ONCE = 200_000  # of resampled speakers: bounds memory
_FLAT = 1e-12  # a variance below is none

Figures = dict[str, float | None]


def figures(predicted: pd.DataFrame, column: str) -> Figures:
    """Errors of one way to predict one rating.

    `mse_mean`, `mse_variance` and `mse_std` are those of the folds' mean squared errors, each fold
    counting once, as in the paper's table 1; the variance is the population's (divided by the
    number of folds). `pearson_mean` and `ccc_mean` (Lin 1989) are means over the folds where they
    are defined. `rmse`, `mae`, `r2`, `pearson` and `ccc` pool the utterances of all test folds.

    Args:
        predicted: columns `fold`, `label` and `column`.
        column: the predictions' column.

    Returns:
        The figures; None where undefined.
    """
    truth, prediction = predicted["label"].to_numpy(), predicted[column].to_numpy()
    folds = [(f["label"].to_numpy(), f[column].to_numpy()) for _, f in predicted.groupby("fold")]
    mse = np.array([audmetric.mean_squared_error(*fold) for fold in folds])
    varies = np.ptp(truth) > 0 and len(truth) > 1
    found = {
        "mse_mean": mse.mean(),
        "mse_variance": mse.var(),
        "mse_std": mse.std(),
        "rmse": sk.root_mean_squared_error(truth, prediction),
        "mae": sk.mean_absolute_error(truth, prediction),
        "r2": sk.r2_score(truth, prediction) if varies else np.nan,
        "pearson": _pearson(truth, prediction),
        "ccc": audmetric.concordance_cc(truth, prediction),
        "pearson_mean": _mean([_pearson(*fold) for fold in folds]),
        "ccc_mean": _mean([audmetric.concordance_cc(*fold) for fold in folds]),
    }
    return {key: _finite(value) for key, value in found.items()}


def both(predicted: pd.DataFrame) -> Figures:
    """`figures` as predicted, and clipped to the scale under keys that begin with `clipped_`."""
    return {
        prefix + key: value
        for prefix, column in VARIANTS.items()
        for key, value in figures(predicted, column).items()
    }


class Bootstrap:
    """Figures of several ways to predict one rating, over the same draws of speakers.

    So that differences are paired. Every figure in `FIGURES` gets an interval, as predicted and
    clipped; it is None where a draw leaves the figure undefined.
    """

    def __init__(self, runs: Mapping[Any, pd.DataFrame]):
        """Draws speakers.

        Args:
            runs: predictions of the same utterances; columns `fold`, `speaker`, `label`,
                `prediction` and `clipped`.
        """
        self._position = {key: i for i, key in enumerate(runs)}
        speakers = np.unique(next(iter(runs.values()))["speaker"])
        cells = [_Cells(frame, speakers) for frame in runs.values()]

        def statistic(draws, axis=-1):
            del axis  # scipy gives one draw a row
            counts = np.zeros((len(draws), len(speakers)))
            np.add.at(counts, (np.arange(len(draws))[:, None], draws), 1)
            return np.stack([c.figures(counts) for c in cells])

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", stats.DegenerateDataWarning)
            drawn = stats.bootstrap(
                (np.arange(len(speakers)),), statistic, vectorized=True, method="percentile",
                n_resamples=_RESAMPLES, batch=max(1, _CELLS_AT_ONCE // len(speakers)), rng=0,
            )  # fmt: skip
        self._drawn_KVFB = drawn.bootstrap_distribution
        self._level = _level(len(speakers))

    def of(self, run: Hashable) -> Figures:
        """`KEY_low` and `KEY_high` of a run's figures."""
        return self._limits(self._drawn_KVFB[self._position[run]])

    def difference(self, a: Hashable, b: Hashable) -> Figures:
        """`KEY_low` and `KEY_high` of run a's figures minus run b's."""
        i, j = self._position[a], self._position[b]
        return self._limits(self._drawn_KVFB[i] - self._drawn_KVFB[j])

    def _limits(self, drawn_VFB: np.ndarray) -> Figures:
        tails = (1 - self._level) / 2
        limits_2VF = np.quantile(drawn_VFB, [tails, 1 - tails], axis=-1)
        return {
            f"{prefix}{key}_{side}": _finite(limits_2VF[s, v, f])
            for v, prefix in enumerate(VARIANTS)
            for f, key in enumerate(FIGURES)
            for s, side in enumerate(("low", "high"))
        }


def of_mean(values: np.ndarray) -> tuple[float | None, float | None]:
    """Interval of the mean of one value a speaker, (S,); None with fewer than two."""
    if len(values) < 2:
        return None, None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", stats.DegenerateDataWarning)
        found = stats.bootstrap(
            (values,), np.mean, vectorized=True, method="percentile",
            n_resamples=_RESAMPLES, confidence_level=_level(len(values)), rng=0,
        )  # fmt: skip
    return _finite(found.confidence_interval.low), _finite(found.confidence_interval.high)


def wilcoxon(a: pd.DataFrame, b: pd.DataFrame) -> Figures:
    """P values of the paired two-sided Wilcoxon test over folds' mean squared errors.

    None where the folds differ, or where no error does.
    """
    return {
        f"{prefix}wilcoxon_p": _wilcoxon(*(_fold_errors(run, column) for run in (a, b)))
        for prefix, column in VARIANTS.items()
    }


class _Cells:
    """Sums over the utterances of each fold and speaker, from which all figures follow."""

    def __init__(self, predicted: pd.DataFrame, speakers: np.ndarray):
        sums = pd.DataFrame({"n": np.ones(len(predicted))})
        middle = predicted["label"].mean()  # centred: squares do not swallow the differences
        y = predicted["label"].to_numpy() - middle
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

    def figures(self, counts_BS: np.ndarray) -> np.ndarray:
        """(variants, figures, B), each draw given by how often it has each speaker."""
        counts_BC = counts_BS[:, self._speaker_C]
        cells_in_F = np.diff(np.r_[self._starts_F, len(self._speaker_C)])
        # a fold counts as often as its speakers were drawn: once in the sample itself
        weight_BF = np.add.reduceat(counts_BC, self._starts_F, axis=1) / cells_in_F
        by_fold = {
            key: np.add.reduceat(counts_BC * sums_C, self._starts_F, axis=1)
            for key, sums_C in self._sums_C.items()
        }
        pooled = {key: value.sum(axis=1) for key, value in by_fold.items()}
        return np.array([_of_sums(by_fold, pooled, weight_BF, prefix) for prefix in VARIANTS])


def _of_sums(by_fold: dict, pooled: dict, weight_BF: np.ndarray, prefix: str) -> list[np.ndarray]:
    """`FIGURES` in their order, (B,) each."""
    n = pooled["n"]
    with np.errstate(divide="ignore", invalid="ignore"):
        pearson, ccc, variance = _agreement(pooled, prefix)
        fold_pearson, fold_ccc, _ = _agreement(by_fold, prefix)
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


def _agreement(sums: dict, prefix: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pearson's r, CCC, and the labels' variance."""
    n = sums["n"]
    mean_y, mean_p = sums[prefix + "y"] / n, sums[prefix + "p"] / n
    var_y = _variance(sums[prefix + "yy"] / n - mean_y**2)
    var_p = _variance(sums[prefix + "pp"] / n - mean_p**2)
    covariance = sums[prefix + "yp"] / n - mean_y * mean_p
    spread = var_y + var_p + (mean_y - mean_p) ** 2
    ccc = np.where(spread > _FLAT, 2 * covariance / spread, np.nan)
    pearson = np.where((var_y > 0) & (var_p > 0), covariance / np.sqrt(var_y * var_p), np.nan)
    return pearson, ccc, np.where(var_y > 0, var_y, np.nan)


def _variance(value: np.ndarray) -> np.ndarray:
    return np.where(value > _FLAT, value, 0.0)


def _weighted(value_BF: np.ndarray, weight_BF: np.ndarray) -> np.ndarray:
    """Mean over the folds that were drawn and where the figure is defined."""
    weight_BF = np.where(np.isfinite(value_BF), weight_BF, 0.0)
    return np.sum(np.nan_to_num(value_BF) * weight_BF, axis=1) / weight_BF.sum(axis=1)


def _level(n_speakers: int) -> float:
    """The percentile interval's level that keeps to 95 % with few speakers."""
    t = stats.t.ppf(0.975, n_speakers - 1)
    return 1 - 2 * stats.norm.cdf(-t * np.sqrt(n_speakers / (n_speakers - 1)))


def _pearson(truth: np.ndarray, prediction: np.ndarray) -> float:
    if len(truth) < 2 or np.ptp(truth) == 0 or np.ptp(prediction) == 0:
        return np.nan
    return audmetric.pearson_cc(truth, prediction)


def _fold_errors(predicted: pd.DataFrame, column: str) -> pd.Series:
    squares = (predicted[column] - predicted["label"]) ** 2
    return squares.groupby(predicted["fold"].to_numpy()).mean()


def _wilcoxon(a: pd.Series, b: pd.Series) -> float | None:
    if not a.index.equals(b.index) or np.allclose(a, b):
        return None
    return _finite(stats.wilcoxon(a, b).pvalue)


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if np.isfinite(value)]
    return float(np.mean(defined)) if defined else np.nan


def _finite(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
