import warnings

import audmetric
import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from emoasr.evaluation import evaluate
from emoasr.evaluation.metrics import METRICS


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_a_linear_relation_is_found_and_noise_is_not():
    table, labels = run_folder.corpus(n_each=40)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=1))
    assert evaluated.row(result, "x")["ccc"] > 0.99
    assert evaluated.row(result, "x")["mse_mean"] < 0.01
    assert abs(evaluated.row(result, "x", "valence")["ccc"]) < 0.3
    assert set(evaluated.of(result.selected, "x")["feature"]) == {"f0"}


def test_a_row_has_the_fields_of_the_contract():
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    metrics = {"mse_variance", "mse_std", *METRICS}
    metrics |= {f"{key}_{side}" for key in METRICS for side in ("low", "high")}
    for r in result.rows:
        assert {*metrics, *(f"clipped_{key}" for key in metrics)} <= r.keys()
    assert {k: evaluated.row(result, "x")[k] for k in list(evaluated.row(result, "x"))[:12]} == {
        "feature_set": "x",
        "target": "arousal",
        "protocol": "leave-one-speaker-out",
        "partner": "in",
        "selection": "fold",
        "regressor": "linear",
        "n_features": 8,
        "n_selected": 5,
        "chosen_on": "train",
        "n_utterances": 48,
        "n_folds": 4,
        "n_speakers": 4,
    }
    assert [(r["feature_set"], r["target"]) for r in result.rows] == [
        ("x", "arousal"), ("mean", "arousal"), ("x", "valence"), ("mean", "valence"),
    ]  # fmt: skip


def test_metrics_equal_those_of_the_predictions():
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    for r in result.rows:
        p = evaluated.of(result.predictions, r["feature_set"], r["target"])
        for column, prefix in (("prediction", ""), ("clipped", "clipped_")):
            squares = (p[column] - p["label"]) ** 2
            folds = squares.groupby(p["fold"].to_numpy()).mean()
            assert r[f"{prefix}mse_mean"] == pytest.approx(folds.mean())
            assert r[f"{prefix}mse_variance"] == pytest.approx(folds.var(ddof=0))
            ccc = audmetric.concordance_cc(p["label"].to_numpy(), p[column].to_numpy())
            assert r[f"{prefix}ccc"] == pytest.approx(ccc)
            pearson = np.corrcoef(p["label"], p[column])[0, 1]
            assert r[f"{prefix}pearson"] == pytest.approx(pearson)


@pytest.fixture(scope="module")
def expected():
    table, labels = run_folder.corpus()
    return evaluate.evaluate({"x": table}, labels, run_folder.settings())


@hypothesis_settings(max_examples=10)
@given(random=st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(expected, random):
    table, labels = run_folder.corpus()
    order = list(range(len(table)))
    random.shuffle(order)
    shuffled = evaluate.evaluate({"x": table.iloc[order]}, labels[::-1], run_folder.settings())
    assert shuffled.rows == expected.rows
    pd.testing.assert_frame_equal(shuffled.predictions, expected.predictions)
    pd.testing.assert_frame_equal(shuffled.selected, expected.selected)


def test_what_is_undefined_is_none():
    table, labels = run_folder.corpus()
    labels["arousal"] = np.float32(3)
    result = evaluate.evaluate({"x": table * 0}, labels, run_folder.settings())
    assert evaluated.row(result, "x")["pearson"] is None
    assert evaluated.row(result, "mean")["ccc"] is None
    assert evaluated.row(result, "x")["mse_mean"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"regressor": "ridge", "n_selected": 0},
        {"protocol": "leave-one-session-out"},
        {"partner": "out"},
    ],
)
def test_a_sum_of_sets_is_their_columns_side_by_side(changes):
    x, labels = run_folder.corpus(n_speakers=6)
    y = (x[["f1", "f0"]] ** 2).add_prefix("square.")[3:]  # of fewer utterances
    settings = run_folder.settings(**changes)
    found = evaluate.evaluate({"y": y, "x": x}, labels, settings, sums={"x+y": ("x", "y")})
    by_hand = evaluate.evaluate({"x+y": pd.concat([x, y], axis=1)[3:]}, labels, settings)
    assert evaluated.row(found, "x+y") == evaluated.row(by_hand, "x+y")
    pairs = [(d["a"], d["b"]) for d in found.differences if d["target"] == "arousal"]
    assert ("x", "x+y") in pairs and ("y", "x+y") in pairs
    assert sum("no features in" in s["reason"] for s in found.skipped) == 3


def test_ablations_of_sums_and_sums_of_like_named_columns():
    x, labels = run_folder.corpus()
    settings = run_folder.settings(battery=True)
    found = evaluate.evaluate({"x": x, "y": -x}, labels, settings, sums={"x+y": ("x", "y")})
    names = set(evaluated.of(found.selected, "x+y")["feature"])
    assert "x.f0" in names or "y.f0" in names
    assert names <= {f"{s}.f{i}" for s in "xy" for i in range(8)}
    assert "x+y" in {r["feature_set"] for r in found.battery["rows"] if r["analysis"] == "controls"}
