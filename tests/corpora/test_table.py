"""Tables as people have them: what comes out, what is noted, what is refused."""

import os

import ml_collections
import numpy as np
import pandas as pd
import pytest
import soundfile

from emoasr.corpora import table
from emoasr.errors import UserError


def load(path, root=""):
    return table.load(
        ml_collections.ConfigDict({"path": str(path), "root": str(root)}), path.parent
    )


def loaded(folder, text, encoding="utf-8"):
    (folder / "t.csv").write_bytes(text.encode(encoding))
    return load(folder / "t.csv")


def refusal(folder, text):
    with pytest.raises(UserError) as error:
        loaded(folder, text)
    return str(error.value).removeprefix(f"{folder / 't.csv'}: ")


def test_every_further_column_is_kept_with_its_type(tmp_path, capsys):
    corpus = loaded(tmp_path, "file,stress,sex,age\na.wav,1.5,f,30\nb.wav,,m,40\n")
    assert [dtype.kind for dtype in corpus.table.dtypes] == ["f", "O", "i"]
    note = "further columns, which can be targets: stress (numbers), sex (text), age (numbers)"
    assert corpus.notes == (note,)
    assert capsys.readouterr().out == f"{tmp_path / 't.csv'}: {note}\n"


def test_further_columns_of_parquet(tmp_path):
    frame = pd.DataFrame({
        "file": ["a.wav", "b.wav"], "stress": [1.5, None], "age": [30, 40], "sex": ["f", None],
        "ratings": [[1, 2], [3]], "acted": [True, False], "group": pd.Categorical(["x", "y"]),
    })  # fmt: skip
    frame.to_parquet(tmp_path / "t.parquet")
    corpus = load(tmp_path / "t.parquet")
    assert {c: d.kind for c, d in corpus.table.dtypes.items()} == {
        "stress": "f", "age": "i", "sex": "O", "acted": "O", "group": "O",
    }  # fmt: skip
    assert "columns not used, as they have no name or hold lists or bytes: ratings" in corpus.notes


@pytest.mark.parametrize("index", [["speaker"], ["start", "end"], ["file", "age"]])
@pytest.mark.parametrize("drop", [True, False])
def test_what_pandas_keeps_in_an_index_is_a_column(tmp_path, index, drop):
    frame = pd.DataFrame({
        "file": ["a.wav", "a.wav"], "start": [0.0, 1.0], "end": [1.0, 2.0],
        "speaker": ["x", "y"], "age": [30, 40],
    })  # fmt: skip
    for name, table_ in {"t": frame, "indexed": frame.set_index(index, drop=drop)}.items():
        table_.to_parquet(tmp_path / f"{name}.parquet")
    plain, indexed = (load(tmp_path / f"{name}.parquet").table for name in ("t", "indexed"))
    pd.testing.assert_frame_equal(indexed[list(plain)], plain)


def test_an_index_that_contradicts_a_column_is_refused(tmp_path):
    frame = pd.DataFrame({"file": ["a.wav"], "speaker": ["x"]}, pd.Index(["y"], name="speaker"))
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(
        UserError, match=r"t.parquet: .*both called speaker, and differ; remove one"
    ):
        load(tmp_path / "t.parquet")


@pytest.mark.parametrize("name", ["id", "", None])
def test_row_numbers_in_an_index_neither_contradict_a_column_nor_are_one(tmp_path, name):
    frame = pd.DataFrame({"file": ["a.wav"], "id": [7]}, pd.Index([3], name=name))
    frame.to_parquet(tmp_path / "t.parquet")
    table_ = load(tmp_path / "t.parquet").table
    assert list(table_) == ["id"] and table_["id"].tolist() == [7]


def test_a_spreadsheet_of_a_country_with_decimal_commas(tmp_path):
    text = "file;start;end;speaker;arousal;;\r\na.wav;0,5;1,75;Ana;2,5;;\r\n;;;;;;\r\n"
    corpus = loaded(tmp_path, text, "utf-8-sig")
    assert corpus.key(0) == ("a.wav", 0.5, 1.75)
    assert corpus.table["arousal"].tolist() == [2.5] and corpus.notes == ()
    assert list(corpus.table) == ["speaker", "arousal"]


@pytest.mark.parametrize(
    ("text", "note"),
    [
        ("file,Speaker\na,x\n", "column 'Speaker' is not read as 'speaker'; rename it"),
        ("file,speakers\na,x\n", "column 'speakers' is not read as 'speaker'"),
        ("file,Arousal\na,1\n", "column 'Arousal' is not read as 'arousal'"),
        ("file,Start,End\na,1,2\n", "column 'Start' is not read as 'start'"),
        ("file,onset,offset\na,1,2\n", "column 'onset' is not read as 'start'"),
        ("file,onset,offset\na,1,2\n", "column 'offset' is not read as 'end'"),
        ("file,StartTime,EndTime\na,1,2\n", "column 'StartTime' is not read as 'start'"),
        ("file,start_time,end_time\na,1,2\n", "column 'end_time' is not read as 'end'"),
        ("file,tmin,tmax\na,1,2\n", "column 'tmin' is not read as 'start'"),
        ("file,valance\na,1\n", "column 'valance' is not read as 'valence'"),
        ("file,speaker\na,Anna\nb,anna\n", "column speaker: 'Anna' and 'anna' count as two"),
        ("file,session\na,Ses1\nb,Ses01\n", "column session: 'Ses01' and 'Ses1' count as two"),
        ("file,emotion\na,Sad\nb,sad\n", "column emotion: 'Sad' and 'sad' count as two"),
        ("file,sex\na,F\nb,f\n", "column sex: 'F' and 'f' count as two"),
        ("file,speaker\na,NA\nb,x\n", "column speaker: taken as missing: 'NA' 1 x"),
        ("file,stress\na,1\nb,2\nc,4.o\n", "column 'stress' is text, because of '4.o' in row 3"),
        (",file\n0,a\n", "columns not used, as they have no name or hold lists or by"),
        ("file\nwav\\a.wav\n", "write / in their place): of 1 file, such as 'wav\\\\a.wav'"),
        ("file\n a.wav\n", "names that begin or end with a blank: of 1 file, such as ' a.wav'"),
    ],
)  # fmt: skip
def test_what_may_be_meant_otherwise_is_noted(tmp_path, text, note):
    assert [n for n in loaded(tmp_path, text).notes if note in n]


@pytest.mark.parametrize(
    "text",
    [
        "file,arousal ,speaker\na,1,x\nb,2,y\n",  # the blank does not count
        "file,arousal,arousal_2\na,1,2\n",
        "file,speaker\na,S1\nb,S10\nc,S100\n",
        "file,text\na,Yes.\nb,yes.\n",  # nobody's name
        "file,duration\na,1.5\n",
        "file,start,end,duration,offset\na,1,2,1,0\n",
        "file,start,length\na,1,long\n",  # no time
    ],
)
def test_what_is_plain_is_not_warned_of(tmp_path, text):
    assert not [note for note in loaded(tmp_path, text).notes if note.startswith("warning")]


def test_one_person_spelt_with_blanks_or_another_unicode_form_is_one(tmp_path):
    rows = "".join(f"{i}.wav,{s}\n" for i, s in enumerate(["Zo\u00eb", " Zo\u00eb", "Zoe\u0308 "]))
    assert loaded(tmp_path, f"file,speaker\n{rows}").table["speaker"].unique() == ["Zo\u00eb"]


def test_names_keep_their_blanks(tmp_path):
    corpus = loaded(tmp_path, "file,speaker\n a.wav ,x\n")
    assert corpus.key(0)[0] == " a.wav "


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ("00:00:01,100;", "column start: '00:00:01,100' is no time: it has a decimal comma"),
        ("0,5s;", "column start: '0,5s' is no time: it has a decimal comma"),
        ("1,250;", "column start: '1,250' is no time: it has a decimal comma"),
        ("-1;", "column start: '-1' is negative"),
        ("soon;", "column start: 'soon' is no time; give seconds (1.5), 1.5 s, 500ms"),
        ("2;1", "column end: '1' is not after start"),
        ("2;2", "column end: '2' is not after start"),
        (";5", "column start: '' is missing, but end is not; write 0 for 0"),
        ("1;inf", "column end: 'inf' is no time"),
    ],
)
def test_what_is_no_time_is_refused_with_row_and_value(tmp_path, times, message):
    said = refusal(tmp_path, f"file;start;end\na.wav;0.5;1\nb.wav;{times}\n")
    assert said.startswith("row 2 (b.wav), ") and message in said


@pytest.mark.parametrize(
    ("names", "remedy"),
    [
        ("start,duration", "write end, start + duration"),
        ("start,Duration (s)", "write end, start + Duration (s)"),
        ("start,dur_ms", "write end, start + dur_ms"), ("start,stop", "rename stop to end"),
        ("start,End", "rename End to end"), ("begin,end", "rename begin to start"),
        ("Start,end", "rename Start to start"), ("start_time,end", "rename start_time to start"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("times", ["0.5,1", "0.5,00:01.5", "0,1 s"])
def test_times_beside_start_or_end_that_are_not_read_are_refused(tmp_path, names, times, remedy):
    said = refusal(tmp_path, f"file,{names},speaker\na.wav,{times},x\n")
    assert said.startswith("has the columns ") and f"; {remedy}, or give " in said


@pytest.mark.parametrize(
    ("head", "row"),
    [
        ("file", ""), ("file,start", ",0.5"), ("file,start,end", ",,"), ("file,start,end", ",1,"),
        ("file,start,end", ",1,2"), ("file,end", ","),
    ],
)  # fmt: skip
def test_one_row_twice_is_refused_and_the_first_two_are_named(tmp_path, head, row):
    names = ("b", "a", "c", "b", "a", "a")
    text = "".join(f"{name}.wav{row}\n" for name in names)
    expected = "rows 1 and 4, column file: 'b.wav' appears twice; remove one of them"
    assert refusal(tmp_path, f"{head}\n{text}") == expected


def test_rows_are_counted_with_the_empty_ones(tmp_path):
    assert "row 3 (b.wav)" in refusal(tmp_path, "file,arousal\na.wav,1\n,\nb.wav,high\n")


def link(folder):
    (folder / "link.wav").symlink_to(folder / "a.wav")
    return "link.wav"


def hard_link(folder):
    os.link(folder / "a.wav", folder / "hard.wav")
    return "hard.wav"


def of_linked_folder(folder):
    (folder / "other").symlink_to(folder)
    return "other/a.wav"


@pytest.mark.parametrize(
    "name",
    [
        lambda folder: "./a.wav", lambda folder: "x/../a.wav", lambda folder: "x//../a.wav",
        lambda folder: str(folder / "a.wav"), lambda folder: f"file://{folder}/a.wav",
        link, hard_link, of_linked_folder,
    ],
)  # fmt: skip
@pytest.mark.parametrize("segment", ["", ",1,2"])
def test_one_recording_in_two_rows_is_refused(tmp_path, name, segment):
    (tmp_path / "a.wav").touch()
    (tmp_path / "x").mkdir()
    head = "file,start,end" if segment else "file"
    again = name(tmp_path)
    said = refusal(tmp_path, f"{head}\nb.wav{segment}\na.wav{segment}\n{again}{segment}\n")
    assert said.startswith("rows 2 and 3: 'a.wav' and ") and "are the same recording" in said
    assert ("from 1 s to 2 s" in said) == bool(segment)


@pytest.mark.parametrize("start", ["", "0", "0.25"])
@pytest.mark.parametrize(
    ("end", "is_last"), [("0.5", True), ("0.498", True), ("9", True), ("0.4", False)]
)
@pytest.mark.parametrize("reverse", [False, True])
def test_an_end_that_is_left_out_is_that_of_the_file(tmp_path, start, end, is_last, reverse):
    soundfile.write(tmp_path / "a.wav", np.zeros(8000), 16000)
    rows = [f"a.wav,{start},\n", f"./a.wav,{start or 0},{end}\n"]
    text = "".join(["file,start,end\n", *(rows[::-1] if reverse else rows), f"a.wav,0.1,{end}\n"])
    if is_last:
        said = refusal(tmp_path, text)
        assert said.startswith("rows 1 and 2: ") and "are the same recording" in said
    else:
        assert len(loaded(tmp_path, text)) == 3


def test_other_names_of_a_missing_file_are_the_same_too(tmp_path):
    assert "rows 1 and 2" in refusal(tmp_path, "file\na.wav\n./a.wav\n")


def test_parts_of_one_recording_under_several_names_are_no_repetition(tmp_path):
    corpus = loaded(tmp_path, "file,start,end\na.wav,0,1\n./a.wav,1,2\na.wav,0,2\n")
    assert len(corpus) == 3


def test_times_of_parquet(tmp_path):
    frame = pd.DataFrame({"file": ["a", "b"], "start": [0.1, -1.0], "end": [1.0, np.nan]})
    frame.to_parquet(tmp_path / "t.parquet")
    with pytest.raises(UserError, match="row 2 .b., column start: -1.0 is negative"):
        load(tmp_path / "t.parquet")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("file\na.wav\n", "a.wav"),
        ("file,start,end\na.wav,,\n", "a.wav"),
        ("file,start,end\na.wav,1.5,2\n", "a.wav from 1.5 s to 2 s"),
        ("file,start\na.wav,3\n", "a.wav from 3 s to its end"),
    ],
)
def test_only_the_part_that_is_silent_is_said_to_be(tmp_path, text, named):
    assert loaded(tmp_path, text).silent(0) == f"{named}: all samples are zero"
