"""Predictions of unseen speakers made elsewhere, as by a finetuning, in the folds of an evaluation.

They are compared with feature sets on the same utterances and over the same draws of speakers.
Where there are several trainings, their mean is what is evaluated; that other trainings would have
given another mean is part of its intervals (see `bootstrap`).
"""

import dataclasses
from collections.abc import Collection, Iterable, Mapping, Sequence

import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation import cross_validation, splits
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.labels import example
from emoasr.evaluation.metrics import all_metrics
from emoasr.evaluation.regression import FoldResult, PredictorConfig
from emoasr.settings.choices import END_TO_END
from emoasr.system import output

_FIELD = "config.eval.predictions"


@dataclasses.dataclass(frozen=True)
class Predicted:
    """Predictions of one or more trainings.

    Attributes:
        table: one row an utterance and training, audformat index; columns `seed`, which tells
            trainings apart, `fold` (the group held out) and one a rating.
        n_features: of the linear head.
        protocol: the one of the folds.
        partner: likewise.
    """

    table: pd.DataFrame
    n_features: int
    protocol: str
    partner: str

    @property
    def seeds(self) -> list[int]:
        """Of the trainings."""
        return sorted(map(int, self.table["seed"].unique()))

    def config(self, name: str) -> PredictorConfig:
        """What stands in the place of a feature set's config, under a name."""
        return PredictorConfig(
            name, self.protocol, self.partner, "fold", END_TO_END, self.n_features, self.n_features
        )


@dataclasses.dataclass(frozen=True)
class Frames:
    """Predictions of one rating, see `cross_validation.frame_of`.

    Attributes:
        mean: of all trainings.
        each: of each training.
    """

    mean: pd.DataFrame
    each: list[pd.DataFrame]


def frames(dataset: Dataset, predicted: Predicted, name: str) -> dict[str, Frames]:
    """The predictions of an evaluation's utterances, by rating.

    Args:
        dataset: what is evaluated.
        predicted: what was predicted.
        name: under which they are compared.

    Raises:
        UserError: they lack a rating or an utterance, or an utterance was held out with others.
    """
    targets = dataset.targets
    if dataset.classes or not set(targets) <= set(predicted.table):
        lacks = next((t for t in targets if t not in predicted.table), targets[0])
        raise UserError(f"{_FIELD}: {name} has no predictions of {lacks}; leave one of them out")
    each = [
        _results(dataset, predicted.table[predicted.table["seed"] == seed], predicted, name)
        for seed in predicted.seeds
    ]
    mean = [
        (fold, _result(np.mean([r.prediction_NT for _, r in of_fold], axis=0)))
        for of_fold in zip(*each, strict=True)
        for fold in [of_fold[0][0]]
    ]
    return {
        target: Frames(
            cross_validation.frame_of(dataset, name, t, mean),
            [cross_validation.frame_of(dataset, name, t, results) for results in each],
        )
        for t, target in enumerate(targets)
    }


def by_target(
    dataset: Dataset, given: Mapping[str, Predicted]
) -> dict[str, dict[PredictorConfig, Frames]]:
    """All predictions of an evaluation's utterances, by rating and by what stands for a config.

    Args:
        dataset: what is evaluated.
        given: the predictions, by name.

    Raises:
        UserError: as of `frames`.
    """
    of_names = {one.config(name): frames(dataset, one, name) for name, one in given.items()}
    return {
        target: {config: of_targets[target] for config, of_targets in of_names.items()}
        for target in dataset.targets
    }


def check_protocol(given: Mapping[str, Predicted], protocol: str, partner: str) -> None:
    """Raises a UserError unless predictions are of the folds that an evaluation has."""
    for name, predicted in given.items():
        there, asked = (predicted.protocol, predicted.partner), (protocol, partner)
        if there != asked:
            raise UserError(
                f"{_FIELD}: {name} was made with config.eval.protocol={there[0]} and "
                f"partner={there[1]}, this evaluation has {asked[0]} and {asked[1]}; give the same"
            )


def check_names(given: Iterable[str], feature_sets: Collection[str]) -> None:
    """Raises a UserError if predictions have the name of a feature set, subset or layer."""
    for name in given:
        if name in feature_sets:
            raise UserError(
                f"{_FIELD}: {name} is also the name of a feature set or layer of this evaluation; "
                "choose a different one"
            )


def notes(
    given: Mapping[str, Predicted], each: Mapping[str, Mapping[PredictorConfig, Frames]]
) -> list[str]:
    """What a reader must know of predictions that are means of trainings, a line each.

    Args:
        given: the predictions, by name.
        each: their frames, as of `by_target`.
    """
    lines = []
    for name, one in given.items():
        seeds = one.seeds
        if len(seeds) < 2:
            lines.append(
                f"{name}: one training; how much another one would differ is not in its intervals"
            )
            continue
        spread = ", ".join(
            f"{target} {output.number(min(found))} to {output.number(max(found))}"
            for target, of_configs in each.items()
            for frames in [of_configs[one.config(name)]]
            for found in [[all_metrics(frame)["clipped_ccc"] or 0.0 for frame in frames.each]]
        )
        lines.append(
            f"{name}: the mean of {len(seeds)} trainings, which are drawn with the speakers; the "
            f"clipped CCC of each by itself: {spread}"
        )
    return lines


def _results(
    dataset: Dataset, table: pd.DataFrame, predicted: Predicted, name: str
) -> Sequence[tuple[splits.Fold, FoldResult]]:
    index = dataset.ratings.index
    lacking = index.difference(table.index)
    if len(lacking):
        raise UserError(
            f"{_FIELD}: {name} has no prediction of {len(lacking)} of "
            f"{output.counted(len(index), 'utterance')} ({example(lacking)}); make both of the "
            "same corpus"
        )
    table = table.loc[index]
    folds = splits.split(dataset.groups, predicted.protocol, predicted.partner)
    for fold in folds:
        others = table["fold"].iloc[fold.test] != fold.name
        if others.any():
            odd = table.iloc[fold.test][others.to_numpy()]
            raise UserError(
                f"{_FIELD}: {name} held out {example(odd.index)} in fold {odd['fold'].iloc[0]!r}, "
                f"this evaluation in {fold.name!r}; make both of the same corpus and speakers"
            )
    values_NT = table[dataset.targets].to_numpy(np.float64)
    if not np.isfinite(values_NT).all():
        raise UserError(f"{_FIELD}: {name} has a prediction that is not a finite number")
    return [(fold, _result(values_NT[fold.test])) for fold in folds]


def _result(prediction_NT: np.ndarray) -> FoldResult:
    none = np.zeros((prediction_NT.shape[1], 0))
    return FoldResult(prediction_NT, none.astype(int), none)
