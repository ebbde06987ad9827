"""What cells are taken for, whoever wrote them: labels, numbers, nothing."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emoasr.corpora import cells
from emoasr.errors import UserError

SOURCE = Path("t.csv")


def frame(*column, **others):
    files = [f"{i}.wav" for i in range(len(column))]
    return pd.DataFrame({"file": files, "x": pd.Series(column)} | others)


def numbers(*column):
    return cells.numbers(frame(*column), "x", SOURCE).tolist()


MISSING = ["", " ", "\u00a0", "-", "NA", "na", "N/A", "n/a", "#N/A", "nan", "NaN", "NaT", "null",
           "NULL", "None", "<NA>", " NA ", None, np.nan]  # fmt: skip


@pytest.mark.parametrize("word", MISSING)
def test_words_for_missing_are_the_same_for_every_column(word):
    given = frame("a", word)
    assert cells.texts(given, "x", SOURCE).isna().tolist() == [False, True]
    assert np.isnan(numbers("1", word)).tolist() == [False, True]
    assert cells.times_of(frame("1", word), "x", SOURCE).isna().tolist() == [False, True]
    assert cells.numbers_or_texts(frame("1", word), "x", SOURCE).isna().tolist() == [False, True]
    assert cells.numbers_or_texts(given, "x", SOURCE).isna().tolist() == [False, True]


def test_other_words_are_labels():
    words = ["unknown", "neutral", "no", "0", "Nan Goldin", "--x", "x/a"]
    assert cells.texts(frame(*words), "x", SOURCE).tolist() == words


@pytest.mark.parametrize(
    ("column", "expected"),
    [
        (["1", "2.5", ".5", "2.", "+3", "-1", "1e-3", " 4 "], [1, 2.5, 0.5, 2, 3, -1, 0.001, 4]),
        (["1,5", "2", "", "3,25"], [1.5, 2, np.nan, 3.25]),
        (["1,234", "1,5"], [1.234, 1.5]),
        (["-0,5", "1,5e3"], [-0.5, 1500]),
        ([1, 2, None], [1, 2, np.nan]),
        ([np.float32(1.1), np.float32(2)], [np.float32(1.1), 2]),
        ([3, "4", 1.5], [3, 4, 1.5]),
    ],
)
def test_numbers(column, expected):
    np.testing.assert_array_equal(numbers(*column), np.float32(expected))


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (["1", "high"], "row 2 (1.wav), column x: 'high' is not a number"),
        (["1.5", "2,5"], "row 2 (1.wav), column x: '2,5' is not a number: its comma may be a"),
        (["1,234", "5,678"], "'1,234' is not a number: its comma may be a decimal comma or part"),
        (["1,234,567"], "'1,234,567' is not a number: its comma"),
        (["1.234,5"], "'1.234,5' is not a number: its comma"),
        (["45%"], "'45%' is not a number"),
        (["1 000"], "'1 000' is not a number"),
        (["1'000"], '"1\'000" is not a number'),
        (["1_000"], "'1_000' is not a number"),
        (["0x10"], "'0x10' is not a number"),
        (["１"], "'１' is not a number"),
        (["3/5"], "'3/5' is not a number"),
        (["2021-03-04"], "'2021-03-04' is not a number"),
        (["=3.5"], "'=3.5' is not a number"),
        (["inf"], "'inf' is not a number"),
        (["1e300"], "'1e300' is not a finite number"),
        ([1.0, np.inf], "inf is not a finite number"),
        ([True, False], "True is not a number"),
        ([[1], [2]], "[1] is neither text nor a number"),
        ([b"1"], "b'1' is neither text nor a number"),
    ],
)
def test_the_cell_that_is_no_number_is_quoted(column, message):
    with pytest.raises(UserError) as error:
        numbers(*column)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (["1", "2"], "i"), (["1", ""], "f"), (["1.5", "2"], "f"), (["1,5", "2"], "f"),
        (["007", "12"], "O"), (["a", "b"], "O"), (["1", "b"], "O"), (["True", "False"], "O"),
        (["45%", "50%"], "O"), (["", ""], "O"), ([1, 2], "i"), ([1.5, None], "f"),
        ([True, False], "O"), ([pd.Timestamp("2021-03-04")], "O"),
        (pd.Categorical(["a", "b"]), "O"),
        (["1" * 20, "2" * 20], "O"), (["1" * 30, "2"], "O"), (["-1", str(2**64 - 1)], "O"),
        (["9007199254740993", ""], "O"), (["1" * 15, "2"], "i"), (["1" * 15, ""], "f"),
        (["1e400", "2"], "O"), (["3.14159265358979312", "2"], "f"),
    ],
)  # fmt: skip
def test_a_further_column_is_numbers_or_text(column, kind):
    found = cells.numbers_or_texts(frame(*column), "x", SOURCE)
    assert found.dtype.kind == kind
    assert found.dtype == "string" if kind == "O" else np.isfinite(found.dropna()).all()


@pytest.mark.parametrize("last", range(1, 10))
@pytest.mark.parametrize("n_digits", [5, 15, 17, 20, 40])
def test_no_two_ids_become_one(n_digits, last):
    cell = "1" * (n_digits - 1)
    found = cells.numbers_or_texts(frame(f"{cell}0", f"{cell}{last}", ""), "x", SOURCE)
    assert found.nunique() == 2


@pytest.mark.parametrize("spelling", [" 001", "001 ", "\u00a0001", "001\u200b", "001\t"])
def test_blanks_make_no_second_speaker(spelling):
    assert cells.texts(frame("001", spelling), "x", SOURCE).nunique() == 1
