"""Every group held out in turn, for many ways to predict at once."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from emoasr.evaluation import regression, splits
from emoasr.evaluation.dataset import Rated, Study
from emoasr.evaluation.regression import BASELINE, Spec


@dataclasses.dataclass(frozen=True)
class Runs:
    """What cross-validation gives.

    Attributes:
        predictions: by spec and target, one row an utterance: fold (the group held out), speaker,
            label, prediction, clipped.
        selected: by spec and target, one row a feature that a fold selected: fold, feature,
            f_score, rank (1 is the best).
    """

    predictions: dict[tuple[Spec, str], pd.DataFrame]
    selected: dict[tuple[Spec, str], pd.DataFrame]

    def of(self, target: str) -> dict[Spec, pd.DataFrame]:
        """Predictions of one target, by spec."""
        return {spec: frame for (spec, t), frame in self.predictions.items() if t == target}


# on a busy machine BLAS threads wait for each other: the small least squares take 70 times as long
@threadpool_limits.wrap(limits=1, user_api="blas")
def run(of: Study, rated: Rated, specs: Iterable[Spec], what: str) -> Runs:
    """Predicts the ratings of every group held out.

    Args:
        of: the tables, the scale and the number of folds to fit at once.
        rated: the utterances and their ratings.
        specs: the ways to predict; those alike share what they can.
        what: what the progress bar says.
    """
    alike = defaultdict(list)
    for spec in dict.fromkeys(specs):
        alike[spec.feature_set, spec.protocol, spec.partner].append(spec)
    split = {way: splits.split(rated.people, *way) for way in {key[1:] for key in alike}}
    tasks = [(key, fold) for key in alike for fold in split[key[1:]]]
    features = {name: _matrix(of, rated, name) for name, _, _ in alike}
    y_NT = rated.labels.to_numpy()
    fitted = joblib.Parallel(of.workers, prefer="threads", return_as="generator")(
        joblib.delayed(regression.fit)(features[key[0]], y_NT, fold, alike[key])
        for key, fold in tasks
    )
    collected = {spec: _Collected(of, rated, spec) for group in alike.values() for spec in group}
    bar = tqdm(fitted, what, len(tasks), unit="fold", leave=False, disable=None)
    for (_, fold), found in zip(tasks, bar, strict=True):
        for spec, result in found.items():
            collected[spec].add(fold, result)
    each = [(spec, t, target) for spec in collected for t, target in enumerate(rated.targets)]
    return Runs(
        {(spec, target): collected[spec].predictions(t) for spec, t, target in each},
        {
            (spec, target): pd.concat(collected[spec].selected[t], ignore_index=True)
            for spec, t, target in each
            if spec.feature_set != BASELINE
        },
    )


class _Collected:
    """One spec's predictions and selections, as the folds fill them in."""

    def __init__(self, of: Study, rated: Rated, spec: Spec):
        self._rated, self._scale = rated, of.settings.scale
        baseline = spec.feature_set == BASELINE
        self._names = None if baseline else of.tables[spec.feature_set].columns.astype(str)
        self._y_NT = rated.labels.to_numpy()
        self._prediction_NT, self._clipped_NT = np.empty((2, *self._y_NT.shape))
        self._fold_N = np.empty(len(self._y_NT), object)
        self.selected: list[list[pd.DataFrame]] = [[] for _ in rated.labels]

    def add(self, fold: splits.Fold, fitted: regression.Fitted) -> None:
        train_NT = self._y_NT[fold.train]
        low, high = self._scale or (train_NT.min(axis=0), train_NT.max(axis=0))
        self._fold_N[fold.test] = fold.name
        self._prediction_NT[fold.test] = fitted.prediction_NT
        self._clipped_NT[fold.test] = fitted.prediction_NT.clip(low, high)
        if self._names is None:
            return
        each = zip(self.selected, fitted.features_TK, fitted.f_scores_TK, strict=True)
        for of_target, best_K, scores_K in each:
            chosen = {"fold": fold.name, "feature": self._names[best_K], "f_score": scores_K}
            of_target.append(pd.DataFrame(chosen).assign(rank=np.arange(1, len(best_K) + 1)))

    def predictions(self, t: int) -> pd.DataFrame:
        return pd.DataFrame(
            {
                "fold": self._fold_N,
                "speaker": self._rated.people["speaker"].to_numpy(),
                "label": self._y_NT[:, t],
                "prediction": self._prediction_NT[:, t],
                "clipped": self._clipped_NT[:, t],
            },
            index=self._rated.labels.index,
        )


def _matrix(of: Study, rated: Rated, name: str) -> np.ndarray:
    if name == BASELINE:
        return np.empty((len(rated.labels), 0))
    return of.tables[name].loc[rated.labels.index].to_numpy()
