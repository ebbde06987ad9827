"""Random-effects meta-analysis: do estimates differ by more than their sampling errors?"""

from typing import NamedTuple

import numpy as np
from scipy import optimize, stats


class Pooled(NamedTuple):
    """What several estimates say together.

    Attributes:
        mean: of the distribution of the true values.
        low, high: its 95 % interval.
        new_low, new_high: where the true value of a new one lies, with 95 % (prediction interval).
        tau: the true values' standard deviation.
        q: Cochran's; chi-squared with k - 1 degrees of freedom if all true values are one.
        p: of `q`.
        i2: share of the estimates' variance that sampling does not explain, from 0 to 1.
    """

    mean: float
    low: float
    high: float
    new_low: float
    new_high: float
    tau: float
    q: float
    p: float
    i2: float


def random_effects(estimates: np.ndarray, variances: np.ndarray) -> Pooled:
    """Pools estimates whose true values may differ.

    tau² is Paule and Mandel's (1982; DerSimonian & Kacker 2007, Contemp. Clin. Trials 28: 105);
    the mean's interval Hartung and Knapp's, never narrower than the usual one (Röver, Knapp &
    Friede 2015, BMC Med. Res. Methodol. 15: 99); I² Higgins and Thompson's (2002, Stat. Med. 21:
    1539); the prediction interval that of Higgins, Thompson & Spiegelhalter (2009, J. R. Stat. Soc.
    A 172: 137).

    Args:
        estimates: (k,), three or more.
        variances: (k,), of their sampling errors, above zero.

    Example:
        >>> found = random_effects(np.array([0.1, 0.3, 0.2, 0.6]), np.full(4, 0.01))
        >>> print(f"{found.mean:.2f} {found.tau:.2f} {found.q:.1f} {found.i2:.2f}")
        0.30 0.19 14.0 0.79
    """
    k = len(estimates)
    q, _ = _spread(0.0, estimates, variances)
    tau2 = 0.0
    if q > k - 1:  # the spread falls as tau² grows, and is below 1 at this end
        end = float(((estimates - estimates.mean()) ** 2).sum())
        tau2 = optimize.brentq(lambda t: _spread(t, estimates, variances)[0] - (k - 1), 0.0, end)
    spread, mean = _spread(tau2, estimates, variances)
    variance = max(1.0, spread / (k - 1)) / (1 / (variances + tau2)).sum()
    of_mean = stats.t.ppf(0.975, k - 1) * np.sqrt(variance)
    of_new = stats.t.ppf(0.975, k - 2) * np.sqrt(variance + tau2)
    i2 = max(0.0, 1 - (k - 1) / q) if q else 0.0
    return Pooled(
        mean=mean,
        low=float(mean - of_mean),
        high=float(mean + of_mean),
        new_low=float(mean - of_new),
        new_high=float(mean + of_new),
        tau=float(tau2**0.5),
        q=q,
        p=float(stats.chi2.sf(q, k - 1)),
        i2=i2,
    )


def _spread(tau2: float, estimates: np.ndarray, variances: np.ndarray) -> tuple[float, float]:
    """Weighted squares around the weighted mean; and that mean."""
    weights = 1 / (variances + tau2)
    mean = np.average(estimates, weights=weights)
    return float((weights * (estimates - mean) ** 2).sum()), float(mean)
