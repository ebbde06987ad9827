"""Which utterances can be evaluated: labels and feature tables brought together, losses told."""

from collections.abc import Mapping
from typing import Any

import audformat
import numpy as np
import pandas as pd

from emoasr.errors import UserError


def ratings(labels: pd.DataFrame, target: str) -> pd.Series:
    """One rating an utterance, float64, NaN where missing.

    Raises:
        UserError: there is no rating, or the column holds no numbers.
    """
    rated = [
        name
        for name, column in labels.items()
        if pd.api.types.is_numeric_dtype(column) and column.notna().any()
    ]
    if not rated:
        raise UserError(
            "nothing to evaluate: the corpus has no ratings (labels.parquet has no column of "
            f"numbers such as {target}); take a corpus that has, e.g. --config=table"
        )
    if target in labels and not pd.api.types.is_numeric_dtype(labels[target]):
        raise UserError(f"config.eval.targets: column {target!r} of the labels holds no numbers")
    if target not in rated:
        lack = "no value" if target in labels else "no column"
        raise UserError(
            f"config.eval.targets: the labels have {lack} {target!r}; "
            f"those with ratings are: {', '.join(map(str, rated))}"
        )
    values = labels[target].astype(np.float64)
    return values.where(np.isfinite(values))


def groups(labels: pd.DataFrame, column: str) -> pd.Series:
    """The group of every utterance, as text; missing where it is unknown.

    Raises:
        UserError: the labels have no such column.
    """
    if column not in labels:
        raise UserError(
            f"config.eval.protocol: leaving one {column} out needs a column {column!r} in the "
            f"labels, which have: {', '.join(map(str, labels.columns))}"
        )
    values = labels[column]
    return values.astype(str).where(values.notna())


def join(
    tables: Mapping[str, pd.DataFrame], labelled: pd.Index
) -> tuple[pd.Index, list[dict[str, Any]]]:
    """Utterances that are labelled and have finite features in every table, sorted.

    Args:
        tables: feature sets by name, audformat index.
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
        finite = np.isfinite(table.to_numpy()).all(axis=1)
        usable = table.index[finite]
        skipped += skip(labelled.difference(table.index), f"no features in {name}")
        skipped += skip(table.index.difference(labelled), f"in {name}, but not in the labels")
        skipped += skip(
            labelled.intersection(table.index[~finite]),
            f"features in {name} that are not finite numbers",
        )
        index = index.intersection(usable)
        if index.empty:
            raise UserError(
                f"feature set {name!r}: no utterance is left that has labels and finite features "
                "in every feature set; run python -m emoasr.extract again, or leave the set out "
                "of config.feature_sets"
            )
    return index.sort_values(), skipped  # sorted: results do not depend on the order of rows


def rated(
    rating: pd.Series, group: pd.Series, index: pd.Index
) -> tuple[pd.DataFrame, list[dict[str, Any]]]:
    """`label` and `group` of the utterances that have both, and those that have not."""
    frame = pd.DataFrame({"label": rating, "group": group}).loc[index]
    unrated, ungrouped = frame["label"].isna(), frame["group"].isna()
    skipped = skip(index[unrated], f"no rating of {rating.name}")
    skipped += skip(index[ungrouped & ~unrated], f"no {group.name}; needed for {rating.name}")
    return frame[~unrated & ~ungrouped], skipped


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
        raise UserError(f"{name}: the same utterance twice, {first}; remove one")


def _check_table(table: pd.DataFrame, name: str, labelled: pd.Index) -> None:
    _check_index(table.index, f"feature set {name!r}")
    ours, theirs = (", ".join(map(str, index.names)) for index in (table.index, labelled))
    if ours != theirs:
        raise UserError(
            f"feature set {name!r}: indexed by {ours}, but the labels by {theirs}; index both alike"
        )
    odd = [c for c, dtype in table.dtypes.items() if not pd.api.types.is_numeric_dtype(dtype)]
    if odd or table.columns.empty:
        what = f"column {odd[0]!r} holds no numbers" if odd else "it has no columns"
        raise UserError(f"feature set {name!r}: {what}; run python -m emoasr.extract again")
