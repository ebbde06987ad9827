import evaluated
import pytest
import run_folder
from made_predictions import predicted
from scipy import stats

from emoasr.evaluation import evaluate
from emoasr.evaluation.comparison import wilcoxon


def test_wilcoxon_is_scipys_over_folds():
    a, b = (predicted(seed=seed)[10:] for seed in (0, 1))  # the first fold is smaller
    b["label"] = a["label"]
    errors = [((f.prediction - f.label) ** 2).groupby(f.fold).mean() for f in (a, b)]
    assert wilcoxon(a, b)["wilcoxon_p"] == stats.wilcoxon(*errors).pvalue
    assert wilcoxon(a, a)["wilcoxon_p"] is None
    assert wilcoxon(a, predicted(sessions=True))["wilcoxon_p"] is None


@pytest.mark.parametrize("unit", [1e-7, 1e-4, 1e6])
def test_the_test_does_not_depend_on_the_unit_of_a_rating(unit):
    a, b = predicted(seed=0), predicted(seed=1, offset=0.5)
    numbers = ["label", "prediction", "clipped"]
    other = wilcoxon(*(frame.assign(**frame[numbers] * unit) for frame in (a, b)))
    assert other == wilcoxon(a, b) and other["wilcoxon_p"] is not None


def test_differences_are_those_of_rows_and_each_pair_comes_once():
    table, labels = run_folder.corpus()
    tables = {"x": table, "y": table.iloc[:, 4:].add_prefix("y")}
    result = evaluate.evaluate(tables, labels, run_folder.settings())
    pairs = [(d["target"], d["a"], d["b"]) for d in result.differences]
    sets = [("x", "y"), ("x", "mean"), ("y", "mean")]
    assert pairs == [(t, *ab) for t in ("arousal", "valence") for ab in sets]
    d = result.differences[0]
    assert d["ccc"] == evaluated.row(result, "x")["ccc"] - evaluated.row(result, "y")["ccc"] > 0
    assert d["ccc_low"] < d["ccc"] < d["ccc_high"]
