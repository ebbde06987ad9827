import string
from pathlib import Path

import audformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.extraction import feature_tables
from emoasr.files import parquet
from emoasr.settings import feature_sets

FILES = st.text(string.ascii_letters + "/. ,\"'åß日", min_size=1, max_size=8).map("f{}".format)


@st.composite
def tables(draw):
    """Utterances of any kind of index, in any order, with any numbers as features."""
    rows = draw(st.lists(st.tuples(FILES, st.integers(0, 9)), min_size=1, max_size=6, unique=True))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    if draw(st.booleans()):
        index = audformat.filewise_index(list(dict.fromkeys(file for file, _ in rows)))
    else:
        files, starts = zip(*rows, strict=True)
        starts = np.array(starts) * 1_234_500  # microseconds
        ends = np.where(rng.random(len(rows)) < 0.3, np.nan, starts + rng.integers(1, 10**6))
        index = audformat.segmented_index(
            files, *(pd.to_timedelta(times, unit="us") for times in (starts, ends))
        )
    X = rng.standard_normal((len(index), 2)) * 10.0 ** rng.integers(-9, 9, (len(index), 2))
    X[rng.random(X.shape) < 0.1] = draw(st.sampled_from([np.nan, np.inf, 0.0]))
    return pd.DataFrame(X, index, ["a", "b.c"])


def in_seconds(table):
    columns = table.reset_index()
    for name in {"start", "end"} & set(columns):
        columns[name] = columns[name].dt.total_seconds()
    return columns


def arrow(columns):
    return pa.Table.from_pandas(columns, preserve_index=False).replace_schema_metadata(None)


WRITERS = {
    "ours.parquet": lambda table, path: parquet.write(table, path),
    "pandas.parquet": lambda table, path: table.to_parquet(path),
    "columns.parquet": lambda table, path: pq.write_table(arrow(table.reset_index()), path),
    "seconds.parquet": lambda table, path: pq.write_table(arrow(in_seconds(table)), path),
    "index in seconds.PARQUET": lambda table, path: (
        in_seconds(table).set_index(table.index.names).to_parquet(path)
    ),
    "audformat.csv": lambda table, path: table.to_csv(path),
    "seconds.CSV": lambda table, path: in_seconds(table).to_csv(path, index=False),
    "excel.csv": lambda table, path: table.to_csv(path, encoding="utf-8-sig"),
}


@pytest.mark.parametrize("name", WRITERS)
@settings(max_examples=40)
@given(table=tables())
def test_a_table_is_read_as_it_was_written_whoever_wrote_it(tmp_path_factory, name, table):
    path = tmp_path_factory.mktemp("t") / name
    WRITERS[name](table, path)
    read, metadata = feature_tables.read(path)
    assert metadata == {}
    audformat.assert_index(read)
    pd.testing.assert_index_equal(read.index, table.index, exact=False)
    np.testing.assert_array_equal(read.to_numpy(np.float64), table.to_numpy())
    assert list(read) == ["a", "b.c"]


def test_seconds_and_text_give_the_same_times(tmp_path):
    """Pandas cuts 1.7 % of seconds with four decimals off a nanosecond early."""
    seconds = np.arange(10000) / 1e4 + 3
    text = pd.DataFrame(
        {"file": "x.wav", "start": [f"0 days 00:00:{s:07.4f}" for s in seconds], "a": 1.0}
    )
    text.to_csv(tmp_path / "text.csv", index=False)
    expected = feature_tables.read(tmp_path / "text.csv")[0].index
    for name, dtype in (("double", np.float64), ("single", np.float32)):
        text.assign(start=seconds.astype(dtype)).to_parquet(tmp_path / f"{name}.parquet")
        read, _ = feature_tables.read(tmp_path / f"{name}.parquet")
        pd.testing.assert_index_equal(read.index, expected, exact=False)


@pytest.mark.parametrize("drop", [True, False])
@pytest.mark.parametrize("index", [["file"], ["start", "end"], ["file", "end", "take"]])
def test_times_are_times_wherever_pandas_has_them(tmp_path, index, drop):
    frame = pd.DataFrame({"file": ["a", "b"], "start": [0.0, 1.0], "end": [1.0, 2.0]})
    frame = frame.assign(take=["x", "y"], unit=[0.5, 1.5]).set_index(index, drop=drop)
    frame.drop(columns="take", errors="ignore").to_parquet(tmp_path / "t.parquet")
    found, _ = feature_tables.read(tmp_path / "t.parquet")
    times = pd.to_timedelta([0, 1], unit="s"), pd.to_timedelta([1, 2], unit="s")
    expected = pd.DataFrame({"unit": [0.5, 1.5]}, audformat.segmented_index(["a", "b"], *times))
    pd.testing.assert_frame_equal(found, expected, check_index_type=False)


def test_metadata_returns(tmp_path):
    table = pd.DataFrame({"a": [1.0]}, audformat.filewise_index(["x.wav"]))
    parquet.write(table, tmp_path / "x.parquet", {"tap": "gate"})
    assert feature_tables.read(tmp_path / "x.parquet")[1] == {"tap": "gate"}


@pytest.mark.parametrize("index", [
    audformat.filewise_index(["x.wav", "y.wav"]),
    audformat.segmented_index(["x.wav", "x.wav"], [0, "1s"], ["1s", pd.NaT]),
    pd.Index(["é.wav", "b"], name="file"),
])  # fmt: skip
@pytest.mark.parametrize("n_rows", [0, 2])
def test_arrow_is_what_arrow_makes_of_the_frame(index, n_rows):
    values_RC = np.arange(2 * n_rows, dtype=np.float32).reshape(n_rows, 2)
    columns = ["layer00.unit000", "layer00.unit001"]
    expected = pa.Table.from_pandas(pd.DataFrame(values_RC, index[:n_rows], columns))
    found = parquet.arrow(values_RC, index[:n_rows], columns)
    assert found.equals(expected)
    assert found.schema.pandas_metadata == expected.schema.pandas_metadata


@pytest.mark.parametrize("cuts", [[], [2], [0, 1, 4]])
def test_numbers_are_written_in_parts_as_a_whole_frame_is(tmp_path, cuts):
    values_RC = np.arange(10, dtype=np.float32).reshape(5, 2)
    frame = pd.DataFrame(values_RC, audformat.filewise_index(list("abcde")), ["x", "y"])
    parquet.write(frame, tmp_path / "whole.parquet", {"tap": "gate"})
    parquet.write_numbers(
        np.split(values_RC, cuts), frame.index, ["x", "y"], tmp_path / "parts.parquet",
        {"tap": "gate"},
    )  # fmt: skip
    whole, parts = (feature_tables.read(tmp_path / f"{n}.parquet") for n in ("whole", "parts"))
    pd.testing.assert_frame_equal(parts[0], whole[0])
    assert parts[1] == whole[1] == {"tap": "gate"}


def test_a_table_of_something_else_keeps_its_rows(tmp_path):
    rows = pd.DataFrame({"feature_set": ["a", "b"], "rank": [1, 2]})
    parquet.write(rows, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(feature_tables.read(tmp_path / "x.parquet")[0], rows)


def written(folder, text, name="given.csv"):
    path = Path(folder) / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_built_in_sets_and_external_tables_side_by_side(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = tmp_path / "features"
    folder.mkdir()
    ours = pd.DataFrame({"a": np.float32([1.1])}, audformat.filewise_index(["x.wav"]))
    parquet.write(ours, folder / "random-3.parquet", {"recognizer": "untrained, seed 3"})
    written(tmp_path, "file,0,1\nx.wav,.1,2\n", "wav2vec2.large.csv")
    sets, metadata = feature_tables.load(("random-3", "~/wav2vec2.large.csv"), folder)
    assert list(sets) == ["random-3", "wav2vec2.large"]
    assert metadata == {"random-3": {"recognizer": "untrained, seed 3"}, "wav2vec2.large": {}}
    pd.testing.assert_frame_equal(sets["random-3"], ours, check_index_type=False)
    assert sets["wav2vec2.large"].loc["x.wav"].tolist() == [0.1, 2.0]


def test_every_kind_of_number_becomes_a_float(tmp_path):
    columns = {
        "file": ["x.wav", "y.wav"],
        "half": np.float16([1.5, np.nan]),
        "single": np.float32([0.1, 2]),
        "double": [0.1, 1e300],
        "whole": [2**40, 1],
        "gaps": pd.array([2, None], "Int64"),
        "yes": [True, False],
        "perhaps": [True, None],
    }
    path = tmp_path / "given.parquet"
    pd.DataFrame(columns).to_parquet(path)
    table = feature_tables.load([str(path)], tmp_path / "run")[0]["given"]
    assert set(table.drop(columns="single").dtypes) == {np.dtype(np.float64)}
    assert table["single"].dtype == np.float32
    np.testing.assert_array_equal(
        table.T.to_numpy(),
        [[1.5, np.nan], np.float32([0.1, 2]), [0.1, 1e300], [2**40, 1], [2, np.nan], [1, 0],
         [1, np.nan]],
    )  # fmt: skip
    path = written(tmp_path, "file,whole,yes,perhaps\nx.wav,3,True,\ny.wav,4,False,True\n")
    table = feature_tables.load([path], tmp_path / "run")[0]["given"]
    np.testing.assert_array_equal(table.to_numpy(), [[3, 1, np.nan], [4, 0, 1]])


def test_names_of_columns_become_text(tmp_path):
    path = tmp_path / "given.parquet"
    pd.DataFrame(np.eye(2), audformat.filewise_index(["x.wav", "y.wav"])).to_parquet(path)
    assert list(feature_tables.load([str(path)], tmp_path / "run")[0]["given"]) == ["0", "1"]


@pytest.mark.parametrize(
    "first", ["a;1;2", "a;;", "a;NA;n.a.", "a;0,123;4,567", "a;0,5;2"], ids=str
)
def test_decimal_commas_are_seen_in_any_row_and_empty_rows_do_not_count(tmp_path, first):
    path = written(tmp_path, f"file;u;v\n;;\n{first}\nb;2,5;1,25\nc;3;-1,5\n;;\n")
    table = feature_tables.load([path], tmp_path / "run")[0]["given"]
    assert table.index.tolist() == ["a", "b", "c"]
    assert table.loc[["b", "c"]].to_numpy().tolist() == [[2.5, 1.25], [3.0, -1.5]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "given.csv: is empty"),
        ("name,a\nx.wav,1\n", "given.csv: .*needs a column `file`.*; it has name, a$"),
        ("file|a\nx.wav|1\n", "it has file|a$"),
        ("a,b,c,d,e,f\n1,2,3,4,5,6\n", "it has a, b, c, d, e, ...$"),
        (
            "file,a\nx.wav,1\nx.wav,2\n",
            "csv: rows 1 and 2, column file: 'x.wav' appears twice",
        ),
        ("file,a\n,1\n", "given.csv: row 1, column file: '' names no file"),
        ("file,a\nx.wav,1,2\n", r"given.csv: row 1 .'x.wav'. has 3 cells, the header 2"),
        ("file,a\n,\n,1\n", "given.csv: row 2, column file: '' names no file"),
        ("file,a\nx.wav,1\ny.wav,1,2\n", r"given.csv: row 2 .'y.wav'. has 3 cells, the header 2"),
        ("file,start,a\nx.wav,soon,1\n", "row 1 .*column start: 'soon' is no time; give seconds"),
        (",file,a\n0,x.wav,1\n", "given.csv: column 'Unnamed: 0' has no name.*row numbers"),
        ("file,a,valence\nx.wav,1,2\n", "given.csv: column 'valence' is a label"),
    ],
)
def test_a_csv_that_is_no_feature_table_is_explained(tmp_path, text, message):
    with pytest.raises(UserError, match=message) as error:
        feature_tables.load([written(tmp_path, text)], tmp_path / "run")
    assert "\n" not in str(error.value)


def broken(path):
    path.write_bytes(b"PAR1 and no more")


def empty(path):
    path.touch()


def without_file(path):
    pd.DataFrame({"a": [1.0]}).to_parquet(path)


def file_twice(path):
    frame = pd.DataFrame({"file": ["x.wav"], "a": [1]}, pd.Index(["y.wav"], name="file"))
    frame.to_parquet(path)


def column_twice(path):
    rows = pa.table([["x.wav"], [1.0], [2.0]], ["file", "a", "a"])
    pq.write_table(rows, path)


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (broken, "given.parquet: not a readable Parquet file"),
        (empty, "given.parquet: not a readable Parquet file"),
        (without_file, "given.parquet: .*needs a column `file`.*; it has a$"),
        (column_twice, "given.parquet: has 2 columns a;"),
        (file_twice, "given.parquet: .*its index and a column are both called file"),
        (lambda path: None, "config.feature_sets: .*given.parquet: no such file"),
    ],
)
def test_a_parquet_that_is_no_feature_table_is_explained(tmp_path, write, message):
    path = tmp_path / "given.parquet"
    write(path)
    with pytest.raises(UserError, match=message) as error:
        feature_tables.load([str(path)], tmp_path / "run")
    assert "\n" not in str(error.value)


def test_a_set_that_extract_did_not_write_is_named(tmp_path):
    with pytest.raises(UserError, match=r"neural\.parquet: no such table; run .*emoasr\.extract"):
        feature_tables.load(("neural",), tmp_path)


def test_two_sets_of_one_name_are_refused(tmp_path):
    for sets in (("neural", "other/neural.csv"), ("a/x.csv", "b/x.parquet"), ("mfcc", "mfcc")):
        with pytest.raises(UserError, match="config.feature_sets: two sets are called"):
            feature_sets.paths(sets, tmp_path)


@pytest.mark.parametrize("key", [b"emoasr", b"pandas"])
@pytest.mark.parametrize(
    "value", [b"[]", b"[" * 100_000, b"\xff", b'{"a": NaN}', b'{"columns": 1}']
)
def test_a_strangers_metadata_is_understood_or_refused_in_a_line(tmp_path, key, value):
    path = tmp_path / "x.parquet"
    table = pa.table({"file": ["a", "b"], "x": [1.0, 2.0]})
    pq.write_table(table.replace_schema_metadata({key: value}), path)
    try:
        frame, metadata = feature_tables.read(path)
    except UserError as error:
        assert "x.parquet" in str(error) and "\n" not in str(error)
    else:
        assert len(frame) == 2 and isinstance(metadata, dict)


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ("x;0,5;1\ny;0;1,25\n", [[0.5, 1], [0, 1.25]]),
        ("x;0;1\ny;0,5;1,25\n", [[0, 1], [0.5, 1.25]]),  # the first row has no comma
        ("x;;NA\ny;0,5;1,25\n", [[np.nan, np.nan], [0.5, 1.25]]),
        ("x;1,234;2,345\ny;0,5;1\n", [[1.234, 2.345], [0.5, 1]]),
        ("x;0;1\ny;0.5;1.25\n", [[0, 1], [0.5, 1.25]]),
        ("x;0;1\ny;1,234;2,345\n", None),  # thousands?
        ("x;0;1\ny;0.5;1,25\n", None),
    ],
)
def test_decimal_commas_are_read_in_whichever_row_they_begin(tmp_path, rows, expected):
    (tmp_path / "t.csv").write_text(f"file;a;b\n{rows}")
    table, _ = feature_tables.read(tmp_path / "t.csv")
    if expected is None:
        assert "f" not in {dtype.kind for dtype in table.dtypes[["b"]]}  # refused by eval
    else:
        np.testing.assert_array_equal(table.to_numpy(float), expected)


def test_one_row_with_decimal_commas_among_decimal_points_changes_no_other_row(tmp_path):
    """Else the message would name a number with a point, and ask for a number in its place."""
    (tmp_path / "t.csv").write_text("file;a;b\nx;0.5;1.25\ny;1,5;2\nz;2.5;3.5\n")
    table, _ = feature_tables.read(tmp_path / "t.csv")
    assert table["a"].tolist() == ["0.5", "1,5", "2.5"]  # eval names 1,5
    assert table["b"].tolist() == [1.25, 2.0, 3.5]


@pytest.mark.parametrize("cell", ['"1,5"', '",5"', '"-1,5"', '"+,5e1"'])
@pytest.mark.parametrize("line", ['"y",CELL,2', '"y",2,CELL'])
def test_decimal_commas_in_quotes(tmp_path, cell, line):
    text = f'"file","a","b"\n"x",0,1\n{line.replace("CELL", cell)}\n'
    (tmp_path / "t.csv").write_text(text)
    table, _ = feature_tables.read(tmp_path / "t.csv")
    found = float(cell.strip('"').replace(",", "."))
    assert sorted(table.loc["y"]) == sorted([found, 2.0])
