import warnings

import audformat
import numpy as np
import pandas as pd
import pytest
import run_folder
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.evaluation import correlation
from emoasr.inference import columns


@pytest.fixture
def tables():
    _, labels = run_folder.corpus(n_speakers=3, n_each=6)
    return run_folder.neural_like(labels.index), labels


@settings(max_examples=10)
@given(seed=st.integers(0, 99), scale=st.sampled_from([1e-3, 1.0, 1e4]))
def test_maps_equal_scipy(seed, scale):
    _, labels = run_folder.corpus(n_speakers=2, n_each=5, seed=seed)
    table = run_folder.neural_like(labels.index, seed) * scale + scale
    maps = correlation.pearson_maps(table, labels, "valence")
    assert maps.r.shape == (2, 15, 128)
    for i, speaker in enumerate(maps.speakers):
        rows = labels.speaker == speaker
        r = scipy.stats.pearsonr(
            table[rows].to_numpy(float), labels.valence[rows].to_numpy(float)[:, None], axis=0
        )
        np.testing.assert_allclose(maps.r[i].ravel(), r.statistic, atol=1e-10)
        np.testing.assert_allclose(maps.p[i].ravel(), r.pvalue, rtol=1e-6, atol=1e-12)
        np.testing.assert_allclose(maps.q[i].ravel(), benjamini_hochberg(maps.p[i].ravel()))


def benjamini_hochberg(p):
    """The procedure as published: q of the i-th smallest p is the least m p / j over j >= i."""
    order = np.argsort(p)
    raw = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum.accumulate(raw[::-1])[::-1].clip(max=1)
    return q


def test_p_of_known_pairs():
    r, n = np.array([0.0, 0.5, -0.9, 1.0, np.nan]), np.array([3, 27, 10, 5, 9])
    exact = [1, *(2 * scipy.stats.beta(m / 2 - 1, m / 2 - 1, -1, 2).cdf(-abs(x))
                  for x, m in ((0.5, 27), (-0.9, 10))), 0, np.nan]  # fmt: skip
    np.testing.assert_allclose(correlation.p_values(r, n), exact)


def test_undefined_units_are_no_part_of_the_family():
    p = np.array([[0.01, np.nan, 0.04], [np.nan, 0.02, 0.5]])
    q = correlation.q_values(p)
    np.testing.assert_array_equal(np.isnan(q), np.isnan(p))
    np.testing.assert_allclose(q[~np.isnan(q)], benjamini_hochberg(p[~np.isnan(p)]))
    assert np.isnan(correlation.q_values(np.full((2, 2), np.nan))).all()


def test_the_mean_map_is_a_t_test_of_fishers_z():
    r = np.random.default_rng(0).uniform(-0.9, 0.9, (5, 2, 3))
    r[0, 0, 0] = np.nan
    r[1:, 0, 1] = np.nan
    r[:, 0, 2] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = correlation.from_r("arousal", tuple("abcde"), r, np.full(5, 20), {})
    test = scipy.stats.ttest_1samp(np.arctanh(r[:, 1]), 0)
    np.testing.assert_allclose(maps.mean_p[1], test.pvalue)
    np.testing.assert_allclose(maps.mean_r[1], r[:, 1].mean(axis=0))
    np.testing.assert_allclose(maps.mean_r[0, :2], [r[1:, 0, 0].mean(), r[0, 0, 1]])
    known = scipy.stats.ttest_1samp(np.arctanh(r[1:, 0, 0]), 0).pvalue
    np.testing.assert_allclose(maps.mean_p[0], [known, np.nan, np.nan])
    assert np.isnan(maps.mean_r[0, 2])
    np.testing.assert_array_equal(np.isnan(maps.mean_q), np.isnan(maps.mean_p))


def test_perfect_correlations_have_a_mean():
    r = np.ones((4, 1, 2))
    r[:, 0, 1] = [1.0, 0.9, 1.0, 0.8]
    maps = correlation.from_r("arousal", tuple("abcd"), r, np.full(4, 9), {})
    assert maps.mean_p[0, 0] == 0
    assert 0 < maps.mean_p[0, 1] < 1


WHOLE = audformat.utils.to_segmented_index  # from 0 to an open end


@pytest.mark.parametrize(("of_table", "labelled"), [
    (pd.Index, WHOLE),
    (WHOLE, pd.Index),
    (WHOLE, lambda files: audformat.segmented_index(files, [0] * len(files), [1] * len(files))),
])  # fmt: skip
def test_a_file_and_its_whole_segment_are_one_utterance(tables, of_table, labelled):
    table, labels = tables
    as_files = correlation.pearson_maps(table, labels, "valence")
    table, labels = (
        frame.set_axis(of(frame.index)) for frame, of in ((table, of_table), (labels, labelled))
    )
    found = correlation.pearson_maps(table, labels, "valence")
    np.testing.assert_array_equal(found.r, as_files.r)


def test_maps_as_a_table(tables):
    table, labels = tables
    labels.loc[labels.speaker == "s0", "arousal"] = np.float32(2.1)
    maps = [correlation.pearson_maps(table, labels, t) for t in ("arousal", "valence")]
    rows = correlation.as_table(maps)
    assert list(rows) == ["feature_set", "speaker", "target", "layer", "unit", "r", "p", "q"]
    assert set(rows.feature_set) == {"neural"}
    assert len(rows) == 2 * 4 * 1920
    which = (rows.target == "valence") & (rows.layer == 3) & (rows.unit == 17)
    by_speaker = rows[which].set_index("speaker")
    assert by_speaker.r["s1"] == maps[1].r[1, 3, 17]
    assert by_speaker.q["mean over speakers"] == maps[1].mean_q[3, 17]
    constant = rows[(rows.target == "arousal") & (rows.speaker == "s0")]
    assert constant[["r", "p", "q"]].isna().all().all()
    assert list(correlation.as_table([])) == list(rows)


def test_layers_are_rows_and_units_columns(tables):
    table, labels = tables
    table["layer03.unit017"] = labels.arousal
    maps = correlation.pearson_maps(table, labels, "arousal")
    np.testing.assert_allclose(maps.r[:, 3, 17], 1)
    assert (maps.r[:, 17 % 15, 3] < 1).all()
    assert maps.speakers == ("s0", "s1", "s2")
    assert list(maps.n_utterances) == [6, 6, 6]
    assert maps.undefined == {}


def test_what_is_undefined_is_nan_and_explained(tables):
    table, labels = tables
    labels.loc[labels.speaker == "s0", "arousal"] = np.float32(2.1)
    labels.loc[labels.index[labels.speaker == "s1"][:4], "arousal"] = np.nan
    table["layer00.unit001"] = np.float32(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = correlation.pearson_maps(table, labels, "arousal")
    assert np.isnan(maps.r[:2]).all()
    np.testing.assert_array_equal(np.isnan(maps.p), np.isnan(maps.r))
    np.testing.assert_array_equal(np.isnan(maps.q), np.isnan(maps.r))
    np.testing.assert_array_equal(maps.mean_r, maps.r[2])
    assert np.flatnonzero(np.isnan(maps.r[2].ravel())).tolist() == [1]
    assert maps.undefined == {
        "s0": "all 6 ratings are 2.1",
        "s1": "2 utterances; a correlation needs 3",
        "s2": "1 of 1920 features are constant",
    }


def test_no_speaker_known_gives_no_map(tables):
    table, labels = tables
    labels["speaker"] = pd.Series([None] * len(labels), index=labels.index, dtype=object)
    assert correlation.pearson_maps(table, labels, "arousal").r.shape == (0, 15, 128)


def test_another_network_has_another_shape(tables):
    _, labels = tables
    names = columns.unit_names(2, 3)
    X = np.random.default_rng(0).standard_normal((len(labels), 6))
    table = pd.DataFrame(X, index=labels.index, columns=names)
    assert correlation.pearson_maps(table, labels, "arousal").r.shape == (3, 2, 3)


def test_each_recognizer_has_maps_of_its_shape(tables):
    table, labels = tables
    small = table.iloc[:, :6].set_axis(columns.unit_names(2, 3), axis=1)
    sets = {"mfcc": labels[["arousal"]], "w": small, "random-w": small, "random": table}
    assert correlation.maps_of({"mfcc": sets["mfcc"]}, labels, ["arousal"]) == []
    maps = correlation.maps_of(sets, labels, ["arousal", "valence"])
    assert [(m.feature_set, m.target) for m in maps] == [("w", "arousal"), ("w", "valence")]
    both = correlation.maps_of({**sets, "neural": table}, labels, ["arousal"])
    assert [(m.feature_set, m.r.shape) for m in both] == [
        ("w", (3, 2, 3)),
        ("neural", (3, 15, 128)),
    ]
    alone = correlation.pearson_maps(table, labels, "arousal")
    np.testing.assert_array_equal(both[1].r, alone.r)
    rows = correlation.as_table(both)
    assert rows.groupby("feature_set").size().to_dict() == {"neural": 4 * 1920, "w": 4 * 6}


@pytest.mark.parametrize("columns", [slice(None, None, -1), slice(1, None), slice(0, 1919)])
def test_columns_that_are_not_a_tap_are_refused(tables, columns):
    table, labels = tables
    with pytest.raises(UserError, match="'neural'.*layer00.unit000"):
        correlation.pearson_maps(table.iloc[:, columns], labels, "arousal")


def test_other_names_are_refused(tables):
    _, labels = tables
    with pytest.raises(UserError, match="'neural'"):
        correlation.pearson_maps(labels[["arousal"]], labels, "arousal")
