"""Cross-validation: every group is held out in turn, for many predictor configs at once."""

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

import joblib
import numpy as np
import pandas as pd
from threadpoolctl import threadpool_limits

from emoasr.evaluation import regression, splits
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.regression import FoldResult, PredictorConfig
from emoasr.evaluation.splits import Fold
from emoasr.system import progress

Results = Sequence[tuple[Fold, FoldResult]]


@dataclasses.dataclass(frozen=True)
class CrossValidated:
    """What cross-validation gives.

    Attributes:
        dataset: what was predicted.
        results: by config, each fold and what it gave.
        predictions: by config and target, one row an utterance: feature_set, target, fold (the
            group held out), speaker, label, prediction, and clipped; classes are text, and are not
            clipped.
    """

    dataset: Dataset
    results: Mapping[PredictorConfig, Results]
    predictions: dict[tuple[PredictorConfig, str], pd.DataFrame]

    def of_target(self, target: str) -> dict[PredictorConfig, pd.DataFrame]:
        """Predictions of one target, by config."""
        return {config: frame for (config, t), frame in self.predictions.items() if t == target}

    def selected(self, config: PredictorConfig, target: str) -> pd.DataFrame:
        """One row a feature that a fold selected, the best of each fold first.

        Args:
            config: any but the baseline's.
            target: which.

        Returns:
            Columns feature_set, target, fold, feature, f_score, rank (1 is the best).
        """
        results, t = self.results[config], self.dataset.targets.index(target)
        names = self.dataset.tables[config.feature_set].columns.astype(str)
        features_FK = np.array([result.features_TK[t] for _, result in results])
        n_folds, n_kept = features_FK.shape
        return pd.DataFrame(
            {
                "feature_set": config.feature_set,
                "target": target,
                "fold": np.repeat(np.array([fold.name for fold, _ in results], object), n_kept),
                "feature": names[features_FK.ravel()],
                "f_score": np.concatenate([result.f_scores_TK[t] for _, result in results]),
                "rank": np.tile(np.arange(1, n_kept + 1), n_folds),
            }
        )


# on a busy machine BLAS threads wait for each other: the small least squares take 70 times as long
@threadpool_limits.wrap(limits=1, user_api="blas")
def run(
    dataset: Dataset, configs: Iterable[PredictorConfig], workers: int, what: str
) -> CrossValidated:
    """Predicts the ratings of every group held out.

    Args:
        dataset: features and ratings.
        configs: what to fit; configs of one feature set share what they can.
        workers: folds fitted at once.
        what: name of the progress bar.
    """
    alike = defaultdict(list)
    for config in dict.fromkeys(configs):
        alike[config.feature_set, config.protocol, config.partner].append(config)
    folds = {key[1:]: splits.split(dataset.groups, *key[1:]) for key in alike}
    tasks = [(key, fold) for key in alike for fold in folds[key[1:]]]
    features = {name: dataset.features(name) for name, _, _ in alike}
    y_NT, speaker_N = dataset.ratings.to_numpy(), dataset.groups["speaker"].to_numpy()
    fitted = joblib.Parallel(workers, prefer="threads", return_as="generator")(
        joblib.delayed(regression.fit)(features[key[0]], y_NT, fold, alike[key], speaker_N)
        for key, fold in tasks
    )
    results: dict[PredictorConfig, list[tuple[Fold, FoldResult]]] = {
        config: [] for group in alike.values() for config in group
    }
    bar = progress.bar(fitted, desc=what, total=len(tasks), unit="fold", leave=False)
    for (_, fold), of_fold in zip(tasks, bar, strict=True):
        for config, result in of_fold.items():
            results[config].append((fold, result))
    each = [(config, t, target) for config in results for t, target in enumerate(dataset.targets)]
    predictions = {
        (config, target): frame_of(dataset, config.feature_set, t, results[config])
        for config, t, target in each
    }
    return CrossValidated(dataset, results, predictions)


def frame_of(dataset: Dataset, feature_set: str, t: int, results: Results) -> pd.DataFrame:
    """Predictions of target number t by all folds."""
    y_N = dataset.ratings.iloc[:, t].to_numpy()
    prediction_N, clipped_N = np.zeros((2, len(y_N)))  # of utterances not tested, too
    names = np.array(dataset.classes, object)
    fold_N = np.empty(len(y_N), object)
    for fold, result in results:
        train_N = y_N[fold.train]
        fold_N[fold.test] = fold.name
        prediction_N[fold.test] = result.prediction_NT[:, t]
        clipped_N[fold.test] = result.prediction_NT[:, t].clip(
            *(dataset.scale or (train_N.min(), train_N.max()))
        )
    if dataset.classes:
        found = {"label": names[y_N.astype(int)], "prediction": names[prediction_N.astype(int)]}
    else:
        found = {"label": y_N, "prediction": prediction_N, "clipped": clipped_N}
    tested = np.sort(np.concatenate([fold.test for fold, _ in results]))
    found_of_all = pd.DataFrame(
        {
            "feature_set": feature_set,
            "target": dataset.targets[t],
            "fold": fold_N,
            "speaker": dataset.groups["speaker"].to_numpy(),
            **found,
        },
        index=dataset.ratings.index,
    )
    return found_of_all.iloc[tested]
