"""CSV from any program and country: the same cells, whichever way they are written."""

import csv
import io

import pytest
from fuzzing import examples
from hypothesis import assume, given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.files import text_tables

ENCODINGS = ("utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252")
LATIN = "".join(bytes([b]).decode("cp1252") for b in (*range(32, 127), *range(0xA0, 0x100)))
STYLES = [  # the writer quotes line ends in cells only if they are its own
    *((csv.QUOTE_ALL, line_end) for line_end in ("\n", "\r\n", "\r")),
    (csv.QUOTE_MINIMAL, "\r\n"),
]
NAME = st.text("abcXYZ_ é.", min_size=1, max_size=6).map(lambda s: f"n{s}x")
CELL = st.text(LATIN + ",;\t\"'\r\n", max_size=6)


@st.composite
def grids(draw):
    names = draw(st.lists(NAME, unique_by=text_tables.normalised, max_size=3))
    names.insert(draw(st.integers(0, len(names))), "file")
    row = st.lists(CELL, min_size=len(names), max_size=len(names))
    return names, draw(st.lists(row.filter(lambda r: "".join(r).strip()), max_size=4))


def written(names, rows, separator, quoting, line_end) -> str:
    text = io.StringIO(newline="")
    csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=line_end).writerows(
        [names, *rows]
    )
    return text.getvalue()


@examples(150)
@given(
    grid=grids(),
    separator=st.sampled_from(text_tables.SEPARATORS),
    style=st.sampled_from(STYLES),
    encoding=st.sampled_from(ENCODINGS),
)
def test_cells_come_out_as_they_were_written(tmp_path, grid, separator, style, encoding):
    names, rows = grid
    text = written(names, rows, separator, *style)
    one_column_of_any_make = len(names) == 1 and all(s in text for s in text_tables.SEPARATORS)
    assume(not one_column_of_any_make or style[0] == csv.QUOTE_ALL)
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    table = text_tables.read(tmp_path / "t.csv")
    assert table.columns == [text_tables.normalised(name) for name in names]
    assert list(table.rows()) == rows
    assert table.cells().to_numpy().tolist() == rows
    if encoding != "cp1252":
        assert table.notes == []
    elif not text.isascii() and not _valid(text.encode(encoding)):
        assert "Windows-1252" in table.notes[0]


def _valid(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def read(tmp_path, text, encoding="utf-8"):
    (tmp_path / "t.csv").write_bytes(text.encode(encoding))
    return text_tables.read(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sep=;\r\nfile;x\r\na;1\r\n", [["a", "1"]]),  # Excel's first line
        ('"sep=;"\nfile;x\na;1\n', [["a", "1"]]),
        ("\n\nfile,x\n\na,1\n\n", [["a", "1"]]),
        ("file,x,,\na,1,,\n", [["a", "1"]]),  # columns that Excel left without name and content
        ("file,x\na,1,,,\n,,,\n", [["a", "1"]]),
        ("file,x\n,\n , \na,1\n", [["a", "1"]]),
        (" \nfile,x\n   \na,1\n \n", [["a", "1"]]),
        ("file\na\n \n", [["a"]]),
        ("file, x\na, 1\nb, \"c, d\"\n", [["a", "1"], ["b", "c, d"]]),
        ("file,x\n a,1\n", [[" a", "1"]]),
        ("file\ta;b,c\na\t1\n", [["a", "1"]]),
        ("x;y;file\n1,5;2,5;a\n", [["1,5", "2,5", "a"]]),
    ],
)  # fmt: skip
def test_what_spreadsheets_do(tmp_path, text, expected):
    assert read(tmp_path, text).cells().to_numpy().tolist() == expected


@pytest.mark.parametrize(
    ("between", "expected"), [(",\n", [0, 2]), ("\n", [0, 1]), ("  \n", [0, 1])]
)
def test_empty_rows_count_but_lines_with_nothing_in_them_do_not(tmp_path, between, expected):
    table = read(tmp_path, f"file,x\na,1\n{between}b,2\n")
    assert table.cells().index.tolist() == expected
    assert table.numbers(["file"], [""], ".")["x"].dropna().tolist() == [1, 2]


@pytest.mark.parametrize("separator", text_tables.SEPARATORS)
def test_a_table_of_many_columns_has_any_separator(tmp_path, separator):
    names = ["file", *(f"layer{i // 1280:02d}.unit{i % 1280:04d}" for i in range(10_000))]
    text = separator.join(names) + "\n" + separator.join(["a", *["1"] * 10_000]) + "\n"
    table = read(tmp_path, text)
    assert table.separator == separator and table.columns == names


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "is empty"),
        (b"\n\r\n", "is empty"),
        (b"  \n \n", "is empty"),
        (b"{" * 200_000, "not a readable table: its first line: field larger"),
        (b"file,x\na\n", r"row 1 \('a'\) has 1 cell, the header 2"),
        (b"file,x\na,1\nb,1,2\n", r"row 2 \('b'\) has 3 cells, the header 2"),
        (b'file,x\na,"b\n', "line 2: .*quotation marks"),
        (b'file,x\na,"b"c\n', "line 2: .*quotation marks"),
        (b"file,x,x\na,1,2\n", "has 2 columns x;"),
        (b"file,x,x \na,1,2\n", "has 2 columns x;"),
        (b"file,e\xcc\x81,\xc3\xa9\na,1,2\n", "has 2 columns \xe9;"),
        (b"file,x\na,\x81\n", "neither UTF-8, UTF-16 nor Windows-1252 .byte 9."),
        ("file,x\na,b\n".encode("utf-16")[:-1], "not valid utf-16"),
        (b"file,x\na," + b"b" * 200_000 + b"\n", "line 2: field larger"),
    ],
)
def test_what_cannot_be_read_is_said_in_a_line(tmp_path, data, message):
    (tmp_path / "t.csv").write_bytes(data)
    with pytest.raises(UserError, match=message) as error:
        list(text_tables.read(tmp_path / "t.csv").rows())
    assert str(tmp_path / "t.csv") in str(error.value)


def test_a_guessed_encoding_is_noted_with_an_example(tmp_path):
    table = read(tmp_path, "file,speaker\na.wav,Jürgen\n", "cp1252")
    assert "'Jürgen'" in table.notes[0] and "Windows-1252" in table.notes[0]


@pytest.mark.parametrize(
    "text",
    ["Anna", " Anna", "Anna\t", "\u00a0Anna\u202f", "An\u200bna", "\ufeffAnna", "Anna\r\n"],
)
def test_blanks_at_the_ends_and_without_width_do_not_count(text):
    assert text_tables.normalised(text) == "Anna"


def test_inner_blanks_and_unicode_forms_are_evened_out():
    assert text_tables.normalised("Anna \u00a0\t Lena") == "Anna Lena"
    assert text_tables.normalised("Zoe\u0308") == "Zo\u00eb"
