import dataclasses
import json

import numpy as np
import pandas as pd
import pytest

from emoasr.evaluation import traits
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.early_late import Contrasts

N, EACH = 12, 5  # speakers; utterances of each


def contrasts(values):
    values = np.asarray(values)
    names = tuple(f"s{i:02d}" for i in range(len(values)))
    n = np.full(len(values), EACH)
    return Contrasts("neural", ("arousal",), names, n, values[:, None], np.ones((N, 1)), values)


def made(**columns):
    """A dataset, and labels with these columns, each a value a speaker."""
    index = pd.Index([f"{i}.wav" for i in range(N * EACH)], name="file")
    speaker = np.repeat([f"s{i:02d}" for i in range(N)], EACH)
    rng = np.random.default_rng(0)
    ratings = pd.DataFrame({"arousal": rng.uniform(1, 5, len(index))}, index)
    egemaps = pd.DataFrame(
        rng.uniform(size=(len(index), 2)), index, ["loudnessPeaksPerSec", "loudness_sma3_amean"]
    )
    groups = pd.DataFrame({"speaker": speaker}, index)
    labels = pd.DataFrame({k: np.repeat(np.array(v), EACH) for k, v in columns.items()}, index)
    return Dataset({"egemaps": egemaps}, ratings, groups, ()), labels


def test_a_trait_that_goes_with_it_is_found_and_others_are_not():
    values = np.linspace(0, 1, N)
    sex = ["f", "m"] * (N // 2)
    dataset, labels = made(age=values**3, Sex=sex, language=["a", "b", "c"] * 4)
    known = traits.of_speakers(dataset, labels)
    found = {r["trait"]: r for r in traits.associations(contrasts(values), known)}
    assert found.keys() == {
        "age", "sex m", "language a", "language b", "language c", "speaking rate", "loudness",
        "spread of the ratings",
    }  # fmt: skip
    assert found["age"]["rho"] == pytest.approx(1) and found["age"]["p_corrected"] < 0.01
    assert all(r["p_corrected"] > 0.05 for name, r in found.items() if name != "age")
    assert all(r["p"] <= r["p_corrected"] for r in found.values())


def test_unrelated_traits_are_seldom_significant_after_correction(monkeypatch):
    monkeypatch.setattr(traits, "_EXCHANGES", 499)
    dataset, labels = made(age=np.arange(N), sex=["f", "m"] * 6, cer=np.arange(N)[::-1] ** 2 % 7)
    known = traits.of_speakers(dataset, labels)
    rng = np.random.default_rng(1)
    least = [
        min(r["p_corrected"] for r in traits.associations(contrasts(v), known))
        for v in rng.standard_normal((25, N))
    ]
    assert np.mean(np.array(least) < 0.05) <= 0.16


def test_the_recognizers_error_may_be_a_feature_set():
    """A corpus whose labels are published takes no further column."""
    dataset, labels = made()
    cer = pd.DataFrame({"cer": np.repeat(np.arange(N) / N, EACH)}, labels.index)[::-1]
    known = traits.of_speakers(dataclasses.replace(dataset, tables={"errors": cer}), labels)
    assert known.shared["character error rate"].tolist() == list(np.arange(N) / N)


def test_what_is_not_at_hand_is_named():
    dataset, labels = made(sex=["f"] * N)
    without = Dataset({}, dataset.ratings, dataset.groups, ())
    assert traits.of_speakers(without, labels).missing == [
        "sex: one for all",
        "language: the labels have no column language",
        "the recognizer's error: neither the labels nor a feature set have numbers in a column cer "
        "or wer",
        "speaking rate: there is no feature set egemaps with loudnessPeaksPerSec",
        "loudness: there is no feature set egemaps with loudness_sma3_amean",
        "reliability of ratings: the labels have no column arousal_ratings",
        "utterances: the same for all speakers, or known of fewer than 4",
    ]


def test_unknown_values_are_no_numbers():
    age = np.where(np.arange(N) < 6, np.nan, np.arange(N))
    dataset, labels = made(age=age)
    known = traits.of_speakers(dataset, labels)
    found = {r["trait"]: r for r in traits.associations(contrasts(np.arange(N)), known)}
    assert found["age"]["n_speakers"] == 6 and 0 < found["age"]["rho"] <= 1


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ([{"a": 1, "b": 1}, {"a": 5, "b": 5}], 1.0),
        ([{"E1": 1, "E2": 2, "F1": 5}, {"E1": 4, "E2": 5, "M3": 1}], 0.944),
        ([{"a": 3}, {"a": 4}], None),  # one rater
        ([{"a": 3, "b": 3}, {"a": 3, "b": 3}], None),  # all alike
        ([[1, 2], {"a": "high"}], None),
    ],
)
def test_reliability_is_that_of_mean_ratings(cells, expected):
    found = traits.reliability(pd.Series([*map(json.dumps, cells), "no JSON", None]))
    assert np.isnan(found) if expected is None else found == pytest.approx(expected, abs=1e-3)
