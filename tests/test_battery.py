import warnings

import numpy as np
import pandas as pd
import pytest
import run_folder
from scipy import stats

from emoasr.errors import UserError
from emoasr.evaluation import bootstrap, evaluate, layer_trend
from emoasr.inference.columns import unit_names


def corpus(n_speakers=8, n_each=16, seed=0):
    """Neural-like features of 3 layers of 4 units: arousal is in the first layer, valence last."""
    table, labels = run_folder.corpus(n_speakers, n_each, n_features=12, seed=seed)
    table = table.astype(np.float64)
    table.columns = unit_names(3, 4)
    rng = np.random.default_rng(seed)
    arousal, valence = labels["arousal"].to_numpy(), labels["valence"].to_numpy()
    for layer in range(3):
        noise = rng.standard_normal((2, len(table), 2))
        table.iloc[:, 4 * layer : 4 * layer + 2] = arousal[:, None] + (1 + 2 * layer) * noise[0] / 2
        table.iloc[:, 4 * layer + 2 : 4 * layer + 4] = valence[:, None] + (5 - 2 * layer) * noise[1]
    return table, labels


@pytest.fixture(scope="module")
def found():
    table, labels = corpus()
    other = table.iloc[:, :3].rename(columns=str.upper)
    settings = run_folder.settings(battery=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return evaluate.evaluate({"neural": table, "other": other}, labels, settings)


def rows(found, analysis):
    return pd.DataFrame([r for r in found.battery["rows"] if r["analysis"] == analysis])


def test_every_question_is_answered(found):
    assert {r["analysis"] for r in found.battery["rows"]} == {
        "controls", "selection", "protocol", "partner", "regressors", "n_selected", "layers",
        "permuted",
    }  # fmt: skip
    assert found.battery["omitted"] == []
    for row in found.battery["rows"]:
        keys = row.keys()
        assert {p + key for p in bootstrap.VARIANTS for key in bootstrap.FIGURES} <= keys
        assert ("ccc_low" in keys) == (row["analysis"] != "permuted")


def test_the_main_table_does_not_depend_on_the_battery(found):
    table, labels = corpus()
    other = table.iloc[:, :3].rename(columns=str.upper)
    plain = evaluate.evaluate({"neural": table, "other": other}, labels, run_folder.settings())
    assert plain.battery is None
    assert plain.rows == found.rows and plain.differences == found.differences
    pd.testing.assert_frame_equal(plain.predictions, found.predictions)
    pd.testing.assert_frame_equal(plain.selected, found.selected)


def test_an_analysis_is_what_its_settings_alone_would_give(found):
    table, labels = corpus()
    other = table.iloc[:, :3].rename(columns=str.upper)
    for analysis, changes in {
        "controls": {"regressor": "ridge", "n_selected": 0},
        "selection": {"selection.scope": "all"},
        "protocol": {"protocol": "leave-one-session-out"},
        "partner": {"partner": "out"},
    }.items():
        settings = run_folder.settings()
        settings.update_from_flattened_dict(changes)
        alone = evaluate.evaluate({"neural": table, "other": other}, labels, settings)
        ours = [
            {key: row[key] for key in row if key != "analysis"}
            for row in found.battery["rows"]
            if row["analysis"] == analysis
        ]
        sets = {row["feature_set"] for row in ours}
        wanted = [row for row in alone.rows if row["feature_set"] in sets]
        assert sorted(ours, key=str) == sorted(wanted, key=str)


def test_leaving_the_partner_out_trains_on_other_sessions_only():
    table, labels = corpus()
    settings = run_folder.settings(partner="out")
    before = evaluate.evaluate({"neural": table}, labels, settings).predictions
    partner = (labels["session"] == "session0") & (labels["speaker"] == "s1")
    table[partner] = 1000.0
    after = evaluate.evaluate({"neural": table}, labels, settings).predictions
    held_out = before["fold"] == "s0"
    pd.testing.assert_frame_equal(before[held_out], after[held_out])
    other = before["fold"] == "s2"
    assert not before[other].equals(after[other])


def test_refitted_intervals_are_the_jackknifes(found):
    table, labels = corpus()
    speakers = sorted(set(labels["speaker"]))

    def difference(kept):
        other = table.iloc[:, :3].rename(columns=str.upper)
        tables = {"neural": table[kept], "other": other[kept]}
        settings = run_folder.settings(targets=("arousal",))
        return evaluate.evaluate(tables, labels[kept], settings).differences[0]["rmse"]

    parts = [difference((labels["speaker"] != s).to_numpy()) for s in speakers]
    error = np.sqrt((len(parts) - 1) / len(parts) * np.sum((parts - np.mean(parts)) ** 2))
    ours = [d for d in found.battery["differences"] if d["analysis"] == "refitted"]
    assert len(ours) == 2 * 3
    (first,) = [d for d in ours if (d["target"], d["a"], d["b"]) == ("arousal", "neural", "other")]
    reach = stats.t.ppf(0.975, len(parts) - 1) * error
    assert first["rmse_low"] == pytest.approx(first["rmse"] - reach)
    assert first["rmse_high"] == pytest.approx(first["rmse"] + reach)
    assert type(first["rmse_low"]) is float  # numpy's booleans are not True or False


def test_permuted_labels_leave_nothing_to_find(found):
    permuted = rows(found, "permuted")
    assert len(permuted) == 2 * 20
    main = {(r["feature_set"], r["target"]): r for r in found.rows}
    for target, repeats in permuted.groupby("target"):
        assert repeats["ccc"].max() < main["neural", target]["ccc"]
        assert abs(repeats["ccc"].mean()) < 0.2


def test_each_layer_is_taken_alone_and_the_trend_is_told(found):
    layers = rows(found, "layers")
    assert set(layers["feature_set"]) == {"layer00", "layer01", "layer02"}
    assert (layers["n_features"] == 4).all() and (layers["n_selected"] == 4).all()
    told = {t["target"]: t for t in found.battery["trend"]}
    assert told["arousal"]["verdict"] == "earlier layers tell arousal better than later ones"
    assert told["valence"]["verdict"] == "later layers tell valence better than earlier ones"
    difference = told["arousal - valence"]
    assert difference["verdict"] == "arousal is told by earlier layers than valence"
    assert difference["rho_low"] <= difference["rho"] <= difference["rho_high"] < 0


def test_layers_of_equal_worth_show_no_trend():
    frames = {}
    for seed, target in enumerate(("arousal", "valence")):
        rng = np.random.default_rng(seed)
        speaker = np.repeat([f"s{i}" for i in range(10)], 30)
        label = rng.uniform(1, 5, 300)
        noisy = [label + rng.normal(0, 1, 300) for _ in range(15)]
        frames[target] = [
            pd.DataFrame({"speaker": speaker, "label": label, "clipped": p}) for p in noisy
        ]
    verdicts = [t["verdict"] for t in layer_trend.over_layers(frames)]
    assert verdicts == [
        "no trend of arousal over layers is shown",
        "no trend of valence over layers is shown",
        "no difference between the trends of arousal and valence is shown",
    ]


def test_what_the_data_cannot_answer_is_said():
    table, labels = corpus(n_speakers=4)
    labels = labels.drop(columns="session")
    settings = run_folder.settings(battery=True)
    found = evaluate.evaluate({"x": table}, labels, settings).battery
    assert found["omitted"] == [
        "layers: there is no feature set 'neural'",
        "partner: the labels have no session for every utterance",
        "protocol: the labels have no session for every utterance",
    ]
    assert found["trend"] == []


def test_targets_rated_on_different_utterances_are_each_compared_on_theirs():
    table, labels = corpus()
    labels.loc[labels.index[:5], "valence"] = np.nan
    found = evaluate.evaluate({"neural": table}, labels, run_folder.settings(battery=True))
    n = {(r["target"], r["n_utterances"]) for r in [*found.rows, *found.battery["rows"]]}
    assert n == {("arousal", 128), ("valence", 123)}
    assert [r["target"] for r in found.rows] == ["arousal"] * 2 + ["valence"] * 2


def test_layers_can_be_compared_as_feature_sets():
    table, labels = corpus()
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
        ("neural", {"neural": (0,)}, "config.eval.layers.neural: .*that name already"),
        ("mfcc", {"first": (0,)}, "config.eval.layers.first: needs the feature set 'neural'"),
    ],
)
def test_layers_that_cannot_be_are_named(tables, layers, message):
    table, labels = corpus()
    with pytest.raises(UserError, match=message):
        evaluate.evaluate({tables: table}, labels, run_folder.settings(layers=layers))


def test_leaky_selection_flatters_noise():
    table, labels = run_folder.corpus(n_speakers=6, n_each=10, n_features=400)
    table.columns = [f"x{i}" for i in range(400)]
    kwargs = {"targets": ("valence",), "n_selected": 10}
    honest = evaluate.evaluate({"x": table}, labels, run_folder.settings(**kwargs)).rows[0]
    settings = run_folder.settings(**kwargs)
    settings.selection.scope = "all"
    leaky = evaluate.evaluate({"x": table}, labels, settings).rows[0]
    assert leaky["ccc"] > honest["ccc"] + 0.2
