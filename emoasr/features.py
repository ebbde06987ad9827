"""Feature tables on disk: ours, Parquet with provenance, and those that somebody else made.

A table has one row an utterance, indexed as audformat does (`file`, or `file, start, end`), and one
number a column.
"""

import itertools
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emoasr import untrusted
from emoasr.corpora.base import LABELS, expanded
from emoasr.corpora.table import index_of
from emoasr.errors import UserError

if TYPE_CHECKING:  # JAX is not needed to read a table
    from emoasr.recognizer import RecognizerConfig

_KEY = b"emoasr"
_BROKEN = (AttributeError, LookupError, RecursionError, TypeError, ValueError)  # pandas metadata
_INDEX = ("file", "start", "end")


def unit_names(n_layers: int = 15, n_units: int = 128) -> list[str]:
    """Column names of a tap: `layer00.unit000` and on, layers in processing order."""
    return [f"layer{i:02d}.unit{j:03d}" for i in range(n_layers) for j in range(n_units)]


def column_names(config: "RecognizerConfig", names: Iterable[str]) -> dict[str, list[str]]:
    """Columns of feature sets: `mfcc00.mean` and on, the units for every other one."""
    units = unit_names(config.model.n_layers, config.model.n_channels)
    mfcc = [f"mfcc{i:02d}.{how}" for how in ("mean", "std") for i in range(config.frontend.n_mfcc)]
    return {name: mfcc if name == "mfcc" else units for name in names}


def write(
    table: pd.DataFrame | Iterable[pd.DataFrame],
    path: Path,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Writes a table and its metadata, all or nothing.

    Args:
        table: any frame whose index says what its rows are, or such frames of alike columns, which
            make one table.
        path: the Parquet file to write.
        metadata: JSON-able provenance, kept in the schema under the key `emoasr`.
    """
    frames = iter([table] if isinstance(table, pd.DataFrame) else table)
    first = pa.Table.from_pandas(next(frames))
    schema = first.schema
    if metadata is not None:
        told = {_KEY: json.dumps(metadata, sort_keys=True).encode()}
        schema = schema.with_metadata({**(schema.metadata or {}), **told})
    part = path.with_name(path.name + ".part")
    # numbers hardly repeat: looking for repeats costs time and room
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    options = {"use_dictionary": repeating, "write_statistics": False, "write_page_checksum": True}
    with part.open("wb") as file:
        with pq.ParquetWriter(file, schema, **options) as writer:
            for rows in itertools.chain([first], map(pa.Table.from_pandas, frames)):
                writer.write_table(rows.replace_schema_metadata(schema.metadata))
        file.flush()
        os.fsync(file.fileno())  # what it was made of is removed next
    part.replace(path)


def outline(path: Path) -> tuple[pd.Index, int, dict[str, Any]]:
    """A written table's index, its number of columns, and its metadata, without its values.

    Raises:
        UserError: as `read`.
    """
    arrow = _read_parquet(path, columns=[])
    with pq.ParquetFile(path) as file:
        n_columns = len(file.schema_arrow) - arrow.num_columns
    return _to_pandas(arrow, path).index, n_columns, metadata_of(arrow.schema, path)


def is_given(entry: str) -> bool:
    """Whether an entry of `config.feature_sets` is the path of a table that somebody else made."""
    return entry.lower().endswith((".parquet", ".csv"))


def paths(feature_sets: Iterable[str], folder: Path) -> dict[str, Path]:
    """Where the tables of `config.feature_sets` lie, by feature set.

    Args:
        feature_sets: names of sets that extract writes, or paths, whose sets are called after
            the file, without its ending.
        folder: where extract writes.

    Raises:
        UserError: two sets have the same name.
    """
    found: dict[str, Path] = {}
    for entry in feature_sets:
        if not isinstance(entry, str):
            raise UserError(f"config.feature_sets={entry!r}: must be the text of a name or path")
        path = expanded(entry) if is_given(entry) else folder / f"{entry}.parquet"
        if path.stem in found:
            raise UserError(
                f"config.feature_sets: two sets are called {path.stem!r}, {found[path.stem]} and "
                f"{path}; leave one out or rename its file"
            )
        found[path.stem] = path
    return found


def load(
    feature_sets: Iterable[str], folder: Path
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Any]]]:
    """Reads the tables of `config.feature_sets`.

    Args:
        feature_sets: see `paths`.
        folder: see `paths`.

    Returns:
        Tables by feature set: float32 stays, all other numbers become float64, and what is no
        number stays for `joining` to complain of. And their metadata, {} where there is none.

    Raises:
        UserError: two sets have the same name, or a table is missing, broken, has no `file`, or
            has columns that cannot be features.
    """
    tables, metadata = {}, {}
    for name, path in paths(feature_sets, folder).items():
        if path.parent != folder and not path.exists():
            raise UserError(f"config.feature_sets: {path}: no such file")
        table, metadata[name] = read(path)
        tables[name] = _numbers(table, path)
    return tables, metadata


def read(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Reads a table, CSV or Parquet, and its metadata ({} where the file has none).

    The index is the one that pandas stored, or, as CSV and other programs' Parquet have it, comes
    from the columns `file` and perhaps `start`, `end` (see `index_of`).

    Raises:
        UserError: the file is missing or broken, or its index is none.
    """
    if path.suffix.lower() == ".csv":
        return _read_csv(path), {}
    arrow = _read_parquet(path)
    frame = _to_pandas(arrow, path)
    try:
        audformat.assert_index(frame)
    except ValueError:
        if "file" in frame.index.names:
            frame = frame.reset_index()
        frame = _indexed(frame, path) if "file" in frame else frame
    return frame, metadata_of(arrow.schema, path)


def _read_parquet(path: Path, columns: list[str] | None = None) -> pa.Table:
    """All columns, or some and the index that pandas stored."""
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            return file.read(columns, use_pandas_metadata=columns is not None)
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; run python -m emoasr.extract first") from None
    except (*_BROKEN, OSError, pa.ArrowException) as error:
        what = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable Parquet file ({what})") from None


def _to_pandas(arrow: pa.Table, path: Path) -> pd.DataFrame:
    try:
        return arrow.to_pandas()
    except (*_BROKEN, pa.ArrowException):
        raise UserError(f"{path}: its pandas metadata cannot be used; write it anew") from None


def metadata_of(schema: pa.Schema, path: Path) -> dict[str, Any]:
    """What `write` kept with the table at `path`; {} for a table that somebody else wrote.

    Raises:
        UserError: it is not what `write` keeps.
    """
    return untrusted.parse_json((schema.metadata or {}).get(_KEY, b"{}"), path)


def _read_csv(path: Path) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            path, dtype=dict.fromkeys(_INDEX, str), skipinitialspace=True, low_memory=False,
            encoding="utf-8-sig",
        )  # fmt: skip
    except (OSError, ValueError) as error:
        what = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable table ({what})") from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(f"{path}: rows have more cells than the header; quote cells with commas")
    return _indexed(frame, path)


def _indexed(frame: pd.DataFrame, path: Path) -> pd.DataFrame:
    _require_file(frame, path)
    features = frame.drop(columns=[name for name in _INDEX if name in frame])
    return features.set_axis(index_of(frame, path))


def _require_file(frame: pd.DataFrame, path: Path) -> None:
    if "file" not in frame and "file" not in frame.index.names:
        columns = list(map(str, frame.columns))
        has = ", ".join(columns[:5]) + (", ..." if columns[5:] else "")
        raise UserError(
            f"{path}: says of no row which file it is about; it needs a column `file`, perhaps "
            f"`start` and `end`; it has {has or 'none'}"
        )


def _numbers(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The table with names as text and numbers as floats; refuses columns that are no features."""
    _require_file(table, path)
    names = pd.Index([str(name) for name in table.columns], dtype="str")  # pandas has numbers too
    problems = (
        (names.duplicated(), "stands there twice; remove one"),
        (names.str.startswith("Unnamed: "), "has no name in the header: row numbers? remove it"),
        (names.isin(LABELS), "is a label, which features must not give away; remove it"),
    )
    for wrong, what in problems:
        for name in names[wrong][:1]:
            raise UserError(f"{path}: column {name!r} {what}")
    table = table.set_axis(names, axis="columns")
    # yes, no and nothing: such columns are Python objects
    gaps = [name for name, dtype in table.dtypes.items() if dtype.kind == "O"]
    table = table.assign(**table[gaps].convert_dtypes()) if gaps else table
    return table.astype(
        {
            name: np.float64
            for name, dtype in table.dtypes.items()
            if pd.api.types.is_numeric_dtype(dtype) and dtype != np.float32
        }
    )
