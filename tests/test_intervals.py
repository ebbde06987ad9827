import itertools

import audmetric
import numpy as np
import pandas as pd
import pytest
import run_folder
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics as sk

from emoasr.evaluation import bootstrap, comparison, cross_validation, dataset, evaluate, jackknife


def predicted(n_speakers=6, n_each=15, seed=0, sessions=False, offset=0.0):
    rng = np.random.default_rng(seed)
    n = n_speakers * n_each
    speaker = np.repeat([f"s{i:02d}" for i in range(n_speakers)], n_each)
    label = rng.uniform(1, 5, n)
    prediction = 0.5 * label + rng.normal(offset, 1, n)
    return pd.DataFrame(
        {
            "fold": [f"{int(s[1:]) // 2}" for s in speaker] if sessions else speaker,
            "speaker": speaker,
            "label": label,
            "prediction": prediction,
            "clipped": prediction.clip(1, 5),
        }
    )


def resampled(frame, draw):
    """A draw of speakers as a frame: each time drawn, a speaker is another one."""
    parts = [
        frame[frame.speaker == s].assign(speaker=f"{s}-{i}", fold=lambda f, i=i: f.fold + f"-{i}")
        for i, s in enumerate(draw)
    ]
    return pd.concat(parts, ignore_index=True)


def test_figures_are_those_of_the_libraries():
    frame = predicted()
    y, p = frame["label"].to_numpy(), frame["prediction"].to_numpy()
    found = bootstrap.figures(frame, "prediction")
    folds = [f for _, f in frame.groupby("fold")]
    r = [stats.pearsonr(f["label"], f["prediction"]).statistic for f in folds]
    assert found["rmse"] == pytest.approx(np.sqrt(sk.mean_squared_error(y, p)))
    assert found["mae"] == pytest.approx(sk.mean_absolute_error(y, p))
    assert found["r2"] == pytest.approx(sk.r2_score(y, p))
    assert found["ccc"] == pytest.approx(audmetric.concordance_cc(y, p))
    assert found["pearson_mean"] == pytest.approx(np.mean(r))


@hypothesis_settings(max_examples=30)
@given(st.integers(0, 999), st.lists(st.integers(0, 5), min_size=6, max_size=6))
def test_a_draws_figures_from_sums_are_those_of_its_utterances(seed, draw):
    frame = predicted(seed=seed)[5:]  # the first speaker has fewer
    speakers = np.unique(frame["speaker"])
    counts_BS = np.bincount(draw, minlength=6)[None].astype(float)
    ours = bootstrap._Cells(frame, speakers).figures(counts_BS)[..., 0]
    drawn = resampled(frame, speakers[draw])
    for v, column in enumerate(bootstrap.VARIANTS.values()):
        expected = bootstrap.figures(drawn, column)
        for f, key in enumerate(bootstrap.FIGURES):
            assert ours[v, f] == pytest.approx(expected[key], rel=1e-9)


def test_a_session_counts_as_often_as_its_speakers_were_drawn():
    frame = predicted(sessions=True)
    whole = bootstrap._Cells(frame, np.unique(frame.speaker)).figures(np.ones((1, 6)))[0, :, 0]
    expected = bootstrap.figures(frame, "prediction")
    assert list(whole) == pytest.approx([expected[key] for key in bootstrap.FIGURES])


def test_limits_hold_the_figure_and_are_paired_over_runs():
    runs = {"a": predicted(), "b": predicted(offset=-1.0), "again": predicted()}
    drawn = bootstrap.Bootstrap(runs)
    figures, limits = bootstrap.both(runs["a"]), drawn.of("a")
    for prefix, key in itertools.product(bootstrap.VARIANTS, bootstrap.FIGURES):
        name = prefix + key
        assert limits[f"{name}_low"] < figures[name] < limits[f"{name}_high"]
    assert set(drawn.difference("a", "again").values()) == {0.0}
    assert drawn.difference("a", "b")["rmse_high"] < 0  # b is further off
    assert bootstrap.Bootstrap(runs).of("a") == limits


def test_the_mean_over_speakers_has_the_interval_that_scipy_gives():
    frame = predicted(n_speakers=7)
    errors = ((frame.prediction - frame.label) ** 2).groupby(frame.speaker).mean()
    expected = stats.bootstrap(
        (errors.to_numpy(),), np.mean, n_resamples=2000, method="percentile", rng=0,
        confidence_level=bootstrap._level(7),
    ).confidence_interval  # fmt: skip
    limits = bootstrap.Bootstrap({"x": frame}).of("x")
    assert limits["mse_mean_low"] == pytest.approx(expected.low, rel=1e-9)
    assert limits["mse_mean_high"] == pytest.approx(expected.high, rel=1e-9)


def test_intervals_are_by_speaker_not_by_utterance():
    few = predicted(n_speakers=4, n_each=300)
    noisy = few["speaker"].isin(["s00", "s01"])
    few.loc[noisy, ["prediction", "clipped"]] = 3.0
    limits = bootstrap.Bootstrap({"x": few}).of("x")
    utterances = stats.bootstrap(
        ((few["prediction"] - few["label"]).to_numpy() ** 2,), np.mean, rng=0, n_resamples=500
    ).confidence_interval
    by_utterance = np.sqrt(utterances.high) - np.sqrt(utterances.low)
    assert limits["rmse_high"] - limits["rmse_low"] > 3 * by_utterance


def test_what_a_speaker_leaves_undefined_is_left_out_of_means_over_folds():
    frame = predicted()
    frame.loc[frame.speaker == "s00", "label"] = 3.0
    found = bootstrap.figures(frame, "prediction")
    others = bootstrap.figures(frame[frame.speaker != "s00"], "prediction")
    assert found["pearson_mean"] == pytest.approx(others["pearson_mean"])
    limits = bootstrap.Bootstrap({"x": frame}).of("x")
    assert limits["pearson_mean_low"] < found["pearson_mean"] < limits["pearson_mean_high"]


def test_one_speaker_has_no_interval():
    assert bootstrap.of_mean(np.array([0.5])) == (None, None)
    low, high = bootstrap.of_mean(np.array([0.4, 0.5, 0.6]))
    assert low < 0.5 < high


def test_an_undefined_figure_has_no_limits():
    frame = predicted()
    frame[["prediction", "clipped"]] = 3.0
    limits = bootstrap.Bootstrap({"x": frame}).of("x")
    assert limits["pearson_low"] is None and limits["pearson_high"] is None
    assert limits["rmse_low"] > 0


def test_wilcoxon_is_scipys_over_folds():
    a, b = (predicted(seed=seed)[10:] for seed in (0, 1))  # the first fold is smaller
    b["label"] = a["label"]
    errors = [((f.prediction - f.label) ** 2).groupby(f.fold).mean() for f in (a, b)]
    assert bootstrap.wilcoxon(a, b)["wilcoxon_p"] == stats.wilcoxon(*errors).pvalue
    assert bootstrap.wilcoxon(a, a)["wilcoxon_p"] is None
    assert bootstrap.wilcoxon(a, predicted(sessions=True))["wilcoxon_p"] is None


def drawn(tables, labels, settings):
    """Differences between feature sets, their intervals by drawing speakers."""
    result = evaluate.evaluate(tables, labels, settings)
    return [d for d in result.differences if d["b"] != "mean"]


def refitted(tables, labels, settings):
    """The same, with everything fitted again without each speaker."""
    of = dataset.prepare(tables, labels, settings)
    specs = of.specs()[:-1]
    runs = cross_validation.run(of, of.rated[0], specs, "")
    left = jackknife.left_out(of, of.rated[0], specs)
    compared = comparison.Comparison(of, "arousal", runs.of("arousal"))
    return [jackknife.limits(left, compared, *ab) for ab in itertools.combinations(specs, 2)]


def shares_that_hold_zero(n_runs, make, how=drawn):
    """Of three feature sets with nothing between them: how often the interval holds zero."""
    found = []
    for seed in range(n_runs):
        table, labels = run_folder.corpus(n_speakers=8, n_each=15, n_features=24, seed=seed)
        table = make(table, labels, np.random.default_rng(seed))
        tables = {name: table.iloc[:, i * 8 : i * 8 + 8] for i, name in enumerate("abc")}
        settings = run_folder.settings(targets=("arousal",), n_selected=0)
        found += how(tables, labels, settings)
    held = {
        key: np.mean([d[f"{key}_low"] <= 0 <= d[f"{key}_high"] for d in found])
        for key in ("mse_mean", "ccc")
    }
    print(f"{len(found)} intervals hold zero: MSE {held['mse_mean']:.3f}, CCC {held['ccc']:.3f}")
    return held


def equally_good(table, labels, rng):
    """Features that follow the label alike, each speaker's in a way of its own."""
    truth = rng.standard_normal(len(table))
    labels["arousal"] = (3 + 0.7 * truth).clip(1, 5)
    slope = rng.normal(1, 0.3, (8, 24))[labels["speaker"].str[1:].astype(int)]
    noise = rng.normal(0, 2, table.shape)
    return pd.DataFrame(slope * truth[:, None] + noise, table.index, table.columns)


def permuted(table, labels, rng):
    """Labels exchanged within each speaker."""
    labels["arousal"] = labels.groupby("speaker")["arousal"].transform(rng.permutation)
    return table


@pytest.mark.slow
def test_intervals_between_equally_good_sets_hold_zero():
    assert min(shares_that_hold_zero(60, equally_good).values()) > 0.85


@pytest.mark.slow
def test_intervals_on_permuted_labels_hold_zero():
    held = shares_that_hold_zero(100, permuted)
    # what CCC is left is the chance of the training folds, see the docstring of `intervals`
    assert held["mse_mean"] > 0.9 and held["ccc"] > 0.75


@pytest.mark.slow
@pytest.mark.parametrize("make", [equally_good, permuted])
def test_refitted_intervals_hold_zero(make):
    assert min(shares_that_hold_zero(16, make, refitted).values()) > 0.9
