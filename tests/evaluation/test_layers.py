import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder

from emoasr.errors import UserError
from emoasr.evaluation import evaluate, layers
from emoasr.evaluation.correlation import pearson_maps
from emoasr.inference.columns import unit_names


def test_layers_can_be_compared_as_feature_sets():
    table, labels = evaluated.layered_corpus()
    settings = run_folder.settings(layers={"first": (0,), "last": (-1,)})
    found = evaluate.evaluate({"neural": table}, labels, settings)
    assert [r["feature_set"] for r in found.rows[:4]] == ["first", "last", "neural", "mean"]
    by_hand = evaluate.evaluate({"first": table.iloc[:, :4]}, labels, run_folder.settings())
    assert found.rows[0] == by_hand.rows[0]


def test_layers_of_means_and_deviations_have_both():
    table, labels = evaluated.layered_corpus()
    both = pd.concat([table, table**2], axis=1).set_axis(unit_names(3, 4, "mean+std"), axis=1)
    found = layers.subsets({"neural": both}, {"middle": (1,)})["middle"]
    units = [f"layer01.unit00{i}" for i in range(4)]
    assert list(found) == [f"{u}.{how}" for how in ("mean", "std") for u in units]
    of_both, of_means = (pearson_maps(t, labels, "arousal") for t in (both, table))
    np.testing.assert_array_equal(of_both.r, of_means.r)
    with pytest.raises(UserError, match="'neural': its columns are not layer00"):
        layers.layout(both.columns[::-1])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"first": (7,)}, r"config.eval.layers.first=\(7,\).*from 0 to 2"),
        ({"first": ()}, "config.eval.layers.first"),
        ({"neural": (0,)}, "config.eval.layers.neural: another feature set"),
    ],
)
def test_layers_that_cannot_be_are_named(asked, message):
    table, labels = evaluated.layered_corpus()
    with pytest.raises(UserError, match=message):
        evaluate.evaluate({"neural": table}, labels, run_folder.settings(layers=asked))
