import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.evaluation import ablations, evaluate, layers
from emoasr.evaluation.correlation import pearson_maps
from emoasr.evaluation.dataset import prepare
from emoasr.evaluation.regression import predictor_configs
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


def networks(labels, **shapes):
    """Features of networks with so many layers of two units."""
    rng = np.random.default_rng(0)
    return {
        name.replace("_", "-"): pd.DataFrame(
            rng.normal(size=(len(labels), 2 * n)), labels.index, unit_names(n, 2)
        )
        for name, n in shapes.items()
    }


def test_subsets_of_each_recognizer_are_those_at_the_same_depth():
    table, labels = evaluated.layered_corpus()
    tables = {
        **networks(labels, neural=15, deep=25, twelve_1=13, tiny=5, random_tiny=5, random=15),
        "egemaps": table.add_prefix("x"),
    }
    wanted = {"first": (0, 1, 2), "last": (-3, -2, -1), "middle": (7,)}
    found = layers.subsets(tables, wanted)
    taken = {
        name: sorted({int(column[5:7]) for column in subset}) for name, subset in found.items()
    }
    assert taken == {
        "first": [0, 1, 2], "deep.first": [0, 1, 2, 3, 4], "twelve-1.first": [0, 1, 2],
        "tiny.first": [0], "last": [12, 13, 14], "deep.last": [20, 21, 22, 23, 24],
        "twelve-1.last": [10, 11, 12], "tiny.last": [4], "middle": [7], "deep.middle": [12],
        "twelve-1.middle": [6], "tiny.middle": [2],
    }  # fmt: skip
    assert all(layers.is_subset(name, tables, wanted) for name in found)
    assert not any(layers.is_subset(name, tables, wanted) for name in tables)
    with pytest.raises(UserError, match="layers.first: another feature set has that name"):
        layers.subsets({**tables, "tiny.first": table}, wanted)


@given(st.data(), st.integers(1, 40), st.integers(1, 40))
def test_parts_of_a_network_that_meet_meet_in_every_network(data, n_layers, n_others):
    numbers = range(n_layers)
    cut = data.draw(st.integers(0, n_layers))
    below, above = ([*part] for part in (numbers[:cut], numbers[cut:]))
    found = [layers.at_depth(part, n_layers, n_others) for part in (below, above) if part]
    assert sorted({layer for part in found for layer in part}) == [*range(n_others)]
    assert layers.at_depth(below or above, n_layers, n_layers) == (below or above)


def test_each_layer_of_each_network_is_analysed_and_no_subset_is():
    table, labels = evaluated.layered_corpus(n_speakers=4, n_each=4)
    tables = {"neural": table, **networks(labels, tiny=2)}
    settings = run_folder.settings(layers={"first": (0,)}, targets=("arousal",), battery=True)
    (dataset,), _ = prepare(tables, labels, settings)
    planned = ablations.plan(dataset, predictor_configs(dataset.tables, settings), settings)
    assert [config.feature_set for name, config in planned.analyses if name == "layers"] == [
        "layer00", "layer01", "layer02", "tiny.layer00", "tiny.layer01",
    ]  # fmt: skip
    assert set(dataset.tables) == {"first", "tiny.first", "neural", "tiny"}


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
