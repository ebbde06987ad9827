"""How much of a rating a feature set carries: folds by speaker, selection, regression, errors.

The protocol is the paper's (section 5; Tits et al. 2018): the features with the best univariate F
scores, a linear regression on them, and the squared error on speakers that the model never met.
Scaling, selection and a penalty are fitted inside each training fold. The training fold's mean
rating, as a constant prediction, stands beside every feature set.
"""

import dataclasses
import itertools
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import audmetric
import ml_collections
import numpy as np
import pandas as pd
from sklearn.dummy import DummyRegressor
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import LeaveOneGroupOut
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from emoasr import joining
from emoasr.errors import UserError, check_choice

BASELINE = "mean"
PROTOCOLS = {"leave-one-speaker-out": "speaker", "leave-one-session-out": "session"}
REGRESSORS = {
    "linear": LinearRegression,
    # the penalty with the least leave-one-out error over the training fold's utterances
    "ridge": partial(RidgeCV, alphas=np.logspace(0, 5, 11)),
}

_SMALLEST_TRAINING_FOLD = 3  # utterances: an F score has n - 2 degrees of freedom
_SCALE_TOLERANCE = 0.01  # share of ratings off the scale; IEMOCAP has 4 of 10039


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `evaluate` finds.

    Attributes:
        rows: one a feature set and target, with the fields of `eval/results.json`; a figure that
            is undefined is None.
        predictions: one row an utterance, feature set and target, indexed by utterance; columns
            feature_set, target, fold (the group held out), label, prediction, clipped.
        selected: one row a feature that a fold selected; columns feature_set, target, fold,
            feature, f_score, rank (1 is the best).
        skipped: utterances left out: file, start, end (seconds), step, reason.
    """

    rows: list[dict[str, Any]]
    predictions: pd.DataFrame
    selected: pd.DataFrame
    skipped: list[dict[str, Any]]


# on a busy machine BLAS threads wait for each other: the small least squares take 70 times as long
@threadpool_limits.wrap(limits=1, user_api="blas")
def evaluate(
    tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame, settings: ml_collections.ConfigDict
) -> Evaluation:
    """Predicts every target from every feature set, each on the same utterances.

    Args:
        tables: feature sets by name, (utterances, features), audformat index.
        labels: audformat index; the targets' columns and `speaker` or `session`.
        settings: `config.eval`: targets, protocol, n_selected, regressor, scale.

    Raises:
        UserError: a setting, table or label that cannot be evaluated.
    """
    _check(settings, tables)
    ratings = [joining.ratings(labels, target) for target in settings.targets]
    groups = joining.groups(labels, PROTOCOLS[settings.protocol])
    index, skipped = joining.join(tables, labels.index)
    rated = {}
    for target, rating in zip(settings.targets, ratings, strict=True):
        rated[target], unrated = joining.rated(rating, groups, index)
        skipped += unrated
        _check_folds(rated[target], target, settings)

    rows, predictions, selected = [], [], []
    for target, name in itertools.product(rated, [*tables, BASELINE]):
        table = tables.get(name, pd.DataFrame(index=index)).loc[rated[target].index]
        model = _model(name, table.shape[1], settings)
        what = {"feature_set": name, "target": target}
        predicted, chosen = _cross_validate(model, table, rated[target], settings.scale, what)
        rows.append(_row(what, model, table.shape[1], predicted, settings))
        predictions.append(predicted)
        selected += chosen
    return Evaluation(rows, pd.concat(predictions), pd.concat(selected, ignore_index=True), skipped)


def _model(name: str, n_features: int, settings: ml_collections.ConfigDict) -> Pipeline:
    if name == BASELINE:
        return Pipeline([("regress", DummyRegressor(strategy="mean"))])
    k = min(settings.n_selected or n_features, n_features)
    return Pipeline(
        [
            ("scale", StandardScaler(copy=False)),  # a fold's rows are a copy already
            ("select", SelectKBest(f_regression, k=k)),
            ("regress", REGRESSORS[settings.regressor]()),
        ]
    )


def _cross_validate(
    model: Pipeline, table: pd.DataFrame, rated: pd.DataFrame, scale: tuple, what: dict[str, str]
) -> tuple[pd.DataFrame, list[pd.DataFrame]]:
    """Fits on all groups but one and predicts that one, in turn.

    Args:
        model: what each training fold is fitted with.
        table: (N, D) features.
        rated: (N, 2) `label` and `group`, rows as in `table`.
        scale: lowest and highest rating; empty: those of the training fold.
        what: columns that the results begin with.

    Returns:
        Predictions (N rows, in the order of `table`), and each fold's selected features.
    """
    X = table.to_numpy(np.float64)  # as scikit-learn's F score: float32 would be converted per fold
    y = rated["label"].to_numpy()
    prediction, clipped = np.empty_like(y), np.empty_like(y)
    selected = []
    for group, train, test in _folds(rated["group"], f"{what['feature_set']} {what['target']}"):
        model.fit(X[train], y[train])
        prediction[test] = model.predict(X[test])
        low, high = scale or (y[train].min(), y[train].max())
        clipped[test] = prediction[test].clip(low, high)
        if "select" in model.named_steps:
            chosen = {**what, "fold": group} | _best(model.named_steps["select"], table.columns)
            selected.append(pd.DataFrame(chosen))
    predicted = pd.DataFrame(
        {**what, "fold": rated["group"], "label": y, "prediction": prediction, "clipped": clipped},
        index=table.index,
    )
    return predicted, selected


def _folds(groups: pd.Series, description: str) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    splitter = LeaveOneGroupOut()
    folds = splitter.split(groups, groups=groups)
    total = splitter.get_n_splits(groups=groups)
    for train, test in tqdm(folds, description, total, unit="fold", leave=False, disable=None):
        yield groups.iloc[test[0]], train, test


def _best(selector: SelectKBest, names: pd.Index) -> dict[str, Any]:
    """Features that a fitted selector keeps, the best first."""
    kept = selector.get_support(indices=True)
    kept = kept[np.argsort(-selector.scores_[kept], kind="stable")]
    return {
        "feature": names[kept].astype(str),
        "f_score": selector.scores_[kept],
        "rank": np.arange(1, len(kept) + 1),
    }


def _row(
    what: dict[str, str],
    model: Pipeline,
    n_features: int,
    predicted: pd.DataFrame,
    settings: ml_collections.ConfigDict,
) -> dict[str, Any]:
    return {
        **what,
        "protocol": settings.protocol,
        "regressor": BASELINE if what["feature_set"] == BASELINE else settings.regressor,
        "n_features": n_features,
        "n_selected": model.named_steps["select"].k if "select" in model.named_steps else 0,
        "n_utterances": len(predicted),
        "n_folds": predicted["fold"].nunique(),
        **metrics(predicted, "prediction"),
        **{f"clipped_{key}": value for key, value in metrics(predicted, "clipped").items()},
    }


def metrics(predicted: pd.DataFrame, column: str) -> dict[str, float | None]:
    """Errors of one feature set on one target.

    The mean, variance and standard deviation are those of the folds' mean squared errors, each
    fold counting once, as in the paper's table 1; the variance is the population's (divided by
    the number of folds). CCC (Lin 1989) and Pearson's r pool the utterances of all test folds.

    Args:
        predicted: columns `fold`, `label` and `column`.
        column: the predictions' column.
    """
    mse = np.array(
        [
            audmetric.mean_squared_error(fold["label"].to_numpy(), fold[column].to_numpy())
            for _, fold in predicted.groupby("fold")
        ]
    )
    truth, prediction = predicted["label"].to_numpy(), predicted[column].to_numpy()
    constant = np.ptp(truth) == 0 or np.ptp(prediction) == 0
    figures = {
        "mse_mean": mse.mean(),
        "mse_variance": mse.var(),
        "mse_std": mse.std(),
        "ccc": audmetric.concordance_cc(truth, prediction),
        "pearson": np.nan if constant else audmetric.pearson_cc(truth, prediction),
    }
    return {key: float(value) if np.isfinite(value) else None for key, value in figures.items()}


def _check(settings: ml_collections.ConfigDict, tables: Mapping[str, pd.DataFrame]) -> None:
    for field, known in (("protocol", PROTOCOLS), ("regressor", REGRESSORS)):
        check_choice(f"config.eval.{field}", settings[field], known)
    if settings.n_selected < 0:
        raise UserError(
            f"config.eval.n_selected={settings.n_selected}: must be 1 or more, or 0 for all"
        )
    if not settings.targets or isinstance(settings.targets, str):
        raise UserError("config.eval.targets: must be one or more names, such as ('arousal',)")
    if len(settings.scale) not in (0, 2) or list(settings.scale) != sorted(set(settings.scale)):
        raise UserError(
            f"config.eval.scale={tuple(settings.scale)}: must be the lowest and the highest "
            "rating, or () for the range of the training folds"
        )
    if not tables or BASELINE in tables:
        raise UserError(
            f"config.feature_sets={tuple(tables)}: must be one or more names, not {BASELINE!r}, "
            "which is the baseline that is always there"
        )


def _check_folds(rated: pd.DataFrame, target: str, settings: ml_collections.ConfigDict) -> None:
    sizes = rated["group"].value_counts()
    group = PROTOCOLS[settings.protocol]
    if len(sizes) < 2 or len(rated) - sizes.max() < _SMALLEST_TRAINING_FOLD:
        raise UserError(
            f"config.eval.protocol={settings.protocol}: needs 2 {group}s or more, and "
            f"{_SMALLEST_TRAINING_FOLD} utterances besides each; those with a rating of {target} "
            f"are {len(rated)} of {len(sizes)} {group}(s)"
        )
    if not settings.scale:
        return
    low, high = settings.scale
    label = rated["label"]
    if (~label.between(low, high)).mean() > _SCALE_TOLERANCE:
        raise UserError(
            f"config.eval.scale={tuple(settings.scale)}: but ratings of {target} go from "
            f"{label.min():g} to {label.max():g}; give their scale, or () for the range of the "
            "training folds"
        )
