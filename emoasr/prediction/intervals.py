"""Prediction intervals from errors on speakers who were left out of the fit.

CV+ (Barber, Candès, Ramdas & Tibshirani 2021, "Predictive inference with the jackknife+", Annals of
Statistics 49(1), section 3) with folds of whole speakers. A new input comes from a new speaker, so
speakers are what is exchangeable: each weighs the same, whatever their number of utterances,
and the new one weighs as much, at infinity, which is the correction for a finite sample (Lee,
Barber & Willett 2023, "Distribution-free inference with hierarchical data", arXiv 2306.06342). As
a rule a share LEVEL of new speakers' ratings lies within, up to 1 / (S + 1) more with S speakers;
at least 1 - 2 (1 - LEVEL) if speakers are exchangeable.

Shape suffixes: M inputs, N utterances with a known error, F folds.
"""

import numpy as np

LEVEL = 0.9

_ROUNDING = 1e-9  # of sums of weights
_ROWS = 256  # inputs at a time


def bounds(
    of_folds_MF: np.ndarray, errors_N: np.ndarray, folds_N: np.ndarray, speakers_N: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper bounds (M,) of the ratings of new inputs.

    Args:
        of_folds_MF: the inputs' predictions by the model of each fold, which was fitted without
            that fold's speakers.
        errors_N: absolute errors of those models on the utterances left out.
        folds_N: the fold that left each utterance out.
        speakers_N: the speaker of each utterance, as a number.

    Returns:
        Bounds; infinite where there are too few speakers for a bound, fewer than
        LEVEL / (1 - LEVEL), that is 9.

    Example:
        >>> speakers = np.arange(20)
        >>> low, high = bounds(np.full((1, 20), 3.0), speakers / 10, speakers, speakers)
        >>> low.round(6).tolist(), high.round(6).tolist()
        ([1.2], [4.8])
    """
    weights_N = _weights(speakers_N)
    low_M, high_M = np.empty((2, len(of_folds_MF)))
    for i in range(0, len(of_folds_MF), _ROWS):
        of_folds_RN = of_folds_MF[i : i + _ROWS][:, folds_N]
        low_M[i : i + _ROWS] = -_quantile(errors_N - of_folds_RN, weights_N)
        high_M[i : i + _ROWS] = _quantile(errors_N + of_folds_RN, weights_N)
    return low_M, high_M


def _weights(speakers_N: np.ndarray) -> np.ndarray:
    """Of each utterance: 1 / (S + 1) for each of S speakers, in equal shares."""
    _, which_N, counts_S = np.unique(speakers_N, return_inverse=True, return_counts=True)
    return 1 / ((len(counts_S) + 1) * counts_S[which_N])


def _quantile(values_RN: np.ndarray, weights_N: np.ndarray) -> np.ndarray:
    """The least value of each row that, with all below it, weighs LEVEL; infinite if none does."""
    order_RN = np.argsort(values_RN, axis=1)
    reached_RN = np.cumsum(weights_N[order_RN], axis=1) >= LEVEL - _ROUNDING
    first_R = np.argmax(reached_RN, axis=1)
    found_R = np.take_along_axis(values_RN, order_RN, 1)[np.arange(len(values_RN)), first_R]
    return np.where(reached_RN[:, -1], found_R, np.inf)
