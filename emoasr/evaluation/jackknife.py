"""Intervals with everything fitted again without each speaker: training speakers count too.

The intervals of `bootstrap` take the fitted models as given. Here cross-validation is repeated
without each speaker in turn (the jackknife; Efron & Tibshirani 1993, chapter 11), with Student's t
for that number of speakers: S times the work.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from emoasr.evaluation import cross_validation
from emoasr.evaluation.comparison import Comparison
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.metrics import METRICS, VARIANTS, Metrics, all_metrics
from emoasr.evaluation.regression import PredictorConfig
from emoasr.evaluation.splits import split_problem

MOST_SPEAKERS = 40  # the work grows with their square

MetricsOfPart = dict[tuple[PredictorConfig, str], Metrics]  # by config and target


def problem(dataset: Dataset, protocol: str, partner: str) -> str:
    """Why the jackknife cannot be done on these data; empty where it can."""
    n_speakers = dataset.groups["speaker"].nunique()
    if n_speakers > MOST_SPEAKERS:
        return f"{n_speakers} speakers; fitting again without each is limited to {MOST_SPEAKERS}"
    for speaker, part in _parts(dataset):
        why = split_problem(part.groups, protocol, partner)
        if why:
            return f"not possible without speaker {speaker}: {why}"
    return ""


def without_each_speaker(
    dataset: Dataset, configs: Sequence[PredictorConfig], workers: int
) -> list[MetricsOfPart]:
    """Metrics of all configs without each speaker in turn."""
    found = []
    n_speakers = dataset.groups["speaker"].nunique()
    for number, (_, part) in enumerate(_parts(dataset), start=1):
        fitted = cross_validation.run(part, configs, workers, f"refit {number}/{n_speakers}")
        found.append({key: all_metrics(frame) for key, frame in fitted.predictions.items()})
    return found


def limits(
    parts: Sequence[MetricsOfPart], whole: Comparison, a: PredictorConfig, b: PredictorConfig
) -> Metrics:
    """`KEY_low` and `KEY_high` of predictor a's metrics minus b's; None where undefined."""
    found: Metrics = {}
    for key in (prefix + name for prefix in VARIANTS for name in METRICS):
        of_whole = [whole.metrics[config][key] for config in (a, b)]
        of_parts = [[part[config, whole.target][key] for config in (a, b)] for part in parts]
        low, high = _interval(pd.DataFrame([of_whole, *of_parts], dtype=float).to_numpy())
        found |= {f"{key}_low": low, f"{key}_high": high}
    return found


def _parts(dataset: Dataset) -> Iterator[tuple[str, Dataset]]:
    """The data without each speaker."""
    for speaker in np.unique(dataset.groups["speaker"]):
        yield speaker, dataset.where(dataset.groups["speaker"] != speaker)


def _interval(values: np.ndarray) -> tuple[float | None, float | None]:
    """Of a difference: (1 + S, 2) metrics of both predictors, the first row with all speakers."""
    whole, *parts = values[:, 0] - values[:, 1]
    if not np.isfinite(values).all():
        return None, None
    n = len(parts)
    error = np.sqrt((n - 1) * np.var(parts))
    half_width = float(stats.t.ppf(0.975, n - 1) * error)
    return float(whole - half_width), float(whole + half_width)
