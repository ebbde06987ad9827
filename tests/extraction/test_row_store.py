"""Rows on disk: in any order, over any number of runs, whatever happens to their files."""

import hashlib
import os

import audformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoasr.extraction import feature_tables, row_store
from emoasr.files import parquet

COLUMNS = list("abc")
MADE_WITH = {"tap": "gate"}


def key(i):
    return hashlib.sha256(bytes([i])).digest()[:16]


def values(numbers):
    return np.array([[i, i / 3, -i] for i in numbers], np.float32).reshape(-1, 3)


def put(store, numbers):
    store.put([key(i) for i in numbers], values(numbers), np.array([i % 5 == 0 for i in numbers]))


def finish(folder, table, numbers):
    """What extract does once it has all rows."""
    store = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    keys = [key(i) for i in numbers]
    index = audformat.filewise_index([f"{i}.wav" for i in numbers])
    output = {"rows": store.write_key_index(keys)}
    parquet.write_numbers(store.values(keys), index, COLUMNS, table, output)
    store.clear()


@settings(max_examples=50)
@given(st.data(), st.integers(0, 60), st.integers(1, 7))
def test_rows_come_back_in_the_order_asked_for(tmp_path_factory, data, n, chunk):
    order = data.draw(st.permutations(range(n)))
    asked = data.draw(st.lists(st.sampled_from(range(n)), unique=True)) if n else []
    folder = tmp_path_factory.mktemp("rows")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(row_store, "_CHUNK", chunk)
        for part in np.array_split(np.array(order, int), 3):  # three runs
            store = row_store.RowStore(folder, MADE_WITH, COLUMNS)
            put(store, part.tolist())
            store.flush()
        store = row_store.RowStore(folder, MADE_WITH, COLUMNS)
        found = np.concatenate(list(store.values([key(i) for i in asked])))
    assert len(store) == n and all(store.is_silent(key(i)) == (i % 5 == 0) for i in range(n))
    np.testing.assert_array_equal(found, values(asked))


def test_other_settings_or_columns_have_other_rows(tmp_path):
    store = row_store.RowStore(tmp_path, MADE_WITH, COLUMNS)
    put(store, range(4))
    store.flush()
    assert len(row_store.RowStore(tmp_path, MADE_WITH, COLUMNS)) == 4
    assert len(row_store.RowStore(tmp_path, {"tap": "skip"}, COLUMNS)) == 0
    assert len(row_store.RowStore(tmp_path, MADE_WITH, list("abd"))) == 0


@settings(max_examples=60)
@given(st.data())
def test_damaged_parts_lose_their_rows_and_give_no_wrong_ones(tmp_path_factory, data):
    folder = tmp_path_factory.mktemp("rows")
    store = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    for numbers in (range(5), range(5, 9)):
        put(store, numbers)
        store.flush()
    for path in folder.glob("*/*.rows"):
        output = bytearray(path.read_bytes())
        what = data.draw(st.sampled_from(["cut", "flip", "zero", "nothing", "longer"]))
        at = data.draw(st.integers(0, len(output) - 1))
        if what == "flip":
            output[at] ^= 1 << data.draw(st.integers(0, 7))
        elif what == "zero":
            output[at:] = bytes(len(output) - at)
        elif what == "longer":
            output += data.draw(st.binary(max_size=80))
        path.write_bytes(output[:at] if what == "cut" else output)
    again = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    left = [i for i in range(9) if key(i) in again]
    found = np.concatenate(list(again.values([key(i) for i in left])))
    np.testing.assert_array_equal(found, values(left))
    put(again, [i for i in range(9) if i not in left])
    again.flush()
    assert len(row_store.RowStore(folder, MADE_WITH, COLUMNS)) == 9


def test_rows_of_a_finished_table_are_taken_over(tmp_path):
    folder, table = tmp_path / "rows", tmp_path / "x.parquet"
    store = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    put(store, range(9))
    store.flush()
    finish(folder, table, [3, 1, 8, 5])
    assert not list(folder.glob("*/*.rows"))
    again = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    assert len(again) == 0
    again.take_over(table)
    assert sorted(i for i in range(9) if key(i) in again) == [1, 3, 5, 8]
    assert again.is_silent(key(5)) and not again.is_silent(key(3))
    np.testing.assert_array_equal(
        np.concatenate(list(again.values([key(5), key(1)]))), values([5, 1])
    )


@pytest.mark.parametrize("what", ["another table", "a broken table", "no table", "broken keys"])
def test_rows_of_another_table_are_not_taken_over(tmp_path, what):
    folder, table = tmp_path / "rows", tmp_path / "x.parquet"
    store = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    put(store, range(9))
    store.flush()
    finish(folder, table, range(9))
    if what == "another table":
        parquet.write(feature_tables.read(table)[0] + 1, table, {"rows": "0123456789abcdef"})
    elif what == "a broken table":
        os.truncate(table, 100)
    elif what == "no table":
        table.unlink()
    else:
        (keys,) = folder.glob("*/keys")
        os.truncate(keys, 20)
    again = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    again.take_over(table)
    assert len(again) == 0


def test_what_a_finished_table_has_goes(tmp_path):
    old = row_store.RowStore(tmp_path, {"tap": "skip"}, COLUMNS)
    put(old, range(3))
    old.flush()
    store = row_store.RowStore(tmp_path, MADE_WITH, COLUMNS)
    put(store, range(3))
    store.flush()
    store.write_key_index([key(0)])
    store.clear()
    assert [path.name for path in tmp_path.glob("*/*")] == ["keys"]


@pytest.mark.parametrize("name", [".DS_Store", "Thumbs.db", "._000000.rows", "notes.rows", "a.txt"])
def test_files_that_others_put_there_do_no_harm(tmp_path, name):
    folder = tmp_path / "x"
    store = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    put(store, range(3))
    store.flush()
    for place in (tmp_path, folder, *folder.iterdir()):
        (place / name).write_bytes(b"no rows")
    again = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    put(again, range(3, 5))
    again.flush()
    assert len(row_store.RowStore(folder, MADE_WITH, COLUMNS)) == 5
    finish(folder, tmp_path / "x.parquet", range(5))
    again = row_store.RowStore(folder, MADE_WITH, COLUMNS)
    again.take_over(tmp_path / "x.parquet")
    assert len(again) == 5


def test_the_outline_of_segments_is_that_of_the_table(tmp_path):
    index = audformat.segmented_index(["a", "a"], [0, 1.25], [1.25, 2.5])
    parquet.write(pd.DataFrame({"x": [1.0, 2.0]}, index), tmp_path / "x.parquet")
    found, n_columns, metadata = parquet.outline(tmp_path / "x.parquet")
    assert found.equals(feature_tables.read(tmp_path / "x.parquet")[0].index)
    assert (n_columns, metadata) == (1, {})
