"""Features that are labels under another name: found by their values, not by their names."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation.standardised import column_blocks
from emoasr.system.output import counted

# In few rows, or where a label hardly varies, some real feature is linear in it by chance. In 10
# rows the probability that any of 10,000 normal features is one is below 1e-20 (1 - r² is Beta).
_FEWEST_ROWS = 10
_FEWEST_OTHERS = 5  # rows whose label is not the commonest one; rows of a class that counts
_TOLERANCE = 1e-6  # share of variance that is not explained: three decimals of a rating are copied
_SCREENED = 64  # rows that are looked at first


def check(tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame) -> None:
    """Refuses a feature that gives a label away.

    That is a column equal to a numeric label or linear in it (a · label + b) but for one millionth
    of its variance, in the rows that have the label: 10 or more, 5 of them with another value than
    the commonest; or a column that has one value for each class of a categorical label, and not the
    same for all, counting classes of 5 rows or more.

    Args:
        tables: feature sets by name, of the utterances evaluated.
        labels: labels of the same utterances, those that features must not give away.

    Raises:
        UserError: it names the columns and the remedy.
    """
    for feature_set, table in tables.items():
        x_ND = table.to_numpy()
        for label, column in labels.items():
            if pd.api.types.is_numeric_dtype(column.dtype):
                y_N = column.to_numpy(np.float64, na_value=np.nan)
                kept = np.flatnonzero(np.isfinite(y_N))
                found = _lines(x_ND, y_N, kept)
            else:
                class_N, _ = pd.factorize(column)  # -1 where missing
                common = np.flatnonzero(np.bincount(class_N[class_N >= 0]) >= _FEWEST_OTHERS)
                kept = np.flatnonzero(np.isin(class_N, common))
                found = _functions(x_ND, class_N, kept)
            if len(found):
                names = ", ".join(repr(str(name)) for name in table.columns[found[:3]])
                raise UserError(
                    f"feature set {feature_set!r}: column {names} is the label {str(label)!r} "
                    f"under another name or scale (compared in {counted(len(kept), 'row')}), so "
                    "that errors would say nothing; remove it from the features"
                )


def _lines(x_ND: np.ndarray, y_N: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Columns of x that are, in the rows kept, linear in y, or y itself."""
    _, counts = np.unique(y_N[kept], return_counts=True)
    if len(kept) < _FEWEST_ROWS or len(kept) - max(counts) < _FEWEST_OTHERS:
        return np.array([], int)
    # few rows exclude nearly all columns; they include the extremes, so that y varies in them
    order = kept[np.argsort(y_N[kept], kind="stable")]
    few = order[np.unique(np.linspace(0, len(order) - 1, _SCREENED).astype(int))]
    likely = np.flatnonzero(_unexplained(x_ND[few], y_N[few]) < 100 * _TOLERANCE)
    return likely[_unexplained(x_ND[:, likely][kept], y_N[kept]) < _TOLERANCE]


def _unexplained(x_ND: np.ndarray, y_N: np.ndarray) -> np.ndarray:
    """Share of each column's variance that a linear fit on y leaves, (D,); 1 if it is constant."""
    x_ND = x_ND.astype(np.float64)
    x_ND, y_N = x_ND - x_ND.mean(axis=0), y_N - y_N.mean()
    variance_D, of_y = np.sum(x_ND**2, axis=0), y_N @ y_N
    varies_D = np.ptp(x_ND, axis=0) > 0
    slope_D = y_N @ x_ND / of_y
    left_D = np.sum((x_ND - y_N[:, None] * slope_D) ** 2, axis=0)
    return np.divide(left_D, variance_D, out=np.ones(x_ND.shape[1]), where=varies_D)


def _functions(x_ND: np.ndarray, class_N: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """Columns of x that have, in the rows kept, one value for each class, not the same for all."""
    if len(kept) < _FEWEST_ROWS:
        return np.array([], int)
    order = kept[np.argsort(class_N[kept], kind="stable")]
    starts = np.flatnonzero(np.diff(class_N[order], prepend=-1))
    found = []
    for block in column_blocks(x_ND.shape[1]):
        x_NC = x_ND[:, block][order]
        lowest, highest = (f.reduceat(x_NC, starts) for f in (np.minimum, np.maximum))
        found.append((lowest == highest).all(axis=0) & (np.ptp(x_NC, axis=0) > 0))
    return np.flatnonzero(np.concatenate(found))
