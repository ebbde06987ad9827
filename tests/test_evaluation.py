import warnings

import audmetric
import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import optimize
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import LeaveOneOut, cross_val_predict

from emoasr.errors import UserError
from emoasr.evaluation import bootstrap, evaluate, regression


@pytest.fixture(autouse=True)
def no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def row(result, feature_set, target="arousal"):
    (found,) = [r for r in result.rows if (r["feature_set"], r["target"]) == (feature_set, target)]
    return found


def of(frame, feature_set, target="arousal"):
    return frame[(frame["feature_set"] == feature_set) & (frame["target"] == target)]


def test_a_linear_relation_is_found_and_noise_is_not():
    table, labels = run_folder.corpus(n_each=40)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=1))
    assert row(result, "x")["ccc"] > 0.99
    assert row(result, "x")["mse_mean"] < 0.01
    assert abs(row(result, "x", "valence")["ccc"]) < 0.3
    assert set(of(result.selected, "x")["feature"]) == {"f0"}


def test_a_row_has_the_fields_of_the_contract():
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    figures = {"mse_variance", "mse_std", *bootstrap.FIGURES}
    figures |= {f"{f}_{side}" for f in bootstrap.FIGURES for side in ("low", "high")}
    for r in result.rows:
        assert {*figures, *(f"clipped_{f}" for f in figures)} <= r.keys()
    assert {k: row(result, "x")[k] for k in list(row(result, "x"))[:11]} == {
        "feature_set": "x",
        "target": "arousal",
        "protocol": "leave-one-speaker-out",
        "partner": "in",
        "selection": "fold",
        "regressor": "linear",
        "n_features": 8,
        "n_selected": 5,
        "n_utterances": 48,
        "n_folds": 4,
        "n_speakers": 4,
    }
    assert [(r["feature_set"], r["target"]) for r in result.rows] == [
        ("x", "arousal"), ("mean", "arousal"), ("x", "valence"), ("mean", "valence"),
    ]  # fmt: skip


def test_the_baseline_is_the_mean_of_the_training_fold():
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    mse = []
    for speaker in sorted(set(labels.speaker)):
        test = labels.speaker == speaker
        mean = labels.arousal[~test].astype(float).mean()
        mse.append(((labels.arousal[test] - mean) ** 2).mean())
    baseline = row(result, "mean")
    assert baseline["mse_mean"] == pytest.approx(np.mean(mse))
    assert baseline["mse_std"] == pytest.approx(np.std(mse))
    assert baseline["mse_variance"] == pytest.approx(np.var(mse))
    assert (baseline["n_features"], baseline["n_selected"]) == (0, 0)
    assert of(result.selected, "mean").empty


def test_figures_equal_those_of_the_predictions():
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    for r in result.rows:
        p = of(result.predictions, r["feature_set"], r["target"])
        for column, prefix in (("prediction", ""), ("clipped", "clipped_")):
            squares = (p[column] - p["label"]) ** 2
            folds = squares.groupby(p["fold"].to_numpy()).mean()
            assert r[f"{prefix}mse_mean"] == pytest.approx(folds.mean())
            assert r[f"{prefix}mse_variance"] == pytest.approx(folds.var(ddof=0))
            ccc = audmetric.concordance_cc(p["label"].to_numpy(), p[column].to_numpy())
            assert r[f"{prefix}ccc"] == pytest.approx(ccc)
            pearson = np.corrcoef(p["label"], p[column])[0, 1]
            assert r[f"{prefix}pearson"] == pytest.approx(pearson)


def test_predictions_equal_a_regression_done_by_hand():
    table, labels = run_folder.corpus(n_features=3)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=100))
    test = labels.speaker == "s2"
    by_hand = LinearRegression().fit(
        table[~test].astype(float), labels.valence[~test].astype(float)
    )
    ours = of(result.predictions, "x", "valence")
    np.testing.assert_allclose(
        ours[ours.fold == "s2"]["prediction"], by_hand.predict(table[test].astype(float))
    )
    assert row(result, "x")["n_selected"] == 3


def test_ridge_on_all_features_equals_a_search_for_the_penalty_by_hand():
    table, labels = run_folder.corpus()
    settings = run_folder.settings(n_selected=0, regressor="ridge")
    result = evaluate.evaluate({"x": table}, labels, settings)
    train, test = labels.speaker != "s2", labels.speaker == "s2"
    X, y = table.to_numpy(float), labels.valence.to_numpy(float)
    X = (X - X[train].mean(0)) / X[train].std(0)

    def error(alpha):  # one utterance left out at a time
        folds = cross_val_predict(Ridge(alpha), X[train], y[train], cv=LeaveOneOut())
        return np.mean((folds - y[train]) ** 2)

    alpha = min(np.logspace(0, 5, 11), key=error)
    by_hand = Ridge(alpha).fit(X[train], y[train]).predict(X[test])
    ours = of(result.predictions, "x", "valence")
    np.testing.assert_allclose(ours[ours.fold == "s2"]["prediction"], by_hand, rtol=1e-6)
    assert row(result, "x")["n_selected"] == 8 and row(result, "x")["regressor"] == "ridge"


def test_support_vector_regression_is_of_standardised_ratings_and_features():
    table, labels = run_folder.corpus(n_each=40)
    settings = run_folder.settings(n_selected=0, regressor="svr")
    result = evaluate.evaluate({"x": table}, labels, settings)
    train, test = labels.speaker != "s2", labels.speaker == "s2"
    X, y = table.to_numpy(float), labels.valence.to_numpy(float)
    X = (X - X[train].mean(0)) / X[train].std(0)
    mean, std = y[train].mean(), y[train].std()

    def loss(w_D):  # squared, beyond .1; liblinear penalises the intercept too
        off = np.abs(X[train] @ w_D[:-1] + w_D[-1] - (y[train] - mean) / std) - 0.1
        return 0.5 * w_D @ w_D + 1e-3 * np.sum(np.maximum(off, 0) ** 2)

    w_D = optimize.minimize(loss, np.zeros(X.shape[1] + 1), tol=1e-10).x
    by_hand = (X[test] @ w_D[:-1] + w_D[-1]) * std + mean
    ours = of(result.predictions, "x", "valence")
    np.testing.assert_allclose(ours[ours.fold == "s2"]["prediction"], by_hand, atol=1e-3)


@pytest.mark.parametrize("regressor", regression.REGRESSORS)
def test_the_fitted_model_never_sees_the_held_out_speaker(regressor):
    table, labels = run_folder.corpus()
    settings = run_folder.settings(regressor=regressor)
    before = evaluate.evaluate({"x": table}, labels, settings)
    held_out = labels.speaker == "s1"
    table[held_out] = table[held_out] * 7 + 100
    labels.loc[held_out, ["arousal", "valence"]] = np.float32(5)
    after = evaluate.evaluate({"x": table}, labels, settings)

    ours = [r.selected[r.selected.fold == "s1"].reset_index(drop=True) for r in (before, after)]
    pd.testing.assert_frame_equal(*ours)
    others = [r.selected[r.selected.fold != "s1"].reset_index(drop=True) for r in (before, after)]
    assert not others[0].equals(others[1])
    baseline = [of(r.predictions, "mean") for r in (before, after)]
    pd.testing.assert_series_equal(*(b[b.fold == "s1"]["prediction"] for b in baseline))


@hypothesis_settings(max_examples=10)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(random):
    table, labels = run_folder.corpus()
    order = list(range(len(table)))
    random.shuffle(order)
    expected = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    shuffled = evaluate.evaluate({"x": table.iloc[order]}, labels[::-1], run_folder.settings())
    assert shuffled.rows == expected.rows
    pd.testing.assert_frame_equal(shuffled.predictions, expected.predictions)
    pd.testing.assert_frame_equal(shuffled.selected, expected.selected)


@pytest.mark.parametrize("k", [1, 5, 8, 50])
def test_selected_lists_k_features_a_fold_the_best_first(k):
    table, labels = run_folder.corpus()
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=k))
    for _, fold in result.selected.groupby(["feature_set", "target", "fold"]):
        assert list(fold["rank"]) == list(range(1, min(k, 8) + 1))
        assert fold["f_score"].is_monotonic_decreasing
        assert fold["feature"].is_unique
    assert result.selected.groupby(["target", "fold"]).ngroups == 8


def test_clipping_is_to_the_scale_or_to_the_range_of_the_training_fold():
    table, labels = run_folder.corpus()
    table.iloc[0, 0] = 1000  # extrapolates
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    p = of(result.predictions, "x")
    assert p["prediction"].max() > 50
    assert (p["clipped"] == p["prediction"].clip(1, 5)).all()
    assert row(result, "x")["clipped_mse_mean"] < row(result, "x")["mse_mean"]

    labels.loc[labels.speaker == "s0", "arousal"] *= np.float32(0.5)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(scale=()))
    p = of(result.predictions, "x")
    trained_on = labels.arousal[labels.speaker != "s0"]
    assert p["clipped"][p.fold == "s0"].min() >= trained_on.min()
    assert p["clipped"][p.fold == "s0"].max() == pytest.approx(trained_on.max())


def test_sessions_can_be_held_out():
    table, labels = run_folder.corpus()
    s = run_folder.settings(protocol="leave-one-session-out")
    result = evaluate.evaluate({"x": table}, labels, s)
    assert row(result, "x")["n_folds"] == 2
    assert set(result.predictions["fold"]) == {"session0", "session1"}


def test_a_speaker_with_one_utterance_is_a_fold():
    table, labels = run_folder.corpus()
    labels.iloc[0, 0] = "lonely"
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    assert row(result, "x")["n_folds"] == 5
    assert (of(result.predictions, "x")["fold"] == "lonely").sum() == 1


@pytest.mark.parametrize("value", [0.0, 0.1, -3e5])
def test_constant_features_do_no_harm(value):
    table, labels = run_folder.corpus()
    without = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=9))
    table["constant"] = np.float32(value)
    table["constant64"] = value
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=10))
    assert row(result, "x")["mse_mean"] == pytest.approx(row(without, "x")["mse_mean"])
    last = result.selected[result.selected["rank"] > 8]
    assert set(last["feature"]) == {"constant", "constant64"}


def test_what_is_undefined_is_none():
    table, labels = run_folder.corpus()
    labels["arousal"] = np.float32(3)
    result = evaluate.evaluate({"x": table * 0}, labels, run_folder.settings())
    assert row(result, "x")["pearson"] is None
    assert row(result, "mean")["ccc"] is None
    assert row(result, "x")["mse_mean"] == 0


def test_float32_features_give_what_float64_ones_give():
    table, labels = run_folder.corpus(n_features=40)
    single = evaluate.evaluate({"x": table}, labels, run_folder.settings(n_selected=20))
    double = evaluate.evaluate(
        {"x": table.astype(float)}, labels, run_folder.settings(n_selected=20)
    )
    assert single.rows == double.rows


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"protocol": "loso"}, "config.eval.protocol='loso'"),
        ({"regressor": "magic"}, "config.eval.regressor='magic'"),
        ({"partner": "away"}, "config.eval.partner='away'"),
        ({"selection": {"scope": "some"}}, "config.eval.selection.scope='some'"),
        ({"n_selected": -1}, "config.eval.n_selected=-1"),
        ({"targets": ("dominance",)}, "config.eval.targets: .*'dominance'.*arousal, valence"),
        ({"targets": ("speaker",)}, "config.eval.targets: column 'speaker'.*no numbers"),
        ({"targets": ()}, "config.eval.targets"),
        ({"scale": (5.0, 1.0)}, "config.eval.scale"),
        ({"scale": (0.0, 1.0)}, r"config.eval.scale=\(0.0, 1.0\): but ratings of arousal"),
    ],
)
def test_a_wrong_setting_is_named(change, message):
    table, labels = run_folder.corpus()
    with pytest.raises(UserError, match=message) as caught:
        evaluate.evaluate({"x": table}, labels, run_folder.settings(**change))
    assert "\n" not in str(caught.value)


def test_the_baselines_name_is_taken():
    table, labels = run_folder.corpus()
    with pytest.raises(UserError, match="config.feature_sets"):
        evaluate.evaluate({"mean": table}, labels, run_folder.settings())


def test_fewer_than_three_speakers_are_refused():
    table, labels = run_folder.corpus(n_speakers=2)
    with pytest.raises(UserError, match="2 speaker.*arousal and valence.*needs 3 or more"):
        evaluate.evaluate({"x": table}, labels, run_folder.settings())


def test_leaving_the_partner_out_needs_sessions():
    table, labels = run_folder.corpus()
    settings = run_folder.settings(partner="out")
    with pytest.raises(UserError, match="config.eval.partner=out: needs the session"):
        evaluate.evaluate({"x": table}, labels.drop(columns="session"), settings)
    labels["session"] = "all"
    with pytest.raises(UserError, match="without the sessions of s0"):
        evaluate.evaluate({"x": table}, labels, settings)


def test_a_speaker_whose_ratings_are_all_alike_is_told():
    table, labels = run_folder.corpus()
    labels.loc[labels.speaker == "s1", "arousal"] = np.float32(2)
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    (note,) = result.notes
    assert note.startswith("speaker s1: all 12 ratings of arousal are 2;")
    assert row(result, "x")["pearson_mean"] is not None


def test_differences_are_those_of_rows_and_each_pair_comes_once():
    table, labels = run_folder.corpus()
    tables = {"x": table, "y": table.iloc[:, 4:].add_prefix("y")}
    result = evaluate.evaluate(tables, labels, run_folder.settings())
    pairs = [(d["target"], d["a"], d["b"]) for d in result.differences]
    sets = [("x", "y"), ("x", "mean"), ("y", "mean")]
    assert pairs == [(t, *ab) for t in ("arousal", "valence") for ab in sets]
    d = result.differences[0]
    assert d["ccc"] == row(result, "x")["ccc"] - row(result, "y")["ccc"] > 0
    assert d["ccc_low"] < d["ccc"] < d["ccc_high"]


def test_support_vector_regression_finds_a_linear_relation():
    table, labels = run_folder.corpus(n_each=300)  # its C is for hundreds of utterances and more
    settings = run_folder.settings(regressor="svr", n_selected=0)
    assert row(evaluate.evaluate({"x": table}, labels, settings), "x")["ccc"] > 0.7


def test_the_number_of_workers_does_not_matter():
    table, labels = run_folder.corpus()
    one, three = (
        evaluate.evaluate({"x": table}, labels, run_folder.settings(), workers=n) for n in (1, 3)
    )
    assert one.rows == three.rows and one.differences == three.differences
