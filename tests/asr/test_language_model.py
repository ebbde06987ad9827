"""The language model: its probabilities, and that transcripts are better for it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emoasr
from emoasr.asr import decoding, language_model
from emoasr.asr.text import BLANK, SYMBOLS
from emoasr.errors import UserError

TEXTS = ["the cat sat on the mat", "the dog sat on the log", "a cat and a dog", "that is that"] * 3


@pytest.fixture(scope="module")
def model():
    return language_model.fit(TEXTS, order=4, min_count=2)


def test_every_states_probabilities_add_up_to_one(model):
    np.testing.assert_allclose(np.exp(model.log_prob_SV).sum(axis=1), 1, atol=1e-5)
    assert model.next_SV.min() >= 0 and model.next_SV.max() < len(model.log_prob_SV)


@given(text=st.text(alphabet=SYMBOLS, max_size=12))
def test_the_automaton_is_the_longest_known_context(text):
    model = language_model.fit(TEXTS, order=4, min_count=2)
    known = [set(codes.tolist()) for codes in model.contexts]
    begin = np.cumsum([0, *map(len, model.contexts)])
    state, symbols = model.start, [0]
    for symbol in (SYMBOLS.index(c) for c in text):
        state = model.next_SV[state, symbol]
        symbols.append(symbol)
        codes = [sum(s * 27**i for i, s in enumerate(symbols[::-1][:n])) for n in range(4)]
        longest = max(n for n in range(min(4, len(symbols) + 1)) if codes[n] in known[n])
        assert state == begin[longest] + np.searchsorted(model.contexts[longest], codes[longest])


def test_counted_by_hand():
    """Witten-Bell for "ab": after "a" came "b" once, one type; p(b) = (1 + 1 * p0(b)) / 2."""
    model = language_model.fit(["ab"], order=2, min_count=1)
    p0 = (1 + 3 / 27) / (4 + 3)  # four symbols with the spaces, of three types
    after_a = model.next_SV[model.start, SYMBOLS.index("a")]
    probability = np.exp(model.log_prob_SV[after_a, SYMBOLS.index("b")])
    assert probability == pytest.approx((1 + p0) / 2, rel=1e-5)


@pytest.mark.parametrize("texts", [["a"], [""], ["ab", "ba"], ["it"] * 4])
def test_few_texts_give_shorter_contexts(texts):
    model = language_model.fit(texts, order=6, min_count=5)
    np.testing.assert_allclose(np.exp(model.log_prob_SV).sum(axis=1), 1, atol=1e-5)
    assert len(model.contexts) < 6


def test_without_texts_there_is_no_model():
    with pytest.raises(UserError, match="needs texts"):
        language_model.fit([])


def test_it_is_the_same_after_saving(model, tmp_path):
    language_model.save(model, tmp_path / "language.safetensors")
    read = language_model.load(tmp_path / "language.safetensors")
    np.testing.assert_array_equal(read.next_SV, model.next_SV)
    assert read.log_prob("the cat") == pytest.approx(model.log_prob("the cat"), abs=0.05)
    (tmp_path / "broken.safetensors").write_bytes(b"no model")
    with pytest.raises(UserError, match="broken.safetensors: not safetensors"):
        language_model.load(tmp_path / "broken.safetensors")


def test_it_decides_between_what_sounds_alike(model):
    """An even chance of "cat" and "cut" becomes "cat"; without the model either may be."""
    posteriors_TV = np.full((9, len(SYMBOLS) + 1), 1e-4)
    for frame, symbols in enumerate(["t", "h", "e", " ", "c", "au", "t", " ", ""]):
        for symbol in symbols:
            posteriors_TV[frame, SYMBOLS.index(symbol)] = 1 / len(symbols)
    posteriors_TV[8, BLANK] = 1
    posteriors_TV[5, SYMBOLS.index("u")] = 0.52
    posteriors_TV[5, SYMBOLS.index("a")] = 0.48
    assert decoding.BeamSearch(20, None)(posteriors_TV[None])[0][0] == "the cut"
    ((text, frames),) = decoding.BeamSearch(20, model)(posteriors_TV[None])
    assert text == "the cat" and frames == list(range(7))


def test_the_shipped_recognizer_errs_less_with_it(shared_data):
    import pandas as pd

    from emoasr.asr import text

    recognizer = emoasr.load_recognizer()
    rows = pd.read_csv(shared_data / "english" / "metadata.csv")
    rows = rows[(rows["split"] == "test") & ~rows["text"].str.contains(r"\d")][::60]
    files = [str(shared_data / "english" / file) for file in rows["file"]]
    true = [text.normalise(written) for written in rows["text"]]
    greedy, searched = (
        text.error_rates(true, recognizer.transcribe(files, size)["text"].tolist())
        for size in (1, 20)
    )
    assert searched["cer"] < greedy["cer"] and searched["wer"] < 0.9 * greedy["wer"]
