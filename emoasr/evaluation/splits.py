"""Training and test utterances: each speaker, or each session, is held out in turn."""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.model_selection import LeaveOneGroupOut

from emoasr.settings.choices import PROTOCOLS

_SMALLEST_TRAINING_FOLD = 3  # utterances: an F score has n - 2 degrees of freedom


@dataclasses.dataclass(frozen=True)
class Fold:
    """One group held out.

    Attributes:
        name: the group: a speaker or a session.
        train: positions of the training utterances.
        test: positions of the test utterances, which are the group's.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def split(groups: pd.DataFrame, protocol: str, partner: str = "in") -> list[Fold]:
    """Holds out each group in turn, in the order of their names.

    Args:
        groups: one row an utterance; columns `speaker` and `session`, as the protocol needs.
        protocol: one of `PROTOCOLS`.
        partner: "out" also removes from training whoever shares a session with the test speaker:
            the two speakers of a dialogue have the same topics, and their emotions go together. It
            needs both columns; leaving sessions out does it by itself.
    """
    group = groups[PROTOCOLS[protocol]].to_numpy()
    folds = []
    for train, test in LeaveOneGroupOut().split(group, groups=group):
        if partner == "out" and protocol == "leave-one-speaker-out":
            shared = groups["session"].isin(groups["session"].iloc[test].unique()).to_numpy()
            train = train[~shared[train]]
        folds.append(Fold(str(group[test[0]]), train, test))
    return folds


def split_problem(groups: pd.DataFrame, protocol: str, partner: str) -> str:
    """Why `split` cannot be used on these utterances; empty where it can."""
    group = PROTOCOLS[protocol]
    few = f"{_SMALLEST_TRAINING_FOLD} utterances"
    if groups[group].nunique() < 2:
        return f"it needs 2 {group}s or more"
    smallest = min(split(groups, protocol, partner), key=lambda fold: len(fold.train))
    if len(smallest.train) >= _SMALLEST_TRAINING_FOLD:
        return ""
    if partner == "out":
        return f"without the sessions of {smallest.name}, fewer than {few} are left for training"
    return f"it needs {few} or more besides those of each {group}"
