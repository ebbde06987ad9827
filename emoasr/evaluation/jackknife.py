"""Intervals with everything fitted again without each speaker: training counts too.

The bootstrap of `intervals` takes the models as they are. Here cross-validation runs anew without
each speaker in turn (the jackknife; Efron & Tibshirani 1993, chapter 11), with Student's t for so
many speakers: S times the work.
"""

import numpy as np
import pandas as pd
from scipy import stats

from emoasr.evaluation import bootstrap, cross_validation
from emoasr.evaluation.bootstrap import Figures
from emoasr.evaluation.comparison import Comparison
from emoasr.evaluation.dataset import Rated, Study, unfit
from emoasr.evaluation.regression import Spec

MOST_SPEAKERS = 40  # the work grows with their square

Left = list[dict[tuple[Spec, str], Figures]]  # without each speaker: figures by spec and target


def left_out(of: Study, rated: Rated, specs: list[Spec]) -> Left | str:
    """Figures of all specs without each speaker in turn; or why they cannot be had."""
    speakers = np.unique(rated.people["speaker"])
    if len(speakers) > MOST_SPEAKERS:
        return f"{len(speakers)} speakers; fitting all again without each is for {MOST_SPEAKERS}"
    parts = []
    for speaker in speakers:
        kept = rated.people["speaker"] != speaker
        part = Rated(rated.labels[kept], rated.people[kept])
        problem = unfit(part, specs[0].protocol, specs[0].partner)
        if problem:
            return f"without {speaker} the data would not do: {problem}"
        parts.append(part)
    found: Left = []
    for number, part in enumerate(parts, start=1):
        runs = cross_validation.run(of, part, specs, f"refit {number}/{len(parts)}")
        found.append({key: bootstrap.both(frame) for key, frame in runs.predictions.items()})
    return found


def limits(left: Left, compared: Comparison, a: Spec, b: Spec) -> Figures:
    """`KEY_low` and `KEY_high` of run a's figures minus run b's; None where undefined."""
    found: Figures = {}
    for prefix in bootstrap.VARIANTS:
        for key in (prefix + figure for figure in bootstrap.FIGURES):
            whole = [compared.figures[spec][key] for spec in (a, b)]
            parts = [[part[spec, compared.target][key] for spec in (a, b)] for part in left]
            low, high = _interval(pd.DataFrame([whole, *parts], dtype=float).to_numpy())
            found |= {f"{key}_low": low, f"{key}_high": high}
    return found


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """Of a difference: (1 + S, 2) figures of both runs, the first row with all speakers."""
    whole, *parts = values[:, 0] - values[:, 1]
    if not np.isfinite(values).all():
        return None, None
    n = len(parts)
    error = np.sqrt((n - 1) * np.var(parts))
    reach = float(stats.t.ppf(0.975, n - 1) * error)
    return float(whole - reach), float(whole + reach)
