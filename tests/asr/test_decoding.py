"""Beam search: against brute force, in batches, with a language model."""

import collections
import itertools

import hypothesis
import hypothesis.strategies as st
import numpy as np

from emoasr.asr import decoding, language_model, text
from emoasr.asr.text import BLANK, SYMBOLS

SPACE, A, B = 0, 1, 2  # classes of a space, a and b
MODEL = language_model.fit(["ab abba", "baa ab", "a bab"] * 3, order=3, min_count=2)


def posteriors(seed, n_frames, classes=(SPACE, A, B, BLANK)):
    """Random scores of a few classes, some of them nearly certain, as a recognizer's are."""
    random = np.random.default_rng(seed)
    scores_TV = np.zeros((n_frames, BLANK + 1), np.float32)
    scores_TV[:, classes] = random.dirichlet(random.choice([0.1, 0.5, 2], len(classes)), n_frames)
    return scores_TV


def all_scores(scores_TV, model, weight, penalty):
    """The score of every text, by summing over every alignment: what beam search approximates."""
    totals = collections.Counter()
    classes = np.flatnonzero(scores_TV.any(axis=0))
    for path in itertools.product(classes, repeat=len(scores_TV)):
        symbols = [c for c, _ in itertools.groupby(path) if c != BLANK]
        probability = np.prod(scores_TV[np.arange(len(path)), path].astype(float))
        totals["".join(SYMBOLS[c] for c in symbols)] += probability * penalty ** path.count(BLANK)
    if model:
        for spelt in totals:
            state, total = model.start, 0.0
            for symbol in map(SYMBOLS.index, spelt):
                total += float(model.log_prob_SV[state, symbol])
                state = model.next_SV[state, symbol]
            totals[spelt] *= np.exp(weight * total)
    return totals


@hypothesis.settings(max_examples=60)
@hypothesis.given(
    seeds=st.lists(st.integers(0, 10**6), min_size=1, max_size=3),
    n_frames=st.integers(1, 5),
    model=st.sampled_from([None, MODEL]),
    weight=st.sampled_from([0.3, 1.0, 2.0]),
)
def test_with_a_beam_of_all_prefixes_it_finds_the_text_with_the_highest_score(
    seeds, n_frames, model, weight
):
    scores_BTV = np.stack([posteriors(seed, n_frames) for seed in seeds])
    penalty = decoding._BLANK_FACTOR if model else 1.0
    found = decoding.BeamSearch(4**n_frames, model, weight)(scores_BTV)
    for scores_TV, (spelt, frames) in zip(scores_BTV, found, strict=True):
        totals = all_scores(scores_TV, model, weight, penalty)
        best = max(totals.values())
        likely = {t.strip() for t, total in totals.items() if total >= best * (1 - 1e-9)}
        assert spelt in likely
        assert len(frames) == len(spelt) and frames == sorted(set(frames))
        assert all(scores_TV[t, SYMBOLS.index(c)] > 0 for t, c in zip(frames, spelt, strict=True))


@hypothesis.settings(max_examples=30)
@hypothesis.given(seed=st.integers(0, 10**6), size=st.integers(1, 30))
def test_an_utterance_is_decoded_alone_as_in_any_batch(seed, size):
    search = decoding.BeamSearch(size, MODEL)
    utterances = [posteriors(seed + i, 3 + 4 * i, range(BLANK + 1)) for i in range(4)]
    batch_BTV = np.zeros((4, 15, BLANK + 1), np.float32)
    batch_BTV[..., BLANK] = 1
    for i, scores_TV in enumerate(utterances):
        batch_BTV[i, : len(scores_TV)] = scores_TV
    assert search(batch_BTV) == [search(scores_TV[None])[0] for scores_TV in utterances]


def test_a_beam_of_one_prefix_and_no_frames_at_all():
    scores_BTV = np.zeros((2, 3, BLANK + 1))
    scores_BTV[:, [0, 2], A] = scores_BTV[:, 1, BLANK] = 1
    assert decoding.BeamSearch(1, None)(scores_BTV) == [("aa", [0, 2])] * 2
    assert decoding.BeamSearch(5, None)(scores_BTV[:, :0]) == [("", [])] * 2
    assert decoding.BeamSearch(5, None)(scores_BTV[:0]) == []


def test_beam_search_prefers_many_paths_to_the_best_one():
    # "a" has .64 in all, the single best path, two blanks, only .36
    scores_TV = np.zeros((2, BLANK + 1), np.float32)
    scores_TV[:, [A, BLANK]] = (0.4, 0.6)
    assert decoding.greedy(scores_TV.argmax(1)) == ("", [])
    assert decoding.BeamSearch(10, None)(scores_TV[None])[0][0] == "a"


def test_thousands_of_frames_do_not_underflow():
    scores_TV = np.tile(posteriors(0, 10, range(BLANK + 1)), (400, 1))
    (found,) = decoding.BeamSearch(4, MODEL)(scores_TV[None])
    assert len(found[0]) > 500
    assert set(found[0]) <= set(text.SYMBOLS)
