import evaluated
import pytest
import run_folder

from emoasr.errors import UserError
from emoasr.evaluation import evaluate


def test_layers_can_be_compared_as_feature_sets():
    table, labels = evaluated.layered_corpus()
    settings = run_folder.settings(layers={"first": (0,), "last": (-1,)})
    found = evaluate.evaluate({"neural": table}, labels, settings)
    assert [r["feature_set"] for r in found.rows[:4]] == ["first", "last", "neural", "mean"]
    by_hand = evaluate.evaluate({"first": table.iloc[:, :4]}, labels, run_folder.settings())
    assert found.rows[0] == by_hand.rows[0]


@pytest.mark.parametrize(
    ("tables", "layers", "message"),
    [
        ("neural", {"first": (7,)}, r"config.eval.layers.first=\(7,\).*from 0 to 2"),
        ("neural", {"first": ()}, "config.eval.layers.first"),
        (
            "neural",
            {"neural": (0,)},
            "config.eval.layers.neural: another feature set",
        ),
        ("mfcc", {"first": (0,)}, "config.eval.layers.first: needs the feature set 'neural'"),
    ],
)
def test_layers_that_cannot_be_are_named(tables, layers, message):
    table, labels = evaluated.layered_corpus()
    with pytest.raises(UserError, match=message):
        evaluate.evaluate({tables: table}, labels, run_folder.settings(layers=layers))
