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
    test over speakers. Beside it, how much larger the mean CCC of the last third of the layers is
    than that of the first, which says in CCC what a rank does not. Every speaker counts once.

    Args:
        predictions: by target, those of each layer, from the first to the last; columns `speaker`,
            `label` and `clipped`.
        feature_set: whose layers they are; the verdicts begin with its name if it is not `neural`.

    Returns:
        Records with feature_set, target (or "one − other"), n_speakers, rho, rho_low, rho_high, p,
        rise, rise_low, rise_high (of CCC, last third minus first), verdict.
    """
    by_speaker = {target: _by_speaker(layers) for target, layers in predictions.items()}
    found = [_record(target, of, _verdict_of(target)) for target, of in by_speaker.items()]
    for one, other in itertools.combinations(by_speaker, 2):
        difference = by_speaker[one] - by_speaker[other]
        found.append(_record(f"{one} − {other}", difference, _verdict_between(one, other)))
    prefix = "" if feature_set == NEURAL else f"{feature_set}: "
    return [
        {"feature_set": feature_set, **record, "verdict": prefix + record["verdict"]}
        for record in found
    ]


def _by_speaker(layers: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Spearman's `rho` and the `rise` of CCC by speaker, NaN where undefined."""
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
    third = max(1, round(len(ccc) / 3))
    rise = ccc.tail(third).mean(skipna=False) - ccc.head(third).mean(skipna=False)
    rho = ccc.apply(lambda column: _spearman(column.to_numpy()), result_type="reduce")
    return pd.DataFrame({"rho": rho, "rise": rise}, ccc.columns, dtype=np.float64)


def _spearman(ccc: np.ndarray) -> float:
    if not np.isfinite(ccc).all() or np.ptp(ccc) == 0:
        return np.nan
    return float(stats.spearmanr(np.arange(len(ccc)), ccc).statistic)


def _record(
    target: str, by_speaker: pd.DataFrame, verdicts: tuple[str, str, str]
) -> dict[str, Any]:
    rho, rise = by_speaker["rho"].dropna(), by_speaker["rise"].dropna()
    n, of_rho = len(rho), _mean("rho", rho)
    mean = of_rho["rho"]
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
        **of_rho,
        "p": p,
        **_mean("rise", rise),
        "verdict": verdict,
    }


def _mean(name: str, values: pd.Series) -> dict[str, float | None]:
    low, high = limits_of_mean(values.to_numpy())
    mean = float(values.mean()) if len(values) else None
    return {name: mean, f"{name}_low": low, f"{name}_high": high}


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
