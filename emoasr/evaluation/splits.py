"""Training and test utterances: speakers, folds of them, or sessions are held out in turn.

Nobody is in training and test: where speakers speak in several sessions, holding out a session
leaves their other sessions out of training.
"""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from emoasr.settings.choices import group_folds, held_out

_BY_SESSION = "leave-one-session-out"
_SMALLEST_TRAINING_FOLD = 3  # utterances: an F score has n - 2 degrees of freedom


@dataclasses.dataclass(frozen=True)
class Fold:
    """One group held out.

    Attributes:
        name: the group: a speaker, a session, or the number of a fold of speakers.
        train: positions of the training utterances.
        test: positions of the test utterances, which are the group's.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def split(groups: pd.DataFrame, protocol: str, partner: str = "in") -> list[Fold]:
    """Holds out each group in turn, in the order of their names.

    `group-5-fold` holds out a fifth of the speakers at a time, such that folds have about as many
    utterances (scikit-learn's GroupKFold).

    Args:
        groups: one row an utterance; columns `speaker`, and `session` where the protocol or the
            partner needs it.
        protocol: one of `choices.PROTOCOLS`, or `group-K-fold`.
        partner: "out" also removes from training whoever shares a session with the test speaker:
            the two speakers of a dialogue have the same topics, and their emotions go together.
            Leaving sessions out does it by itself.
    """
    group, n_folds = groups[held_out(protocol)].to_numpy(), group_folds(protocol)
    splitter = GroupKFold(n_folds) if n_folds else LeaveOneGroupOut()
    apart = "speaker" if protocol == _BY_SESSION else "session" if partner == "out" else None
    folds = []
    for number, (train, test) in enumerate(splitter.split(group, groups=group), start=1):
        if apart:
            shared = groups[apart].isin(groups[apart].iloc[test].unique()).to_numpy()
            train = train[~shared[train]]
        name = f"fold {number} of {n_folds}" if n_folds else str(group[test[0]])
        folds.append(Fold(name, train, test))
    return folds


def split_problem(groups: pd.DataFrame, protocol: str, partner: str) -> str:
    """Why `split` cannot be used on these utterances; empty where it can."""
    group, least = held_out(protocol), group_folds(protocol) or 2
    few = f"{_SMALLEST_TRAINING_FOLD} utterances"
    if groups[group].nunique() < least:
        return f"it needs {least} {group}s or more"
    smallest = min(split(groups, protocol, partner), key=lambda fold: len(fold.train))
    if len(smallest.train) >= _SMALLEST_TRAINING_FOLD:
        return ""
    if protocol == _BY_SESSION and _in_several_sessions(groups):
        return (
            f"without the speakers of session {smallest.name}, who also speak in other sessions, "
            f"fewer than {few} are left for training; leave speakers out instead"
        )
    if partner == "out":
        return f"without the sessions of {smallest.name}, fewer than {few} are left for training"
    return f"it needs {few} or more besides those of each {group}"


def notes(groups: pd.DataFrame, protocol: str) -> list[str]:
    """What a reader must know of the folds, a line each."""
    several = _in_several_sessions(groups) if protocol == _BY_SESSION else 0
    if not several:
        return []
    sizes = [len(fold.train) for fold in split(groups, protocol)]
    return [
        f"{protocol}: {several} of {groups['speaker'].nunique()} speakers speak in several "
        "sessions; whoever speaks in the session held out was left out of training altogether, "
        f"which leaves {min(sizes)} to {max(sizes)} of {len(groups)} utterances for training"
    ]


def _in_several_sessions(groups: pd.DataFrame) -> int:
    """How many speakers."""
    return int((groups.groupby("speaker")["session"].nunique() > 1).sum())
