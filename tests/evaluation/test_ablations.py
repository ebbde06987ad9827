import re
import warnings

import evaluated
import numpy as np
import pandas as pd
import pytest
import run_folder
from scipy import stats

from emoasr.errors import UserError
from emoasr.evaluation import evaluate, predicted
from emoasr.evaluation.metrics import METRICS, VARIANTS
from emoasr.inference.columns import unit_names
from emoasr.report import curves, style


@pytest.fixture(scope="module")
def found():
    table, labels = evaluated.layered_corpus()
    other = table.iloc[:, :3].rename(columns=str.upper)
    settings = run_folder.settings(battery=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return evaluate.evaluate({"neural": table, "other": other}, labels, settings)


def rows(found, analysis):
    return pd.DataFrame([r for r in found.battery["rows"] if r["analysis"] == analysis])


def test_every_analysis_is_done(found):
    assert {r["analysis"] for r in found.battery["rows"]} == {
        "controls", "selection", "protocol", "partner", "regressors", "n_selected", "layers",
        "permuted",
    }  # fmt: skip
    assert all(why.startswith("a trait of speakers, ") for why in found.battery["omitted"])
    for row in found.battery["rows"]:
        keys = row.keys()
        assert {p + key for p in VARIANTS for key in METRICS} <= keys
        assert ("ccc_low" in keys) == (row["analysis"] != "permuted")


def test_the_main_table_does_not_depend_on_ablations(found):
    table, labels = evaluated.layered_corpus()
    other = table.iloc[:, :3].rename(columns=str.upper)
    plain = evaluate.evaluate({"neural": table, "other": other}, labels, run_folder.settings())
    assert plain.battery is None
    assert plain.rows == found.rows and plain.differences == found.differences
    pd.testing.assert_frame_equal(plain.predictions, found.predictions)
    pd.testing.assert_frame_equal(plain.selected, found.selected)


def test_an_analysis_is_what_its_settings_alone_would_give(found):
    table, labels = evaluated.layered_corpus()
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


def test_refitted_intervals_are_the_jackknifes(found):
    table, labels = evaluated.layered_corpus()
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


def test_each_layer_is_analysed_alone_and_the_trend_is_tested(found):
    layers = rows(found, "layers")
    assert set(layers["feature_set"]) == {"layer00", "layer01", "layer02"}
    assert (layers["n_features"] == 4).all() and (layers["n_selected"] == 4).all()
    trends = {t["target"]: t for t in found.battery["trend"]}
    assert trends["arousal"]["verdict"] == (
        "arousal: earlier layers predict it better than later layers"
    )
    assert trends["valence"]["verdict"] == (
        "valence: later layers predict it better than earlier layers"
    )
    difference = trends["arousal − valence"]
    assert difference["verdict"] == "arousal is found in earlier layers than valence"
    assert difference["rho_low"] <= difference["rho"] <= difference["rho_high"] < 0


def test_speakers_are_compared_in_every_network_and_what_is_missing_is_named(found):
    speakers = found.battery["speakers"]
    variation = {row["target"]: row for row in speakers["variation"]}
    assert [*variation] == ["arousal", "valence", "arousal − valence"]
    assert variation["arousal"]["early_late_low"] > 0 > variation["valence"]["early_late_high"]
    assert {row["speaker"] for row in speakers["each"]} == {f"s{i}" for i in range(8)}
    assert {row["trait"] for row in speakers["traits"]} == {"spread of the ratings"}
    assert all(type(row["p_corrected"]) is float for row in speakers["traits"])


def test_layers_of_every_network_follow_its_shape():
    table, labels = evaluated.layered_corpus(n_speakers=4, n_each=8)
    deep = pd.concat([table, table.iloc[:, :8] ** 3], axis=1).set_axis(unit_names(5, 4), axis=1)
    tables = {"neural": table, "whisper": deep, "random-whisper": -deep, "random-1": -table}
    settings = run_folder.settings(battery=True, layers={"first": (0,)})
    found = evaluate.evaluate(tables, labels, settings)
    layers = rows(found, "layers")
    others = [f"{name}.layer{i:02d}" for name in ("whisper", "random-whisper") for i in range(5)]
    assert set(layers["feature_set"]) == {"layer00", "layer01", "layer02", *others}
    trends = {(t["feature_set"], t["target"]): t["verdict"] for t in found.battery["trend"]}
    assert len(trends) == 9
    ours, theirs = trends["neural", "arousal"], trends["whisper", "arousal"]
    assert ours.startswith("arousal: ") and theirs.startswith("whisper: arousal: ")
    of_layers = [r for r in found.battery["rows"] if r["analysis"] == "layers"]
    charts_of = curves.layers(of_layers, style.palette(tables))
    assert [c["title"] for c in charts_of] == ["arousal", "valence"]


@pytest.mark.parametrize(
    ("name", "layers", "message"),
    [
        ("layer00", {}, "feature set 'layer00': .*a layer of 'neural'; rename the set"),
        ("x.layer04", {}, "feature set 'x.layer04': .*a layer of 'x'; rename the set"),
        ("y", {"layer02": (0,)}, "feature set 'layer02': .*a layer of 'neural'; rename the set"),
    ],
)
def test_a_feature_set_with_the_name_of_a_layer_is_refused(name, layers, message):
    with pytest.raises(UserError, match=message) as error:
        evaluate.evaluate(*of_networks(name), run_folder.settings(battery=True, layers=layers))
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "battery"), [("x.first", False), ("first", False), ("layer00", True), ("a+b", False)]
)
def test_predictions_with_the_name_of_any_set_are_refused(name, battery):
    tables, labels = of_networks("other")
    seeds = labels.assign(seed=0, fold=labels["speaker"])
    given = {name: predicted.Predicted(seeds, 3, "leave-one-speaker-out", "in")}
    settings = run_folder.settings(battery=battery, layers={"first": (0,)})
    sums = {"a+b": ("neural", "other")}
    with pytest.raises(UserError, match=f"predictions: {re.escape(name)} is also the name"):
        evaluate.evaluate(tables, labels, settings, sums=sums, given=given)


def of_networks(name):
    """Two networks of 3 and 5 layers, and another set; and labels."""
    table, labels = evaluated.layered_corpus(n_speakers=4, n_each=8)
    deep = pd.concat([table, table.iloc[:, :8] ** 3], axis=1).set_axis(unit_names(5, 4), axis=1)
    other = table.iloc[:, :3].rename(columns=str.upper)
    return {"neural": table, "x": deep, name: other}, labels


def test_what_the_data_do_not_allow_is_said():
    table, labels = evaluated.layered_corpus(n_speakers=4)
    labels = labels.drop(columns="session")
    settings = run_folder.settings(battery=True)
    table = table.rename(columns=str.upper)
    found = evaluate.evaluate({"x": table}, labels, settings).battery
    assert found["omitted"] == [
        "layers: there is no feature set of a network",
        "partner: the labels do not have a session for every utterance",
        "protocol: the labels do not have a session for every utterance",
    ]
    assert found["trend"] == []


@pytest.mark.parametrize("sessions", [False, True])
def test_nobody_is_taken_from_training_where_nobody_has_a_partner(sessions):
    """Else the effect of dialogue partners would be 0 in a corpus without dialogues."""
    table, labels = run_folder.corpus()
    labels["session"] = labels["session"] if sessions else labels["speaker"].str.upper()
    settings = run_folder.settings(battery=True, targets=("arousal",))
    battery = evaluate.evaluate({"x": table}, labels, settings).battery
    said = "partner: no test speaker shares a session with a training speaker"
    assert (said in battery["omitted"]) != sessions
    assert any(row["analysis"] == "partner" for row in battery["rows"]) == sessions


@pytest.mark.parametrize(("n_selected", "sets"), [(0, set()), (5, {"x"}), (8, set())])
def test_the_leak_is_measured_where_features_are_selected(n_selected, sets):
    """Where all are used there is none, and its size is not 0."""
    table, labels = run_folder.corpus()
    tables = {"x": table, "few": table.iloc[:, :5].add_prefix("few")}
    settings = run_folder.settings(battery=True, n_selected=n_selected, targets=("valence",))
    found = evaluate.evaluate(tables, labels, settings)
    assert {r["feature_set"] for r in found.battery["rows"] if r["analysis"] == "selection"} == sets
    said = "selection: all features are used, so none are selected" in found.battery["omitted"]
    assert said == (not sets)


def test_leaky_selection_flatters_noise():
    table, labels = run_folder.corpus(n_speakers=6, n_each=10, n_features=400)
    table.columns = [f"x{i}" for i in range(400)]
    kwargs = {"targets": ("valence",), "n_selected": 10}
    honest = evaluate.evaluate({"x": table}, labels, run_folder.settings(**kwargs)).rows[0]
    settings = run_folder.settings(**kwargs)
    settings.selection.scope = "all"
    leaky = evaluate.evaluate({"x": table}, labels, settings).rows[0]
    assert leaky["ccc"] > honest["ccc"] + 0.2
