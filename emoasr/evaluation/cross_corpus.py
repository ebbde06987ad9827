"""Two corpora as one evaluation: fitted on all utterances of one, tested on all of another.

Both are joined into one dataset with predefined splits. Ratings of the training corpus are mapped
linearly from its scale onto that of the test corpus: lowest on lowest, highest on highest.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import audformat
import ml_collections
import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation.dataset import check_scale
from emoasr.evaluation.labels import is_rating, values
from emoasr.settings.choices import TRAIN, standardised, test_split

PREFIX = "train:"  # before the training corpus's files: both corpora may have the same names


@dataclasses.dataclass(frozen=True)
class Run:
    """One corpus.

    Attributes:
        corpus: its name.
        tables: feature sets by name.
        labels: as of `evaluate`.
        scale: lowest and highest rating; empty: unknown.
    """

    corpus: str
    tables: Mapping[str, pd.DataFrame]
    labels: pd.DataFrame
    scale: tuple[float, ...]


@dataclasses.dataclass(frozen=True)
class Joined:
    """Both corpora.

    Attributes:
        tables: feature sets by name.
        labels: with a column `split`.
        said: fields for rows of results: `train_corpus`, `scales`, `standardised`.
        notes: what a reader of the results must know, one line each.
    """

    tables: dict[str, pd.DataFrame]
    labels: pd.DataFrame
    said: dict[str, str]
    notes: list[str]


def join(train: Run, test: Run, settings: ml_collections.ConfigDict) -> Joined:
    """Brings two corpora together.

    Args:
        train: to fit on.
        test: to predict.
        settings: `config.eval`, checked; its targets are columns of both corpora's labels.

    Raises:
        UserError: a target cannot be compared.
    """
    mapped = train.labels.copy()
    ratings = [target for target in settings.targets if _is_rating(train, test, target)]
    for target in ratings:
        _check_scales(train, test, target)
        mapped[target] = onto(values(train.labels, target), train.scale, test.scale)
    segmented = any(run.labels.index.nlevels > 1 for run in (train, test))
    labels = pd.concat([
        _renamed(mapped, segmented, PREFIX).assign(split=TRAIN),
        _renamed(test.labels, segmented).assign(split=test_split(settings.protocol)),
    ])  # fmt: skip
    tables = {}
    for name, table in test.tables.items():
        other = train.tables[name]
        if list(other) != list(table):
            raise UserError(
                f"feature set {name!r}: its columns in config.eval.train_workdir differ from those "
                "here; extract both with the same settings"
            )
        tables[name] = pd.concat([_renamed(other, segmented, PREFIX), _renamed(table, segmented)])
    said = {
        "train_corpus": train.corpus,
        "scales": _scales(train.scale, test.scale) if ratings else "",
        "standardised": standardised(settings),
    }
    return Joined(tables, labels, said, _notes(said, test.corpus, ratings))


def identifying(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables by whose digests an evaluation with `within_corpus` is known, since version 0.2.0.

    Args:
        tables: of both corpora, as of `join`.

    Returns:
        The tables, standardised within each corpus as 0.2.0 did, to the last bit.
    """
    found = {}
    for name, table in tables.items():
        first = table.index.get_level_values("file").str.startswith(PREFIX)
        found[name] = pd.concat([_standardised(table[first]), _standardised(table[~first])])
    return found


def onto(rating: pd.Series, scale: tuple[float, ...], other: tuple[float, ...]) -> pd.Series:
    """Maps ratings linearly onto another scale: lowest on lowest, highest on highest.

    Example:
        >>> onto(pd.Series([1.0, 4.0, 7.0]), (1, 7), (1, 5)).tolist()
        [1.0, 3.0, 5.0]
    """
    if scale == other:
        return rating
    (low, high), (others_low, others_high) = scale, other
    return others_low + (rating - low) * (others_high - others_low) / (high - low)


def _is_rating(train: Run, test: Run, target: str) -> bool:
    kinds = []
    for run, where in ((train, "config.eval.train_workdir"), (test, "--workdir")):
        if target not in run.labels or run.labels[target].isna().all():
            having = ", ".join(map(str, run.labels.columns[run.labels.notna().any()]))
            raise UserError(
                f"config.eval.targets: {target!r} has no value in the labels of {run.corpus} "
                f"({where}), which have: {having}; give a target that both have"
            )
        kinds.append(is_rating(run.labels[target]))
    if kinds[0] != kinds[1]:
        one, other = ("numbers" if kind else "classes" for kind in kinds)
        raise UserError(
            f"config.eval.targets: {target!r} holds {one} in {train.corpus}, {other} in "
            f"{test.corpus}; give a target that holds the same in both"
        )
    return kinds[0]


def _check_scales(train: Run, test: Run, target: str) -> None:
    for run, field in ((train, "config.eval.train_scale"), (test, "config.eval.scale")):
        if not run.scale:
            raise UserError(
                f"{field}=(): cross-corpus needs the scales of both corpora, to bring their "
                "ratings together; give the lowest and the highest rating"
            )
        check_scale(values(run.labels, target), run.scale, field)


def _renamed(frame: pd.DataFrame, segmented: bool, prefix: str = "") -> pd.DataFrame:
    """The rows with a prefix before their files, and of segments if `segmented`."""
    index = frame.index
    if segmented:
        index = audformat.utils.to_segmented_index(index)
    if prefix:
        files = prefix + index.get_level_values("file").astype(str)
        levels = [index.get_level_values(name) for name in ("start", "end") if segmented]
        make = audformat.segmented_index if segmented else audformat.filewise_index
        index = make(files, *levels)
    return frame.set_axis(index)


def _standardised(table: pd.DataFrame) -> pd.DataFrame:
    finite = table.replace([np.inf, -np.inf], np.nan)
    deviation = finite.std(ddof=0)
    return (table - finite.mean()) / deviation.mask(deviation == 0, 1.0)


def _scales(scale: Sequence[float], other: Sequence[float]) -> str:
    ends, others = ("{:g} to {:g}".format(*s) for s in (scale, other))
    return f"both {ends}" if ends == others else f"{ends} mapped linearly onto {others}"


def _notes(said: Mapping[str, Any], corpus: str, ratings: Sequence[str]) -> list[str]:
    found = [f"trained on {said['train_corpus']}, tested on {corpus}"]
    if ratings:
        which = ", ".join(ratings)
        found.append(f"scales of {which} in training and test: {said['scales']}")
    return found
