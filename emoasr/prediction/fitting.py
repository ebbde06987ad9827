"""Fitting a predictor: the pipeline of the folds, on all utterances.

Shape suffixes: N utterances, D features, T ratings or classes, F folds.
"""

import dataclasses
from collections.abc import Sequence

import joblib
import ml_collections
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from emoasr.errors import quoted
from emoasr.evaluation import regression, splits
from emoasr.evaluation.classification import SCORES
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.regression import PredictorConfig, predictor_configs
from emoasr.evaluation.splits import Fold
from emoasr.prediction.model import ClassTarget, Fitted, Model, Target, known_by
from emoasr.settings.choices import TRAIN, held_out

_PERCENTILE = 99  # of the fitted utterances' shares of features beyond the others' range


@threadpool_limits.wrap(limits=1, user_api="blas")  # as in `cross_validation`
def fit(
    datasets: Sequence[Dataset],
    settings: ml_collections.ConfigDict,
    feature_set: str,
    workers: int = 1,
) -> tuple[Model, tuple[str, ...]]:
    """Fits every target on all utterances that an evaluation uses; of predefined splits, on train.

    Args:
        datasets: of ratings, as `dataset.prepare` gives them.
        settings: `config.eval`. Features are always selected within the fitted utterances.
        feature_set: the one to predict from.
        workers: folds fitted at once.

    Returns:
        The model, and the names of the speakers.
    """
    datasets = _fitted_on(datasets, settings)
    configs = predictor_configs({feature_set: datasets[0].tables[feature_set]}, settings)
    config = dataclasses.replace(configs[0], selection="fold", chosen_on=TRAIN)
    groups = _groups(datasets)
    features_ND = datasets[0].tables[feature_set].loc[groups.index].to_numpy()
    of_features = fitted(features_ND, splits.speaker_folds(groups, "in"))
    targets: dict[str, Target | ClassTarget] = {}
    for dataset in datasets:
        if dataset.classes:
            targets |= _class_target(dataset, dataclasses.replace(config, regressor=SCORES))
        else:
            of_dataset = splits.speaker_folds(dataset.groups, config.partner)
            targets |= _targets(dataset, of_dataset, config, workers)
    model = Model(
        targets=tuple(targets[name] for name in settings.targets if name in targets),
        fitted=of_features,
        scale=tuple(map(float, settings.scale)),
    )
    return model, tuple(sorted(groups["speaker"].astype(str).unique()))


def problem(datasets: Sequence[Dataset], settings: ml_collections.ConfigDict) -> str:
    """Why `fit` cannot fit a predictor; empty where it can.

    Args:
        datasets: as of `fit`.
        settings: as of `fit`.
    """
    if settings.within_speaker:
        return "the mean and deviation of a new recording's speaker are not known"
    datasets = _fitted_on(datasets, settings)
    of_ratings = [(dataset.groups, settings.partner) for dataset in datasets if not dataset.classes]
    for groups, partner in [(_groups(datasets), "in"), *of_ratings]:
        if why := splits.split_problem(groups, splits.speaker_protocol(groups), partner):
            return f"leaving the speakers that it is fitted on out in turn: {why}"
    for dataset in datasets:
        numbers = {*dataset.ratings.to_numpy().ravel()}
        for lacking in (c for i, c in enumerate(dataset.classes) if i not in numbers):
            return f"no training utterance has the {dataset.targets[0]} {quoted(lacking)}"
    return ""


def _fitted_on(
    datasets: Sequence[Dataset], settings: ml_collections.ConfigDict
) -> Sequence[Dataset]:
    """The utterances to fit on: what predefined splits test stays unseen."""
    if held_out(settings.protocol) != "split":
        return datasets
    return [d.where(d.groups["split"] == TRAIN) for d in datasets]


def _groups(datasets: Sequence[Dataset]) -> pd.DataFrame:
    """The groups of the utterances of all datasets."""
    groups = pd.concat([dataset.groups for dataset in datasets])
    return groups[~groups.index.duplicated()]


def _targets(
    dataset: Dataset, folds: Sequence[Fold], config: PredictorConfig, workers: int
) -> dict[str, Target]:
    x_ND, y_NT = dataset.features(config.feature_set), dataset.ratings.to_numpy()
    everything = Fold("all", np.arange(len(x_ND)), np.arange(0))
    maps = joblib.Parallel(workers, prefer="threads")(
        joblib.delayed(_affine)(x_ND, y_NT, fold.train, config) for fold in (everything, *folds)
    )
    (weights_DT, biases_T), *of_folds = maps
    errors_NT, folds_N = np.empty(y_NT.shape), np.empty(len(y_NT), np.int32)
    for f, (fold, (fold_weights_DT, fold_biases_T)) in enumerate(zip(folds, of_folds, strict=True)):
        predicted = x_ND[fold.test].astype(np.float64) @ fold_weights_DT + fold_biases_T
        errors_NT[fold.test], folds_N[fold.test] = np.abs(y_NT[fold.test] - predicted), f
    speakers_N = np.unique(dataset.groups["speaker"], return_inverse=True)[1].astype(np.int32)
    return {
        name: Target(
            name,
            weights_D=weights_DT[:, t].astype(np.float32),
            bias=float(biases_T[t]),
            fold_weights_FD=np.array([w_DT[:, t] for w_DT, _ in of_folds], np.float32),
            fold_biases_F=np.array([b_T[t] for _, b_T in of_folds]),
            errors_N=errors_NT[:, t].astype(np.float32),
            folds_N=folds_N,
            speakers_N=speakers_N,
        )
        for t, name in enumerate(dataset.targets)
    }


def _class_target(dataset: Dataset, config: PredictorConfig) -> dict[str, ClassTarget]:
    x_ND, y_N1 = dataset.features(config.feature_set), dataset.ratings.to_numpy()
    speaker_N, everything = dataset.groups["speaker"].to_numpy(), np.arange(len(x_ND))
    weights_DC, biases_C = _affine(x_ND, y_N1, everything, config, speaker_N)
    (name,) = dataset.targets
    return {name: ClassTarget(name, dataset.classes, weights_DC.T.astype(np.float32), biases_C)}


def _affine(
    x_ND: np.ndarray,
    y_NT: np.ndarray,
    train: np.ndarray,
    config: PredictorConfig,
    speaker_N: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Weights (D, T) and biases (T,) of the pipeline fitted on `train`, which is an affine map.

    They are read off its predictions at the origin, and at 1 on each axis.
    """
    fold, points = Fold("", train, np.arange(0)), _Points(x_ND.shape[1])
    found = regression.fit(x_ND, y_NT, fold, [config], speaker_N, points)
    at_PT = found[config].prediction_NT
    return at_PT[1:] - at_PT[0], at_PT[0]


class _Points:
    """The origin and 1 on each axis, a block at a time: all of them are a D x D matrix.

    Attributes:
        shape: (1 + D, D).
    """

    def __init__(self, n_features: int):
        """Takes D."""
        self.shape: tuple[int, ...] = (1 + n_features, n_features)

    def __getitem__(self, rows: slice) -> np.ndarray:
        """Some of the points."""
        axis_P = np.arange(self.shape[0])[rows] - 1
        return (axis_P[:, None] == np.arange(self.shape[1])).astype(np.float64)


def fitted(x_ND: np.ndarray, folds: Sequence[Fold]) -> Fitted:
    """Range and mean of all utterances' features (N, D); folds leave speakers out."""
    beyond_N = np.empty(len(x_ND))
    for fold in folds:
        beyond_N[fold.test] = _range(x_ND[fold.train]).beyond(x_ND[fold.test])
    most_beyond = float(np.percentile(beyond_N, _PERCENTILE))
    return dataclasses.replace(_range(x_ND), most_beyond=most_beyond)


def _range(x_ND: np.ndarray) -> Fitted:
    mean_D = x_ND.mean(axis=0, dtype=np.float64)
    low_D, high_D, mean_D = (
        x_D.astype(np.float32) for x_D in (x_ND.min(axis=0), x_ND.max(axis=0), mean_D)
    )
    return Fitted(low_D, high_D, mean_D, most_beyond=0.0, known_UP=known_by(x_ND))
