import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from emoasr import decoding, text


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
    assert decoding.greedy(path) == text.normalise(words)


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
