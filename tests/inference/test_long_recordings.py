"""Long utterances: chunks hold every sample, and give what the whole would give."""

import audformat
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

import emoasr
from emoasr.audio import chunks, decoder, reading
from emoasr.corpora import Corpus
from emoasr.inference import planning, runner
from emoasr.inference.frames import FrameFunction
from emoasr.inference.pooling import POOLINGS, Pooler
from emoasr.inference.symbol_scores import SymbolScores

HOP = 512


class OneArray:
    """A source of one utterance in memory."""

    def __init__(self, wave_N):
        self._wave_N = wave_N

    def __len__(self):
        return 1

    def n_samples(self, i):
        return len(self._wave_N)

    def samples(self, i):
        return self._wave_N

    def chunks(self, i, size, context, hop):
        return chunks.of_array(self._wave_N, size, context, hop)


def results(source, function, batch_frames):
    plan = planning.make_plan(source, function.frontend, batch_frames)
    (result,) = runner.run(plan, function)
    assert result.indices.tolist() == [0] and not result.failed and not plan.unreadable
    return result.arrays, bool(plan.long)


@pytest.fixture(scope="module")
def speechlike():
    """300 s that begin loud and go on at very different levels, some far below the first."""
    random = np.random.default_rng(0)
    level = np.repeat(10.0 ** random.uniform(-5, 0, 100), 48000)
    tone = np.sin(np.cumsum(np.repeat(random.uniform(0.02, 1.0, 600), 8000)))
    return (0.3 * level * (tone + 0.1 * random.normal(size=len(level)))).astype(np.float32)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_chunks_give_what_the_whole_gives(speechlike, pooling):
    recognizer = emoasr.load_recognizer()
    frontend = recognizer.config.frontend
    wave_N = speechlike[: 280 * 16000 + 77]

    def pooler():
        return Pooler({"neural": recognizer.model}, frontend, "gate", pooling, with_mfcc=True)

    whole, cut_whole = results(OneArray(wave_N), pooler(), 10_000)
    cut, cut_cut = results(OneArray(wave_N), pooler(), 4096)
    assert not cut_whole and cut_cut
    np.testing.assert_allclose(cut["neural"], whole["neural"], atol=1e-4)
    np.testing.assert_allclose(cut["mfcc"], whole["mfcc"], rtol=1e-4, atol=1e-3)


def test_transcripts_of_chunks_are_those_of_the_whole(speechlike):
    recognizer = emoasr.load_recognizer()
    source = OneArray(speechlike[: 200 * 16000])
    listener = FrameFunction(recognizer.model, recognizer.config.frontend, SymbolScores())
    whole, _ = results(source, listener, 10_000)
    cut, was_cut = results(source, listener, 4096)
    n_frames = recognizer.config.frontend.n_frames(200 * 16000)
    assert was_cut and cut["values"].shape[1] == cut["frames"][0] == n_frames
    np.testing.assert_allclose(cut["values"], whole["values"][:, :n_frames], atol=1e-4)


@given(st.integers(1, 5000), st.integers(1, 900), st.integers(0, 300), st.integers(1, 64))
def test_chunks_partition_the_frames(n, size, context, hop):
    wave_N = np.arange(n, dtype=np.float32)
    frames, last = [], False
    for chunk in chunks.of_array(wave_N, size, context, hop):
        assert not last and len(chunk.wave_N) <= chunk.length
        n_frames = 1 + len(chunk.wave_N) // hop
        last = chunk.stop is None
        stop = n_frames if chunk.stop is None else min(chunk.stop, n_frames)
        begin = int(chunk.wave_N[0]) // hop
        assert chunk.wave_N[0] % hop == 0
        assert begin == 0 or chunk.first * hop >= context
        assert (
            last
            or (stop - 1) * hop + context <= len(chunk.wave_N) + hop
            or (chunk.wave_N[-1] == n - 1)
        )
        frames += range(begin + chunk.first, begin + stop)
    assert last and frames == list(range(1 + n // hop))


@pytest.mark.parametrize(
    ("name", "rate", "channels", "segment"),
    [
        ("a.wav", 16000, 1, (0.0, None)),
        ("b.wav", 44100, 2, (1.2345, 9.8)),
        ("c.flac", 48000, 1, (0.5, None)),
        ("d.ogg", 22050, 1, (0.7, None)),
        ("e.mp3", 44100, 1, (0.0, 8.0)),
        ("f.wav", 8000, 1, (0.0, None)),
    ],
)
def test_chunks_of_a_file_are_parts_of_what_read_gives(tmp_path, name, rate, channels, segment):
    random = np.random.default_rng(1)
    y = np.cumsum(random.normal(size=(10 * rate + 123, channels)), axis=0)
    soundfile.write(tmp_path / name, 0.5 * np.sin(y / 20), rate)
    part = reading.Segment(tmp_path / name, *segment)
    whole_N = reading.read(part)
    end = 0
    for chunk in chunks.of_file(part, 40_000, 6_000, HOP, 16000):
        edge = 1500  # samples at a chunk's ends in which a resampler's filter is at work
        begin = end - chunk.first * HOP
        inner = slice(edge if begin else 0, len(chunk.wave_N) - edge)
        np.testing.assert_allclose(chunk.wave_N[inner], whole_N[begin:][inner], atol=2e-6)
        if chunk.stop is None:
            assert begin + len(chunk.wave_N) == len(whole_N)
            return
        end = begin + chunk.stop * HOP
    pytest.fail("no last chunk")


def test_a_long_file_cut_short_is_reported(tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "SHORTEST_CHUNK", 64)
    monkeypatch.setattr(decoder, "BLOCK", 20_000)
    path = tmp_path / "long.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).normal(size=100_000), 16000)
    index = audformat.filewise_index(["long.wav"])
    corpus = Corpus("c", tmp_path, pd.DataFrame(index=index))
    promised = reading.n_samples(reading.Segment(path))
    monkeypatch.setattr(reading, "span", lambda file, segment: (0, promised + 60_000))
    recognizer = emoasr.load_recognizer()
    pooler = Pooler({"neural": recognizer.model}, recognizer.config.frontend, "gate", "mean")
    (result,) = runner.run(planning.make_plan(corpus, pooler.frontend, 64), pooler)
    assert not len(result.indices) and not result.arrays
    assert "cut short" in result.failed[0]
