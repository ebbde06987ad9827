import warnings

import numpy as np
import pandas as pd
import pytest
import run_folder
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from emoasr import correlation, features
from emoasr.errors import UserError


@pytest.fixture
def tables():
    _, labels = run_folder.corpus(n_speakers=3, n_each=6)
    return run_folder.neural_like(labels.index), labels


@settings(max_examples=10, deadline=None)
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


def test_layers_are_rows_and_units_columns(tables):
    table, labels = tables
    table["layer03.unit017"] = labels.arousal
    maps = correlation.pearson_maps(table, labels, "arousal")
    np.testing.assert_allclose(maps.r[:, 3, 17], 1)
    assert (maps.r[:, 17 % 15, 3] < 1).all()
    assert maps.speakers == ("s0", "s1", "s2")
    assert list(maps.n_utterances) == [6, 6, 6]
    assert maps.undefined == {}


def test_what_is_undefined_is_nan_and_told(tables):
    table, labels = tables
    labels.loc[labels.speaker == "s0", "arousal"] = np.float32(2.1)
    labels.loc[labels.index[labels.speaker == "s1"][:4], "arousal"] = np.nan
    table["layer00.unit001"] = np.float32(0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        maps = correlation.pearson_maps(table, labels, "arousal")
    assert np.isnan(maps.r[:2]).all()
    assert np.flatnonzero(np.isnan(maps.r[2].ravel())).tolist() == [1]
    assert maps.undefined == {
        "s0": "all 6 ratings are 2.1",
        "s1": "2 utterance(s); a correlation needs 3",
        "s2": "1 of 1920 features are constant",
    }


def test_no_speaker_known_gives_no_map(tables):
    table, labels = tables
    labels["speaker"] = pd.Series([None] * len(labels), index=labels.index, dtype=object)
    assert correlation.pearson_maps(table, labels, "arousal").r.shape == (0, 15, 128)


def test_another_network_has_another_shape(tables):
    _, labels = tables
    names = features.unit_names(2, 3)
    X = np.random.default_rng(0).standard_normal((len(labels), 6))
    table = pd.DataFrame(X, index=labels.index, columns=names)
    assert correlation.pearson_maps(table, labels, "arousal").r.shape == (3, 2, 3)


@pytest.mark.parametrize("columns", [slice(None, None, -1), slice(1, None), slice(0, 1919)])
def test_columns_that_are_not_a_tap_are_refused(tables, columns):
    table, labels = tables
    with pytest.raises(UserError, match="'neural'.*layer00.unit000"):
        correlation.pearson_maps(table.iloc[:, columns], labels, "arousal")


def test_other_names_are_refused(tables):
    _, labels = tables
    with pytest.raises(UserError, match="'neural'"):
        correlation.pearson_maps(labels[["arousal"]], labels, "arousal")
