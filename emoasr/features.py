"""The feature table on disk: Parquet, indexed as audformat does, float32, with its provenance."""

import json
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from emoasr.errors import UserError

_KEY = b"emoasr"


def unit_names(n_layers: int = 15, n_units: int = 128) -> list[str]:
    """Column names of a tap: `layer00.unit000` and on, layers in processing order."""
    return [f"layer{i:02d}.unit{j:03d}" for i in range(n_layers) for j in range(n_units)]


def write(table: pd.DataFrame, path: Path, metadata: dict[str, Any] | None = None) -> None:
    """Writes a table and its metadata, all or nothing.

    Args:
        table: any frame whose index says what its rows are.
        path: the Parquet file to write.
        metadata: JSON-able provenance, kept in the schema under the key `emoasr`.
    """
    arrow = pa.Table.from_pandas(table)
    kept = arrow.schema.metadata or {}
    if metadata is not None:
        kept = {**kept, _KEY: json.dumps(metadata, sort_keys=True).encode()}
    part = path.with_name(path.name + ".part")
    pq.write_table(arrow.replace_schema_metadata(kept), part)
    part.replace(path)


def read(path: Path) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Reads a table and its metadata (empty where the file has none).

    Raises:
        UserError: the file is missing or is not Parquet.
    """
    try:
        arrow = pq.read_table(path)
    except FileNotFoundError:
        raise UserError(f"{path}: no such table; run python -m emoasr.extract first") from None
    except (OSError, pa.ArrowInvalid) as error:
        raise UserError(f"{path}: not a readable Parquet file ({error})") from None
    metadata = json.loads((arrow.schema.metadata or {}).get(_KEY, b"{}"))
    return arrow.to_pandas(), metadata
