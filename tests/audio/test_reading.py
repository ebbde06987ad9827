import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from emoasr.audio import reading
from emoasr.audio.reading import AudioError, Segment

LOSSLESS = {"a.wav": {}, "a.flac": {}, "a.aiff": {}, "a.au": {}, "a.caf": {}}
LOSSY = {
    "a.ogg": {"format": "OGG", "subtype": "VORBIS"},
    "a.opus": {"format": "OGG", "subtype": "OPUS"},
    "a.mp3": {"format": "MP3"},
}
RATES = (8000, 11025, 16000, 22050, 24000, 32000, 44100, 48000)


def tone(seconds=1.0, rate=16000, hz=300.0):
    return (0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate)) / rate)).astype("f4")


def written(folder: Path, x, rate=16000, name="a.wav", **options) -> Path:
    soundfile.write(folder / name, x, rate, **options)
    return folder / name


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_every_format_gives_the_samples_that_were_written(tmp_path, name):
    x = tone()
    y = reading.read(Segment(written(tmp_path, x, name=name, **LOSSY.get(name, {}))))
    assert y.dtype == np.float32
    assert y.shape == x.shape
    # Opus colours and delays; the others keep the wave.
    tolerance = {"a.opus": 0.2, "a.ogg": 0.05, "a.mp3": 0.05}.get(name, 2**-15)
    assert np.abs(y - x)[1000:-1000].max() < tolerance


@pytest.mark.parametrize("rate", RATES)
def test_any_rate_keeps_pitch_level_and_duration(tmp_path, rate):
    y = reading.read(Segment(written(tmp_path, tone(rate=rate), rate)))
    assert len(y) == 16000
    assert np.abs(y - tone())[500:-500].max() < 1e-3


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rate=st.sampled_from((*RATES, 7999, 12000, 96000)), n=st.integers(7, 5000))
def test_n_samples_is_what_read_returns(tmp_path, rate, n):
    segment = Segment(written(tmp_path, np.full(n, 0.1), rate))
    assert reading.n_samples(segment) == len(reading.read(segment))
    assert reading.duration(segment) == n / rate


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from((*RATES, 12000)),
    wanted=st.sampled_from((8000, 16000, 22050)),
    antialias=st.booleans(),
    n=st.integers(7, 5000),
)
@example(rate=24000, wanted=22050, antialias=False, n=80)  # 73.5, of which soxr makes 74
@example(rate=24000, wanted=22050, antialias=False, n=240)  # 220.5, of which it makes 220
def test_n_samples_at_any_wanted_rate(tmp_path, rate, wanted, antialias, n):
    segment = Segment(written(tmp_path, np.full(n, 0.1), rate))
    y = reading.read(segment, wanted, antialias)
    assert reading.n_samples(segment, wanted, antialias) == len(y)
    assert abs(len(y) / wanted - n / rate) <= 1 / wanted


@pytest.mark.parametrize("rate", [16000, 32000, 48000])
def test_without_anti_aliasing_whole_multiples_are_picked(tmp_path, rate):
    x = np.random.default_rng(0).normal(0, 0.1, (rate, 2)).astype("f4")
    path = written(tmp_path, x, rate, subtype="FLOAT")
    picked = reading.read(Segment(path, 0.5), antialias=False)
    np.testing.assert_array_equal(picked, x.mean(axis=1)[rate // 2 :: rate // 16000])
    assert not np.shares_memory(reading.resample(x[:, 0], rate, antialias=False), x)


def test_without_anti_aliasing_other_rates_are_resampled(tmp_path):
    for rate in (8000, 44100):
        filtered = reading.resample(tone(rate=rate), rate)
        np.testing.assert_array_equal(
            reading.resample(tone(rate=rate), rate, 16000, False), filtered
        )


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rate=st.sampled_from(RATES),
    times=st.tuples(st.floats(0, 0.98), st.floats(0.01, 1.2)).filter(lambda t: t[1] > t[0] + 0.01),
)
def test_n_samples_of_segments(tmp_path, rate, times):
    segment = Segment(written(tmp_path, tone(1.15, rate), rate), *times)
    assert reading.n_samples(segment) == len(reading.read(segment))


@pytest.mark.parametrize("name", [*LOSSLESS, *LOSSY])
def test_segment_equals_slice_of_the_whole(tmp_path, name):
    x = np.random.default_rng(0).normal(0, 0.1, 48000).astype("f4")
    path = written(tmp_path, x, name=name, **LOSSY.get(name, {}))
    whole = reading.read(Segment(path))
    np.testing.assert_array_equal(reading.read(Segment(path, 1.0, 2.5)), whole[16000:40000])
    np.testing.assert_array_equal(reading.read(Segment(path, 0.5)), whole[8000:])


def test_channels_are_averaged(tmp_path):
    left, right, third = tone(hz=200), tone(hz=500), tone(hz=800)
    y = reading.read(Segment(written(tmp_path, np.stack([left, right, third], 1), subtype="FLOAT")))
    np.testing.assert_allclose(y, (left + right + third) / 3, atol=1e-6)


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("channels", [1, 2])
def test_file_and_array_go_one_way(tmp_path, rate, channels):
    x = np.random.default_rng(1).normal(0, 0.1, (rate // 2, channels)).astype("f4")
    path = written(tmp_path, x, rate, subtype="FLOAT")
    array = x[:, 0] if channels == 1 else x
    np.testing.assert_array_equal(reading.read(Segment(path)), reading.resample(array, rate))


def test_integer_full_scale_is_one(tmp_path):
    path = written(tmp_path, np.array([-32768, 16384, 0] * 10, np.int16))
    assert reading.read(Segment(path))[:3].tolist() == [-1.0, 0.5, 0.0]


def test_annotated_end_may_be_rounded_up(tmp_path):
    path = written(tmp_path, tone())
    assert len(reading.read(Segment(path, 0.5, 1.04))) == 8000
    with pytest.raises(AudioError, match="outside of the file"):
        reading.read(Segment(path, 0.5, 1.2))


@pytest.mark.parametrize(
    ("start", "end", "why"),
    [
        (2.0, None, "outside"), (1.0, 1.05, "outside"), (0.0, 5.0, "outside"),
        (0.5, 0.5, "empty"), (0.6, 0.5, "empty"), (0.5, 0.500001, "empty"),
        (-0.1, 0.5, "not a valid time range"), (math.nan, 0.5, "not a valid time range"),
        (0.1, math.nan, "not a valid time range"), (0.1, math.inf, "not a valid time range"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("function", [reading.read, reading.duration, reading.n_samples])
def test_bad_segments(tmp_path, function, start, end, why):
    path = written(tmp_path, tone())
    with pytest.raises(AudioError, match=why) as error:
        function(Segment(path, start, end))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def no_header_length(folder):
    path = written(folder, tone(), name="a.flac")
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0
    content[22:26] = bytes(4)
    path.write_bytes(content)
    return path


def bytes_in(name, content):
    def make(folder):
        (folder / name).write_bytes(content)
        return folder / name

    return make


BAD_FILES = {
    "no such file": lambda folder: folder / "missing.wav",
    "is a folder": lambda folder: folder,
    "no samples": lambda folder: written(folder, tone()[:0]),
    "not audio that libsndfile": bytes_in("a.wav", b"this is text"),
    "not audio that libsndfile can": bytes_in("a.wav", b""),
    "not audio that libsndfile can decode": bytes_in("a.raw", bytes(100)),
    "gives no length": no_header_length,
}


@pytest.mark.parametrize("why", BAD_FILES)
@pytest.mark.parametrize("function", [reading.read, reading.duration, reading.n_samples])
def test_bad_files(tmp_path, function, why):
    path = BAD_FILES[why](tmp_path)
    with pytest.raises(AudioError, match=why) as error:
        function(Segment(path))
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", ["a.flac", "a.mp3"])
def test_file_cut_short_is_told(tmp_path, name):
    x = np.random.default_rng(0).normal(0, 0.1, 32000)
    path = written(tmp_path, x, name=name, **LOSSY.get(name, {}))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(AudioError, match="cut short|not audio") as error:
        reading.read(Segment(path))
    assert str(path) in str(error.value)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_no_numbers(tmp_path, bad):
    x = tone()
    x[5] = bad
    path = written(tmp_path, x, subtype="FLOAT")
    with pytest.raises(AudioError, match=f"{path.name}: samples are NaN or infinite"):
        reading.read(Segment(path))
    with pytest.raises(AudioError, match="NaN or infinite"):
        reading.resample(x, 16000)


@pytest.mark.parametrize(
    ("x", "rate", "why"),
    [
        (np.zeros(10, np.int16), 16000, "int16"),
        (["a"], 16000, "floating point"),
        (np.zeros((2, 100)), 16000, "shape"),
        (np.zeros((9, 2, 2)), 16000, "shape"),
        (np.float32(0), 16000, "shape"),
        (np.zeros(0), 16000, "no samples"),
        (np.zeros((9, 0)), 16000, "no samples"),
        (np.zeros(1), 48000, "no samples"),
        (np.zeros(10), 0, "sampling rate"),
        (np.zeros(10), math.nan, "sampling rate"),
        (np.zeros(10), "16000", "sampling rate"),
    ],
)
def test_bad_arrays(x, rate, why):
    with pytest.raises(AudioError, match=why):
        reading.resample(x, rate)


def test_resample_leaves_its_input_alone():
    x = tone()
    kept = x.copy()
    y = reading.resample(x, 16000)
    np.testing.assert_array_equal(x, kept)
    np.testing.assert_array_equal(y, x)


def test_silence_is_valid_and_seen(tmp_path):
    y = reading.read(Segment(written(tmp_path, np.zeros(48000), 48000)))
    assert len(y) == 16000
    assert reading.is_silent(y)
    assert not reading.is_silent(np.array([0, 1e-9], np.float32))
