"""Tables of any size: rows in any order, written part by part, are one table."""

import audformat
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from emoasr import features, spool


@settings(deadline=None)
@given(st.data(), st.integers(0, 60), st.integers(1, 7))
def test_rows_come_back_in_order(tmp_path_factory, data, n, chunk):
    numbers = data.draw(st.permutations(range(n)))
    kept = np.sort(data.draw(st.lists(st.sampled_from(range(n)), unique=True)) if n else [])
    kept = kept.astype(int)
    rows = np.random.default_rng(n).normal(size=(n, 3)).astype(np.float32)
    index = audformat.filewise_index([f"{i}.wav" for i in kept])
    folder = tmp_path_factory.mktemp("spool")
    with pytest.MonkeyPatch.context() as patch, spool.Spool(folder / ".x", list("abc")) as held:
        patch.setattr(spool, "_CHUNK", chunk)
        for part in np.array_split(np.array(numbers, int), 3):
            held.put(part, rows[part])
        features.write(held.frames(kept, index), folder / "x.parquet", {"tap": "gate"})
    expected = pd.DataFrame(rows[kept], index, list("abc"))
    table, metadata = features.read(folder / "x.parquet")
    pd.testing.assert_frame_equal(table, expected, check_index_type=False)
    found, n_columns, also = features.outline(folder / "x.parquet")
    assert list(found) == list(expected.index) and n_columns == 3
    assert metadata == also == {"tap": "gate"}
    assert [path.name for path in folder.iterdir()] == ["x.parquet"]


def test_the_outline_of_segments_is_that_of_the_table(tmp_path):
    index = audformat.segmented_index(["a", "a"], [0, 1.25], [1.25, 2.5])
    features.write(pd.DataFrame({"x": [1.0, 2.0]}, index), tmp_path / "x.parquet")
    found, n_columns, metadata = features.outline(tmp_path / "x.parquet")
    assert found.equals(features.read(tmp_path / "x.parquet")[0].index)
    assert (n_columns, metadata) == (1, {})
