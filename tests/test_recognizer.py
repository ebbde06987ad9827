import re
import shutil

import audformat
import librosa
import numpy as np
import pandas as pd
import pytest
import soundfile

import emoasr
from emoasr.asr import language_model, saved, transcripts
from emoasr.asr.frontend import FrontEndConfig
from emoasr.errors import UserError
from emoasr.inference import calls, columns, planning


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


def test_mean_and_std_beside_each_other(recognizer, files):
    both = recognizer.features(files[:3], pooling="mean+std")
    parts = [recognizer.features(files[:3], pooling=how) for how in ("mean", "std")]
    assert both.columns[0] == "layer00.unit000.mean" and both.columns[-1] == "layer01.unit007.std"
    np.testing.assert_allclose(both, np.hstack([part.to_numpy() for part in parts]), atol=1e-6)


def test_the_spread_of_one_frame_is_zero(recognizer):
    table = recognizer.features(([np.full(99, 0.1, np.float32)], 16000), pooling="std")
    assert (table.to_numpy() == 0).all()


def test_frames_are_what_features_pool(recognizer, files):
    for x in (files[:3], (soundfile.read(files[0])[0], 16000)):
        frames = recognizer.frames(x, tap="residual")
        assert list(frames.columns) == columns.unit_names(2, 8)
        of_input = frames.groupby(level=0, sort=False)
        for how, tolerance in (("mean", 1e-5), ("max", 1e-5)):
            pooled = recognizer.features(x, pooling=how, tap="residual")
            assert list(of_input.groups) == list(pooled.index)
            np.testing.assert_allclose(of_input.agg(how), pooled, atol=tolerance)
        times = frames.index.get_level_values("time").to_numpy()[: of_input.size().iloc[0]]
        np.testing.assert_allclose(times, 0.032 * np.arange(len(times)))


def test_frames_of_segments_know_their_place_in_the_file(recognizer, files):
    index = audformat.segmented_index(files[:1] * 2, ["0.1s", "0.2s"], ["0.2s", pd.NaT])
    frames = recognizer.frames(index)
    assert frames.index.names == ["file", "start", "end", "time"]
    assert frames.index.get_level_values("time")[0] == 0.1
    assert frames.reset_index().groupby("start")["time"].first().tolist() == [0.1, 0.2]


def test_frames_of_a_long_file_are_those_of_the_whole(recognizer, tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(0, 0.1, 20 * 16000).astype(np.float32)
    soundfile.write(tmp_path / "long.wav", x, 16000, subtype="FLOAT")
    whole = recognizer.frames(tmp_path / "long.wav")
    monkeypatch.setattr(planning, "SHORTEST_CHUNK", 100)
    monkeypatch.setattr(calls, "BATCH_FRAMES", 100)
    pd.testing.assert_frame_equal(recognizer.frames(tmp_path / "long.wav"), whole, atol=1e-5)


def test_frames_of_what_cannot_be_read_are_left_out_if_so_asked(recognizer, files, tmp_path):
    (tmp_path / "bad.wav").write_text("no sound")
    x = [files[0], str(tmp_path / "bad.wav")]
    with pytest.raises(UserError, match="input 1: .*bad.wav"):
        recognizer.frames(x)
    with pytest.warns(UserWarning, match="1 of 2 inputs left out"):
        frames = recognizer.frames(x, on_error="skip")
    assert frames.index.unique("file").tolist() == files[:1]
    assert [s["input"] for s in frames.attrs["skipped"]] == [1]
    assert recognizer.frames([]).shape == (0, 16)


def test_windows_are_an_index_of_segments(recognizer, files):
    samples, rate = soundfile.read(files[0], dtype="float32")
    starts = np.arange(0, len(samples) / rate - 0.1, 0.05)
    index = audformat.segmented_index(
        files[:1] * len(starts),
        pd.to_timedelta(starts, unit="s"),
        pd.to_timedelta(starts + 0.1, unit="s"),
    )
    table = recognizer.features(index)
    pd.testing.assert_index_equal(table.index, index)
    windows = [samples[round(s * rate) : round((s + 0.1) * rate)] for s in starts]
    np.testing.assert_allclose(table, recognizer.features((windows, rate)), atol=1e-5)


@pytest.mark.parametrize("beam_size", [1, 8])
def test_transcripts_are_text(recognizer, files, beam_size):
    table = recognizer.transcribe(files[:2], beam_size)
    assert list(table.columns) == ["text", "times"] and list(table.index) == files[:2]
    for row in table.itertuples():
        assert len(row.times) == len(row.text)
        assert row.times == sorted(row.times)
        assert all(0 <= second <= soundfile.info(row.Index).duration for second in row.times)
    assert set("".join(table["text"])) <= set(" abcdefghijklmnopqrstuvwxyz")


def test_a_language_model_is_found_from_another_folder(
    small_recognizer, files, tmp_path, monkeypatch
):
    shutil.copytree(small_recognizer, tmp_path / "own")
    fitted = language_model.fit(["the cab and the cat", "a cat"])
    language_model.save(fitted, tmp_path / "own" / "language.safetensors")
    monkeypatch.chdir(tmp_path)
    opened = emoasr.load_recognizer("own")
    monkeypatch.chdir("/")
    assert len(opened.transcribe(files[:2], beam_size=4)) == 2


def test_a_doubtful_transcript_is_named_as_the_input_is(recognizer, files, monkeypatch):
    monkeypatch.setattr(transcripts, "doubt", lambda confidence: "doubtful")
    samples, rate = soundfile.read(files[0])
    for x, name in (
        (files[0], files[0]),
        (audformat.segmented_index(files[:1], [0.1], [0.2]), f"{files[0]} from 0.1 s to 0.2 s"),
        (
            audformat.segmented_index(files[:1], [0.1], [pd.NaT]),
            f"{files[0]} from 0.1 s to its end",
        ),
        ((samples, rate), "input 0"),
    ):
        with pytest.warns(UserWarning, match=f"the first: {re.escape(name)}: doubtful"):
            recognizer.transcribe(x, progress=False)


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
