"""The labels of an evaluation: ratings, classes, and the groups that its folds leave out."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from emoasr.errors import UserError, did_you_mean
from emoasr.system.output import counted


def values(labels: pd.DataFrame, target: str) -> pd.Series:
    """A target of every utterance: numbers as float64, else classes as text; missing where unknown.

    Raises:
        UserError: there is no such column, or nothing in it, or it mixes numbers and words.
    """
    column = labels[target] if target in labels else pd.Series(dtype=object)
    if column.notna().any():
        return ratings(labels, target) if is_rating(column) else _classes(column)
    known = [str(name) for name, other in labels.items() if other.notna().any()]
    if not any(is_rating(labels[name]) for name in known):
        raise UserError(
            "nothing to evaluate: the corpus has no ratings (labels.parquet has no column of "
            f"numbers such as {target}, only: {', '.join(map(str, labels)) or 'none'}"
            f"{did_you_mean(target, map(str, labels))}); give the corpus a table that has one"
        )
    lack = "no value in column" if target in labels else "no column"
    raise UserError(
        f"config.eval.targets: {lack} {target!r} in the labels; columns that have values: "
        f"{', '.join(known)}{did_you_mean(target, known)}"
    )


def merged(targets: Sequence[pd.Series], entries: Sequence[str]) -> list[pd.Series]:
    """Targets with some of their classes taken as one.

    Args:
        targets: as `values` gives them; ratings stay.
        entries: of `config.eval.merged`, such as `happy+excited`, which is then the class's name.

    Raises:
        UserError: no target has such a class.
    """
    classes = {name for target in targets if not is_rating(target) for name in target.dropna()}
    into = {name: entry for entry in entries for name in entry.split("+")}
    for name, entry in into.items():
        if name not in classes:
            there = ", ".join(sorted(classes)) or "none"
            raise UserError(
                f"config.eval.merged={entry!r}: no utterance has the class {name!r}; there are: "
                f"{there}{did_you_mean(name, classes)}"
            )
    return [t if is_rating(t) else t.map(lambda name: into.get(name, name)) for t in targets]


def is_rating(column: pd.Series) -> bool:
    """Whether a column of the labels holds numbers; all others hold classes."""
    return is_numeric_dtype(column.dtype) and not is_bool_dtype(column.dtype)


def ratings(labels: pd.DataFrame, target: str) -> pd.Series:
    """A column of numbers as float64; NaN where missing or infinite."""
    column = labels[target].astype(np.float64)
    return column.where(np.isfinite(column))


def _classes(column: pd.Series) -> pd.Series:
    """Text without blanks around it; missing where there is none."""
    text = column.astype(str).str.strip().where(column.notna())
    text = text.where(text != "").astype(object)
    words = text[pd.to_numeric(text, errors="coerce").isna() & text.notna()]
    n_numbers = text.notna().sum() - len(words)
    if len(words) and n_numbers > len(words):
        raise UserError(
            f"config.eval.targets: column {str(column.name)!r} of the labels holds numbers in "
            f"{counted(n_numbers, 'row')}, but {words.iloc[0]!r} ({example(words.index)}); correct "
            "that cell, or leave it empty, and extract again"
        )
    return text


def groups_of(labels: pd.DataFrame, column: str) -> pd.Series:
    """The group of every utterance, as text; missing where it is unknown.

    Raises:
        UserError: the labels have no such column.
    """
    if column not in labels:
        raise UserError(
            f"config.eval.protocol: needs a column {column!r} in the "
            f"labels, which have: {', '.join(map(str, labels.columns))}"
        )
    values = labels[column]
    return values.astype(str).where(values.notna())


def example(index: pd.Index) -> str:
    """The first key of an index, as text."""
    first = index[:1].to_frame(index=False)
    return ", ".join(f"{name} {column[0]}" for name, column in first.items())
