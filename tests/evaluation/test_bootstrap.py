import itertools

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from made_predictions import predicted
from scipy import stats

from emoasr.evaluation import bootstrap
from emoasr.evaluation.metrics import METRICS, VARIANTS, all_metrics, metrics

ERRORS = ("mse_mean", "rmse", "mae")  # in the rating's unit


def resampled(frame, draw):
    """A draw of speakers as a frame: each time drawn, a speaker is another one."""
    parts = [
        frame[frame.speaker == s].assign(speaker=f"{s}-{i}", fold=lambda f, i=i: f.fold + f"-{i}")
        for i, s in enumerate(draw)
    ]
    return pd.concat(parts, ignore_index=True)


@hypothesis_settings(max_examples=30)
@given(st.integers(0, 999), st.lists(st.integers(0, 5), min_size=6, max_size=6))
def test_a_draws_metrics_from_sums_are_those_of_its_utterances(seed, draw):
    frame = predicted(seed=seed)[5:]  # the first speaker has fewer
    speakers = np.unique(frame["speaker"])
    counts_BS = np.bincount(draw, minlength=6)[None].astype(float)
    ours = bootstrap._Cells(frame, speakers).metrics(counts_BS)[..., 0]
    drawn = resampled(frame, speakers[draw])
    for v, column in enumerate(VARIANTS.values()):
        expected = metrics(drawn, column)
        for m, key in enumerate(METRICS):
            assert ours[v, m] == pytest.approx(expected[key], rel=1e-9)


def test_a_session_counts_as_often_as_its_speakers_were_drawn():
    frame = predicted(sessions=True)
    whole = bootstrap._Cells(frame, np.unique(frame.speaker)).metrics(np.ones((1, 6)))[0, :, 0]
    expected = metrics(frame, "prediction")
    assert list(whole) == pytest.approx([expected[key] for key in METRICS])


def test_limits_include_the_metric_and_are_paired_over_predictors():
    predictions = {"a": predicted(), "b": predicted(offset=-1.0), "again": predicted()}
    drawn = bootstrap.Bootstrap(predictions)
    found, limits = all_metrics(predictions["a"]), drawn.limits("a")
    for prefix, key in itertools.product(VARIANTS, METRICS):
        name = prefix + key
        assert limits[f"{name}_low"] < found[name] < limits[f"{name}_high"]
    assert set(drawn.limits_of_difference("a", "again").values()) == {0.0}
    assert drawn.limits_of_difference("a", "b")["rmse_high"] < 0  # b is further off
    assert bootstrap.Bootstrap(predictions).limits("a") == limits


def test_the_mean_over_speakers_has_the_interval_that_scipy_gives():
    frame = predicted(n_speakers=7)
    errors = ((frame.prediction - frame.label) ** 2).groupby(frame.speaker).mean()
    expected = stats.bootstrap(
        (errors.to_numpy(),), np.mean, n_resamples=2000, method="percentile", rng=0,
        confidence_level=bootstrap._level(7),
    ).confidence_interval  # fmt: skip
    limits = bootstrap.Bootstrap({"x": frame}).limits("x")
    assert limits["mse_mean_low"] == pytest.approx(expected.low, rel=1e-9)
    assert limits["mse_mean_high"] == pytest.approx(expected.high, rel=1e-9)


def test_intervals_are_by_speaker_not_by_utterance():
    few = predicted(n_speakers=4, n_each=300)
    noisy = few["speaker"].isin(["s00", "s01"])
    few.loc[noisy, ["prediction", "clipped"]] = 3.0
    limits = bootstrap.Bootstrap({"x": few}).limits("x")
    utterances = stats.bootstrap(
        ((few["prediction"] - few["label"]).to_numpy() ** 2,), np.mean, rng=0, n_resamples=500
    ).confidence_interval
    by_utterance = np.sqrt(utterances.high) - np.sqrt(utterances.low)
    assert limits["rmse_high"] - limits["rmse_low"] > 3 * by_utterance


def test_what_a_speaker_leaves_undefined_is_left_out_of_means_over_folds():
    frame = predicted()
    frame.loc[frame.speaker == "s00", "label"] = 3.0
    found = metrics(frame, "prediction")
    others = metrics(frame[frame.speaker != "s00"], "prediction")
    assert found["pearson_mean"] == pytest.approx(others["pearson_mean"])
    limits = bootstrap.Bootstrap({"x": frame}).limits("x")
    assert limits["pearson_mean_low"] < found["pearson_mean"] < limits["pearson_mean_high"]


@pytest.mark.parametrize("unit", [1e-7, 1e6])
def test_intervals_of_shares_do_not_depend_on_the_unit_of_a_rating(unit):
    frame = predicted()
    frame.loc[frame["speaker"] == "s00", "prediction"] = 2.5  # undefined, in any unit
    numbers = ["label", "prediction", "clipped"]
    other = frame.assign(**frame[numbers] * unit)
    one, scaled = (bootstrap.Bootstrap({"x": f}).limits("x") for f in (frame, other))
    for key in (prefix + key for prefix in VARIANTS for key in METRICS if key not in ERRORS):
        for end in ("low", "high"):
            assert scaled[f"{key}_{end}"] == pytest.approx(one[f"{key}_{end}"])


def test_one_speaker_has_no_interval():
    assert bootstrap.limits_of_mean(np.array([0.5])) == (None, None)
    low, high = bootstrap.limits_of_mean(np.array([0.4, 0.5, 0.6]))
    assert low < 0.5 < high


def test_an_undefined_metric_has_no_limits():
    frame = predicted()
    frame[["prediction", "clipped"]] = 3.0
    limits = bootstrap.Bootstrap({"x": frame}).limits("x")
    assert limits["pearson_low"] is None and limits["pearson_high"] is None
    assert limits["rmse_low"] > 0
