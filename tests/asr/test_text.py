import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from emoasr.asr import decoding, text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("WE CALL IT BEAR", "we call it bear"),
        ("Don't  \t stop -- `me'!", "dont stop me"),
        ("well-known ^_ café", "well known cafe"),
        ("...", ""),
    ],
)
def test_normalise(written, expected):
    assert text.normalise(written) == expected


def test_the_vocabulary_is_the_originals():
    assert text.encode("a z").tolist() == [1, 0, 26]
    assert text.BLANK == 27


@hypothesis.given(st.text(alphabet=text.SYMBOLS, max_size=30))
def test_greedy_decoding_inverts_a_path_with_blanks(words):
    classes = text.encode(words)
    path = np.array([c for cls in classes for c in (cls, cls, text.BLANK)], int)
    found, frames = decoding.greedy(path)
    assert found == text.normalise(words)
    assert frames == list(range(0, len(path), 3))


def test_times_are_where_a_character_begins_and_spaces_at_the_ends_go():
    blank, a, b, space = text.BLANK, 1, 2, 0
    path = np.array([space, a, a, blank, a, b, space, space, blank])
    assert decoding.greedy(path) == ("aab", [1, 4, 5])


@hypothesis.given(st.text(max_size=30))
def test_normalising_twice_is_normalising_once(written):
    once = text.normalise(written)
    assert set(once) <= set(text.SYMBOLS)
    assert text.normalise(once) == once


def test_frames_needed_counts_a_blank_between_equal_neighbours():
    assert text.frames_needed(text.encode("hello")) == 6
    assert text.frames_needed(text.encode("")) == 0


def test_error_rates():
    assert text.error_rates(["ab cd", "ef"], ["ab xd", "ef"]) == {"cer": 1 / 7, "wer": 1 / 3}
