"""Traits of each speaker from labels and signal, and what they correlate with.

Rank correlations over speakers; p values by permuting the speakers' values, corrected for the
number of questions by the largest |rho| of each permutation (Westfall & Young 1993,
Resampling-Based Multiple Testing): a corrected p is the share of permutations in which any question
of that network had such a rho.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.early_late import Contrasts
from emoasr.evaluation.labels import is_rating

FEWEST = 4  # speakers of whom a trait is known
_EXCHANGES = 9999
_CLASSES = {"sex": ("sex", "gender"), "language": ("language",)}
_NUMBERS = {"age": "age", "cer": "character error rate", "wer": "word error rate"}
_OF_SIGNAL = {"speaking rate": "loudnessPeaksPerSec", "loudness": "loudness_sma3_amean"}
_ABOUT_THEMSELVES = re.compile(r"[FM]\d+")  # IEMOCAP's actors, who count in no mean rating


class Traits(NamedTuple):
    """Traits of all speakers; each is indexed by speaker, NaN where it is unknown.

    Attributes:
        shared: by name.
        own: those that depend on the rating, by rating and name.
        missing: those that are not at hand, and why.
    """

    shared: Mapping[str, pd.Series]
    own: Mapping[str, Mapping[str, pd.Series]]
    missing: list[str]


def of_speakers(dataset: Dataset, labels: pd.DataFrame) -> Traits:
    """Looks up the traits of all speakers.

    Args:
        dataset: utterances, their ratings, speakers and features; an error rate may be one.
        labels: of the run; columns of numbers count as means, of classes as each one's share.
    """
    labels, speaker = labels.loc[dataset.ratings.index], dataset.groups["speaker"].to_numpy()
    columns = {
        str(name).casefold(): table[name]
        for table in (*dataset.tables.values(), labels)
        for name in table
        if table is labels or name in _NUMBERS
    }
    shared = {"utterances": labels.groupby(speaker).size().astype(float)}
    missing = []
    for what, names in _CLASSES.items():
        there = [columns[name] for name in names if name in columns]
        found = _shares(there[0], speaker) if there else {}
        shared |= found
        if not found:
            why = "one for all" if there else f"the labels have no column {' or '.join(names)}"
            missing.append(f"{what}: {why}")
    for name, what in _NUMBERS.items():
        if name in columns and is_rating(columns[name]):
            shared[what] = columns[name].loc[labels.index].astype(float).groupby(speaker).mean()
    if not {_NUMBERS["cer"], _NUMBERS["wer"]} & shared.keys():
        where = "neither the labels nor a feature set have numbers in a column cer or wer"
        missing.append(f"the recognizer's error: {where}")
    egemaps = dataset.tables.get("egemaps", pd.DataFrame())
    for what, name in _OF_SIGNAL.items():
        if name in egemaps:
            shared[what] = egemaps[name].loc[labels.index].groupby(speaker).mean()
        else:
            missing.append(f"{what}: there is no feature set egemaps with {name}")
    own = {str(name): _of_rating(y, labels, speaker) for name, y in dataset.ratings.items()}
    unrated = [f"{name}_ratings" for name in own if f"{name}_ratings" not in labels]
    if unrated:
        missing.append(f"reliability of ratings: the labels have no column {', '.join(unrated)}")
    alike = [(what, values) for of in (shared, *own.values()) for what, values in of.items()]
    missing += [
        f"{what}: the same for all speakers, or known of fewer than {FEWEST}"
        for what, values in alike
        if not _compares(values.to_numpy(float))
    ]
    return Traits(shared, own, missing)


def _of_rating(
    rating: pd.Series, labels: pd.DataFrame, speaker: np.ndarray
) -> dict[str, pd.Series]:
    """Traits that depend on a rating, by name."""
    found = {"spread of the ratings": rating.groupby(speaker).std()}
    if (name := f"{rating.name}_ratings") in labels:
        found["reliability of the ratings"] = labels[name].groupby(speaker).apply(reliability)
    return found


def reliability(cells: pd.Series) -> float:
    """Reliability of mean ratings: ICC(1, k), for different raters of each utterance.

    Shrout & Fleiss (1979, Psychol. Bull. 86: 420-428): 1 - within / between, the mean squares of
    raters within an utterance and of utterances.

    Args:
        cells: JSON, ratings of an utterance by rater.

    Returns:
        1 at best; below 0 where raters agree less than by chance; NaN with too few ratings.

    Example:
        >>> round(reliability(pd.Series(['{"a": 1, "b": 2}', '{"a": 4, "b": 5}'])), 3)
        0.944
    """
    rated = [values for cell in cells if (values := _by_raters(cell))]
    every = np.array([value for values in rated for value in values])
    n, k = len(every), len(rated)
    if k < 2 or n == k or np.ptp(every) == 0:
        return np.nan
    within = sum(len(values) * np.var(values) for values in rated) / (n - k)
    between = sum(len(v) * (np.mean(v) - every.mean()) ** 2 for v in rated) / (k - 1)
    return float(1 - within / between) if between else np.nan


def associations(found: Contrasts, known: Traits) -> list[dict[str, Any]]:
    """Rank correlations of early minus late with the traits of speakers.

    Args:
        found: of a network.
        known: of its speakers.

    Returns:
        Records with feature_set, target, trait, n_speakers, rho, p, p_corrected (for all of this
        network); none of a trait that fewer than `FEWEST` speakers have, or all alike.
    """
    asked, ranks = [], []
    for t, target in enumerate(found.targets):
        for trait, values in {**known.shared, **known.own.get(target, {})}.items():
            value_S = values.reindex(found.speakers).to_numpy(float)
            if _compares(value_S):
                asked.append((t, target, trait, int(np.isfinite(value_S).sum())))
                ranks.append(_standard_ranks(value_S))
    if not asked:
        return []
    trait_QS = np.array(ranks)
    value_SQ = np.array([_standard_ranks(v) for v in found.value_ST.T])[[a[0] for a in asked]].T
    rng = np.random.default_rng(0)
    orders = [rng.permutation(len(found.speakers)) for _ in range(_EXCHANGES)]
    rho_Q = (trait_QS * value_SQ.T).sum(axis=1)
    by_chance_RQ = np.array([abs((trait_QS * value_SQ[order].T).sum(axis=1)) for order in orders])
    reached_RQ = by_chance_RQ >= abs(rho_Q) - 1e-9
    any_RQ = by_chance_RQ.max(axis=1)[:, None] >= abs(rho_Q) - 1e-9
    return [
        {
            "feature_set": found.feature_set,
            "target": target,
            "trait": trait,
            "n_speakers": n,
            "rho": float(rho_Q[q]),
            "p": float((1 + reached_RQ[:, q].sum()) / (1 + _EXCHANGES)),
            "p_corrected": float((1 + any_RQ[:, q].sum()) / (1 + _EXCHANGES)),
        }
        for q, (_, target, trait, n) in enumerate(asked)
    ]


def _shares(column: pd.Series, speaker: np.ndarray) -> dict[str, pd.Series]:
    """Of a speaker's utterances, how many are of each class; of two classes, the second only."""
    known = column.dropna().astype(str)
    names = sorted(known.unique())
    if len(names) < 2:
        return {}
    of_known = pd.Series(speaker, column.index).loc[known.index].to_numpy()
    return {
        f"{str(column.name).casefold()} {name}": (known == name).groupby(of_known).mean()
        for name in (names[1:] if len(names) == 2 else names)
    }


def _by_raters(cell: object) -> list[float]:
    """Ratings of an utterance by all who count; none if the cell holds something else."""
    try:
        said = json.loads(str(cell))
    except ValueError:
        return []
    who = said if isinstance(said, dict) else {}
    return [
        float(value)
        for name, value in who.items()
        if isinstance(value, int | float) and not _ABOUT_THEMSELVES.fullmatch(name)
    ]


def _compares(values: np.ndarray) -> bool:
    """Whether enough speakers have a trait, and not all the same."""
    known = values[np.isfinite(values)]
    return len(known) >= FEWEST and float(np.ptp(known)) > 0


def _standard_ranks(values: np.ndarray) -> np.ndarray:
    """Ranks (S,) with mean 0 and length 1; an unknown value has the mean rank."""
    ranks = stats.rankdata(values, nan_policy="omit")
    centred = np.nan_to_num(ranks - np.nanmean(ranks))
    return centred / (np.linalg.norm(centred) or 1.0)
