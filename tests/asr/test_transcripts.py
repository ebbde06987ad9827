"""Words of transcripts, and the formats they are written in."""

import csv
import io
import itertools
import json
import re
import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emoasr
from emoasr.asr import decoding, transcript_files, transcripts
from emoasr.asr.text import BLANK, encode
from emoasr.asr.transcripts import Transcript, Word

LETTERS = st.text("abcxyz", min_size=1, max_size=12)
TIMES = st.lists(st.integers(0, 400_000_000), min_size=2, max_size=60, unique=True).map(sorted)


@st.composite
def spoken(draw):
    """Words in order, of any length, with any pauses, up to 111 hours in."""
    times = draw(TIMES)
    pairs = zip(times[::2], times[1::2], strict=False)
    sure = st.floats(0, 1).map(lambda x: round(x, 3))
    return [Word(draw(LETTERS), a / 1000, b / 1000, draw(sure)) for a, b in pairs]


def heard(path, each=2):
    """Scores that spell a text, each class of its path on some frames, with certainty .9."""
    frames = np.repeat(path, each)
    scores_TV = np.full((len(frames), BLANK + 1), 0.1 / BLANK)
    scores_TV[np.arange(len(frames)), frames] = 0.9
    return scores_TV


@given(text=st.lists(LETTERS, min_size=1, max_size=6).map(" ".join), beam=st.booleans())
def test_words_are_those_of_the_text_where_their_letters_are(text, beam):
    path = [c for symbol in encode(text) for c in (symbol, BLANK)]
    scores_TV = heard(path)
    decode = decoding.BeamSearch(20, None) if beam else decoding.Greedy()
    ((found, frames),) = decode(scores_TV[None])
    assert found == text
    result = transcripts.of(found, frames, scores_TV, 0.5 * np.arange(len(scores_TV) + 1))
    assert [word.word for word in result.words] == text.split()
    assert result.times == [2.0 * i for i in range(len(text))]
    begin = 0
    for word in result.words:
        assert (word.start, word.end) == (2.0 * begin, 2.0 * (begin + len(word.word)) - 1)
        assert word.confidence == pytest.approx(0.9, abs=1e-3)
        begin += len(word.word) + 1
    assert result.confidence == pytest.approx(0.9, abs=1e-3)


def test_nothing_heard_has_no_confidence_and_no_doubt():
    result = transcripts.of("", [], heard([BLANK]), 0.032 * np.arange(3))
    assert result.words == [] and np.isnan(result.confidence)
    assert transcripts.doubt(result.confidence) is None
    assert transcripts.doubt(1.0) is None
    assert "unlike the recognizer" in transcripts.doubt(0.01)


def test_many_unsure_transcripts_are_doubted_together():
    assert transcripts.doubt_of_all([0.6] * 19) is None
    assert transcripts.doubt_of_all([0.6] * 19 + [np.nan]) is None
    assert transcripts.doubt_of_all([0.65] * 30) is None
    assert "mean confidence of 20 transcripts 0.60" in transcripts.doubt_of_all([0.6] * 20)
    assert transcripts.doubt_of_all([]) is None


@given(words=spoken())
def test_subtitles_parsed_again_are_the_words_in_order(words):
    clock = r"(\d\d+):(\d\d):(\d\d),(\d{3})"
    said, last = [], -1.0
    for i, cue in enumerate(transcript_files.srt(words).split("\n\n"), 1):
        number, times, text = cue.strip("\n").split("\n")
        h, m, s, ms, h2, m2, s2, ms2 = map(
            int, re.fullmatch(f"{clock} --> {clock}", times).groups()
        )
        start, end = 3600 * h + 60 * m + s + ms / 1000, 3600 * h2 + 60 * m2 + s2 + ms2 / 1000
        assert int(number) == i and last <= start < end
        said += text.split()
        last = end
    assert said == [word.word for word in words]
    assert transcript_files.srt([]) == ""


@given(words=spoken(), more=st.floats(0, 5))
def test_a_textgrid_parsed_again_covers_the_recording_without_gaps(words, more):
    text = transcript_files.textgrid(words, words[-1].end + more)
    number = r"(\d+(?:\.\d+)?)"
    header = re.match(
        'File type = "ooTextFile"\nObject class = "TextGrid"\n\nxmin = 0\n'
        rf"xmax = {number}\ntiers\? <exists>\nsize = 1\n",
        text,
    )
    found = re.findall(
        rf'intervals \[\d+\]:\s+xmin = {number}\s+xmax = {number}\s+text = "([^"]*)"', text
    )
    assert int(re.search(r"intervals: size = (\d+)", text)[1]) == len(found)
    spans = [(float(a), float(b), said) for a, b, said in found]
    assert spans[0][0] == 0 and spans[-1][1] == float(header[1])
    assert all(a < b for a, b, _ in spans)
    assert all(x[1] == y[0] for x, y in itertools.pairwise(spans))
    assert [span for span in spans if span[2]] == [(w.start, w.end, w.word) for w in words]


@pytest.mark.parametrize("word", ['"', 'a"b', '""'])
def test_a_textgrids_quotes_are_doubled(word):
    text = transcript_files.textgrid([Word(word, 0.0, 1.0, 0.9)], 1.0)
    (said,) = re.findall(r'text = "(.*)"\n', text)
    assert said.replace('""', '"') == word and len(said) == len(word) + word.count('"')


def test_a_textgrid_of_silence_is_one_empty_interval():
    assert 'xmax = 1.500\n            text = ""' in transcript_files.textgrid([], 1.5)


@given(words=spoken())
def test_csv_and_json_parsed_again_are_the_words(words):
    result = Transcript(" ".join(w.word for w in words), [], 0.5, words)
    write = transcript_files.Writer("csv")
    rows = list(csv.DictReader(io.StringIO(write("a,b.wav", result, 9) + write("c", result, 9))))
    assert [row["file"] for row in rows] == ["a,b.wav"] * len(words) + ["c"] * len(words)
    assert [float(row["start"]) for row in rows] == 2 * [word.start for word in words]
    row = json.loads(transcript_files.Writer("json")("a", result, 9))
    assert row["words"] == [word._asdict() for word in words]
    silent = json.loads(transcript_files.Writer("json")("a", Transcript("", [], np.nan, []), 9))
    assert silent["confidence"] is None


def chords(seed):
    """Five seconds of struck chords of three notes, two a second."""
    random, half = np.random.default_rng(seed), np.arange(8000) / 16000
    beats = []
    for _ in range(10):
        notes = 220 * 2 ** (random.choice([0, 2, 4, 5, 7, 9, 11, 12, 14, 16], 3) / 12)
        tones = [np.sin(2 * np.pi * note * k * half) / k for note in notes for k in (1, 2, 3, 4)]
        beats.append(np.sum(tones, axis=0) * np.exp(-3 * half))
    return 0.05 * np.concatenate(beats)


def test_music_is_warned_of_and_noise_is_not_written_at_all():
    recognizer = emoasr.load_recognizer()
    with pytest.warns(UserWarning, match="sounds? unlike the recognizer's training speech"):
        recognizer.transcribe(([chords(seed) for seed in range(20)], 16000))
    noise = np.random.default_rng(0).normal(0, 0.1, 80_000)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        heard = recognizer.transcribe((noise, 16000), words=True)
    assert heard["text"][0] == "" and np.isnan(heard["confidence"][0])
