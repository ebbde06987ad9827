"""Training and test utterances: speakers, folds of them, or sessions are held out in turn.

Nobody is in training and test: where speakers speak in several sessions, holding out a session
leaves their other sessions out of training.
"""

import dataclasses
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold, LeaveOneGroupOut

from emoasr.settings.choices import DEV, TRAIN, group_folds, held_out, test_split
from emoasr.system.output import counted

UNKNOWN = "unknown"  # stands for missing speakers, where splits are predefined

MOST_FOLDS = 30  # of a predictor, which keeps each fold's model: more speakers share folds
_FOLDS_OF_MANY = 10  # of more than 300 speakers: leaving out a tenth of them changes little

_BY_SESSION = "leave-one-session-out"
_SMALLEST_TRAINING_FOLD = 3  # utterances: an F score has n - 2 degrees of freedom


@dataclasses.dataclass(frozen=True)
class Fold:
    """One group held out.

    Attributes:
        name: the group: a speaker, a session, or the number of a fold of speakers.
        train: positions of the training utterances.
        test: positions of the test utterances, which are the group's.
        dev: positions of the split `dev`, where splits are predefined; None of other protocols.
    """

    name: str
    train: np.ndarray
    test: np.ndarray
    dev: np.ndarray | None = None


def split(groups: pd.DataFrame, protocol: str, partner: str = "in") -> list[Fold]:
    """Holds out each group in turn, in the order of their names.

    `group-5-fold` holds out a fifth of the speakers at a time, such that folds have about as many
    utterances (scikit-learn's GroupKFold). `predefined-TEST` tests the utterances whose `split` is
    TEST, after training on those whose split is `train`; all others are in neither.

    Args:
        groups: one row an utterance; columns `speaker`, and `session` or `split` where the protocol
            or the partner needs it.
        protocol: one of `choices.PROTOCOLS`, `group-K-fold`, or `predefined-TEST`.
        partner: "out" also removes from training whoever shares a session with the test speaker:
            the two speakers of a dialogue have the same topics, and their emotions go together.
            Leaving sessions out does it by itself.
    """
    apart = "speaker" if protocol == _BY_SESSION else "session" if partner == "out" else None
    folds = list(_folds(groups[held_out(protocol)].to_numpy(), protocol))
    return [_apart(fold, groups[apart]) for fold in folds] if apart else folds


def _folds(group_N: np.ndarray, protocol: str) -> Iterator[Fold]:
    if test := test_split(protocol):
        yield Fold(test, *(np.flatnonzero(group_N == part) for part in (TRAIN, test, DEV)))
        return
    n_folds = group_folds(protocol)
    splitter = GroupKFold(n_folds) if n_folds else LeaveOneGroupOut()
    for number, (train, test_N) in enumerate(splitter.split(group_N, groups=group_N), start=1):
        name = f"fold {number} of {n_folds}" if n_folds else str(group_N[test_N[0]])
        yield Fold(name, train, test_N)


def _apart(fold: Fold, group: pd.Series) -> Fold:
    """The fold without training utterances of any group that is tested."""
    shared = group.isin(group.iloc[fold.test].unique()).to_numpy()
    return dataclasses.replace(fold, train=fold.train[~shared[fold.train]])


def speaker_folds(groups: pd.DataFrame, partner: str) -> list[Fold]:
    """Folds that leave out a speaker each, or where there are more than `MOST_FOLDS`, several.

    Args:
        groups: as of `split`.
        partner: as of `split`.
    """
    return split(groups, speaker_protocol(groups), partner)


def speaker_protocol(groups: pd.DataFrame) -> str:
    """The protocol of `speaker_folds`."""
    n_speakers = groups["speaker"].nunique()
    if n_speakers <= MOST_FOLDS:
        return "leave-one-speaker-out"
    n_folds = MOST_FOLDS if n_speakers <= MOST_FOLDS * _FOLDS_OF_MANY else _FOLDS_OF_MANY
    return f"group-{n_folds}-fold"


def split_problem(groups: pd.DataFrame, protocol: str, partner: str) -> str:
    """Why `split` cannot be used on these utterances; empty where it can."""
    group, least = held_out(protocol), group_folds(protocol) or 2
    few = f"{_SMALLEST_TRAINING_FOLD} utterances"
    if test := test_split(protocol):
        lacks = {TRAIN, test} - {*groups[group]}
        if lacks:
            there = ", ".join(sorted(groups[group].unique()))
            return f"no utterance has the split {' or '.join(sorted(lacks))} (there are: {there})"
    elif groups[group].nunique() < least:
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
    if test := test_split(protocol):
        return _overlaps(groups, test)
    by_session = protocol == _BY_SESSION and "session" in groups
    several = _in_several_sessions(groups) if by_session else 0
    if not several:
        return []
    sizes = [len(fold.train) for fold in split(groups, protocol)]
    return [
        f"{protocol}: {several} of {groups['speaker'].nunique()} speakers speak in several "
        "sessions; whoever speaks in the session held out was left out of training altogether, "
        f"which leaves {min(sizes)} to {max(sizes)} of {len(groups)} utterances for training"
    ]


def _overlaps(groups: pd.DataFrame, test: str) -> list[str]:
    """Lines on what predefined splits leave out, and on who is in training and test."""
    split = groups["split"]
    other = split[~split.isin((TRAIN, test))].value_counts()
    found = []
    if len(other):
        which = ", ".join(f"{name} {n}" for name, n in other.items())
        found.append(f"neither trained on nor tested: {which}")
    for column in ("speaker", "session"):
        if column not in groups:
            continue
        trained, tested = ({*groups[column][split == name]} - {UNKNOWN} for name in (TRAIN, test))
        if both := sorted(trained & tested):
            found.append(
                f"warning: {len(both)} of {counted(len(tested), column)} of split {test} are, by "
                f"name, in training too, such as {both[0]}: their utterances were tested anyway"
            )
    if groups["speaker"][split == test].nunique() == 1:
        found.append(f"warning: split {test} has a single speaker: no metric has an interval")
    for name in (TRAIN, test):
        if n := int(((groups["speaker"] == UNKNOWN) & (split == name)).sum()):
            found.append(
                f"split {name}: {counted(n, 'utterance')} without a speaker, counted as one speaker"
            )
    return found


def _in_several_sessions(groups: pd.DataFrame) -> int:
    """How many speakers speak in several sessions."""
    return int((groups.groupby("speaker")["session"].nunique() > 1).sum())
