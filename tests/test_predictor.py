"""`emoasr.load_predictor`: predictions, windows, tracks."""

import re
import shutil
import warnings
from pathlib import Path

import audformat
import made_predictors
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

import emoasr
from emoasr.errors import UserError
from emoasr.inference import calls, planning
from emoasr.prediction import saved
from emoasr.report import player

RATE = 16000


@pytest.fixture(scope="module")
def predictor(small_recognizer, tmp_path_factory):
    digest = emoasr.load_recognizer(small_recognizer).digest
    folder = made_predictors.save(tmp_path_factory.mktemp("p") / "predictor", digest)
    return emoasr.load_predictor(folder, small_recognizer)


@pytest.fixture(autouse=True)
def quiet():
    """Noise is unlike what the predictor was fitted on."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def noise(n, seed=0):
    return np.random.default_rng(seed).normal(0, 0.1, n).astype(np.float32)


def means(track, predictor, by="file"):
    return track.groupby(by, sort=False)[list(predictor.targets)].mean()


def unclipped(predictor, x):
    features = predictor.recognizer.features(x)
    return predictor.model.unclipped(features.to_numpy())


def test_predictions_are_the_maps_of_the_features(predictor, speech):
    files = [str(speech / f"{i:02d}.wav") for i in (3, 1, 2)]
    table = predictor.predict(files)
    assert list(table.index) == files
    expected = unclipped(predictor, files).clip(1, 5)
    np.testing.assert_allclose(table[["arousal", "valence"]], expected, atol=1e-5)
    for name in predictor.targets:
        assert (table[f"{name}_low"] <= table[f"{name}_high"]).all()


@settings(max_examples=20)
@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=4), st.integers(0, 99))
def test_a_tracks_mean_is_the_unclipped_prediction(predictor, lengths, seed):
    waves = [noise(n, seed + i) for i, n in enumerate(lengths)]
    track = predictor.track((waves, RATE))
    np.testing.assert_allclose(
        means(track, predictor, "input"), unclipped(predictor, (waves, RATE)), atol=1e-5
    )
    frontend = predictor.recognizer.config.frontend
    assert track.groupby("input").size().tolist() == [frontend.n_frames(n) for n in lengths]
    assert np.allclose(
        track.groupby("input")["time"].max() * RATE, [n // 512 * 512 for n in lengths]
    )


def test_a_long_files_track_too(predictor, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "SHORTEST_CHUNK", 100)
    monkeypatch.setattr(calls, "BATCH_FRAMES", 100)
    path = str(tmp_path / "long.wav")
    soundfile.write(path, noise(20 * RATE), RATE, subtype="FLOAT")
    track = predictor.track(path)
    monkeypatch.undo()
    whole = predictor.track(path)
    np.testing.assert_allclose(
        track[["arousal", "valence"]], whole[["arousal", "valence"]], atol=1e-4
    )
    np.testing.assert_allclose(means(track, predictor), unclipped(predictor, path), atol=1e-5)


def test_a_track_of_a_segment_has_the_files_times(predictor, speech):
    index = audformat.segmented_index(
        [str(speech / "00.wav")] * 2, ["0.1s", "0.2s"], ["0.2s", "0.24s"]
    )
    track = predictor.track(index)
    assert list(track) == ["file", "start", "end", "time", "arousal", "valence"]
    starts = track.groupby("start")["time"].min()
    assert starts.tolist() == pytest.approx([0.1, 0.2])


@pytest.mark.parametrize(("pooling", "n_features"), [("std", 16), ("mean+std", 32)])
def test_tracks_need_means(small_recognizer, predictor, tmp_path, pooling, n_features):
    digest = predictor.recognizer.digest
    folder = made_predictors.save(tmp_path / "p", digest, pooling, n_features=n_features)
    other = emoasr.load_predictor(folder, small_recognizer)
    message = re.escape(f"pooled by {pooling}: only a prediction from means")
    with pytest.raises(UserError, match=message):
        other.track((noise(9000), RATE))
    assert len(other.predict((noise(9000), RATE))) == 1


def test_windows_are_predicted_as_recordings_of_their_own(predictor, tmp_path):
    path = str(tmp_path / "a.wav")
    wave = noise(int(1.3 * RATE))
    soundfile.write(path, wave, RATE, subtype="FLOAT")
    of_file = predictor.predict(path, window=0.5, hop=0.25)
    of_array = predictor.predict((wave, RATE), window=0.5, hop=0.25)
    alone = predictor.predict(([wave[s : s + 8000] for s in range(0, 12001, 4000)], RATE))
    audformat.assert_index(of_file.index)
    seconds = of_file.index.get_level_values("start").total_seconds().tolist()
    assert seconds == [0.0, 0.25, 0.5, 0.75]
    assert list(of_array.index.names) == ["input", "start", "end"]
    for table in (of_file, of_array):
        np.testing.assert_allclose(table.to_numpy(float), alone.to_numpy(float), atol=1e-5)


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.int64, np.float32, np.float64])
def test_numbers_of_numpy_are_numbers(predictor, kind):
    wave = noise(3 * RATE)
    for how in ({}, {"window": kind(1), "hop": kind(1)}):
        plain = {name: float(value) for name, value in how.items()}
        expected = predictor.predict((wave, RATE), **plain)
        pd.testing.assert_frame_equal(predictor.predict((wave, kind(RATE)), **how), expected)
        decoded = {"array": wave, "sampling_rate": kind(RATE)}
        pd.testing.assert_frame_equal(predictor.predict(decoded, **how), expected)
    predictor.plot((wave, kind(RATE)), smooth=kind(1))


def test_windows_of_a_segment_lie_within_it(predictor, tmp_path):
    path = str(tmp_path / "a.wav")
    soundfile.write(path, noise(2 * RATE), RATE)
    index = audformat.segmented_index([path], ["0.3s"], ["1.4s"])
    spans = predictor.predict(index, window=0.5).index
    assert spans.get_level_values("start").total_seconds().tolist() == pytest.approx([0.3, 0.8])
    assert spans.get_level_values("end").total_seconds().tolist() == pytest.approx([0.8, 1.3])


def test_an_input_shorter_than_a_window_stays_whole_and_is_named(predictor, tmp_path):
    path = str(tmp_path / "short.wav")
    soundfile.write(path, noise(4000), RATE, subtype="FLOAT")
    for x, name in ((path, "short.wav"), ((noise(4000), RATE), "input 0")):
        table = predictor.predict(x, window=2)
        assert len(table) == 1
        assert f"1 shorter than a window of 2 s, taken whole: {name}" in " ".join(
            line.replace(str(tmp_path) + "/", "") for line in table.attrs["warnings"]
        )
        expected = predictor.predict(x)
        np.testing.assert_allclose(table["arousal"], expected["arousal"], atol=1e-6)


def test_what_cannot_be_read_is_an_error_or_left_out(predictor, speech, tmp_path):
    (tmp_path / "no.wav").write_text("no audio")
    files = [str(tmp_path / "no.wav"), str(speech / "00.wav"), str(tmp_path / "missing.wav")]
    for how in ({}, {"window": 0.5}):
        with pytest.raises(UserError, match="input 0: .*no.wav"):
            predictor.predict(files, **how)
        table = predictor.predict(files, **how, on_error="skip")
        assert set(table.index.get_level_values("file")) == {files[1]}
        assert len(table.attrs["skipped"]) == 2
    track = predictor.track(files, on_error="skip")
    assert set(track["file"]) == {files[1]} and len(track.attrs["skipped"]) == 2


@pytest.mark.parametrize("window", [None, 0.25])
@pytest.mark.parametrize("kind", ["files", "arrays"])
def test_the_input_that_cannot_be_read_is_numbered_as_it_was_given(
    predictor, tmp_path, kind, window
):
    soundfile.write(tmp_path / "a.wav", noise(RATE), RATE)
    good, bad = (str(tmp_path / "a.wav"), "no.wav") if kind == "files" else (noise(RATE), noise(0))
    x = [good, bad, good, bad]
    x = x if kind == "files" else (x, RATE)
    with pytest.raises(UserError, match="input 1: "):
        predictor.predict(x, window)
    with pytest.warns(UserWarning, match="2 of 4 inputs left out, the first: input 1: "):
        table = predictor.predict(x, window, on_error="skip")
    assert [skipped["input"] for skipped in table.attrs["skipped"]] == [1, 3]
    assert len(table) == (2 if window is None else 8)


@pytest.mark.parametrize("folders", [("a/b/a", "a"), ("a", "b")])
def test_a_pages_warnings_name_recordings_as_it_does(
    small_recognizer, predictor, tmp_path, monkeypatch, folders
):
    digest = predictor.recognizer.digest
    made_predictors.save(tmp_path / "unlike", digest, shift=9)
    other = emoasr.load_predictor(tmp_path / "unlike", small_recognizer)
    paths = [tmp_path / folder / f"{i}.wav" for i, folder in enumerate(folders)]
    for path, wave in zip(paths, (noise(RATE), np.zeros(RATE)), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, wave, RATE)
    shown = {}
    monkeypatch.setattr(player, "render", lambda content: shown.update(content) or "")
    monkeypatch.chdir(tmp_path)
    files = [str(path.relative_to(tmp_path)) for path in paths]
    table = other.page(files, "page.html")
    names = [recording["name"] for recording in shown["recordings"]]
    assert names == [f.removeprefix("a/" * (folders[1] == "a")) for f in files]
    for called, lines in ((files, table.attrs["warnings"]), (names, shown["warnings"])):
        assert [line.split(": ")[-1] for line in lines] == [called[1], ", ".join(called)]


def test_a_page_of_a_recognizer_without_vocabulary_has_no_words_and_says_so(tmp_path, monkeypatch):
    of_ctc = Path(__file__).parent / "asr" / "of_transformers" / "wav2vec2-large"
    recognizer = shutil.copytree(of_ctc, tmp_path / "r")
    digest = emoasr.load_recognizer(recognizer).digest
    folder = made_predictors.save(tmp_path / "p", digest, tap="residual", n_features=24)
    shown = {}
    monkeypatch.setattr(player, "render", lambda content: shown.update(content) or "")
    found = emoasr.load_predictor(folder, recognizer)
    table = found.page((noise(RATE), RATE), tmp_path / "page.html")
    assert shown["recordings"][0]["words"] is None
    for lines in (table.attrs["warnings"], shown["warnings"]):
        assert lines[0].startswith(f"the page has no words: {recognizer}/vocab.json is not there")
    (recognizer / "vocab.json").write_text("[1]")
    found = emoasr.load_predictor(folder, recognizer)
    with pytest.raises(UserError, match="vocab.json"):
        found.page((noise(RATE), RATE), tmp_path / "new" / "page.html")
    assert not (tmp_path / "new").exists()


def test_nothing_in_nothing_out(predictor):
    assert predictor.predict([]).shape == (0, 8)
    assert predictor.track([]).shape == (0, 4)


def test_silence_and_unlike_inputs_are_warned_of(small_recognizer, tmp_path):
    digest = emoasr.load_recognizer(small_recognizer).digest
    folder = made_predictors.save(tmp_path / "p", digest, shift=9)
    predictor = emoasr.load_predictor(folder, small_recognizer)
    waves = ([np.zeros(9000, np.float32), noise(9000)], RATE)
    with pytest.warns(UserWarning) as raised:
        table = predictor.predict(waves)
    lines = [str(w.message) for w in raised]
    assert lines == table.attrs["warnings"]
    assert lines[0] == "1 of 2 inputs silent: all samples are zero: input 0"
    assert lines[1].startswith("2 of 2 inputs unlike the fitted speech")


def test_inputs_that_it_was_fitted_on_are_recognized(small_recognizer, speech, tmp_path):
    """From any file with the same sound, in any batch."""
    recognizer = emoasr.load_recognizer(small_recognizer)
    files = [str(speech / f"{i:02d}.wav") for i in range(12)]
    table = recognizer.features(files)
    labels = made_predictors.labels_like(table.index)
    model, speakers = made_predictors.fit(table, labels)
    saved.save(tmp_path / "p", model, made_predictors.record(model, speakers, recognizer.digest))
    predictor = emoasr.load_predictor(tmp_path / "p", small_recognizer)
    wave, rate = soundfile.read(files[3])
    found = predictor.predict(([noise(5000), wave], rate))
    assert found["fitted"].tolist() == [False, True]
    assert "1 of 2 inputs among the speech that the predictor was fitted on" in " ".join(
        found.attrs["warnings"]
    )


def test_another_recognizers_predictor_is_refused(predictor, small_recognizer, tmp_path):
    folder = made_predictors.save(tmp_path / "p", "f" * 16)
    with pytest.raises(UserError, match="fitted on features of recognizer 'ffffffffffffffff'"):
        emoasr.load_predictor(folder, small_recognizer)
    other = made_predictors.save(tmp_path / "q", predictor.recognizer.digest, n_features=18)
    with pytest.raises(UserError, match="takes 18 features; the recognizer gives 16"):
        emoasr.load_predictor(other, small_recognizer)


def test_repr_is_a_few_lines(predictor):
    assert repr(predictor).splitlines()[0].startswith("<Predictor of arousal, valence (1 to 5)")
    assert "fitted on made up, 12 speakers" in repr(predictor)


def test_a_frame_of_plain_columns(predictor):
    track = predictor.track((noise(9000), RATE))
    assert isinstance(track.index, pd.RangeIndex)
    assert list(track) == ["input", "time", "arousal", "valence"]


def test_a_track_is_plotted_by_one_call(predictor, speech, tmp_path):
    files = [str(speech / f"{i:02d}.wav") for i in range(2)]
    picture = predictor.plot(files)
    picture.save(tmp_path / "track.svg")
    drawn = (tmp_path / "track.svg").read_text()
    assert "arousal" in drawn and "00.wav" in drawn and "01.wav" in drawn
    assert "mean" not in drawn  # no target of that name
    picture.save(str(tmp_path / "track.png"))
    assert (tmp_path / "track.png").read_bytes() == picture._repr_png_()
    with pytest.raises(
        UserError, match=r"track.txt: a picture's name must end in .png, .svg, .pdf"
    ):
        picture.save("track.txt")
    with pytest.raises(UserError, match="path=s3://b/x.png: must be on a disk"):
        picture.save("s3://b/x.png")
    with pytest.raises(UserError, match="21 recordings: a picture holds 20 at most"):
        predictor.plot(([noise(1000)] * 21, RATE))


def test_pages_and_pictures_need_means(small_recognizer, predictor, tmp_path):
    folder = made_predictors.save(tmp_path / "p", predictor.recognizer.digest, pooling="std")
    other = emoasr.load_predictor(folder, small_recognizer)
    for draw in (other.plot, lambda x: other.page(x, tmp_path / "p.html")):
        with pytest.raises(UserError, match="pooled by std"):
            draw((noise(9000), RATE))
    with pytest.raises(UserError, match="501 recordings: a page holds 500 at most"):
        predictor.page(["a.wav"] * 501, tmp_path / "p.html")
    with pytest.raises(UserError, match="path=.*: is a folder"):
        predictor.page([], tmp_path)
    assert not (tmp_path / "p.html").exists()


def test_the_means_of_a_tracks_scores_make_the_probabilities(predictor, small_recognizer, tmp_path):
    digest = predictor.recognizer.digest
    folder = made_predictors.save(tmp_path / "p", digest, targets=("arousal", "mood"))
    of_classes = emoasr.load_predictor(folder, small_recognizer)
    waves = [noise(9000), noise(40_000, 1)]
    track = of_classes.track((waves, RATE))
    names = ["mood_angry", "mood_calm", "mood_glad"]
    assert list(track) == ["input", "time", "arousal", *names]
    scores = np.exp(track.groupby("input")[names].mean().to_numpy(np.float64))
    table = of_classes.predict((waves, RATE))
    expected = scores / scores.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(table[names], expected, atol=1e-4)
    assert table["mood"].tolist() == [names[i].removeprefix("mood_") for i in expected.argmax(1)]
