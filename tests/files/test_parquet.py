import audformat
import numpy as np
import pandas as pd
import pytest

from emoasr.files import parquet

FILES = [f"{i}.wav" for i in range(10)]
INDEXES = {
    "files": audformat.filewise_index(FILES),
    "segments": audformat.segmented_index(FILES, ["0s"] * 10, ["1s"] * 9 + [pd.NaT]),
    "numbers": pd.RangeIndex(10),
}


@pytest.mark.parametrize("index", INDEXES.values(), ids=INDEXES)
@pytest.mark.parametrize("rows", [3, 10, 100])
def test_a_large_table_is_read_in_blocks_as_a_small_one(tmp_path, monkeypatch, index, rows):
    x_ND = np.random.default_rng(0).standard_normal((10, 3)).astype(np.float32)
    x_ND[4, 1] = np.nan
    table = pd.DataFrame(x_ND, index, ["a.b", "a", "layer00.unit000"])
    parquet.write(table, tmp_path / "t.parquet", {"tap": "gate"})
    small = parquet.read(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "_LARGE", 0)
    monkeypatch.setattr(parquet, "_ROWS", rows)
    large = parquet.read(tmp_path / "t.parquet")
    pd.testing.assert_frame_equal(large[0], small[0])
    assert large[1] == small[1] == {"tap": "gate"}
    assert large[0].to_numpy().strides == small[0].to_numpy().strides  # sums come out the same


def test_a_table_with_other_numbers_is_read_whatever_its_size(tmp_path, monkeypatch):
    table = pd.DataFrame({"a": [1.0, 2.0], "b": [1, 2]}, audformat.filewise_index(FILES[:2]))
    parquet.write(table, tmp_path / "t.parquet")
    small, _ = parquet.read(tmp_path / "t.parquet")
    monkeypatch.setattr(parquet, "_LARGE", 0)
    pd.testing.assert_frame_equal(parquet.read(tmp_path / "t.parquet")[0], small)
