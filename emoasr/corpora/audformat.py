"""A database in audformat (audeering.github.io/audformat): `db.yaml`, and its tables beside it.

Nothing in it is run: the header is read as plain YAML, and tables from CSV or Parquet; audformat's
own loader would run what a header or a pickle says.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import audformat
import ml_collections
import pandas as pd
from yaml import safe_load

from emoasr.corpora import cells, table
from emoasr.corpora.base import Corpus, contents, folder_of
from emoasr.corpora.table import INDEX
from emoasr.errors import UserError
from emoasr.files import storage
from emoasr.settings.choices import check_choice

RATERS = ("mean", "keep")

_HEADER = "db.yaml"
_FORMATS = (".parquet", ".csv")


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads an audformat database: all utterances of its tables, with all their columns.

    Where there are tables of segments, these are the utterances, and tables of whole files add
    their columns to each segment of the file. Columns keep their names. Several numeric columns of
    one table and scheme, by different raters, are averaged under the scheme's name, or kept.
    `split` is the type of a table's split; a scheme `speaker` whose labels have fields, such as
    gender, gives a column for each field.

    Args:
        config: `path`, the folder with `db.yaml`; `tables`, names of those that are read, empty
            for all; `raters`, `mean` or `keep`.
        workdir: unused.

    Raises:
        UserError: no such database or table, a value that its scheme does not have, or two tables
            that contradict each other.
    """
    check_choice("config.corpus.raters", config.raters, RATERS)
    root = folder_of(config)
    database = _database(root)
    names = tuple(config.tables) or tuple(database.tables)
    frames: dict[bool, list[pd.DataFrame]] = {False: [], True: []}
    for name in names:
        if name not in database.tables:
            there = ", ".join(database.tables) or "none"
            raise UserError(
                f"config.corpus.tables={name!r}: there is no such table; there are: {there}"
            )
        frame, segmented = _table(database, name, root, config.raters)
        frames[segmented].append(frame)
    if not names:
        raise UserError(f"{root / _HEADER}: has no tables of files or segments")
    if frames[True] and frames[False]:
        segments, files = _joined(frames[True], root), _joined(frames[False], root)
        frames[True] = [segments, segments[[*INDEX]].merge(files, on="file")]
    frame = _joined(frames[True] or frames[False], root)
    return table.build(frame, database.name, root, root / _HEADER)


def _database(root: storage.Place) -> audformat.Database:
    """The header: names of tables, columns, schemes, raters and splits."""
    path = root / _HEADER
    if not path.is_file():
        raise UserError(
            f"config.corpus.path={root}: has no {_HEADER}; give the folder of an audformat "
            f"database; {contents(root)}"
        )
    try:
        header = safe_load(path.read_bytes())
        return audformat.Database.load_header_from_yaml(header)
    except Exception as error:  # noqa: BLE001  what is wrong in a header, audformat says in many ways
        what = " ".join(str(error).split())[:200]
        raise UserError(
            f"{path}: not a header of audformat ({type(error).__name__}: {what})"
        ) from None


def _table(
    database: audformat.Database, name: str, root: storage.Place, raters: str
) -> tuple[pd.DataFrame, bool]:
    """One table with our columns, and whether it is of segments."""
    source = _source(root, name)
    frame, about = table.read_frame(source), database.tables[name]
    table.require(frame, ["file", *about.columns], source)
    found = frame[[c for c in INDEX if c in frame]].copy()
    of_scheme: defaultdict[str, list[str]] = defaultdict(list)
    for column_id, column in about.columns.items():
        scheme = database.schemes[column.scheme_id] if column.scheme_id else None
        found[column_id] = _checked(frame, column_id, scheme, source)
        if column.rater_id and scheme is not None and scheme.dtype in ("float", "int"):
            of_scheme[column.scheme_id].append(column_id)
        if column.scheme_id == "speaker" and scheme is not None and isinstance(scheme.labels, dict):
            found = found.assign(**_fields(found[column_id], scheme.labels))
    for scheme_id, columns in of_scheme.items():
        if len(columns) > 1 and raters == "mean":
            mean = found[columns].astype(float).mean(axis=1)
            found = found.drop(columns=columns).assign(**{scheme_id: mean})
    if about.split_id:
        found["split"] = database.splits[about.split_id].type
    return found, about.is_segmented


def _source(root: storage.Place, name: str) -> storage.Place:
    stem = _HEADER.removesuffix(".yaml")
    for suffix in _FORMATS:
        if (path := root / f"{stem}.{name}{suffix}").is_file():
            return path
    raise UserError(
        f"{root}: the table {name!r} is neither in {stem}.{name}.csv nor in .parquet; a pickle is "
        "a program and is not opened: audformat.Database.save(FOLDER, storage_format='csv')"
    )


def _checked(
    frame: pd.DataFrame, column: str, scheme: audformat.Scheme | None, source: storage.Place
) -> pd.Series:
    """A column; refuses what its scheme does not have."""
    if scheme is None:
        return cells.numbers_or_texts(frame, column, source)
    if scheme.dtype in ("float", "int") and scheme.labels is None:
        values = cells.numbers(frame, column, source)
        low, high = (-float("inf") if scheme.minimum is None else scheme.minimum,
                     float("inf") if scheme.maximum is None else scheme.maximum)  # fmt: skip
        off = values.notna() & ~values.between(low, high)
        cells.check(frame, column, off, source, f"is not within its scheme, {low:g} to {high:g}")
        return values
    values = cells.texts(frame, column, source)
    if isinstance(scheme.labels, list | dict):
        known = {str(label) for label in scheme.labels}
        cells.check(
            frame, column, values.notna() & ~values.isin(known), source, "is no label of its scheme"
        )
    return values


def _fields(speakers: pd.Series, labels: Mapping[Any, Any]) -> dict[str, pd.Series]:
    """A column for each field that a scheme's labels have."""
    having = {str(k): value for k, value in labels.items() if isinstance(value, dict)}
    fields = dict.fromkeys(field for value in having.values() for field in value)
    return {
        str(field): speakers.map({k: value.get(field) for k, value in having.items()})
        for field in fields
    }


def _joined(frames: Sequence[pd.DataFrame], root: storage.Place) -> pd.DataFrame:
    """Tables of files, or of segments, as one; a cell comes from whichever table has it."""
    keys = [name for name in INDEX if name in frames[0]]
    joined, *others = (frame.set_index(keys) for frame in frames)
    for frame in others:
        both = joined.index.intersection(frame.index)
        for column in joined.columns.intersection(frame.columns):
            one, other = joined.loc[both, column], frame.loc[both, column]
            differ = one.notna() & other.notna() & (one.astype(str) != other.astype(str))
            if differ.any():
                row = both[differ.argmax()]
                raise UserError(
                    f"{root / _HEADER}: two tables have different values of {column} for {row}; "
                    "name the tables to read in config.corpus.tables"
                )
        joined = joined.combine_first(frame)
    return joined.reset_index()
