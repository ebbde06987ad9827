"""Predictions and tracks as files, and as text for people."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emoasr.files import parquet
from emoasr.files.writing import write_atomically


def write(table: pd.DataFrame, path: Path, metadata: dict[str, Any]) -> None:
    """Writes predictions or tracks, all or nothing.

    Args:
        table: a row an input, window or frame.
        path: Parquet keeps types, index and metadata; JSON is a list of records, times in seconds;
            CSV is what pandas and audformat write.
        metadata: for Parquet.
    """
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        parquet.write(table, path, metadata)
        return
    has_index = not isinstance(table.index, pd.RangeIndex)
    if suffix == ".csv":
        write_atomically(path, table.to_csv(index=has_index))
        return
    frame = table.reset_index() if has_index else table
    for name in frame.select_dtypes("timedelta"):
        frame[name] = frame[name].dt.total_seconds()
    records = json.loads(frame.to_json(orient="records"))  # which writes / as \\/
    write_atomically(path, json.dumps(records, indent=1, ensure_ascii=False) + "\n")


def cells(table: pd.DataFrame, target: str) -> list[tuple[str, str]]:
    """A target's predictions as text: `3.20` and `[2.10, 4.25]`, or `joy` and `62 %`."""
    values = table[target]
    if values.dtype.kind == "f":
        three = table[[target, f"{target}_low", f"{target}_high"]].to_numpy()
        return [(f"{value:.2f}", f"[{low:.2f}, {high:.2f}]") for value, low, high in three]
    names = [str(name) for name in values]
    shares = (table[f"{target}_{name}"].to_numpy()[i] for i, name in enumerate(names))
    return [(name, f"{share:.0%}") for name, share in zip(names, shares, strict=True)]


def text(table: pd.DataFrame, targets: Sequence[str]) -> str:
    """Predictions as a table for a terminal: `3.20 [2.10, 4.25]`, `joy 62%`."""
    shown = _index_columns(table)
    for name in targets:
        shown[name] = list(map(" ".join, cells(table, name)))
    shown["beyond"] = [f"{share:.1%}" for share in table["beyond"]]
    return pd.DataFrame(shown).to_string(index=False)


def track_text(table: pd.DataFrame) -> str:
    """A track as a table for a terminal."""
    times = {str(name): _seconds(table[name]) for name in table.select_dtypes("timedelta")}
    shown = table.assign(**times)
    return shown.to_string(index=False, float_format=lambda x: f"{x:.3f}")


def _index_columns(table: pd.DataFrame) -> dict[str, np.ndarray | list[str]]:
    columns: dict[str, Any] = {}
    for name in map(str, table.index.names):
        values = table.index.get_level_values(name)
        if name == "file":
            columns[name] = values.to_numpy()
        else:
            columns[name] = _seconds(values)
    return columns


def _seconds(times: pd.Series | pd.Index) -> list[str]:
    """Times as text; an open end, which is that of the file, is empty."""
    seconds = pd.to_timedelta(pd.Index(times)).total_seconds()
    return ["" if np.isnan(x) else f"{x:.2f}" for x in seconds]
