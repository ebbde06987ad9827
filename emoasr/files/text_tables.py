"""Tables as text: CSV as pandas, R or a spreadsheet of any country writes it.

Cells are separated by commas, semicolons or tabs; the header decides. The encoding is UTF-8, with
or without byte-order mark, UTF-16 or UTF-32; what is none of these is read as Windows-1252.
"""

import csv
import dataclasses
import io
import json
import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator

import numpy as np
import pandas as pd

from emoasr.errors import UserError, quoted
from emoasr.files import storage
from emoasr.system.output import counted

SEPARATORS = (",", ";", "\t")
NAMELESS = "Unnamed: "  # and the position: what pandas calls a column without a name

_EXCELS_LINE = re.compile(r'"?sep=(.)"?\r?\n')  # before the header, where Excel writes it
_NO_WIDTH = dict.fromkeys(map(ord, "\u200b\u2060\ufeff"))  # blanks of no width


def normalised(text: str) -> str:
    r"""A label as it is compared: Unicode's form NFC, single blanks, none at the ends.

    >>> normalised(" Anna\u00a0 Lena ")
    'Anna Lena'
    """
    return " ".join(unicodedata.normalize("NFC", text.translate(_NO_WIDTH)).split())


@dataclasses.dataclass(frozen=True)
class TextTable:
    """The text of a table, and how it is laid out.

    Attributes:
        path: where it is, for messages.
        text: from the header on.
        separator: one of `SEPARATORS`.
        blanks: whether a blank follows each separator, and belongs to none of the cells.
        columns: names of the columns, `normalised`, each once.
        notes: what the user should know of the way it was read, one line each.
    """

    path: storage.Place
    text: str
    separator: str
    blanks: bool
    columns: list[str]
    notes: list[str]

    def rows(self) -> Iterator[list[str]]:
        """The rows below the header, each with a cell for every column; empty lines are no rows.

        Raises:
            UserError: a row has more or fewer cells, or a quotation mark is never closed.
        """
        rows = _split(self.text, self.separator, self.blanks, self.path)
        next(rows)
        expected = len(self.columns)
        for number, row in enumerate(rows, 1):
            if len(row) < expected or any(map(str.strip, row[expected:])):
                raise UserError(
                    f"{self.path}: row {number} ({quoted(row[0])}) has "
                    f"{counted(len(row), 'cell')}, the header {expected}; quote cells that "
                    "hold a separator, and leave none out"
                )
            yield row[:expected]

    def cells(self) -> pd.DataFrame:
        """Every cell as text, as it stands there; the index counts rows, empty ones included."""
        frame = pd.DataFrame(self.rows(), columns=self.columns, dtype=str)
        filled = {str(c): (frame[c].str.strip() != "").to_numpy(bool) for c in frame}
        nameless = [c for c, rows in filled.items() if c.startswith(NAMELESS) and not rows.any()]
        return frame[np.any(list(filled.values()), axis=0)].drop(columns=nameless)

    def numbers(
        self, texts: Collection[str], missing: Collection[str], decimal: str
    ) -> pd.DataFrame:
        """Numbers, read fast; columns that hold anything else stay text. Empty rows are left out.

        Args:
            texts: columns that are text.
            missing: words for a missing number.
            decimal: the decimal point, `.` or `,`.

        Raises:
            UserError: as `rows`.
        """
        for _ in self.rows():
            pass  # pandas fills up or cuts off rows whose number of cells is wrong
        frame = pd.read_csv(
            io.StringIO(self.text), sep=self.separator, skipinitialspace=self.blanks, header=0,
            names=self.columns, usecols=range(len(self.columns)), index_col=False,
            dtype=dict.fromkeys(texts, str), keep_default_na=False, low_memory=False,
            na_values=_per_column(self.columns, texts, missing), decimal=decimal,
        )  # fmt: skip
        lacking = frame.isna()
        for name in filter(texts.__contains__, frame.columns):
            lacking[name] = frame[name].str.strip() == ""
        empty = frame.columns[lacking.all()]
        nameless = [name for name in empty if name.startswith(NAMELESS)]
        return frame[~lacking.all(axis=1)].drop(columns=nameless)


def read(path: storage.Place) -> TextTable:
    """Reads a table's text and header.

    Raises:
        UserError: it cannot be read or decoded, is empty, or two columns have one name.
    """
    try:
        text, notes = _decoded(path.read_bytes(), path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror})") from None
    text = _EXCELS_LINE.sub("", text, count=1) if _EXCELS_LINE.match(text) else text
    header, separator = _header(text, path)
    blanks = len(header) > 1 and all(name.startswith(" ") for name in header[1:])
    names = [normalised(name) or f"{NAMELESS}{i}" for i, name in enumerate(header)]
    check_names(names, path)
    return TextTable(path, text, separator, blanks, names, notes)


def check_names(names: list[str], path: storage.Place) -> None:
    """Raises a UserError that names a column's name which stands there twice."""
    name, count = Counter(names).most_common(1)[0] if names else ("", 0)
    if count > 1:
        raise UserError(f"{path}: has {count} columns {name}; rename or remove all but one")


def _decoded(data: bytes, path: storage.Place) -> tuple[str, list[str]]:
    encoding = json.detect_encoding(data)  # by the byte-order mark, or where the zero bytes are
    try:
        return data.decode(encoding), []
    except UnicodeDecodeError:
        if encoding not in ("utf-8", "utf-8-sig"):
            raise UserError(f"{path}: is not valid {encoding}; save it as UTF-8") from None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError as error:
        raise UserError(
            f"{path}: is neither UTF-8, UTF-16 nor Windows-1252 (byte {error.start}); save it as "
            "UTF-8"
        ) from None
    odd = re.search(r"[^\W\x00-\x7f]", text) or re.search(r"[^\x00-\x7f]", text)
    at = odd.start() if odd else 0
    words = re.split(r"[\r\n,;\t]", text[:at])[-1][-20:], re.split(r"[\r\n,;\t]", text[at:])[0][:20]
    return text, [
        "warning: is not UTF-8, and was read as Windows-1252; if names such as "
        f"{''.join(words)!r} are wrong, save it as UTF-8"
    ]


def _header(text: str, path: storage.Place) -> tuple[list[str], str]:
    """The names of the columns, and the separator that gives a column `file`, or most columns.

    For a table with one column it is one that does not occur in it, if there is one.
    """
    lines = io.StringIO(text, newline="")
    found, why = {}, ""
    for separator in SEPARATORS:
        lines.seek(0)
        rows = csv.reader(lines, delimiter=separator)  # not strict
        try:
            found[separator] = next(filter(_is_row, rows), [])
        except csv.Error as error:  # not split at its separator, a long header is too long a cell
            why = str(error)
    if not found:
        raise UserError(
            f"{path}: not a readable table: its first line: {why}; it must name the columns"
        )
    separator = max(
        found, key=lambda s: ("file" in map(normalised, found[s]), len(found[s]), s not in text)
    )
    if not found[separator]:
        raise UserError(f"{path}: is empty; the first row of a table names its columns")
    return found[separator], separator


def _split(text: str, separator: str, blanks: bool, path: storage.Place) -> Iterator[list[str]]:
    """All rows that are no empty lines, the header first."""
    lines = io.StringIO(text, newline="")  # line ends of any kind; those in cells stay
    reader = csv.reader(lines, delimiter=separator, skipinitialspace=blanks, strict=True)
    try:
        yield from filter(_is_row, reader)
    except csv.Error as error:
        raise UserError(
            f"{path}: not a readable table: line {reader.line_num}: {error}; check its quotation "
            "marks"
        ) from None


def _is_row(cells: list[str]) -> bool:
    """Whether a line has more than blanks in it."""
    return len(cells) > 1 or any(map(str.strip, cells))


def _per_column(
    columns: list[str], texts: Collection[str], missing: Collection[str]
) -> dict[str, list[str]]:
    """Spellings of the words for missing numbers, by column."""
    spelt = sorted({f(word) for word in missing for f in (str, str.upper, str.title)})
    spelt = [*spelt, "NaN", "NaT"]
    return {column: spelt for column in columns if column not in texts}
