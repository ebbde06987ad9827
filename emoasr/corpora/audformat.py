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
import numpy as np
import pandas as pd
from yaml import safe_load

from emoasr.corpora import cells, table
from emoasr.corpora.base import Corpus, Skipped, contents, folder_of
from emoasr.corpora.table import INDEX
from emoasr.errors import UserError, one_line
from emoasr.files import storage
from emoasr.files.text_tables import normalised
from emoasr.settings.choices import check_choice

RATERS = ("mean", "keep")

_HEADER = "db.yaml"
_FORMATS = (".parquet", ".csv")


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads an audformat database: all utterances of its tables, with all their columns.

    Where there are tables of segments, these are the utterances, and tables of whole files add
    their columns to each segment of the file; files without a segment are skipped. Columns keep
    their names. Several numeric columns of one table and scheme, by different raters, are averaged
    under the scheme's name, or kept. `split` is the type of a table's split; a scheme `speaker`
    whose labels have fields, such as gender, gives a column for each field.

    Args:
        config: `path`, the folder with `db.yaml`; `tables`, names of those that are read, empty
            for all; `raters`, `mean` or `keep`.
        workdir: unused.

    Raises:
        UserError: no such database or table, a value that its scheme does not have, or two tables
            or columns that contradict each other.
    """
    check_choice("config.corpus.raters", config.raters, RATERS)
    root = folder_of(config)
    header = root / _HEADER
    database = _database(root)
    read: dict[bool, list[pd.DataFrame]] = {False: [], True: []}
    notes: list[str] = []
    for name, about in _chosen(database, config.tables, header).items():
        frame, words = _table(database, name, about, root, config.raters)
        read[about.is_segmented].append(frame)
        notes += words
    if unread := [_text(name, header) for name in database.misc_tables]:
        notes.append(f"tables without files are not read: {', '.join(unread)}")
    for note in notes:
        print(one_line(f"{root}: {note}"))
    joined, skipped = _of_utterances(read[False], read[True], header)
    name = _text(database.name, header)
    return table.build(joined.reset_index(), name, root, header, skipped, tuple(notes))


def _chosen(
    database: audformat.Database, names: Sequence[str], header: storage.Place
) -> dict[str, audformat.Table]:
    """The tables that are read, by name; no names: all."""
    tables = {_text(name, header): about for name, about in database.tables.items()}
    for name in names:
        if name not in tables:
            there = ", ".join(tables) or "none"
            raise UserError(
                f"config.corpus.tables={name!r}: there is no such table; there are: {there}"
            )
    if not tables:
        raise UserError(f"{header}: has no tables of files or segments")
    return {name: tables[name] for name in names or tables}


def _of_utterances(
    files: list[pd.DataFrame], segments: list[pd.DataFrame], header: storage.Place
) -> tuple[pd.DataFrame, tuple[Skipped, ...]]:
    """All tables as one, a row an utterance; and the files that have no segment."""
    if not (files and segments):
        return _joined(files or segments, header), ()
    of_file, of_segment = _joined(files, header), _joined(segments, header)
    file = of_segment.index.get_level_values("file")
    alone = of_file.index[~of_file.index.isin(file)]
    skipped = tuple(Skipped(name, "has no segment in the tables of segments") for name in alone)
    spread = of_file.reindex(file).set_axis(of_segment.index)
    return _joined([of_segment, spread], header), skipped


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


def _text(name: object, header: storage.Place) -> str:
    """A name in the header as text; YAML reads `2024` as a number, which is as good.

    Raises:
        UserError: YAML reads it as something else, such as `on` and `no`.
    """
    if name is None or isinstance(name, bool | list | dict):
        raise UserError(
            f"{header}: the name {name!r} is not text (as are on, no, null without quotes); "
            "write it in quotes"
        )
    return str(name)


def _table(
    database: audformat.Database,
    name: str,
    about: audformat.Table,
    root: storage.Place,
    raters: str,
) -> tuple[pd.DataFrame, list[str]]:
    """One table with our columns, under its index; and lines on what cells were taken for."""
    source, header = _source(root, name), root / _HEADER
    columns = {_text(column_id, header): column for column_id, column in about.columns.items()}
    keys = list(INDEX if about.is_segmented else INDEX[:1])
    frame = table.read_frame(source)
    table.require(frame, [*keys, *columns], source)
    found = frame[[]].copy()
    schemes = {}
    for column_id, column in columns.items():
        where = f"{header}: table {name}, column {column_id}: scheme_id"
        scheme = _defined(column.scheme_id, database.schemes, where)
        schemes[column_id] = scheme
        found[column_id] = _checked(frame, column_id, scheme, source)
    taken = {c: cells.missing_words(frame[c], found[c]) for c in columns}
    notes = [f"{source.name}: column {c}: taken as missing: {w}" for c, w in taken.items() if w]
    for column_id, scheme in schemes.items():
        if columns[column_id].scheme_id == "speaker" and isinstance(scheme.labels, dict):
            for field, values in _fields(found[column_id], scheme.labels).items():
                _add(found, field, values, frame, source)
    if raters == "mean":
        found = _averaged(found, columns, schemes, source)
    if split := _defined(about.split_id, database.splits, f"{header}: table {name}: split_id"):
        _add(found, "split", pd.Series(split.type, found.index, "string"), frame, source)
    for column in found.columns.intersection([*INDEX]):
        raise UserError(
            f"{source}: {column} is the index's name; rename the column or field in {_HEADER}"
        )
    return found.set_axis(table.index_of(frame[keys], source)), notes


def _defined(name: Any, among: Mapping[Any, Any], where: str) -> Any:
    """What a table or column refers to in the header, None where to nothing."""
    if name is not None and name not in among:
        there = ", ".join(map(str, among)) or "none"
        raise UserError(f"{where}={name!r}: {_HEADER} defines no such one; it defines {there}")
    return None if name is None else among[name]


def _averaged(
    found: pd.DataFrame,
    columns: Mapping[str, audformat.Column],
    schemes: Mapping[str, audformat.Scheme | None],
    source: storage.Place,
) -> pd.DataFrame:
    """The table with raters' numbers of one scheme as their mean, under the scheme's name."""
    of_scheme: defaultdict[str, list[str]] = defaultdict(list)
    for column_id, column in columns.items():
        scheme = schemes[column_id]
        if column.rater_id and scheme is not None and scheme.dtype in ("float", "int"):
            of_scheme[str(column.scheme_id)].append(column_id)
    for scheme_id, rated in of_scheme.items():
        if len(rated) < 2:
            continue
        mean = found[rated].astype(float).mean(axis=1)
        found = found.drop(columns=rated)
        if scheme_id in found:
            raise UserError(
                f"{source}: the mean of {', '.join(rated)} would have the name of the column "
                f"{scheme_id}; give --config.corpus.raters=keep, or rename that column"
            )
        found[scheme_id] = mean
    return found


def _add(
    found: pd.DataFrame, column: str, values: pd.Series, frame: pd.DataFrame, source: storage.Place
) -> None:
    """Adds a column that the header gives; one of that name in the table may not differ."""
    if column in found:
        own = found[column]
        wrong = _differ(own, values)
        cells.check(frame, column, wrong, source, f"differs from the {column} in {_HEADER}")
        values = own.fillna(values)
    found[column] = values


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
        known = {spelling for label in scheme.labels for spelling in _spellings(label)}
        cells.check(
            frame, column, values.notna() & ~values.isin(known), source, "is no label of its scheme"
        )
    return values


def _spellings(label: object) -> set[str]:
    """What `cells.texts` makes of a label: of a whole number, with `.0` or without."""
    spellings = {normalised(str(label))}
    if isinstance(label, float) and label.is_integer():
        spellings.add(str(int(label)))
    return spellings


def _fields(speakers: pd.Series, labels: Mapping[Any, Any]) -> dict[str, pd.Series]:
    """A column for each field that a scheme's labels have."""
    having = {
        spelling: fields
        for label, fields in labels.items()
        for spelling in _spellings(label)
        if isinstance(fields, dict)
    }
    names = dict.fromkeys(name for fields in having.values() for name in fields)
    return {
        str(name): speakers.map({label: fields.get(name) for label, fields in having.items()})
        for name in names
    }


def _differ(one: pd.Series, other: pd.Series) -> np.ndarray:
    """Where two columns have different values; 30 and 30.0 are the same."""
    texts = [values.convert_dtypes().astype("string") for values in (one, other)]
    return (texts[0] != texts[1]).fillna(False).to_numpy(bool)


def _joined(frames: Sequence[pd.DataFrame], header: storage.Place) -> pd.DataFrame:
    """Tables of one kind of index as one; a cell comes from whichever table has it."""
    joined, *others = frames
    for frame in others:
        both = joined.index.intersection(frame.index)
        one, other = joined.reindex(both), frame.reindex(both)
        for column in joined.columns.intersection(frame.columns):
            for row in both[_differ(one[column], other[column])][:1]:
                where = row if isinstance(row, str) else " ".join(map(str, row))
                raise UserError(
                    f"{header}: two tables have different values of {column} for {where}; "
                    "name the tables to read in config.corpus.tables"
                )
        joined = joined.combine_first(frame)
    return joined
