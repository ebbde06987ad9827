import audformat
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile

import emoasr
from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.errors import UserError
from emoasr.inference import columns


@pytest.fixture(scope="module")
def recognizer(small_recognizer):
    return emoasr.load_recognizer(small_recognizer)


@pytest.fixture
def files(speech):
    return sorted(str(path) for path in speech.glob("*.wav"))


def test_one_row_an_input_in_the_inputs_order(recognizer, files):
    table = recognizer.features(files)
    assert list(table.index) == files
    assert list(table.columns) == columns.unit_names(2, 8)
    assert (table.dtypes == np.float32).all()
    backwards = recognizer.features(files[::-1])
    np.testing.assert_allclose(backwards.to_numpy()[::-1], table.to_numpy(), atol=1e-5)


def test_one_path_a_list_an_index_and_arrays_give_the_same(recognizer, files):
    alone = recognizer.features(files[0]).to_numpy()
    samples, rate = soundfile.read(files[0], dtype="float32")
    for same in (
        recognizer.features(files[:2]).iloc[:1],
        recognizer.features(audformat.filewise_index(files[:1])),
        recognizer.features(audformat.segmented_index(files[:1], [0], [pd.NaT])),
        recognizer.features(([samples], rate)),
        recognizer.features(([np.stack([samples, samples], axis=1)], rate)),
    ):
        np.testing.assert_allclose(same.to_numpy(), alone, atol=1e-5)


def test_a_recognizer_at_another_rate_hears_files_and_arrays_at_it(small_recognizer, tmp_path):
    model = emoasr.load_recognizer(small_recognizer).model
    front = FrontEndConfig(sample_rate=22050, antialias=False)
    saved.save(tmp_path, model, front, {})
    recognizer = emoasr.load_recognizer(tmp_path)
    x = np.random.default_rng(0).normal(0, 0.1, 60000).astype(np.float32)
    heard = {48000: librosa.resample(x, orig_sr=48000, target_sr=22050), 44100: x[::2]}
    for rate, y in heard.items():
        mfcc_DT = librosa.feature.mfcc(y=y, sr=22050, pad_mode="reflect")
        taps = model(mfcc_DT.T[None], np.array([mfcc_DT.shape[1]])).taps["gate"]
        expected = np.concatenate([np.mean(tap_BTC[0], axis=0) for tap_BTC in taps])
        soundfile.write(tmp_path / "a.wav", x, rate, subtype="FLOAT")
        for given in (str(tmp_path / "a.wav"), ([x], rate)):
            found = recognizer.features(given).to_numpy()[0]
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_no_input_no_row(recognizer):
    assert recognizer.features([]).shape == (0, 16)
    assert recognizer.transcribe([]).shape == (0, 2)


def test_a_segment_is_its_samples(recognizer, files):
    samples, rate = soundfile.read(files[0], dtype="float32")
    index = audformat.segmented_index(files[:1], ["0.1s"], ["0.2s"])
    expected = recognizer.features(([samples[1600:3200]], rate)).to_numpy()
    table = recognizer.features(index)
    pd.testing.assert_index_equal(table.index, index)
    np.testing.assert_allclose(table.to_numpy(), expected, atol=1e-5)


def test_poolings_and_taps_differ_and_std_is_the_spread(recognizer, files):
    tables = {
        (pooling, tap): recognizer.features(files[:3], pooling=pooling, tap=tap).to_numpy()
        for pooling in ("mean", "max", "std")
        for tap in ("gate", "skip", "residual")
    }
    flat = list(tables.values())
    assert not any(np.allclose(a, b) for i, a in enumerate(flat) for b in flat[:i])
    assert (tables["max", "gate"] >= tables["mean", "gate"]).all()
    assert (tables["std", "gate"] >= 0).all()


@pytest.mark.parametrize("beam_size", [1, 8])
def test_transcripts_are_text(recognizer, files, beam_size):
    table = recognizer.transcribe(files[:2], beam_size)
    assert list(table.columns) == ["text", "times"] and list(table.index) == files[:2]
    for row in table.itertuples():
        assert len(row.times) == len(row.text)
        assert row.times == sorted(row.times)
        assert all(0 <= second <= soundfile.info(row.Index).duration for second in row.times)
    assert set("".join(table["text"])) <= set(" abcdefghijklmnopqrstuvwxyz")


def test_a_beam_of_nothing_is_refused(recognizer, files):
    with pytest.raises(UserError, match="beam_size=0"):
        recognizer.transcribe(files[0], beam_size=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"x": "missing.wav"}, "missing.wav"),
        ({"x": ([np.array([np.nan], np.float32)], 16000)}, "input 0"),
        ({"x": ([np.zeros(99, np.float32)], 16000), "tap": "gates"}, "tap='gates'"),
        ({"x": ([np.zeros(99, np.float32)], 16000), "pooling": "sum"}, "pooling='sum'"),
    ],
)
def test_wrong_input_is_named(recognizer, arguments, message):
    with pytest.raises(UserError, match=message):
        recognizer.features(**arguments)
