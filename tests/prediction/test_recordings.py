"""What a page shows of recordings of any length."""

import numpy as np
import pytest

from emoasr.asr.frontend import FrontEndConfig
from emoasr.audio import chunks
from emoasr.prediction import recordings


@pytest.mark.parametrize("n", [1, 511, 512, 4096, 70_001])
def test_a_waveform_has_each_columns_extremes(monkeypatch, n):
    monkeypatch.setattr(recordings, "_POINTS", 100)
    wave = np.random.default_rng(0).normal(0, 0.1, n).astype(np.float32)
    parts = chunks.of_array(wave, 1000, 0, 512)
    (low, high), found = recordings.waveform(parts, 512, n)
    assert found == n and len(low) == len(high) <= 100
    width = -(-n // 100)
    columns = [wave[i : i + width] for i in range(0, n, width)]
    loudest = np.abs(wave).max()
    np.testing.assert_allclose(low, [127 * c.min() / loudest for c in columns], atol=0.51)
    np.testing.assert_allclose(high, [127 * c.max() / loudest for c in columns], atol=0.51)


def test_silence_is_a_flat_line():
    parts = chunks.of_array(np.zeros(3000, np.float32), 1000, 0, 512)
    (low, high), _ = recordings.waveform(parts, 512, 3000)
    assert {*low, *high} == {0}


@pytest.mark.parametrize("n", [1, 100, 101, 999])
def test_a_long_course_is_means_and_its_level_the_mean(monkeypatch, n):
    monkeypatch.setattr(recordings, "_POINTS", 100)
    track = np.random.default_rng(0).normal(3, 1, (n, 2)).astype(np.float32)
    found = recordings.course(track, FrontEndConfig())
    width = -(-n // 100)
    assert found["step"] == pytest.approx(width * 0.032)
    assert len(found["courses"][0]) == -(-n // width) <= 100
    assert found["courses"][1][0] == pytest.approx(track[:width, 1].mean(), abs=1e-4)
    np.testing.assert_allclose(found["levels"], track.mean(axis=0), atol=1e-4)
    assert bool(found["thinned"]) == (width > 1)


def test_smoothing_is_a_moving_mean():
    track = np.arange(10.0)[:, None] ** 2
    np.testing.assert_array_equal(recordings.smoothed(track, 0), track)
    found = recordings.smoothed(track, 4)[:, 0]
    assert found[0] == np.mean([0, 1, 4]) and found[5] == np.mean([9, 16, 25, 36, 49])


class Waves:
    """Arrays of some lengths, in seconds, as a source."""

    def __init__(self, *seconds):
        self.waves = [np.ones(16000 * s, np.float32) / 2 for s in seconds]

    def n_samples(self, i):
        return len(self.waves[i])

    def samples(self, i):
        return self.waves[i]

    def chunks(self, i, size, context, hop):
        return chunks.of_array(self.waves[i], size, context, hop)


def test_short_sound_lies_within_the_page_as_far_as_there_is_room(monkeypatch, tmp_path):
    monkeypatch.setattr(recordings, "WITHIN", 3.0)
    monkeypatch.setattr(recordings, "WITHIN_ALL", 5.0)
    sounds = recordings.Sounds(Waves(3, 4, 2, 1), FrontEndConfig(), tmp_path / "pages" / "p.html")
    kinds = [sounds(i, str(tmp_path / "a#b c.wav"), 0.0)["sound"]["kind"] for i in range(4)]
    assert kinds == ["within", "beside", "within", "beside"]
    beside = sounds(1, str(tmp_path / "a#b c.wav"), 7.0)["sound"]
    assert beside["url"] == "./../a%23b%20c.wav" and beside["from"] == 7.0
    for file in (None, "s3://bucket/a.wav"):
        assert sounds(1, file, 0.0)["sound"]["kind"] == "none"


@pytest.mark.parametrize(
    ("names", "short"),
    [
        ([], []),
        (["a.wav"], ["a.wav"]),
        (["/work/x/a.wav"], ["a.wav"]),
        (["/work/x/a.wav", "/tmp/h/q.wav"], ["/work/x/a.wav", "/tmp/h/q.wav"]),
        (["a/b/a/x.wav", "a/y.wav"], ["b/a/x.wav", "y.wav"]),
        (["s3://b/x.wav", "s3://c/x.wav"], ["s3://b/x.wav", "s3://c/x.wav"]),
        (["s3://b/x.wav", "s3://b/y.wav"], ["x.wav", "y.wav"]),
        (["a/x.wav from 1 s to 2 s", "a/b/y.wav"], ["x.wav from 1 s to 2 s", "b/y.wav"]),
        (["input 0", "input 1"], ["input 0", "input 1"]),
    ],
)
def test_names_lose_the_folder_that_all_are_in_and_nothing_else(names, short):
    assert recordings.without_folder(names) == short


def test_what_a_point_hears_is_said():
    said = recordings.hears(FrontEndConfig(), 279, weighted=False)
    assert "a frame of 32 ms" in said and "279 frames (8.9 s) to either side" in said
    assert recordings.hears(FrontEndConfig(), 279, weighted=True).startswith(f"{said} Frames are")
