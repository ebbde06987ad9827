"""Who is trained on and who is tested: utterances split by speaker or by session."""

import dataclasses

import numpy as np
import pandas as pd
from sklearn.model_selection import LeaveOneGroupOut

from emoasr.settings.choices import PROTOCOLS


@dataclasses.dataclass(frozen=True)
class Fold:
    """One group held out.

    Attributes:
        name: the group: a speaker or a session.
        train: positions of the utterances that are fitted.
        test: positions of the group's utterances.
    """

    name: str
    train: np.ndarray
    test: np.ndarray


def split(people: pd.DataFrame, protocol: str, partner: str = "in") -> list[Fold]:
    """Leaves each group out in turn, in the order of their names.

    Args:
        people: one row an utterance; columns `speaker` and `session`, as the protocol needs.
        protocol: one of `PROTOCOLS`.
        partner: "out" also keeps from training whoever shares a session with the speaker held
            out: in a dialogue, both talk of the same and rise and fall together. It needs both
            columns; leaving sessions out does it by itself.
    """
    group = people[PROTOCOLS[protocol]].to_numpy()
    folds = []
    for train, test in LeaveOneGroupOut().split(group, groups=group):
        if partner == "out" and protocol == "leave-one-speaker-out":
            shared = people["session"].isin(people["session"].iloc[test].unique()).to_numpy()
            train = train[~shared[train]]
        folds.append(Fold(str(group[test[0]]), train, test))
    return folds
