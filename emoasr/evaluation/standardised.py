"""Features on one scale, computed where they are needed: no large table is in memory twice.

Shape suffixes: N training utterances, D features, K of them, P points.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.preprocessing import StandardScaler

_COLUMNS = 64  # of a block
_ROWS = 4096  # of a block


class Standardised:
    """The features of some utterances, each with mean 0 and variance 1 over these; float64.

    Attributes:
        shape: (N, D).
    """

    def __init__(self, x_MD: np.ndarray, rows: np.ndarray):
        """Learns means and deviations.

        Args:
            x_MD: features of all utterances.
            rows: positions of the N that are standardised.
        """
        self._x_MD, self._rows = x_MD, rows
        self.shape = (len(rows), x_MD.shape[1])
        scalers = [
            StandardScaler(copy=False).fit(x_MD[:, block][rows].astype(np.float64))
            for block in column_blocks(x_MD.shape[1])
        ]
        self._mean_D = np.concatenate([scaler.mean_ for scaler in scalers])
        self._scale_D = np.concatenate([scaler.scale_ for scaler in scalers])

    def __len__(self) -> int:
        """Number of utterances."""
        return self.shape[0]

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Some of the utterances, all features."""
        return self.scaled(self._x_MD[self._rows[rows]])

    def columns(self, kept: slice | np.ndarray) -> np.ndarray:
        """Some features of all utterances, (N, K)."""
        return self.scaled(self._x_MD[:, kept][self._rows], kept)

    def scaled(self, x_PK: np.ndarray, kept: slice | np.ndarray = slice(None)) -> np.ndarray:
        """Other points on the same scale: some features of theirs."""
        found_PK = x_PK.astype(np.float64)
        found_PK -= self._mean_D[kept]
        found_PK /= self._scale_D[kept]
        return found_PK


def within(table: pd.DataFrame, group: pd.Series) -> pd.DataFrame:
    """Features with mean 0 and variance 1 within each group; those that do not vary there are 0.

    Args:
        table: (utterances, features).
        group: of each utterance, with the table's index.

    Example:
        >>> table = pd.DataFrame({"f0": [100.0, 120.0, 200.0, 240.0]})
        >>> within(table, pd.Series(["a", "a", "b", "b"]))["f0"].tolist()
        [-1.0, 1.0, -1.0, 1.0]
    """
    x_MD = table.to_numpy()
    found_MD = np.empty_like(x_MD, np.result_type(x_MD, np.float32))
    for rows in group.groupby(group.to_numpy()).indices.values():
        x_ND = x_MD[rows].astype(np.float64)
        # a constant minus its rounded mean is not quite 0: folds would scale it to variance 1
        varies_D = np.ptp(x_ND, axis=0) > 0
        found_MD[rows] = np.where(varies_D, StandardScaler().fit_transform(x_ND), 0)
    return pd.DataFrame(found_MD, table.index, table.columns)


def column_blocks(n_columns: int) -> Iterator[slice]:
    """Slices that cover all columns."""
    for i in range(0, n_columns, _COLUMNS):
        yield slice(i, min(i + _COLUMNS, n_columns))


def row_blocks(n_rows: int, most: int = _ROWS) -> Iterator[slice]:
    """Slices that cover all rows, at most so many each."""
    for i in range(0, n_rows, most):
        yield slice(i, min(i + most, n_rows))
