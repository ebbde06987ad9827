"""Predictions of a whole corpus, from the feature table that an extraction left."""

from pathlib import Path
from typing import Any

import pandas as pd

from emoasr.corpora import base
from emoasr.files import finished, parquet
from emoasr.prediction import model, tables
from emoasr.prediction.saved import SavedPredictor, known_speakers

_ROWS = 1024  # of the table in memory


def check_unfinished(path: Path, predictor: SavedPredictor, overwrite: bool) -> None:
    """Refuses to replace predictions of another predictor, unless the user asks.

    Raises:
        UserError: they are there.
    """
    if path.suffix == ".parquet" and path.exists():
        _, _, there = parquet.outline(path)
        before, asked = ({"the predictor": of} for of in (there.get("predictor"), predictor.digest))
        finished.check_same_run(path.parent, "other weights", before, asked, overwrite)


def predict(predictor: SavedPredictor, folder: Path, output: Path) -> list[str]:
    """Predicts every row of `features/neural.parquet`.

    Args:
        predictor: fitted on such features.
        folder: of the extraction.
        output: the file to write.

    Returns:
        What a reader must know, one line each.
    """
    features = parquet.batches(folder / "features" / "neural.parquet", _ROWS)
    parts = [predictor.model.predict(batch.to_numpy(), batch.index) for batch in features]
    table = pd.concat(parts)
    tables.write(table, output, {"predictor": predictor.digest})
    labels, _ = parquet.read(folder / "labels.parquet")
    names = [_name(entry) for entry in table.index]
    lines = model.warnings(table, names, predictor.model.fitted.most_beyond)
    return [*lines, *known_speakers(predictor, labels)]


def _name(entry: Any) -> str:
    """An entry of an index, for a warning: its file, and which part of it."""
    if isinstance(entry, str):
        return entry
    file, start, end = entry
    stop = None if pd.isna(end) else end.total_seconds()
    return f"{file}{base.part(start.total_seconds(), stop)}"
