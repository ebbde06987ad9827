"""Training data: rated utterances of known speakers, and the folds that hold speakers out.

Shape suffixes: N utterances, T ratings.
"""

import dataclasses
from collections.abc import Sequence

import ml_collections
import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation import dataset, labels, splits
from emoasr.evaluation.splits import Fold
from emoasr.prediction import manifest
from emoasr.settings import choices
from emoasr.system.output import counted

OF_FOLDS = ("speaker", "seed", "fold")  # columns of a fold's predictions, beside the ratings
_FEWEST = 4  # speakers: one to test, one to choose the epoch, two to train on


@dataclasses.dataclass(frozen=True)
class Examples:
    """Utterances with ratings.

    Attributes:
        ratings: (N, T), float64, missing ones NaN; the index is that of the corpus's table, sorted.
        groups: `speaker` and `session` of each utterance, as text.
        folds: as of an evaluation.
        left_out: the reason for each utterance that lacks a rating or its speaker.
    """

    ratings: pd.DataFrame
    groups: pd.DataFrame
    folds: list[Fold]
    left_out: tuple[str, ...] = ()

    @property
    def targets(self) -> list[str]:
        """Names of the ratings."""
        return [str(name) for name in self.ratings]


def gather(table: pd.DataFrame, settings: ml_collections.ConfigDict) -> Examples:
    """The utterances that an evaluation would have if all of the table had features.

    Args:
        table: of the corpus, or some rows of it.
        settings: `config.eval`, checked.

    Raises:
        UserError: ratings or speakers that cannot be trained on.
    """
    _check_names(settings.targets)
    for target in settings.targets:
        _check_target(table, target)
    random = np.random.default_rng(0).normal(size=len(table))  # else it could equal a label
    stand_in = pd.DataFrame({"none": random}, table.index)
    settings = settings.copy_and_resolve_references()
    settings.update({"merged": (), "within_speaker": False})  # not used in finetuning
    datasets, skipped = dataset.prepare({"none": stand_in}, table, settings)
    ratings = pd.concat([d.ratings for d in datasets], axis=1)[list(settings.targets)].sort_index()
    groups = pd.concat([d.groups for d in datasets])
    groups = groups[~groups.index.duplicated()].loc[ratings.index]
    folds = splits.split(groups, settings.protocol, settings.partner)
    found = Examples(ratings, groups, folds, tuple(record["reason"] for record in skipped))
    if choices.group_folds(settings.protocol) and ratings.isna().any(axis=None):
        raise UserError(
            f"config.eval.protocol={settings.protocol}: not every utterance has all of "
            f"{', '.join(settings.targets)}, and folds of speakers are made of those that have; "
            "finetune one target at a time, or hold out speakers"
        )
    for fold in folds:
        _check_fold(fold, found)
    return found


def held_out(fold: Fold, speakers: pd.Series, share: float, seed: int) -> np.ndarray:
    """A mask of a fold's training utterances: those held out, by speaker, to choose the epoch.

    Args:
        fold: see there.
        speakers: of all utterances.
        share: of the training speakers; at least one is held out, and one kept for training.
        seed: of the choice.
    """
    of_training = speakers.iloc[fold.train]
    names = sorted(of_training.unique())
    number = int(np.clip(round(share * len(names)), 1, len(names) - 1))
    chosen = np.random.default_rng(seed).permutation(names)[:number]
    return of_training.isin(chosen).to_numpy()


def _check_names(targets: Sequence[str]) -> None:
    """Refuses targets that the tables of predictions, or a predictor, cannot have."""
    problem = manifest.names_problem(targets, [()] * len(targets))
    for name in targets:
        if name in OF_FOLDS:
            problem = f"{name} is a column of the folds' predictions"
    if problem:
        raise UserError(
            f"config.eval.targets: {problem}; rename the column in the corpus's table, or leave "
            "the target out"
        )


def _check_target(table: pd.DataFrame, target: str) -> None:
    values = labels.values(table, target)
    if not labels.is_rating(values):
        raise UserError(
            f"config.eval.targets: {target} holds classes; finetuning learns ratings: give a "
            "column of numbers"
        )
    speakers = labels.groups_of(table, "speaker")
    n_rated = values.notna().groupby(speakers).sum()
    for name in n_rated.index[n_rated == 0]:
        raise UserError(
            f"labels: speaker {str(name)!r} has no rating of {target}; rate an utterance, leave "
            f"the speaker out of the corpus, or leave {target} out of config.eval.targets"
        )
    if len(n_rated) < _FEWEST:
        raise UserError(
            f"labels: {counted(len(n_rated), 'speaker')} with {target}; finetuning needs "
            f"{_FEWEST} or more: one is tested, one chooses the epoch, two are trained on"
        )


def _check_fold(fold: Fold, found: Examples) -> None:
    if found.groups["speaker"].iloc[fold.train].nunique() < 2:
        raise UserError(
            f"fold {fold.name!r}: fewer than 2 training speakers, one of whom chooses the epoch; "
            "give another config.eval.protocol"
        )
    for target, rating in found.ratings.iloc[fold.train].items():
        if np.ptp(known := rating.dropna()) == 0:
            raise UserError(
                f"config.eval.targets: {target} is {known.iloc[0]:g} in every rating of the "
                f"training speakers of fold {fold.name!r}: nothing can be learned; leave it out"
            )
