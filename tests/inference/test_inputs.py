"""What may be given to a recognizer, and what comes of all else."""

import os

import audformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import emoasr
from emoasr.errors import UserError

RATE = 16000
TONE = (0.1 * np.sin(np.arange(5000) / 9)).astype(np.float32)
STEREO = np.stack([TONE, TONE], axis=1)


class Tensor:
    """As PyTorch's: no NumPy array, but it becomes one."""

    def __init__(self, x):
        self._x, self.ndim, self.shape = x, x.ndim, x.shape

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self._x, dtype)


class Decoder:
    """As Hugging Face's: no dict, but it answers like one."""

    def __getitem__(self, key):
        return {"array": TONE, "sampling_rate": RATE}[key]


@pytest.fixture(scope="module")
def recognizer(small_recognizer):
    return emoasr.load_recognizer(small_recognizer)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("inputs") / "tone.wav"
    soundfile.write(path, TONE, RATE, subtype="FLOAT")
    return path


ARRAYS = {
    "array and rate": (TONE, RATE),
    "list of arrays and rate": ([TONE], RATE),
    "tuple of arrays and rate": ((TONE,), float(RATE)),
    "rate of NumPy": (TONE, np.int64(RATE)),
    "channels last": (STEREO, RATE),
    "channels first": (STEREO.T, RATE),
    "one channel first": (TONE[None], RATE),
    "one channel last": (TONE[:, None], RATE),
    "tensor": (Tensor(TONE[None]), RATE),
    "list of tensors": ([Tensor(TONE)], RATE),
    "double precision": (TONE.astype(np.float64), RATE),
    "dict": {"array": TONE, "sampling_rate": RATE},
    "dict with path": {"path": None, "array": TONE, "sampling_rate": RATE},
    "list of dicts": [{"array": TONE, "sampling_rate": RATE}],
    "tuple of dicts": ({"array": TONE, "sampling_rate": RATE},),
    "list in a dict": {"array": TONE.tolist(), "sampling_rate": RATE},
    "decoder": [Decoder()],
}
PATHS = {
    "text": str,
    "path": lambda path: path,
    "list": lambda path: [path],
    "tuple": lambda path: (str(path),),
    "index": lambda path: audformat.filewise_index([str(path)]),
    "segments": lambda path: audformat.segmented_index([str(path)], [0], [pd.NaT]),
}


@pytest.fixture(scope="module")
def expected(recognizer, path):
    return recognizer.features(path).to_numpy()


@pytest.mark.parametrize("name", ARRAYS)
def test_samples_have_the_features_of_their_file(recognizer, expected, name):
    table = recognizer.features(ARRAYS[name])
    assert list(table.index) == [0]
    np.testing.assert_allclose(table.to_numpy(), expected, atol=1e-5)


@pytest.mark.parametrize("name", PATHS)
def test_files_are_named_in_the_index(recognizer, path, expected, name):
    table = recognizer.features(PATHS[name](path))
    audformat.assert_index(table)
    np.testing.assert_allclose(table.to_numpy(), expected, atol=1e-5)


def test_a_file_given_twice_has_two_rows(recognizer, path):
    assert list(recognizer.features((path, str(path))).index) == [str(path)] * 2


def test_rates_may_differ_from_dict_to_dict(recognizer, expected):
    dicts = [{"array": TONE, "sampling_rate": rate} for rate in (8000, RATE)]
    table = recognizer.features(dicts).to_numpy()
    np.testing.assert_allclose(table[1:], expected, atol=1e-5)
    assert not np.allclose(table[0], table[1], atol=1e-3)


@pytest.mark.parametrize("nothing", [[], (), ([], RATE), audformat.segmented_index()])
def test_no_input_gives_the_columns_and_no_row(recognizer, nothing):
    assert recognizer.features(nothing, on_error="skip").shape == (0, 16)
    assert list(recognizer.transcribe(nothing)) == ["text", "times"]


WRONG = [
    None, 3, 2.5, True, b"a.wav", bytearray(b"a"), {"a.wav"}, iter(["a.wav"]), object(), range(3),
    pd.DataFrame({"file": ["a.wav"]}), pd.Series(["a.wav"]), pd.Index([1, 2]), pd.RangeIndex(2),
    pd.Index(["a.wav"]), TONE, np.array(["a.wav"]), [TONE], [None], [3], [["a.wav"]], ["a.wav", 3],
    ["a.wav", TONE], [("a.wav", RATE)], (TONE, "16000"), (TONE, TONE), ("a.wav", RATE),
    (TONE, RATE, RATE), ([0.1, 0.2], RATE), ([TONE, None], RATE), ([[0.1]], RATE), (None, RATE),
    ({"a": 1}, RATE), {}, {"array": TONE}, {"sampling_rate": RATE}, [{"bytes": b"", "path": "a"}],
    (pd.Series(TONE), RATE),
]  # fmt: skip


@pytest.mark.parametrize("x", WRONG, ids=lambda x: f"{type(x).__name__}")
@pytest.mark.parametrize("method", ["features", "transcribe"])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_anything_else_is_told_the_forms(recognizer, x, method, on_error):
    with pytest.raises(UserError, match="give a path, a list or tuple of paths, an audformat") as e:
        getattr(recognizer, method)(x, on_error=on_error)
    assert "\n" not in str(e.value)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.binary(max_size=3)
    | st.sampled_from([TONE[:99], STEREO[:40], STEREO[:2], TONE[:0], TONE[:8].reshape(2, 2, 2)])
    | st.sampled_from(["", "missing.wav", np.array(None), np.array(["a"]), np.int16([1])]),
    lambda inner: st.lists(inner, max_size=3)
    | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.sampled_from(["array", "sampling_rate", "path"]), inner, max_size=3)
    | st.tuples(inner, st.sampled_from([RATE, 0, -1, float("nan"), float("inf"), "a", None])),
    max_leaves=4,
)  # fmt: skip


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(x=ANYTHING)
def test_whatever_is_given_gives_a_table_or_a_line(recognizer, x):
    try:
        table = recognizer.features(x)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert np.isfinite(table.to_numpy()).all()


@pytest.mark.parametrize("rate", [0, -1, 999, 2e6, float("nan"), float("inf"), True])
def test_a_rate_that_is_none_is_named(recognizer, rate):
    with pytest.raises(UserError, match="sampling rate is"):
        recognizer.features((TONE, rate), on_error="skip")
    with pytest.raises(UserError, match="input 0: sampling rate is"):
        recognizer.features({"array": TONE, "sampling_rate": rate})


BAD = {
    "int16": ((TONE * 32767).astype(np.int16), r"int16; give floating point.*\(x / 32768\)"),
    "unsigned": (np.zeros(99, np.uint8), "uint8; give floating point"),
    "objects": (np.array([0.1, None]), "samples are object"),
    "not a number": (np.array([0.1, np.nan]), "NaN or infinite"),
    "too loud": (TONE * 1e6, "scale them"),
    "empty": (TONE[:0], "no samples"),
    "masked": (np.ma.masked_greater(TONE, 0), "some samples are masked"),
    "either axis": (np.zeros((4, 5)), r"shape \(4, 5\): which axis is time is not clear"),
    "three axes": (np.zeros((2, 2, 2000)), r"shape \(2, 2, 2000\)"),
    "a number": (np.float32(1), r"shape \(\)"),
}


@pytest.mark.parametrize("name", BAD)
def test_samples_that_cannot_be_used_are_named_or_left_out(recognizer, expected, name):
    array, message = BAD[name]
    with pytest.raises(UserError, match=f"input 1: .*{message}"):
        recognizer.features(([TONE, array], RATE))
    with pytest.warns(UserWarning, match=r"^1 of 3 inputs left out, the first: input 1: "):
        table = recognizer.features(([TONE, array, TONE], RATE), on_error="skip")
    assert list(table.index) == [0, 2]
    np.testing.assert_allclose(table.to_numpy(), np.tile(expected, (2, 1)), atol=1e-5)
    (skipped,) = table.attrs["skipped"]
    assert skipped["input"] == 1


def test_files_that_cannot_be_read_are_left_out_and_told(recognizer, path, tmp_path):
    (tmp_path / "noise.wav").write_bytes(b"no audio")
    files = [str(tmp_path / "missing.wav"), str(path), str(tmp_path / "noise.wav")]
    for method in (recognizer.features, recognizer.transcribe):
        with pytest.warns(UserWarning, match="2 of 3 inputs left out"):
            table = method(files, on_error="skip")
        assert list(table.index) == files[1:2]
        assert [s["input"] for s in table.attrs["skipped"]] == [0, 2]
        assert "missing.wav: no such file" in table.attrs["skipped"][0]["reason"]


@pytest.mark.parametrize("others", [[], ["a.wav"]])
@pytest.mark.parametrize("on_error", ["raise", "skip"])
def test_a_name_that_is_not_utf_8_is_refused(recognizer, others, on_error):
    odd = os.fsdecode(b"\xe4.wav")
    with pytest.raises(UserError, match=r"udce4.wav: .* is not UTF-8; rename it"):
        recognizer.features([*others, odd], on_error=on_error)


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize("method", ["features", "frames", "transcribe"])
def test_a_segment_without_a_start_is_named(recognizer, path, method, on_error):
    index = audformat.segmented_index([path] * 2, ["0s", pd.NaT], [pd.NaT, pd.NaT])
    with pytest.raises(UserError, match="input 1: its segment has no start in the index; give 0"):
        getattr(recognizer, method)(index, on_error=on_error)
    assert len(recognizer.features(index[:1])) == 1


def test_the_reasons_survive_parquet_and_joining(recognizer, tmp_path):
    with pytest.warns(UserWarning, match="left out"):
        table = recognizer.features(([TONE, TONE[:0]], RATE), on_error="skip")
    table.to_parquet(tmp_path / "t.parquet")
    assert pd.read_parquet(tmp_path / "t.parquet").attrs == table.attrs
    assert len(pd.concat([table, recognizer.features((TONE, RATE), on_error="skip")])) == 2


def test_nothing_left_out_is_said_too(recognizer):
    assert recognizer.features((TONE, RATE), on_error="skip").attrs == {"skipped": []}
    with pytest.raises(UserError, match="on_error='ignore': must be one of raise, skip"):
        recognizer.features((TONE, RATE), on_error="ignore")


def test_a_bar_for_many_inputs_unless_it_is_off(recognizer, capsys):
    for n, progress in ((2, True), (51, False), (51, True)):
        assert not capsys.readouterr().err
        recognizer.features(([TONE[:99]] * n, RATE), progress=progress)
    assert "51/51" in capsys.readouterr().err
