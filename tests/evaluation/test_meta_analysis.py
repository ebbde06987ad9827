import numpy as np
import pytest
from scipy import stats

from emoasr.evaluation import meta_analysis


def test_the_bcg_trials_give_the_published_figures():
    """Colditz et al. (1994), log risk ratios; figures of metafor's documentation (`dat.bcg`)."""
    y = [-0.8893, -1.5854, -1.3481, -1.4416, -0.2175, -0.7861, -1.6209, 0.0120, -0.4694, -1.3713,
         -0.3394, 0.4459, -0.0173]  # fmt: skip
    v = [0.3256, 0.1946, 0.4154, 0.0200, 0.0512, 0.0069, 0.2230, 0.0040, 0.0564, 0.0730, 0.0124,
         0.5325, 0.0714]  # fmt: skip
    found = meta_analysis.random_effects(np.array(y), np.array(v))
    assert found.q == pytest.approx(152.23, rel=0.01)
    assert found.tau**2 == pytest.approx(0.318, abs=0.003)
    assert found.mean == pytest.approx(-0.715, abs=0.003)
    assert found.i2 == pytest.approx(0.921, abs=0.002)
    assert found.p < 1e-20
    assert found.new_low < found.low < found.mean < found.high < found.new_high


def test_estimates_that_agree_have_no_variance_between_them():
    found = meta_analysis.random_effects(np.array([1.0, 1.1, 0.9]), np.full(3, 1.0))
    assert (found.tau, found.i2) == (0, 0)
    assert found.high - found.mean == pytest.approx(stats.t.ppf(0.975, 2) / 3**0.5)
    alike = meta_analysis.random_effects(np.ones(4), np.full(4, 1.0))
    assert (alike.q, alike.p, alike.i2) == (0, 1, 0)
