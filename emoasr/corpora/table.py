"""Any table of utterances: CSV, Parquet, or what audformat writes as either."""

from pathlib import Path

import audformat
import ml_collections
import numpy as np
import pandas as pd
import pyarrow as pa

from emoasr.corpora.base import LABELS, RATINGS, Corpus, Skipped, folder_of
from emoasr.errors import UserError
from emoasr.files import places, storage

# What pandas and Arrow raise for broken files; of a Parquet file's note about its index, anything.
_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException)


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads the table at `config.path`.

    Its columns (or index levels) are `file`, perhaps `start` and `end` (seconds, or audformat's
    `0 days 00:00:01.5`), and any of `LABELS`; others are ignored. Whether the files exist is found
    out where they are read.

    Args:
        config: `path`, a `.csv` or `.parquet` file; `root`, the folder that `file` is relative to,
            empty for the table's own. Both may be URLs, and so may `file`, of an object store or
            of the root's own kind.
        workdir: unused.

    Raises:
        UserError: not a table, no `file`, no rows, repeated rows, invalid ratings or times.
    """
    path = places.of_corpus(config)
    root = folder_of(config, "root") if config.root else path.parent
    return build(read_frame(path), path.stem, root, path)


def read_frame(path: storage.Place) -> pd.DataFrame:
    """Reads a CSV (every cell as text) or Parquet file; an audformat index becomes columns.

    Raises:
        UserError: it cannot be read, or is neither.
    """
    try:
        if path.suffix.lower() == ".csv":
            frame = pd.read_csv(
                storage.at_hand(path), dtype=str, keep_default_na=False, na_values=[""],
                skipinitialspace=True, encoding="utf-8-sig",
            )  # fmt: skip
        elif path.suffix.lower() == ".parquet":
            frame = pd.read_parquet(storage.at_hand(path))
        else:
            raise UserError(f"{path}: not a table; give a .csv or .parquet file")
    except _BROKEN as error:
        raise UserError(f"{path}: not a readable table ({' '.join(str(error).split())})") from None
    if "file" in frame.index.names:
        return frame.reset_index()
    if path.suffix.lower() == ".csv" and not isinstance(frame.index, pd.RangeIndex):
        raise UserError(f"{path}: rows have more cells than the header; quote cells with commas")
    return frame.reset_index(drop=True)


def build(
    frame: pd.DataFrame,
    name: str,
    root: storage.Place,
    source: storage.Place,
    skipped: tuple[Skipped, ...] = (),
    columns: tuple[str, ...] = LABELS,
) -> Corpus:
    """Makes a corpus of a frame with `file` and perhaps `start`, `end` and `LABELS` columns.

    Args:
        frame: one utterance a row, indexed 0, 1, 2 ....
        name: what reports call the corpus.
        root: the folder that `file` is relative to.
        source: the file that error messages name.
        skipped: rows that were left out already.
        columns: which of the frame's columns the corpus keeps.

    Raises:
        UserError: no `file`, no rows, repeated rows, invalid ratings or times.
    """
    require(frame, ["file"], source)
    if frame.empty:
        raise UserError(f"{source}: has no rows")
    index = index_of(frame, source)
    labels = {
        label: numbers(frame, label, source) if label in RATINGS else _text(frame, label, source)
        for label in columns
        if label in frame
    }
    table = pd.DataFrame(labels, index=frame.index).set_axis(index)
    return Corpus(name, root, table, skipped=skipped)


def require(frame: pd.DataFrame, columns: list[str], source: storage.Place) -> None:
    """Raises a UserError that names missing columns, and the columns that the table has."""
    if missing := [column for column in columns if column not in frame]:
        raise UserError(
            f"{source}: lacks the column {', '.join(missing)}; "
            f"has {', '.join(map(str, frame.columns))}"
        )


def numbers(frame: pd.DataFrame, column: str, source: storage.Place) -> pd.Series:
    """A column as float32; empty cells and `nan` are NaN.

    Raises:
        UserError: a cell is not a finite number.
    """
    _check_cells(frame, column, source)
    values = pd.to_numeric(frame[column], errors="coerce").astype(np.float32)
    empty = frame[column].isna() | (frame[column].astype(str).str.strip().str.lower() == "nan")
    _check(frame, column, (values.isna() & ~empty) | np.isinf(values), source, "is not a number")
    return values


def index_of(frame: pd.DataFrame, source: storage.Place) -> pd.Index:
    """The audformat index of a frame's columns `file` and perhaps `start`, `end`.

    Segmented where there is a start or an end, else filewise; times are seconds or audformat's
    text, an empty start is 0, an empty end that of the file.

    Raises:
        UserError: a row without a file, an invalid time, repeated rows, or repeated columns.
    """
    _check(frame, "file", frame["file"].isna(), source, "names no file")
    for column in ("file", "start", "end"):
        if list(frame.columns).count(column) > 1:
            raise UserError(f"{source}: has two columns {column}; remove one")
    odd = ~frame["file"].map(lambda cell: isinstance(cell, str)).astype(bool)
    _check(frame, "file", odd, source, "is not text")
    files = frame["file"].astype(str)
    if "start" in frame or "end" in frame:
        times = {c: _times(frame, c, source) for c in ("start", "end") if c in frame}
        starts = times["start"].fillna(pd.Timedelta(0)) if "start" in times else None
        index = audformat.segmented_index(files, starts, times.get("end"))
    else:
        index = audformat.filewise_index(files)
    _check(frame, "file", index.duplicated(), source, "appears twice; remove one of the rows")
    return index


def _times(frame: pd.DataFrame, column: str, source: storage.Place) -> pd.Series:
    """A column of seconds or of audformat's text as timedeltas, empty cells NaT."""
    cells = frame[column]
    if cells.dtype.kind == "m":
        return cells
    _check_cells(frame, column, source)
    # as text: 1.1 in float32 is 1.1; in nanoseconds: pandas cuts off where it should round
    seconds = pd.to_numeric(cells.astype(str), errors="coerce").replace([np.inf, -np.inf], np.nan)
    times = pd.to_timedelta((seconds * 1e9).round(), unit="ns", errors="coerce")
    texts = pd.to_timedelta(cells.where(seconds.isna()).astype("string"), errors="coerce")
    times = times.fillna(texts.astype("timedelta64[ns]"))
    empty = cells.isna() | cells.astype(str).str.strip().str.lower().isin(["nan", "nat"])
    _check(frame, column, times.isna() & ~empty, source, "is neither seconds nor a duration")
    return times


def _text(frame: pd.DataFrame, column: str, source: storage.Place) -> pd.Series:
    """A column as text; whole numbers that pandas holds as floats lose their `.0`.

    Raises:
        UserError: a cell is a list, bytes, or the like.
    """
    _check_cells(frame, column, source)
    return frame[column].convert_dtypes().astype("string")


def _check_cells(frame: pd.DataFrame, column: str, source: storage.Place) -> None:
    """Refuses cells that Parquet can hold and CSV cannot: lists, records, bytes."""
    if frame[column].dtype == object:
        odd = [isinstance(c, bytes) or not pd.api.types.is_scalar(c) for c in frame[column]]
        _check(frame, column, np.array(odd, bool), source, "is neither text nor a number")


def _check(
    frame: pd.DataFrame,
    column: str,
    wrong: pd.Series | np.ndarray,
    source: storage.Place,
    what: str,
) -> None:
    """Raises a UserError for the first row that is `wrong`."""
    for row in np.flatnonzero(wrong)[:1]:
        cell = frame[column].iloc[row]
        where = "" if column == "file" else f" ({frame['file'].iloc[row]})"
        raise UserError(f"{source}: row {row + 1}{where}, column {column}: {cell!r} {what}")
