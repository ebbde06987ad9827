"""Do early or late layers predict a rating better? A test that can say no."""

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import audmetric
import numpy as np
import pandas as pd
from scipy import stats

from emoasr.evaluation.bootstrap import limits_of_mean
from emoasr.evaluation.layers import NEURAL

_FEWEST_SPEAKERS = 6  # with five, a two-sided Wilcoxon test never gets below .05
_ALPHA = 0.05


def over_layers(
    predictions: Mapping[str, Sequence[pd.DataFrame]], feature_set: str = NEURAL
) -> list[dict[str, Any]]:
    """Tests a trend over layers, and its difference between targets.

    For each speaker, Spearman's correlation of the layers' numbers with the CCCs of predictions
    from each layer alone; then its mean over speakers, with an interval, and a two-sided Wilcoxon
    test over speakers. Every speaker counts once.

    Args:
        predictions: by target, those of each layer, from the first to the last; columns `speaker`,
            `label` and `clipped`.
        feature_set: whose layers they are; the verdicts begin with its name if it is not `neural`.

    Returns:
        Records with feature_set, target (or "one - other"), n_speakers, rho, rho_low, rho_high, p,
        verdict.
    """
    rhos = {target: _rhos(layers) for target, layers in predictions.items()}
    found = [_record(target, rho, _verdict_of(target)) for target, rho in rhos.items()]
    for one, other in itertools.combinations(rhos, 2):
        difference = (rhos[one] - rhos[other]).dropna()
        found.append(_record(f"{one} - {other}", difference, _verdict_between(one, other)))
    prefix = "" if feature_set == NEURAL else f"{feature_set}: "
    return [
        {"feature_set": feature_set, **record, "verdict": prefix + record["verdict"]}
        for record in found
    ]


def _rhos(layers: Sequence[pd.DataFrame]) -> pd.Series:
    """Spearman's rho by speaker; speakers where it is undefined are left out."""
    ccc = pd.DataFrame(
        [
            {
                speaker: audmetric.concordance_cc(rows["label"], rows["clipped"])
                for speaker, rows in layer.groupby("speaker")
                if rows["label"].nunique() > 1
            }
            for layer in layers
        ]
    )
    return ccc.apply(lambda column: _spearman(column.to_numpy()), result_type="reduce").dropna()


def _spearman(ccc: np.ndarray) -> float:
    if not np.isfinite(ccc).all() or np.ptp(ccc) == 0:
        return np.nan
    return float(stats.spearmanr(np.arange(len(ccc)), ccc).statistic)


def _record(target: str, rho: pd.Series, verdicts: tuple[str, str, str]) -> dict[str, Any]:
    n = len(rho)
    mean = float(rho.mean()) if n else None
    low, high = limits_of_mean(rho.to_numpy())
    p = float(stats.wilcoxon(rho).pvalue) if n and (rho != 0).any() else None
    if n < _FEWEST_SPEAKERS:
        verdict = f"{target}: too few speakers with a trend ({n}) for a test"
    elif p is None or mean is None or p >= _ALPHA:
        verdict = verdicts[0]
    else:
        verdict = verdicts[1 if mean > 0 else 2]
    return {
        "target": target,
        "n_speakers": n,
        "rho": mean,
        "rho_low": low,
        "rho_high": high,
        "p": p,
        "verdict": verdict,
    }


def _verdict_of(target: str) -> tuple[str, str, str]:
    return (
        f"{target}: no significant trend over layers",
        f"{target}: later layers predict it better than earlier layers",
        f"{target}: earlier layers predict it better than later layers",
    )


def _verdict_between(one: str, other: str) -> tuple[str, str, str]:
    return (
        f"{one} and {other}: no significant difference between their trends over layers",
        f"{one} is found in later layers than {other}",
        f"{one} is found in earlier layers than {other}",
    )
