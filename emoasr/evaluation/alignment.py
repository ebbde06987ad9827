"""Feature tables and labels of the same utterances, and a record of all that are left out."""

import re
from collections.abc import Mapping
from typing import Any

import audformat
import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation.labels import example, is_rating
from emoasr.evaluation.standardised import column_blocks

_LARGEST = float(np.finfo(np.float32).max)  # squares of more than its square overflow
_COMMA = re.compile(r"[+-]?[0-9]*,[0-9]+([eE][+-]?[0-9]+)?")


def align(tables: Mapping[str, pd.DataFrame], labelled: pd.Index) -> dict[str, pd.DataFrame]:
    """Tables with the labels' index where the utterances are the same, for `join`.

    A file and its segment from 0 to an open end (NaT) are the same utterance. A segment with an
    open end is the same as one with an end if both start at the same time and the latter is the
    last of its file: its end is then the end of the file. A table of files is matched with labels
    of segments, or the reverse, only if this explains every segment of every file in both.

    Args:
        tables: feature sets by name, audformat index.
        labelled: the labels' index.

    Raises:
        UserError: an index is not audformat's, or has an utterance twice.
    """
    _check_index(labelled, "labels.parquet")
    aligned = {}
    for name, table in tables.items():
        _check_index(table.index, f"feature set {name!r}")
        same = table.index.equals(labelled)
        index = labelled if same else _as_labelled(table.index, labelled)
        table = table.set_axis(index)
        # segments of an unlabelled file become that file, which is kept once
        aligned[name] = table[~index.duplicated()] if index.has_duplicates else table
    return aligned


def join(
    tables: Mapping[str, pd.DataFrame], labelled: pd.Index
) -> tuple[pd.Index, list[dict[str, Any]]]:
    """Utterances that have labels and finite features in every table, sorted.

    Args:
        tables: feature sets by name, as `align` gives them.
        labelled: the labels' index.

    Returns:
        The index, and what was left out (see `skip`).

    Raises:
        UserError: a table is malformed, or nothing is left.
    """
    _check_index(labelled, "labels.parquet")
    index, skipped = labelled, []
    for name, table in tables.items():
        _check_table(table, name, labelled)
        usable = table.index[finite := _finite_rows(table, name)]
        skipped += skip(labelled.difference(table.index), f"no features in {name}")
        skipped += skip(table.index.difference(labelled), f"in {name}, but not in the labels")
        skipped += skip(
            labelled.intersection(table.index[~finite]),
            f"features in {name} that are not finite numbers",
        )
        if usable.intersection(labelled).empty:
            raise UserError(
                f"feature set {name!r}: none of its utterances is in the labels: it has "
                f"({example(usable)}), the labels have ({example(labelled)}); use the names of "
                "labels.parquet"
            )
        earlier, index = index, index.intersection(usable)
        if index.empty:
            raise UserError(
                f"feature set {name!r}: no utterance is left: it has ({example(usable)}), the "
                f"sets before it in config.feature_sets have ({example(earlier)}); remove one"
            )
    return index.sort_values(), skipped  # sorted: results do not depend on the order of rows


def rows(table: pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    """Some rows of a table; the table itself, not a copy, where it has just these."""
    return table if table.index.equals(index) else table.loc[index]


def rated(
    rating: pd.Series, groups: Mapping[str, pd.Series], index: pd.Index
) -> tuple[pd.Series, list[dict[str, Any]]]:
    """The target of the utterances that have it and all groups, and a record of the others."""
    rating, skipped = rating.loc[index], []
    for values, lack in (
        (rating, f"no {'rating' if is_rating(rating) else 'value'} of {rating.name}"),
        *((group, f"no {name}; needed for {rating.name}") for name, group in groups.items()),
    ):
        missing = values.loc[rating.index].isna()
        skipped += skip(rating.index[missing], lack)
        rating = rating[~missing]
    return rating, skipped


def skip(index: pd.Index, reason: str) -> list[dict[str, Any]]:
    """Records of utterances left out: file, start and end in seconds or None, step, reason."""
    frame = index.to_frame(index=False)
    seconds = {
        name: frame[name].dt.total_seconds() if name in frame else pd.Series(index=frame.index)
        for name in ("start", "end")
    }
    return [
        {
            "file": str(file),
            "start": None if pd.isna(start) else float(start),
            "end": None if pd.isna(end) else float(end),
            "step": "eval",
            "reason": reason,
        }
        for file, start, end in zip(frame["file"], seconds["start"], seconds["end"], strict=True)
    ]


def _check_index(index: pd.Index, name: str) -> None:
    if not (audformat.is_filewise_index(index) or audformat.is_segmented_index(index)):
        raise UserError(f"{name}: its index must be `file`, or `file, start, end`, as in audformat")
    if index.has_duplicates:
        first = index[index.duplicated()][0]
        raise UserError(f"{name}: utterance {first} is there twice; remove one of the rows")


def _as_labelled(index: pd.Index, labelled: pd.Index) -> pd.Index:
    """The index with the labels' keys; unchanged where files and segments cannot be matched."""
    ours, theirs = map(audformat.utils.to_segmented_index, (index, labelled))
    match = theirs.get_indexer(ours)
    match = np.where(match < 0, _match_by_open_end(ours, theirs), match)
    files = ours.get_level_values("file")
    if index.nlevels != labelled.nlevels:
        shared = theirs[theirs.get_level_values("file").isin(files)]
        n_ours = files.isin(shared.get_level_values("file")).sum()
        if not (match >= 0).sum() == n_ours == len(shared):
            return index
    if labelled.nlevels == 1:
        return audformat.filewise_index(files)
    starts, ends = (ours.get_level_values(name).to_series() for name in ("start", "end"))
    ends = ends.where(match < 0, theirs.get_level_values("end")[match])
    return audformat.segmented_index(files, starts, ends)


def _match_by_open_end(ours: pd.MultiIndex, theirs: pd.MultiIndex) -> np.ndarray:
    """For each of our segments the position of theirs that differs by an open end; else -1."""
    pairs = _last_of_files(ours).merge(_last_of_files(theirs), on=["file", "start"])
    pairs = pairs[pairs["end_x"].isna() != pairs["end_y"].isna()]
    match = np.full(len(ours), -1)
    match[pairs["row_x"]] = pairs["row_y"]
    return match


def _last_of_files(index: pd.MultiIndex) -> pd.DataFrame:
    """Columns file, start, end, row: of each file the segments that end last."""
    frame = index.to_frame(index=False).astype({"file": str}).assign(row=np.arange(len(index)))
    end = frame["end"].fillna(pd.Timedelta.max)
    return frame[end == end.groupby(frame["file"]).transform("max")]


def _finite_rows(table: pd.DataFrame, name: str) -> np.ndarray:
    """A mask of the rows (N,) without NaN or infinity; refuses numbers beyond float32's range."""
    rows, counts = np.ones(len(table), bool), []
    for block in column_blocks(table.shape[1]):
        of_block = table.iloc[:, block].to_numpy(np.float64, na_value=np.nan)
        finite = np.isfinite(of_block)
        if (large := finite & (np.abs(of_block) > _LARGEST)).any():
            row, column = map(int, np.argwhere(large)[0])
            raise UserError(
                f"feature set {name!r}: column {table.columns[block][column]!r} holds "
                f"{of_block[row, column]:g} ({example(table.index[row : row + 1])}), beyond the "
                f"range of float32, {_LARGEST:.2g}; divide the column by a constant, or remove it"
            )
        rows &= finite.all(axis=1)
        counts += finite.sum(axis=0).tolist()
    if not rows.any():
        worst = table.columns[int(np.argmin(counts))]
        raise UserError(
            f"feature set {name!r}: every row has NaN or infinity, most of them in column "
            f"{worst!r}; correct the column or remove it"
        )
    return rows


def _check_table(table: pd.DataFrame, name: str, labelled: pd.Index) -> None:
    _check_index(table.index, f"feature set {name!r}")
    for length, what in zip(table.shape, ("rows", "columns"), strict=True):
        if not length:
            raise UserError(f"feature set {name!r}: it has no {what}; remove it or make it again")
    ours, theirs = (", ".join(map(str, index.names)) for index in (table.index, labelled))
    if ours != theirs:
        raise UserError(
            f"feature set {name!r}: indexed by {ours} ({example(table.index)}), but the labels by "
            f"{theirs} ({example(labelled)}); these can be matched only if each file has one "
            "segment, from 0; use the same kind of index for both"
        )
    for column, dtype in table.dtypes.items():
        if not pd.api.types.is_numeric_dtype(dtype):
            cells = table[column].astype(str)
            odd = pd.to_numeric(cells.where(table[column].notna()), errors="coerce").isna()
            row = int((odd & table[column].notna()).to_numpy().argmax())
            cell = str(table[column].iloc[row])[:40]
            comma = "its decimal comma by a point" if _COMMA.fullmatch(cell) else "it by a number"
            raise UserError(
                f"feature set {name!r}: column {column!r} holds {cell!r} "
                f"({example(table.index[row : row + 1])}); "
                f"replace {comma}, or remove the column"
            )
