"""Feature tables: those of built-in sets, and external ones.

A table has one row an utterance, indexed as audformat does (`file`, or `file, start, end`), and one
number a column.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import audformat
import numpy as np
import pandas as pd

from emoasr.corpora import cells
from emoasr.corpora.base import LABELS
from emoasr.corpora.table import INDEX, index_of, levels_as_columns
from emoasr.errors import UserError
from emoasr.files import parquet, storage, text_tables
from emoasr.settings.feature_sets import paths

_WITH_POINT = r" *[+-]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)? *"


def load(
    feature_sets: Sequence[str], folder: Path
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Any]]]:
    """Reads the tables of `config.feature_sets`.

    Args:
        feature_sets: see `paths`.
        folder: see `paths`.

    Returns:
        Tables by feature set: float32 stays, all other numbers become float64, and what is no
        number stays for the evaluation to refuse. And their metadata, {} where there is none.

    Raises:
        UserError: two sets have the same name, or a table is missing, broken, has no `file`, or
            has columns that cannot be features.
    """
    tables, metadata = {}, {}
    for name, path in paths(feature_sets, folder).items():
        if path.parent != folder:
            storage.check_there(path, f"config.feature_sets: {path}")
        table, metadata[name] = read(path)
        tables[name] = _numbers(table, path)
    return tables, metadata


def read(path: storage.Place) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Reads a table, CSV or Parquet, and its metadata ({} where the file has none).

    The index is the one that pandas stored, or, as CSV and other programs' Parquet have it, comes
    from the columns `file` and perhaps `start`, `end` (see `index_of`). Other levels of an index
    are no features.

    Raises:
        UserError: the file is missing or broken, or has an invalid index.
    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path), {}
    frame, metadata = parquet.read(path)
    if not _is_indexed(frame):
        text_tables.check_names(list(map(str, frame.columns)), path)
        if "file" in (*frame.index.names, *frame.columns):
            try:
                frame = levels_as_columns(frame, INDEX)
            except ValueError as error:
                raise UserError(f"{path}: not a readable table ({error})") from None
            frame = _indexed(frame, path)
    return frame, metadata


def _is_indexed(frame: pd.DataFrame) -> bool:
    """Whether its index is audformat's, and no column is a part of one: it would be a feature."""
    try:
        audformat.assert_index(frame)
    except ValueError:
        return False
    return not any(name in frame for name in INDEX)


def _read_csv(path: storage.Place) -> pd.DataFrame:
    text = text_tables.read(path)
    return _indexed(text.numbers(INDEX, cells.MISSING, _decimal(text)), path)


def _decimal(text: text_tables.TextTable) -> str:
    """The decimal sign of a table: that of the first row that has one; a point if none has."""
    if text.separator == "," and '"' not in text.text:
        return "."
    at = [i for i, name in enumerate(text.columns) if name not in INDEX]
    for row in text.rows():
        features = [row[i] for i in at]
        joined = "\n".join(features)  # most rows of whole numbers need no more than this
        if "," in joined or "." in joined:
            given = pd.Series(features, dtype="string")
            if not cells.with_points(given).equals(given):
                return ","
            if given.str.fullmatch(_WITH_POINT).any():
                return "."
    return "."


def _indexed(frame: pd.DataFrame, path: storage.Place) -> pd.DataFrame:
    _require_file(frame, path)
    features = frame.drop(columns=[name for name in INDEX if name in frame])
    return features.set_axis(index_of(frame, path))


def _require_file(frame: pd.DataFrame, path: storage.Place) -> None:
    if "file" not in frame and "file" not in frame.index.names:
        columns = list(map(str, frame.columns))
        has = ", ".join(columns[:5]) + (", ..." if columns[5:] else "")
        raise UserError(
            f"{path}: its rows do not say which file they are of; it needs a column `file`, "
            f"perhaps `start` and `end`; it has {has or 'none'}"
        )


def _numbers(table: pd.DataFrame, path: storage.Place) -> pd.DataFrame:
    """The table with names as text and numbers as floats; refuses columns that are no features."""
    _require_file(table, path)
    names = pd.Index([str(name) for name in table.columns], dtype="str")  # pandas has numbers too
    problems = (
        (names.duplicated(), "stands there twice, as a number and as text; rename one"),
        (names.str.startswith("Unnamed: "), "has no name in the header: row numbers? remove it"),
        (names.isin(LABELS), "is a label, which features must not give away; remove it"),
    )
    for wrong, what in problems:
        for name in names[wrong][:1]:
            raise UserError(f"{path}: column {name!r} {what}")
    table = table.set_axis(names, axis="columns")
    # booleans with gaps: such columns are Python objects
    gaps = [name for name, dtype in table.dtypes.items() if dtype.kind == "O"]
    table = table.astype(table[gaps].convert_dtypes().dtypes.to_dict()) if gaps else table
    return table.astype(
        {
            name: np.float64
            for name, dtype in table.dtypes.items()
            if pd.api.types.is_numeric_dtype(dtype) and dtype != np.float32
        }
    )
