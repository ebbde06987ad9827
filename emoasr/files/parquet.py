"""Parquet tables with provenance in their metadata.

The index says what a table's rows are; pandas stores it beside the columns.
"""

import contextlib
import itertools
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emoasr.errors import UserError
from emoasr.files import storage, untrusted
from emoasr.files.writing import replacing

_KEY = b"emoasr"
_LARGE = 1 << 26  # numbers, 256 MiB: tables that are not held twice while they are read
_ROWS = 4096  # of a block
_BROKEN = (AttributeError, LookupError, RecursionError, TypeError, ValueError)  # pandas metadata


def write(table: pd.DataFrame, path: Path, metadata: dict[str, Any] | None = None) -> None:
    """Writes a table and its metadata, all or nothing.

    Args:
        table: any frame whose index says what its rows are.
        path: the Parquet file to write.
        metadata: JSON-able provenance, kept in the schema under the key `emoasr`.
    """
    _write([pa.Table.from_pandas(table)], path, metadata)


def write_numbers(
    parts: Iterable[np.ndarray],
    index: pd.Index,
    columns: Sequence[str],
    path: Path,
    metadata: dict[str, Any] | None = None,
) -> None:
    """Writes a table of numbers that need not be in memory at once, as `write` would.

    Args:
        parts: some rows each, (rows, columns), at least one part; see `arrow`.
        index: of all rows.
        columns: names.
        path: as of `write`.
        metadata: as of `write`.
    """

    def tables() -> Iterator[pa.Table]:
        first = 0
        for values_RC in parts:
            yield arrow(values_RC, index[first : first + len(values_RC)], columns)
            first += len(values_RC)

    _write(tables(), path, metadata)


def arrow(values_RC: np.ndarray, index: pd.Index, columns: Sequence[str]) -> pa.Table:
    """An Arrow table like that of a frame whose columns have one type, made much faster.

    Args:
        values_RC: numbers; fastest where each column is contiguous in memory.
        index: what the rows are.
        columns: names.
    """
    one = pa.Table.from_pandas(pd.DataFrame({columns[0]: values_RC[:, 0]}, index))
    metadata = json.loads(one.schema.metadata[b"pandas"])
    first, *levels = metadata["columns"]
    metadata["columns"] = [*({**first, "name": c, "field_name": c} for c in columns), *levels]
    arrays = [*map(pa.array, values_RC.T), *one.columns[1:]]
    table = pa.Table.from_arrays(arrays, [*columns, *one.column_names[1:]])
    return table.replace_schema_metadata({b"pandas": json.dumps(metadata).encode()})


def join(tables: Iterable[Path], path: Path, metadata: dict[str, Any]) -> None:
    """Joins tables that have the same columns, one after the other, into one file.

    Args:
        tables: written by `write`, at least one.
        path: as of `write`.
        metadata: as of `write`; that of the tables is not copied.

    Raises:
        UserError: a table is missing, broken, or has other columns.
    """

    def parts() -> Iterator[pa.Table]:
        expected = None
        for source in tables:
            with _reading(source), pq.ParquetFile(source, page_checksum_verification=True) as file:
                schema = file.schema_arrow
                expected = schema if expected is None else expected
                if schema.names != expected.names:
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
        own = {_KEY: json.dumps(metadata, sort_keys=True).encode()}
        schema = schema.with_metadata({**(schema.metadata or {}), **own})
    # numbers hardly repeat: a dictionary of them costs time and space
    repeating = [field.name for field in schema if not pa.types.is_floating(field.type)]
    options = {"use_dictionary": repeating, "write_statistics": False, "write_page_checksum": True}
    with replacing(path) as file, pq.ParquetWriter(file, schema, **options) as writer:
        for rows in itertools.chain([first], tables):
            writer.write_table(rows.replace_schema_metadata(schema.metadata))


def read(path: storage.Place) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Reads a table and its metadata ({} where the file has none).

    Raises:
        UserError: the file is missing or broken.
    """
    with _reading(path), _open(path) as file:
        schema = file.schema_arrow
        levels = (schema.pandas_metadata or {}).get("index_columns", ())
        columns = [field for field in schema if field.name not in levels]
        alike = all(field.type == pa.float32() for field in columns)
        if alike and len(columns) * file.metadata.num_rows > _LARGE:
            index = _to_pandas(file.read([], use_pandas_metadata=True), path).index
            names = [field.name for field in columns]
            frame = pd.DataFrame(_values(file, names).T, index, names, copy=False)
        else:
            frame = _to_pandas(file.read(), path)
        return frame, metadata_of(schema, path)


def _values(file: pq.ParquetFile, names: list[str]) -> np.ndarray:
    """Columns of float32 (C, R), read a block of rows at a time: the file is in memory once."""
    values_CR = np.empty((len(names), file.metadata.num_rows), np.float32)
    first = 0
    for batch in file.iter_batches(_ROWS, columns=names):
        last = first + batch.num_rows
        for values_R, column in zip(values_CR, batch.columns, strict=True):
            values_R[first:last] = column.to_numpy(zero_copy_only=False)  # missing ones are NaN
        first = last
    return values_CR


def batches(path: Path, n_rows: int) -> Iterator[pd.DataFrame]:
    """A written table's rows, so many at a time, with their index.

    Raises:
        UserError: as `read`.
    """
    with _reading(path), pq.ParquetFile(path, page_checksum_verification=True) as file:
        for batch in file.iter_batches(n_rows):
            yield _to_pandas(pa.Table.from_batches([batch], file.schema_arrow), path)


class Outline(NamedTuple):
    """A table without its values.

    Attributes:
        rows: the index, which says what they are.
        n_columns: numbers a row.
        metadata: provenance, as of `write`.
    """

    rows: pd.Index
    n_columns: int
    metadata: dict[str, Any]


def outline(path: Path) -> Outline:
    """A written table's outline.

    Raises:
        UserError: as `read`.
    """
    index = _read(path, columns=[])
    with pq.ParquetFile(path) as file:
        n_columns = len(file.schema_arrow) - index.num_columns
    return Outline(_to_pandas(index, path).index, n_columns, metadata_of(index.schema, path))


def metadata_of(schema: pa.Schema, path: storage.Place) -> dict[str, Any]:
    """The metadata that `write` stored in the table at `path`; {} for a table made elsewhere.

    Raises:
        UserError: it is not a JSON object.
    """
    return untrusted.parse_json((schema.metadata or {}).get(_KEY, b"{}"), path)


def _read(path: storage.Place, columns: list[str] | None = None) -> pa.Table:
    """All columns, or some and the index that pandas stored."""
    with _reading(path), _open(path) as file:
        return file.read(columns, use_pandas_metadata=columns is not None)


def _open(path: storage.Place) -> pq.ParquetFile:
    return pq.ParquetFile(storage.at_hand(path), page_checksum_verification=True)


@contextlib.contextmanager
def _reading(path: storage.Place) -> Iterator[None]:
    """Turns errors of reading a Parquet file into a UserError."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; run python -m emoasr.extract first") from None
    except (*_BROKEN, OSError, pa.ArrowException) as error:
        what = " ".join(str(error).split())
        raise UserError(f"{path}: not a readable Parquet file ({what})") from None


def _to_pandas(table: pa.Table, path: storage.Place) -> pd.DataFrame:
    try:
        return table.to_pandas()
    except (*_BROKEN, pa.ArrowException):
        raise UserError(
            f"{path}: its pandas metadata cannot be used; write the table again"
        ) from None
