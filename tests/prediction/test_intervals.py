import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoasr.prediction import intervals


def by_hand(of_folds_F, errors, folds, speakers):
    """The definition, utterance by utterance."""
    n_speakers = len(set(speakers))
    weights = [1 / ((n_speakers + 1) * speakers.count(s)) for s in speakers]

    def quantile(values):
        total = 0.0
        for value, weight in sorted(zip(values, weights, strict=True)):
            total += weight
            if total >= 0.9 - 1e-9:
                return value
        return np.inf

    pairs = [(of_folds_F[f], e) for f, e in zip(folds, errors, strict=True)]
    return -quantile([e - p for p, e in pairs]), quantile([p + e for p, e in pairs])


@given(st.integers(0, 2**32 - 1), st.integers(1, 25), st.integers(1, 4))
def test_bounds_are_those_of_the_definition(seed, n_speakers, most_each):
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, most_each + 1, n_speakers)
    speakers = np.repeat(np.arange(n_speakers), counts)
    folds = speakers % max(n_speakers // 2, 1)  # several speakers share a fold
    errors = rng.exponential(1, len(speakers))
    of_folds = rng.normal(3, 1, (3, folds.max() + 1))
    low, high = intervals.bounds(of_folds, errors, folds, speakers)
    for row, pair in zip(of_folds, zip(low, high, strict=True), strict=True):
        expected = by_hand(row, errors.tolist(), folds.tolist(), speakers.tolist())
        np.testing.assert_allclose(pair, expected)
        assert np.isinf(pair).all() == (n_speakers < 9)


@pytest.mark.parametrize("rows", [0, 1, 257])
def test_any_number_of_inputs(rows):
    speakers = np.arange(12)
    low, high = intervals.bounds(np.zeros((rows, 12)), np.ones(12), speakers, speakers)
    assert low.tolist() == [-1.0] * rows and high.tolist() == [1.0] * rows


def test_new_speakers_ratings_are_covered():
    """Speakers differ from each other by more than a speaker's utterances do."""
    rng = np.random.default_rng(0)
    covered = []
    for _ in range(300):
        speakers = np.repeat(np.arange(20), 10)
        truth = np.repeat(rng.normal(0, 1, 21), 10) + rng.normal(0, 0.3, 210)
        known, new = truth[:200], truth[200:]
        means = np.array([known[speakers != s].mean() for s in range(20)])  # the model: a mean
        errors = np.abs(known - means[speakers])
        low, high = intervals.bounds(means[None], errors, speakers, speakers)
        covered.append(np.mean((new >= low) & (new <= high)))
    assert 0.87 < np.mean(covered) < 0.97
