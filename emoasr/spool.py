"""Rows that come in any order, kept on disk until all are there: memory does not grow with them."""

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd

_CHUNK = 1024  # rows given at once


class Spool:
    """A file of float32 rows by number; it is gone after the `with` block."""

    def __init__(self, path: Path, columns: list[str]):
        """Begins an empty spool at `path`, for rows of so many columns."""
        self._path, self._columns = path, columns
        self._row = np.dtype((np.float32, (len(columns),)))

    def __enter__(self) -> "Spool":
        self._file = self._path.open("w+b")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()
        self._path.unlink()

    def put(self, numbers: np.ndarray, rows: np.ndarray) -> None:
        """Keeps rows (len(numbers), columns)."""
        for number, row in zip(numbers, rows.astype(np.float32, copy=False), strict=True):
            self._file.seek(int(number) * self._row.itemsize)
            self._file.write(row.tobytes())

    def frames(self, numbers: np.ndarray, index: pd.Index) -> Iterator[pd.DataFrame]:
        """Tables of some rows each.

        Args:
            numbers: rows to give, ascending; all of them were put.
            index: of the whole table, one entry a number.
        """
        for i in range(0, max(len(numbers), 1), _CHUNK):
            part = numbers[i : i + _CHUNK]
            rows = np.empty((len(part), len(self._columns)), np.float32)
            for row, number in zip(rows, part, strict=True):
                self._file.seek(int(number) * self._row.itemsize)
                self._file.readinto(row.data)
            # column by column, as Parquet wants them
            yield pd.DataFrame(np.asfortranarray(rows), index[i : i + _CHUNK], self._columns)
