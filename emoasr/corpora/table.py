"""Any table of utterances: CSV, Parquet, or what audformat writes as either."""

import dataclasses
from collections.abc import Collection, Iterator
from pathlib import Path

import audformat
import ml_collections
import pandas as pd
import pyarrow as pa

from emoasr.corpora import cells, identity, renaming
from emoasr.corpora.base import LABELS, RATINGS, Corpus, Skipped, contents, folder_of
from emoasr.errors import UserError, one_line, quoted
from emoasr.files import places, storage, text_tables
from emoasr.system.output import counted

INDEX = ("file", "start", "end")

# What pandas and Arrow raise for broken files, or for broken metadata about a table's index.
_BROKEN = (OSError, ValueError, LookupError, TypeError, AttributeError, pa.ArrowException)


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads the table at `config.path`.

    Its columns (or index levels) are `file`, perhaps `start` and `end` (see `times`), any of
    `LABELS`, and further ones, which are kept too. Whether the files exist is only found out when
    they are read.

    Args:
        config: `path`, a `.csv` or `.parquet` file; `root`, the folder that `file` is relative to,
            empty for the table's own. Both may be URLs, and so may `file`, of an object store or
            of the root's own kind.
        workdir: unused.

    Raises:
        UserError: not a table, no `file`, no rows, the same recording in two rows, invalid ratings
            or times, or times that are not read.
    """
    path = places.of_corpus(config)
    root = folder_of(config, "root") if config.root else path.parent
    frame = read_frame(path)
    corpus = build(frame, path.stem, root, path)
    renaming.check_times(frame.columns, corpus.table.drop(columns=[*LABELS], errors="ignore"), path)
    identity.check_recordings(corpus, frame.index, path)
    notes = [*frame.attrs.get("notes", ()), *_notes(frame, corpus.table.set_axis(frame.index))]
    _print(notes, path)
    return dataclasses.replace(corpus, notes=(*notes, *corpus.notes))


def read_frame(path: storage.Place) -> pd.DataFrame:
    """Reads a CSV (every cell as text) or Parquet file; named levels of an index become columns.

    Returns:
        The table; its index counts rows from 0, some of which may be left out as empty. `attrs` may
        have `notes`, what the user should know of the way it was read.

    Raises:
        UserError: it cannot be read, is neither, or two of its columns have one name.
    """
    if path.suffix.lower() == ".csv":
        text = text_tables.read(path)
        frame = text.cells()
        frame.attrs["notes"] = text.notes
        return frame
    if path.suffix.lower() != ".parquet":
        raise UserError(f"{path}: not a table; give a .csv or .parquet file")
    try:
        frame = levels_as_columns(pd.read_parquet(storage.at_hand(path)))
    except _BROKEN as error:
        raise UserError(f"{path}: not a readable table ({' '.join(str(error).split())})") from None
    names = [text_tables.normalised(str(name)) for name in frame.columns]
    text_tables.check_names(names, path)
    return frame.set_axis(names, axis="columns")


def levels_as_columns(frame: pd.DataFrame, among: Collection[str] | None = None) -> pd.DataFrame:
    """The frame with the named levels of its index as columns, unless a column has the name.

    Args:
        frame: as pandas read it; an index without a name counts rows.
        among: names of the levels that are kept; None: all.

    Raises:
        ValueError: a level and a column of that name differ, and both may be meant.
    """
    levels = [
        name for i, name in enumerate(frame.index.names)
        if name not in (None, "") and (among is None or name in among) and not _is_column(frame, i)
    ]  # fmt: skip
    return frame.reset_index(levels).reset_index(drop=True)


def _is_column(frame: pd.DataFrame, level: int) -> bool:
    """Whether a level of the index is a column, too; of another column it may be row numbers."""
    name = frame.index.names[level]
    if name not in frame:
        return False
    same = frame.index.get_level_values(level).equals(pd.Index(frame[name]))
    if not same and name in (*INDEX, *LABELS):
        raise ValueError(f"its index and a column are both called {name}, and differ; remove one")
    return True


def build(
    frame: pd.DataFrame,
    name: str,
    root: storage.Place,
    source: storage.Place,
    skipped: tuple[Skipped, ...] = (),
    notes: tuple[str, ...] = (),
) -> Corpus:
    """Makes a corpus of a frame with `file`, perhaps `start`, `end` and labels.

    Labels that differ only by case are noted, and printed.

    Args:
        frame: one utterance a row, its index as `read_frame` gives it. Of `LABELS`, ratings become
            numbers and others text. Further columns are kept too, as numbers if all cells are.
        name: what reports call the corpus.
        root: the folder that `file` is relative to.
        source: the file that error messages name.
        skipped: rows that were left out already.
        notes: findings of the corpus's reader, which it has printed.

    Raises:
        UserError: no `file`, no rows, repeated rows, invalid ratings or times.
    """
    require(frame, ["file"], source)
    if frame.empty:
        raise UserError(f"{source}: has no rows")
    index = index_of(frame, source)
    labels = {c: cells.numbers(frame, c, source) if c in RATINGS else cells.texts(frame, c, source)
              for c in LABELS if c in frame}  # fmt: skip
    further = [c for c in frame.columns if c not in (*INDEX, *LABELS) and _can_be_kept(frame, c)]
    labels |= {c: cells.numbers_or_texts(frame, c, source) for c in further}
    table = pd.DataFrame(labels, index=frame.index)
    alike = list(_alike(table))
    _print(alike, source)
    return Corpus(name, root, table.set_axis(index), skipped=skipped, notes=(*notes, *alike))


def _can_be_kept(frame: pd.DataFrame, column: str) -> bool:
    return not column.startswith(text_tables.NAMELESS) and not cells.composite(frame[column]).any()


def _print(notes: list[str], source: storage.Place) -> None:
    for note in notes:
        print(one_line(f"{source}: {note}"))


def _alike(table: pd.DataFrame) -> Iterator[str]:
    """Lines about labels that may be one and the same."""
    for column in table.columns[table.dtypes == "string"].drop("text", errors="ignore"):
        if alike := identity.spelt_alike(table[column]):
            one, other = map(quoted, alike)
            yield (
                f"warning: column {column}: {one} and {other} count as two; if they are one, write "
                "them alike"
            )


def _notes(frame: pd.DataFrame, table: pd.DataFrame) -> Iterator[str]:
    """What a table's columns and cells were taken for, a line each."""
    further = [str(column) for column in table if column not in LABELS]
    if further:
        kinds = ["numbers" if table[column].dtype.kind in "fiu" else "text" for column in further]
        kept = ", ".join(f"{c} ({kind})" for c, kind in zip(further, kinds, strict=True))
        yield f"further columns, which can be targets: {kept}"
    for column in further:
        if odd := cells.odd_among_numbers(frame, column, table[column]):
            yield f"warning: column {column!r} is text, because of {odd}"
    if unused := [c for c in frame.columns if c not in (*INDEX, *table.columns)]:
        yield f"columns not used, as they have no name or hold lists or bytes: {', '.join(unused)}"
    free = [name for name in (*INDEX, *LABELS) if name not in frame]
    for column in further:
        if meant := renaming.meant(column, free):
            yield f"warning: column {column!r} is not read as {meant!r}; rename it if it is that"
    for name in table:
        if words := cells.missing_words(frame[name], table[name]):
            yield f"column {name}: taken as missing: {words}"
    yield from _names(frame["file"])


def _names(files: pd.Series) -> Iterator[str]:
    """Warnings of names that are probably not those of the files."""
    blank = files[files.str.strip() != files]
    parted = files[files.str.contains("\\", regex=False)]
    for odd, what in (
        (blank, "begin or end with a blank"),
        (parted, "hold backslashes (if these part folders, write / in their place)"),
    ):
        if len(odd):
            which = f"{counted(len(odd), 'file')}, such as {quoted(odd.iloc[0])}"
            yield f"warning: names that {what}: of {which}"


def with_audio(
    frame: pd.DataFrame, files: pd.Series, names: pd.Series, root: storage.Place, where: str
) -> tuple[pd.DataFrame, tuple[Skipped, ...]]:
    """The labelled turns whose audio is there, with `file`; and those whose audio is not.

    Args:
        frame: a row a turn; the index, which error messages count rows by, is kept.
        files: the audio of each, relative to the root; missing where it is not there.
        names: what those without audio are called.
        root: the corpus's folder.
        where: the audio should be, for the message.

    Raises:
        UserError: there is no audio at all.
    """
    found = files.notna().to_numpy()
    if not found.any():
        raise UserError(
            f"config.corpus.path={root}: none of its {counted(len(frame), 'turn')} has "
            f"audio{where}; {contents(root)}"
        )
    skipped = (Skipped(name, "has labels, but its audio is not there") for name in names[~found])
    return frame.assign(file=files)[found], tuple(skipped)


def require(frame: pd.DataFrame, columns: list[str], source: storage.Place) -> None:
    """Raises a UserError that names missing columns, and the columns that the table has."""
    if missing := [column for column in columns if column not in frame]:
        raise UserError(
            f"{source}: lacks the column {', '.join(missing)}; "
            f"has {', '.join(map(str, frame.columns))}"
        )


def index_of(frame: pd.DataFrame, source: storage.Place) -> pd.Index:
    """The audformat index of a frame's columns `file` and perhaps `start`, `end`.

    Segmented where there is a column of either, else filewise. A row without both is the whole
    file; one with a start alone reaches to the file's end.

    Raises:
        UserError: a row without a file, an invalid time, or repeated rows.
    """
    odd = ~frame["file"].map(lambda cell: isinstance(cell, str) or pd.isna(cell)).astype(bool)
    cells.check(frame, "file", odd, source, "is not text")
    missing = cells.texts(frame, "file", source).isna()
    cells.check(frame, "file", missing, source, "names no file")
    files = frame["file"].astype(str)  # as it stands there: names may begin with blanks
    if "start" in frame or "end" in frame:
        times = {c: cells.times_of(frame, c, source) for c in ("start", "end") if c in frame}
        starts = times.get("start", pd.Series(pd.NaT, frame.index, "timedelta64[ns]"))
        ends = times.get("end", pd.Series(pd.NaT, frame.index, "timedelta64[ns]"))
        if "start" in frame:
            lacks = starts.isna() & ends.notna()
            cells.check(frame, "start", lacks, source, "is missing, but end is not; write 0 for 0")
        starts = starts.fillna(pd.Timedelta(0))
        cells.check(frame, "end", ends <= starts, source, "is not after start")
        index = audformat.segmented_index(files, starts, ends)
    else:
        index = audformat.filewise_index(files)
    check_unique(index, frame["file"], source)
    return index


def check_unique(index: pd.Index, column: pd.Series, source: storage.Place) -> None:
    """Raises a UserError that names the first two rows with one entry in an index of a column."""
    if twice := identity.repeated(index):
        first, second = twice
        rows = f"rows {column.index[first] + 1} and {column.index[second] + 1}"
        raise UserError(
            f"{source}: {rows}, column {column.name}: {column.iloc[second]!r} appears twice; "
            "remove one of them"
        )
