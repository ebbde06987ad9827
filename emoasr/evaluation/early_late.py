"""Differences between speakers: how much more early layers correlate with a rating than late ones.

For each speaker and rating: the mean of |Fisher's z| over the units of the first third of the
layers, minus that over the last third. The units depend on each other, and both thirds on the same
utterances, so that 1 / (n - 3) is not its sampling variance: that is estimated by jackknife, over
the speaker's utterances, or over dialogues where the labels have them.

The jackknife variance of some tens of utterances is itself so uncertain, and so correlated with the
estimate, that as a weight it would make Cochran's Q too large. So each speaker gets the mean over
speakers, in proportion to one over the number of utterances (as Hunter & Schmidt 2004, chapter 3,
do with correlations). For homogeneous speakers, Q was then significant (p < .05) in 6 %
of cases, and in none where no unit correlates (too conservative there;
`pytest -s tests/evaluation/test_early_late.py -k homogeneous`). Where a unit has no correlation,
|z| is above zero by chance, more so the fewer the utterances; most of this, not all, cancels in the
difference of two thirds.

Shape suffixes: N utterances of a speaker, G parts of them that the jackknife leaves out, D units,
T ratings, S speakers.
"""

import dataclasses
import itertools
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats
from threadpoolctl import threadpool_limits

from emoasr.evaluation import meta_analysis, splits
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.layers import layout
from emoasr.system.output import counted

FEWEST_SPEAKERS = 4
FEWEST_UTTERANCES = 10  # of a speaker, and dialogues, to leave out one at a time
_LARGEST_R = np.nextafter(1.0, 0.0)  # Fisher's z of 1 is infinite
_CONSTANT = 1e-9  # share of the variance; what is left below it is rounding
_DEALT = 99  # times that utterances are assigned to speakers at random


@dataclasses.dataclass(frozen=True)
class Contrasts:
    """Early minus late layers' correlation with ratings, by speaker.

    Attributes:
        feature_set: the network's.
        targets: the ratings, then their pairs, "one − other".
        speakers: those for whom it is defined for all ratings.
        n_utterances: (S,) of each.
        value_ST: early minus late, in Fisher's z.
        variance_ST: of its sampling error.
        dealt_RST: as `value_ST`, of R random assignments of utterances to speakers.
        left_out: speakers with too few utterances, or a rating that hardly varies.
    """

    feature_set: str
    targets: tuple[str, ...]
    speakers: tuple[str, ...]
    n_utterances: np.ndarray
    value_ST: np.ndarray
    variance_ST: np.ndarray
    dealt_RST: np.ndarray
    left_out: tuple[str, ...] = ()

    def each(self) -> list[dict[str, Any]]:
        """A record a speaker and target: early_late, early_late_low, early_late_high."""
        reach_ST = stats.norm.ppf(0.975) * np.sqrt(self.variance_ST)
        return [
            {
                "feature_set": self.feature_set,
                "target": target,
                "speaker": speaker,
                "n": int(self.n_utterances[s]),
                **_interval("early_late", self.value_ST[s, t], reach_ST[s, t]),
            }
            for t, target in enumerate(self.targets)
            for s, speaker in enumerate(self.speakers)
        ]

    def variation(self) -> list[dict[str, Any]]:
        """A record a target: is there more variation between speakers than sampling gives?"""
        return [self._variation(t) for t in range(len(self.targets))]

    def _variation(self, t: int) -> dict[str, Any]:
        found = meta_analysis.random_effects(self.value_ST[:, t], self.variance_ST[:, t])
        between, *dealt = (
            _between(value_S, self.n_utterances)
            for value_S in (self.value_ST[:, t], *self.dealt_RST[:, :, t])
        )
        return {
            "feature_set": self.feature_set,
            "target": self.targets[t],
            "n_speakers": len(self.speakers),
            "early_late": found.mean,
            "early_late_low": found.low,
            "early_late_high": found.high,
            "new_low": found.new_low,
            "new_high": found.new_high,
            "tau": found.tau,
            "i2": found.i2,
            "q": found.q,
            "p": found.p,
            "dealt_p": (1 + sum(value >= between for value in dealt)) / (1 + len(dealt)),
        }


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in `cross_validation`: small products
def contrasts(dataset: Dataset, feature_set: str, dialogues: pd.Series) -> Contrasts | str:
    """Compares the layers of a network, speaker by speaker.

    Args:
        dataset: utterances, their ratings and speakers.
        feature_set: the network's; of several statistics of a unit, the first.
        dialogues: of each utterance; those of one are left out together. Missing: one by itself.

    Returns:
        What was found; or why speakers cannot be compared.
    """
    table = dataset.tables[feature_set]
    shape = layout(table.columns, feature_set)
    if shape.n_layers < 2:
        return f"{feature_set} has {counted(shape.n_layers, 'layer')}"
    n_each = max(1, round(shape.n_layers / 3)) * shape.n_units
    first = dataset.features(feature_set)[:, shape.first]
    x_ND = np.concatenate([first[:, :n_each], first[:, -n_each:]], axis=1).astype(np.float64)
    y_NT = dataset.ratings.to_numpy(np.float64)
    parts = _parts(dataset, dialogues)
    found = {name: _left_out(x_ND[rows], y_NT[rows], part) for name, rows, part in parts}
    defined = {name: of for name, of in found.items() if np.isfinite(of).all()}
    if len(defined) < FEWEST_SPEAKERS:
        return (
            f"{counted(len(defined), 'speaker')} with {FEWEST_UTTERANCES} utterances or "
            f"more, and ratings that vary; comparing them needs {FEWEST_SPEAKERS}"
        )
    kept = [part for part in parts if part[0] in defined]
    n_S = np.array([len(rows) for _, rows, _ in kept])
    pairs = [*itertools.combinations(range(y_NT.shape[1]), 2)]
    with_pairs = [_with_pairs(of, pairs) for of in defined.values()]
    variance_ST = np.array([_jackknife(of[1:]) for of in with_pairs])
    names = dataset.targets
    every = np.array([*names, *(f"{names[i]} − {names[j]}" for i, j in pairs)])
    varied = (variance_ST > 0).any(axis=0)  # does not vary: a rating minus its copy
    return Contrasts(
        feature_set=feature_set,
        targets=tuple(every[varied].tolist()),
        speakers=tuple(defined),
        n_utterances=n_S,
        value_ST=np.array([of[0] for of in with_pairs])[:, varied],
        variance_ST=((variance_ST * n_S[:, None]).mean(axis=0) / n_S[:, None])[:, varied],
        dealt_RST=_with_pairs(_dealt(x_ND, y_NT, kept), pairs)[:, :, varied],
        left_out=tuple(sorted({*dataset.groups["speaker"]} - {*defined, splits.UNKNOWN})),
    )


_Part = tuple[str, np.ndarray, np.ndarray]  # a speaker's name, rows, and part of each row


def _parts(dataset: Dataset, dialogues: pd.Series) -> list[_Part]:
    """Speakers with enough utterances; what the jackknife leaves out of each."""
    of_row = dialogues.astype(str).where(dialogues.notna()).to_numpy()
    found = []
    for name, rows in sorted(dataset.groups.groupby("speaker").indices.items()):
        codes, _ = pd.factorize(of_row[rows])
        alone = codes < 0
        codes[alone] = codes.max(initial=-1) + 1 + np.arange(alone.sum())
        if len(np.unique(codes)) < FEWEST_UTTERANCES:
            codes = np.arange(len(rows))
        if len(rows) >= FEWEST_UTTERANCES and name != splits.UNKNOWN:
            found.append((str(name), np.asarray(rows), np.asarray(codes)))
    return found


def _left_out(x_ND: np.ndarray, y_NT: np.ndarray, part_N: np.ndarray) -> np.ndarray:
    """Early minus late of all utterances, then without each part in turn: (1 + G, T)."""
    x_ND, y_NT = _centred(x_ND), _centred(y_NT)
    within = np.zeros((1 + part_N.max() + 1, len(x_ND)))  # the first leaves out nothing
    within[1 + part_N, np.arange(len(x_ND))] = 1
    n_G = len(x_ND) - within.sum(axis=1)
    x_GD, y_GT = within @ x_ND, within @ y_NT
    square_GD = (x_ND**2).sum(axis=0) - within @ x_ND**2 - x_GD**2 / n_G[:, None]
    square_GT = (y_NT**2).sum(axis=0) - within @ y_NT**2 - y_GT**2 / n_G[:, None]
    found = []
    for y_N, y_G, square_G in zip(y_NT.T, y_GT.T, square_GT.T, strict=True):
        product_GD = y_N @ x_ND - within @ (y_N[:, None] * x_ND) - x_GD * (y_G / n_G)[:, None]
        found.append(_early_late(product_GD, square_GD, square_G))
    return np.array(found).T


def _early_late(product_GD: np.ndarray, x_GD: np.ndarray, y_G: np.ndarray) -> np.ndarray:
    """Mean |Fisher's z| of the first half of the units minus that of the second: (G,).

    Args:
        product_GD: sums of products of units and ratings, both around their means; the first row
            is of all utterances.
        x_GD: of squares of units; one that no longer varies is left out.
        y_G: of squares of ratings; where they no longer vary, the result is NaN.
    """
    varies_GD = x_GD > _CONSTANT * x_GD[0]
    y_G = np.where(y_G > _CONSTANT * y_G[0], y_G, np.nan)
    r_GD = product_GD / np.sqrt(np.where(varies_GD, x_GD, 1.0) * y_G[:, None])
    z_GD = np.where(varies_GD, abs(np.arctanh(r_GD.clip(-_LARGEST_R, _LARGEST_R))), 0.0)
    middle = z_GD.shape[1] // 2
    with np.errstate(invalid="ignore"):  # no unit varies
        early_G, late_G = (
            z_GD[:, of].sum(axis=1) / varies_GD[:, of].sum(axis=1)
            for of in (slice(middle), slice(middle, None))
        )
    return early_G - late_G


def _dealt(x_ND: np.ndarray, y_NT: np.ndarray, parts: list[_Part]) -> np.ndarray:
    """Early minus late with utterances assigned to speakers at random: (R, S, T).

    Units and ratings are first centred and scaled within their true speakers, so that the random
    ones are homogeneous: they differ by chance alone.
    """
    rng = np.random.default_rng(0)
    x_ND = np.concatenate([_scaled(x_ND[rows]) for _, rows, _ in parts]).astype(np.float32)
    y_NT = np.concatenate([_scaled(y_NT[rows]) for _, rows, _ in parts]).astype(np.float32)
    ends = np.cumsum([len(rows) for _, rows, _ in parts])
    starts = np.cumsum([0, *(part.max() + 1 for _, _, part in parts)])
    part_N = np.concatenate([part + at for (_, _, part), at in zip(parts, starts, strict=False)])
    found = []
    for _ in range(_DEALT):
        order = np.argsort(rng.permutation(starts[-1])[part_N], kind="stable")
        found.append([_whole(x_ND[rows], y_NT[rows]) for rows in np.split(order, ends[:-1])])
    return np.array(found)


def _whole(x_ND: np.ndarray, y_NT: np.ndarray) -> np.ndarray:
    """Early minus late of some utterances, (T,)."""
    x_ND, y_NT = _centred(x_ND), _centred(y_NT)
    square_1D = np.einsum("nd,nd->d", x_ND, x_ND)[None]
    of_y = zip((y_NT.T @ x_ND)[:, None], (y_NT**2).sum(axis=0)[:, None], strict=True)
    return np.array([_early_late(product, square_1D, square)[0] for product, square in of_y])


def _centred(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0; constant ones are 0 to the last digit."""
    return np.where(np.ptp(values, axis=0) > 0, values - values.mean(axis=0), 0)


def _scaled(values: np.ndarray) -> np.ndarray:
    """Columns with mean 0 and variance 1; constant ones are 0."""
    spread = values.std(axis=0)
    return _centred(values) / np.where(spread > 0, spread, 1.0)


def _with_pairs(values: np.ndarray, pairs: list[tuple[int, int]]) -> np.ndarray:
    """Values (..., T), followed by the differences of their pairs."""
    return np.concatenate([values, *(values[..., [i]] - values[..., [j]] for i, j in pairs)], -1)


def _jackknife(values_GT: np.ndarray) -> np.ndarray:
    """Variance of what was found, by values without each part (Efron & Tibshirani 1993, ch. 11)."""
    return (len(values_GT) - 1) * values_GT.var(axis=0)


def _between(value_S: np.ndarray, n_S: np.ndarray) -> float:
    """Squares around the mean, both weighted by the speakers' numbers of utterances."""
    return float(n_S @ (value_S - np.average(value_S, weights=n_S)) ** 2)


def _interval(name: str, value: float, reach: float) -> dict[str, float]:
    ends = {f"{name}_low": float(value - reach), f"{name}_high": float(value + reach)}
    return {name: float(value), **ends}
