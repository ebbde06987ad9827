"""What the cells of a table say: text, numbers, times, or nothing.

Labels are normalised here, and only here, so that one person has one name: see
`text_tables.normalised`, and `MISSING` for the words that mean a missing value.
"""

from collections.abc import Callable

import numpy as np
import pandas as pd

from emoasr.corpora import times
from emoasr.errors import UserError, quoted
from emoasr.files import storage
from emoasr.files.text_tables import normalised

# In lower case; the same for every column of every table.
MISSING = frozenset(
    ("", "-", "--", "na", "n/a", "n.a.", "#n/a", "<na>", "nan", "nat", "null", "none", "missing")
)

_NUMBER = rf"[+-]?{times.NUMBER}"
_WITH_COMMA = r"[+-]?[0-9]*,[0-9]+(?:[eE][+-]?[0-9]{1,3})?"
_GROUPED = r"[+-]?[0-9]{1,3}(?:,[0-9]{3})+"  # 1,234 may be a thousand and more
_CODE = "0[0-9]|[+-]?[0-9]{16}"  # 007 is a name, and so is what a float64 cannot tell from the next


def texts(frame: pd.DataFrame, column: str, source: storage.Place) -> pd.Series:
    """A column as normalised text, missing cells NA; whole numbers are written without `.0`.

    Raises:
        UserError: a cell is a list, bytes, or the like.
    """
    check(frame, column, composite(frame[column]), source, "is neither text nor a number")
    cells = frame[column].convert_dtypes().astype("string")
    found = {cell: normalised(cell) for cell in cells.dropna().unique()}
    empty = [cell for cell, text in found.items() if text.casefold() in MISSING]
    return cells.map(found).astype("string").mask(cells.isin(empty))


def numbers(frame: pd.DataFrame, column: str, source: storage.Place) -> pd.Series:
    """A column as float32, missing cells NaN; decimal commas are read, see `with_points`.

    Raises:
        UserError: a cell is not a finite number.
    """
    cells = frame[column]
    if cells.dtype.kind not in "fiu":
        cells = with_points(texts(frame, column, source))
        wrong = ~cells.str.fullmatch(_NUMBER).fillna(True)
        check(frame, column, wrong, source, _why_no_number)
        cells = cells.astype("Float64")
    with np.errstate(over="ignore"):
        values = cells.to_numpy(np.float64, na_value=np.nan).astype(np.float32)
    check(frame, column, np.isinf(values), source, "is not a finite number")
    return pd.Series(values, frame.index)


def numbers_or_texts(frame: pd.DataFrame, column: str, source: storage.Place) -> pd.Series:
    """A column as numbers (int64 or float64) if every cell is one, else as `texts` gives it.

    Numbers with a leading zero, such as 007, or of 16 digits and more, are names, hence text; and
    so is a column with a number that no float64 holds, such as 1e400.
    """
    if frame[column].dtype.kind in "fiu":
        return frame[column]
    cells = texts(frame, column, source)
    points = with_points(cells).dropna()
    if points.empty or not points.str.fullmatch(_NUMBER).all() or points.str.match(_CODE).any():
        return cells
    values = pd.to_numeric(points.astype(object))
    return cells if np.isinf(values).any() else values.reindex(frame.index)


def odd_among_numbers(frame: pd.DataFrame, column: str, found: pd.Series) -> str:
    """The first cell that is no number, if most of a column's are; empty where not so.

    Args:
        frame: the table.
        column: its column.
        found: what `numbers_or_texts` made of it.
    """
    cells = with_points(found).dropna() if found.dtype == "string" else found[:0].astype("string")
    odd = cells[~cells.str.fullmatch(_NUMBER)]
    if odd.empty or len(odd) > len(cells) / 2:
        return ""
    return f"{quoted(str(frame[column][odd.index[0]]))} in row {odd.index[0] + 1}"


def missing_words(cells: pd.Series, found: pd.Series) -> str:
    """The words in a column that `MISSING` holds, with their counts; empty where there is none."""
    words = cells[found.isna()].dropna().astype(str).str.strip()
    counts = words[words != ""].value_counts()
    return ", ".join(f"{word!r} {n} x" for word, n in counts.items())


def with_points(cells: pd.Series) -> pd.Series:
    """Text with decimal commas turned into points, if the column's commas are decimal ones.

    They are if every cell with a comma has just one, no cell has a point, and not all could
    separate thousands: `1,234` alone is refused where a number is needed.
    """
    commas = cells[cells.str.contains(",", regex=False, na=False)]
    decimal = (
        commas.str.fullmatch(_WITH_COMMA).all()
        and not commas.str.fullmatch(_GROUPED).all()
        and not cells.str.contains(".", regex=False, na=False).any()
    )
    return cells.str.replace(",", ".", regex=False) if decimal else cells


def times_of(frame: pd.DataFrame, column: str, source: storage.Place) -> pd.Series:
    """A column of times, see `times`, as timedeltas; missing cells NaT.

    Raises:
        UserError: a cell is no time, or is negative.
    """
    if frame[column].dtype.kind == "m":
        check(frame, column, frame[column] < pd.Timedelta(0), source, "is negative")
        return frame[column].astype("timedelta64[ns]")
    cells = with_points(texts(frame, column, source))
    found = {cell: times.nanoseconds(cell) for cell in cells.dropna().unique()}
    wrong = cells.isin([cell for cell, time in found.items() if time is None])
    check(frame, column, wrong, source, _why_no_time)
    return pd.to_timedelta(cells.map(found).astype("Int64"), unit="ns").astype("timedelta64[ns]")


def composite(cells: pd.Series) -> np.ndarray:
    """Which cells are lists, records or bytes: Parquet can hold these, CSV cannot."""
    if cells.dtype != object:
        return np.zeros(len(cells), bool)
    return np.array([isinstance(c, bytes) or not pd.api.types.is_scalar(c) for c in cells], bool)


def check(
    frame: pd.DataFrame,
    column: str,
    wrong: pd.Series | np.ndarray,
    source: storage.Place,
    what: str | Callable[[str], str],
) -> None:
    """Raises a UserError that names and quotes the first cell that is `wrong`.

    Args:
        frame: the table; its index counts rows from 0.
        column: of the cell.
        wrong: a mask of the rows.
        source: the file that the message names.
        what: is wrong, or a function that says it of the cell.
    """
    for row in np.flatnonzero(wrong)[:1]:
        cell = frame[column].astype(object).iloc[row]  # 1.5, not np.float64(1.5)
        where = "" if column == "file" else f" ({frame['file'].iloc[row]})"
        says = what if isinstance(what, str) else what(str(cell))
        raise UserError(
            f"{source}: row {frame.index[row] + 1}{where}, column {column}: {cell!r} {says}"
        )


def _why_no_number(cell: str) -> str:
    if "," in cell:
        return (
            "is not a number: its comma may be a decimal comma or part thousands; write a decimal "
            "point, and thousands without commas"
        )
    return "is not a number"


def _why_no_time(cell: str) -> str:
    if "," in cell:
        return "is no time: it has a decimal comma; write a decimal point"
    if cell.strip().startswith("-"):
        return "is negative; times count from the beginning of the file"
    return "is no time; give seconds (1.5), 1.5 s, 500ms, [hours:]minutes:seconds (01:30.5)"
