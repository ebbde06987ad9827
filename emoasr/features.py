"""Feature tables on disk: ours, Parquet with provenance, and those that somebody else made.

A table has one row an utterance, indexed as audformat does (`file`, or `file, start, end`), and one
number a column.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import audformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emoasr import storage, untrusted
from emoasr.corpora.base import LABELS
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
    table: pd.DataFrame | Iterable[pa.Table],
    path: Path,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Writes a table and its metadata, all or nothing.

    Args:
        table: any frame whose index says what its rows are, or what `arrow` gives, part by part.
        path: the Parquet file to write.
        metadata: JSON-able provenance, kept in the schema under the key `emoasr`.
    """
    parts = [pa.Table.from_pandas(table)] if isinstance(table, pd.DataFrame) else table
    _write(parts, path, metadata)


def arrow(values_RC: np.ndarray, index: pd.Index, columns: Sequence[str]) -> pa.Table:
    """What Arrow makes of a frame of one type, without asking pandas about each of its columns.

    Args:
        values_RC: numbers; quick where they lie column by column.
        index: what the rows are.
        columns: names.
    """
    one = pa.Table.from_pandas(pd.DataFrame({columns[0]: values_RC[:, 0]}, index))
    told = json.loads(one.schema.metadata[b"pandas"])
    first, *levels = told["columns"]
    told["columns"] = [*({**first, "name": c, "field_name": c} for c in columns), *levels]
    arrays = [*map(pa.array, values_RC.T), *one.columns[1:]]
    table = pa.Table.from_arrays(arrays, [*columns, *one.column_names[1:]])
    return table.replace_schema_metadata({b"pandas": json.dumps(told).encode()})


def join(tables: Iterable[Path], path: Path, metadata: dict[str, Any]) -> None:
    """Writes one table of the rows of several tables of alike columns, row by row as they come.

    Args:
        tables: written by `write`, at least one.
        path: as of `write`.
        metadata: as of `write`; that of the tables is left behind.

    Raises:
        UserError: a table is missing, broken, or has other columns.
    """

    def parts() -> Iterator[pa.Table]:
        wanted = None
        for source in tables:
            with _reading(source), pq.ParquetFile(source, page_checksum_verification=True) as file:
                schema = file.schema_arrow
                wanted = schema if wanted is None else wanted
                if schema.names != wanted.names:
                    raise UserError(f"{source}: has other columns than the tables before it")
                yield from (pa.Table.from_batches([b], schema) for b in file.iter_batches(1024))
                if not file.metadata.num_rows:
                    yield schema.empty_table()

    _write(parts(), path, metadata)


def _write(tables: Iterable[pa.Table], path: Path, metadata: dict[str, Any] | None) -> None:
    tables = iter(tables)
    first = next(tables)
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
            for rows in itertools.chain([first], tables):
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


def paths(feature_sets: Iterable[str], folder: Path) -> dict[str, storage.Place]:
    """Where the tables of `config.feature_sets` lie, by feature set.

    Args:
        feature_sets: names of sets that extract writes, or paths or URLs, whose sets are called
            after the file, without its ending.
        folder: where extract writes.

    Raises:
        UserError: two sets have the same name, or there is no such kind of URL.
    """
    found: dict[str, storage.Place] = {}
    for entry in feature_sets:
        if not isinstance(entry, str):
            raise UserError(f"config.feature_sets={entry!r}: must be the text of a name or path")
        path = storage.path(entry) if is_given(entry) else folder / f"{entry}.parquet"
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
        if path.parent != folder:
            storage.check_there(path, f"config.feature_sets: {path}")
        table, metadata[name] = read(path)
        tables[name] = _numbers(table, path)
    return tables, metadata


def read(path: storage.Place) -> tuple[pd.DataFrame, dict[str, Any]]:
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


def _read_parquet(path: storage.Place, columns: list[str] | None = None) -> pa.Table:
    """All columns, or some and the index that pandas stored."""
    with (
        _reading(path),
        pq.ParquetFile(storage.at_hand(path), page_checksum_verification=True) as file,
    ):
        return file.read(columns, use_pandas_metadata=columns is not None)


@contextlib.contextmanager
def _reading(path: storage.Place) -> Iterator[None]:
    """Turns what goes wrong with a Parquet file into a UserError."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; run python -m emoasr.extract first") from None
    except (*_BROKEN, OSError, pa.ArrowException) as error:
        what = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable Parquet file ({what})") from None


def _to_pandas(arrow: pa.Table, path: storage.Place) -> pd.DataFrame:
    try:
        return arrow.to_pandas()
    except (*_BROKEN, pa.ArrowException):
        raise UserError(f"{path}: its pandas metadata cannot be used; write it anew") from None


def metadata_of(schema: pa.Schema, path: storage.Place) -> dict[str, Any]:
    """What `write` kept with the table at `path`; {} for a table that somebody else wrote.

    Raises:
        UserError: it is not what `write` keeps.
    """
    return untrusted.parse_json((schema.metadata or {}).get(_KEY, b"{}"), path)


def _read_csv(path: storage.Place) -> pd.DataFrame:
    try:
        frame = pd.read_csv(
            storage.at_hand(path), dtype=dict.fromkeys(_INDEX, str), skipinitialspace=True,
            low_memory=False, encoding="utf-8-sig",
        )  # fmt: skip
    except (OSError, ValueError) as error:
        what = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable table ({what})") from None
    if not isinstance(frame.index, pd.RangeIndex):
        raise UserError(f"{path}: rows have more cells than the header; quote cells with commas")
    return _indexed(frame, path)


def _indexed(frame: pd.DataFrame, path: storage.Place) -> pd.DataFrame:
    _require_file(frame, path)
    features = frame.drop(columns=[name for name in _INDEX if name in frame])
    return features.set_axis(index_of(frame, path))


def _require_file(frame: pd.DataFrame, path: storage.Place) -> None:
    if "file" not in frame and "file" not in frame.index.names:
        columns = list(map(str, frame.columns))
        has = ", ".join(columns[:5]) + (", ..." if columns[5:] else "")
        raise UserError(
            f"{path}: says of no row which file it is about; it needs a column `file`, perhaps "
            f"`start` and `end`; it has {has or 'none'}"
        )


def _numbers(table: pd.DataFrame, path: storage.Place) -> pd.DataFrame:
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
