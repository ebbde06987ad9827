"""Per-speaker correlation of every unit with a rating (the paper's section 4, figures 1 and 3)."""

import dataclasses

import numpy as np
import pandas as pd

from emoasr import joining
from emoasr.errors import UserError

_FEWEST_UTTERANCES = 3  # two points always lie on a line


@dataclasses.dataclass(frozen=True)
class Maps:
    """Correlation maps of one rating.

    Attributes:
        target: the rating.
        speakers: sorted, one a map.
        r: (speakers, layers, units) Pearson correlation, float64; NaN where undefined.
        n_utterances: (speakers,) rated utterances of each.
        undefined: by speaker, why (some of) its correlations are undefined.
    """

    target: str
    speakers: tuple[str, ...]
    r: np.ndarray
    n_utterances: np.ndarray
    undefined: dict[str, str]


def pearson_maps(table: pd.DataFrame, labels: pd.DataFrame, target: str) -> Maps:
    """Correlates each neural feature with the rating, over each speaker's utterances.

    Args:
        table: (utterances, features), columns `layerLL.unitUUU` in that order, audformat index.
        labels: audformat index, columns `speaker` and `target`.
        target: the rating.

    Raises:
        UserError: no ratings or speakers, or the columns are not those of a tap.
    """
    shape = _shape(table.columns)
    index, _ = joining.join({"neural": table}, labels.index)
    rated, _ = joining.rated(
        joining.ratings(labels, target), joining.groups(labels, "speaker"), index
    )
    speakers, maps, counts, undefined = [], [], [], {}
    for speaker, rows in rated.groupby("group"):
        y = rows["label"].to_numpy()
        r = _pearson(table.loc[rows.index].to_numpy(np.float64), y)
        if np.isnan(r).any():
            undefined[str(speaker)] = _why(r, y)
        speakers.append(str(speaker))
        maps.append(r)
        counts.append(len(rows))
    r = np.array(maps, np.float64).reshape(-1, *shape)
    return Maps(target, tuple(speakers), r, np.array(counts), undefined)


def _pearson(X: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Correlation of each column of X (N, D) with y (N,): (D,), NaN where undefined."""
    if len(y) < _FEWEST_UTTERANCES:
        return np.full(X.shape[1], np.nan)
    x_ND, y_N = X - X.mean(axis=0), y - y.mean()
    norms = np.linalg.norm(x_ND, axis=0) * np.linalg.norm(y_N)
    # by range: rounding of the mean leaves a constant column a norm above zero
    norms[(np.ptp(X, axis=0) == 0) | (np.ptp(y) == 0)] = np.nan
    return (y_N @ x_ND / norms).clip(-1, 1)


def _why(r: np.ndarray, y: np.ndarray) -> str:
    if len(y) < _FEWEST_UTTERANCES:
        return f"{len(y)} utterance(s); a correlation needs {_FEWEST_UTTERANCES}"
    if np.ptp(y) == 0:
        return f"all {len(y)} ratings are {y[0]:g}"
    return f"{np.isnan(r).sum()} of {r.size} features are constant"


def _shape(columns: pd.Index) -> tuple[int, int]:
    """Layers and units, from names `layer00.unit000` and on."""
    numbers = columns.astype(str).str.extract(r"^layer(\d+)\.unit(\d+)$").astype(float)
    layers, units = numbers[0].nunique(), numbers[1].nunique()
    expected = [(i, j) for i in range(layers) for j in range(units)]
    if not expected or list(numbers.itertuples(index=False, name=None)) != expected:
        raise UserError(
            "feature set 'neural': its columns are not layer00.unit000, layer00.unit001, ... in "
            "order; run python -m emoasr.extract again"
        )
    return layers, units
