import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.evaluation import evaluate, leaks

NUMBERS = st.floats(0.01, 100) | st.floats(-100, -0.01)


def made(n=40, n_features=30, seed=0):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(rng.standard_normal((n, n_features)).astype(np.float32)).add_prefix("f")
    labels = pd.DataFrame({"rating": rng.integers(2, 11, n) / 2, "age": rng.integers(20, 60, n)})
    return table, labels.assign(kind=np.array(["a", "b", "c"])[rng.integers(0, 3, n)])


@given(
    slope=NUMBERS,
    offset=st.floats(-100, 100),
    label=st.sampled_from(["rating", "age"]),
    dtype=st.sampled_from([np.float32, np.float64]),
    missing=st.integers(0, 20),
    seed=st.integers(0, 1000),
)
def test_a_line_of_a_label_is_refused(slope, offset, label, dtype, missing, seed):
    table, labels = made(seed=seed)
    table["f7"] = (slope * labels[label] + offset).astype(dtype)
    labels[label] = labels[label].where(np.arange(len(labels)) >= missing)
    with pytest.raises(UserError, match=f"feature set 'x': column 'f7' is the label '{label}'"):
        leaks.check({"x": table}, labels)


def test_three_decimals_of_a_standardised_label_are_refused():
    table, labels = made(n=500)
    rating = labels["rating"]
    table["f3"] = ((rating - rating.mean()) / rating.std()).round(3)
    with pytest.raises(UserError, match="column 'f3' is the label 'rating'"):
        leaks.check({"x": table}, labels)


@given(code=st.permutations(range(3)), of_class=st.integers(0, 2), one_hot=st.booleans())
def test_a_code_of_the_classes_is_refused(code, of_class, one_hot):
    table, labels = made()
    values = dict(zip("abc", code, strict=True))
    table["f9"] = labels["kind"].map(
        lambda k: float(values[k] == of_class if one_hot else values[k])
    )
    with pytest.raises(UserError, match="column 'f9' is the label 'kind'"):
        leaks.check({"x": table}, labels)


@given(n=st.integers(3, 30), seed=st.integers(0, 10_000), discrete=st.booleans())
def test_features_that_are_no_label_are_let_through(n, seed, discrete):
    table, labels = made(n, 300, seed)
    if discrete:  # counts, mostly zero, as of units that are rarely active
        table = (table > 1.5).astype(np.float32)
    labels["rating"] += 0.5 * table["f0"]
    leaks.check({"x": table}, labels)


@pytest.mark.parametrize("n_others", [1, 4])
def test_a_label_that_hardly_varies_says_nothing(n_others):
    table, labels = made()
    rare = np.arange(len(labels)) < n_others
    leaks.check({"x": table.assign(unit=rare * 1.0)}, labels.assign(odd=rare * 1.0))


def test_an_evaluation_is_refused_before_it_computes():
    table, labels = run_folder.corpus()
    labels["annotator"] = 6 - labels["valence"]
    table["score"] = labels["annotator"] / 4
    with pytest.raises(UserError, match="column 'score' is the label 'valence'"):
        evaluate.evaluate({"x": table}, labels, run_folder.settings(targets=("arousal",)))
