"""Fitting one training fold: scaling, selection by F score, a linear model.

F scores are those of a line through the ratings; of classes, those of the analysis of variance
(scikit-learn's `f_regression` and `f_classif`).
"""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from itertools import groupby
from typing import Any

import ml_collections
import numpy as np
import pandas as pd
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.feature_selection import f_classif, f_regression
from sklearn.linear_model import LinearRegression
from sklearn.multioutput import MultiOutputRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVR

from emoasr.evaluation.classification import LOGISTIC, MAJORITY, SCORES, Logistic, Scores
from emoasr.evaluation.ridge import Ridge, Rows
from emoasr.evaluation.splits import Fold
from emoasr.evaluation.standardised import Standardised, column_blocks, row_blocks
from emoasr.settings.choices import BASELINE, TRAIN


def _support_vector() -> MultiOutputRegressor:
    # the primal solver of the squared loss converges where the dual one does not
    svr = LinearSVR(C=1e-3, epsilon=0.1, loss="squared_epsilon_insensitive", dual=False)
    return MultiOutputRegressor(TransformedTargetRegressor(svr, transformer=StandardScaler()))


REGRESSORS: dict[str, Any] = {
    "linear": LinearRegression,
    "ridge": Ridge,  # the penalty with the least leave-one-out error over the training fold
    "svr": _support_vector,  # linear; C .001 on standardised data, for hundreds of utterances on
}
CHOOSING = ("ridge", LOGISTIC)  # models that choose a penalty

_POINTS = 2048  # predicted at a time


@dataclasses.dataclass(frozen=True)
class PredictorConfig:
    """One way to predict ratings.

    Attributes:
        feature_set: a table's name, or `BASELINE`.
        protocol: as of `splits.split`.
        partner: one of `settings.choices.PARTNERS`.
        selection: utterances that F scores are computed from: "fold", those of the training fold;
            "all", test utterances too, which makes errors too small (Ambroise & McLachlan 2002).
        regressor: one of `REGRESSORS`, or `BASELINE`; of classes, `LOGISTIC`,
            `SCORES` or `MAJORITY`.
        n_features: features that the table has; 0 for the baseline.
        n_selected: features kept, those with the highest F score; 0 for the baseline.
        chosen_on: the utterances on which the penalty of `CHOOSING` is chosen: those of the
            training fold, or of the split `dev`.
    """

    feature_set: str
    protocol: str
    partner: str
    selection: str
    regressor: str
    n_features: int
    n_selected: int
    chosen_on: str = TRAIN


def predictor_configs(
    tables: Mapping[str, pd.DataFrame],
    settings: ml_collections.ConfigDict,
    classes: bool = False,
    **changes: Any,
) -> list[PredictorConfig]:
    """What `config.eval` asks for: one config a table, and the baseline as the last.

    Args:
        tables: feature sets by name.
        settings: `config.eval`.
        classes: whether classes are predicted, not ratings; then the regressor is logistic.
        changes: fields that differ from the settings; `n_selected` may be 0 for all features, or
            more than a table has.
    """
    how = {
        "protocol": settings.protocol,
        "partner": settings.partner,
        "selection": settings.selection.scope,
        "regressor": LOGISTIC if classes else settings.regressor,
        "n_selected": settings.n_selected,
        "chosen_on": settings.chosen_on,
    } | changes
    configs = []
    for name, table in tables.items():
        n_features = table.shape[1]
        n_selected = min(how["n_selected"] or n_features, n_features)
        fields = how | {"n_features": n_features, "n_selected": n_selected}
        configs.append(PredictorConfig(name, **fields))
    baseline = {"regressor": MAJORITY if classes else BASELINE, "n_features": 0, "n_selected": 0}
    return [*configs, PredictorConfig(BASELINE, **how | baseline)]


@dataclasses.dataclass(frozen=True)
class FoldResult:
    """What one fold gives for one config, T ratings.

    Attributes:
        prediction_NT: of the test utterances, or of the points asked for; of `SCORES`, a column a
            class.
        features_TK: columns selected, the best first.
        f_scores_TK: their F scores.
    """

    prediction_NT: np.ndarray
    features_TK: np.ndarray
    f_scores_TK: np.ndarray


def fit(
    x_ND: np.ndarray,
    y_NT: np.ndarray,
    fold: Fold,
    configs: Iterable[PredictorConfig],
    speaker_N: np.ndarray | None = None,
    at_PD: Rows | None = None,
) -> dict[PredictorConfig, FoldResult]:
    """Fits one training fold for several configs, which share scaling and F scores.

    Args:
        x_ND: features of all utterances.
        y_NT: their ratings, float64, or numbers of classes.
        fold: training and test utterances.
        configs: of one feature set, protocol and partner.
        speaker_N: their speakers; needed for classes.
        at_PD: features to predict from, in place of those of the test utterances; only a block
            of rows is in memory at a time.
    """
    configs = sorted(configs, key=lambda config: config.selection)
    if all(config.feature_set == BASELINE for config in configs):
        return {config: _baseline(config.regressor, y_NT, fold) for config in configs}
    at_PD = x_ND[fold.test] if at_PD is None else at_PD
    train, train_NT = Standardised(x_ND, fold.train), y_NT[fold.train]
    classes = configs[0].regressor in (LOGISTIC, SCORES)
    score = _f_scores_of_classes if classes else _f_scores
    makers = dict(REGRESSORS)
    if speaker_N is not None:
        makers[LOGISTIC] = partial(Logistic, speaker_N[fold.train])
        makers[SCORES] = partial(Scores, speaker_N[fold.train])
    results = {}
    for selection, alike in groupby(configs, key=lambda config: config.selection):
        blocks = [
            score(train.columns(block), train_NT)
            if selection == "fold"
            else score(x_ND[:, block].astype(np.float64), y_NT)
            for block in column_blocks(x_ND.shape[1])
        ]
        scores_TD = np.concatenate(blocks, axis=1)
        order_TD = np.argsort(-np.nan_to_num(scores_TD, nan=-1.0), axis=1, kind="stable")
        for config in alike:
            best_TK = order_TD[:, : config.n_selected]
            dev = None
            if config.chosen_on != TRAIN and config.regressor in CHOOSING:
                dev = x_ND[fold.dev], y_NT[fold.dev]
            make = makers[config.regressor]
            prediction_PT = _predict(make, train, train_NT, at_PD, best_TK, dev, not classes)
            best_scores_TK = np.take_along_axis(scores_TD, best_TK, 1)
            results[config] = FoldResult(prediction_PT, best_TK, best_scores_TK)
    return results


def _baseline(regressor: str, y_NT: np.ndarray, fold: Fold) -> FoldResult:
    model = DummyRegressor() if regressor == BASELINE else DummyClassifier(strategy="most_frequent")
    model.fit(np.zeros((len(fold.train), 0)), y_NT[fold.train])
    prediction_NT = model.predict(np.zeros((len(fold.test), 0))).reshape(-1, y_NT.shape[1])
    none = np.zeros((y_NT.shape[1], 0))
    return FoldResult(prediction_NT, none.astype(int), none)


def _f_scores(x_ND: np.ndarray, y_NT: np.ndarray) -> np.ndarray:
    return np.array([f_regression(x_ND, y_N)[0] for y_N in y_NT.T])


def _f_scores_of_classes(x_ND: np.ndarray, y_NT: np.ndarray) -> np.ndarray:
    """NaN for constant columns, as `f_regression` gives, and for a single class."""
    scores_TD = np.full((y_NT.shape[1], x_ND.shape[1]), np.nan)
    varies_D = np.ptp(x_ND, axis=0) > 0
    for t, y_N in enumerate(y_NT.T):
        if np.ptp(y_N) > 0 and varies_D.any():
            with np.errstate(divide="ignore", invalid="ignore"):  # no variance within classes
                scores_TD[t, varies_D] = f_classif(x_ND[:, varies_D], y_N)[0]
    return scores_TD


def _predict(
    make: Callable[[], Any],
    train: Standardised,
    train_NT: np.ndarray,
    at_PD: Rows,
    best_TK: np.ndarray,
    dev: tuple[np.ndarray, np.ndarray] | None,
    shared: bool,
) -> np.ndarray:
    """Predictions (P, T); with all features kept, one model predicts all, if `shared` allows it."""

    def predicted(kept: slice | np.ndarray, ratings: slice | list[int]) -> np.ndarray:
        model, x, y_NT = make(), _inputs(make, train, kept), train_NT[:, ratings]
        if dev is None:
            model.fit(x, y_NT)
        else:
            model.fit(x, y_NT, (train.scaled(dev[0][:, kept], kept), dev[1][:, ratings]))
        blocks = (at_PD[rows][:, kept] for rows in row_blocks(at_PD.shape[0], _POINTS))
        parts = [model.predict(train.scaled(x_PK, kept)) for x_PK in blocks]
        return np.concatenate(parts).reshape(at_PD.shape[0], -1)

    keeps_all = best_TK.shape[1] == train.shape[1]
    if keeps_all and shared:
        return predicted(slice(None), slice(None))
    each = [
        predicted(slice(None) if keeps_all else np.sort(best_K), [t])
        for t, best_K in enumerate(best_TK)
    ]
    return np.concatenate(each, axis=1)


def _inputs(make: Callable[[], Any], train: Standardised, kept: slice | np.ndarray) -> Any:
    if isinstance(kept, slice):
        return train if make is Ridge else train[:]  # the ridge reads it in blocks
    return np.asfortranarray(train.columns(kept))  # as LAPACK wants it
