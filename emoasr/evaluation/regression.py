"""What is fitted inside one training fold: scaling, selection by F score, a linear model."""

import dataclasses
from collections.abc import Iterable
from functools import partial
from itertools import groupby
from typing import Any

import numpy as np
from sklearn.compose import TransformedTargetRegressor
from sklearn.dummy import DummyRegressor
from sklearn.feature_selection import f_regression
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.multioutput import MultiOutputRegressor
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVR

from emoasr.evaluation.splits import Fold

BASELINE = "mean"  # the training fold's mean rating, whatever the features


def _support_vector() -> MultiOutputRegressor:
    # the primal solver of the squared loss converges where the dual one does not
    svr = LinearSVR(C=1e-3, epsilon=0.1, loss="squared_epsilon_insensitive", dual=False)
    return MultiOutputRegressor(TransformedTargetRegressor(svr, transformer=StandardScaler()))


REGRESSORS: dict[str, Any] = {
    "linear": LinearRegression,
    # the penalty with the least leave-one-out error over the training fold's utterances
    "ridge": partial(RidgeCV, alphas=np.logspace(0, 5, 11), alpha_per_target=True),
    "svr": _support_vector,  # linear; C .001 on standardised data, for hundreds of utterances on
}


@dataclasses.dataclass(frozen=True, order=True)
class Spec:
    """One way to predict ratings.

    Attributes:
        feature_set: a table's name, or `BASELINE`.
        protocol: one of `settings.PROTOCOLS`.
        partner: one of `settings.PARTNERS`.
        selection: where F scores come from: "fold", the training fold; "all", every utterance,
            those tested on too, which flatters (Ambroise & McLachlan 2002).
        regressor: one of `REGRESSORS`, or `BASELINE`.
        n_selected: features kept, those with the highest F score; 0 for the baseline.
    """

    feature_set: str
    protocol: str
    partner: str
    selection: str
    regressor: str
    n_selected: int


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What one fold gives for one spec, T ratings.

    Attributes:
        prediction_NT: of the fold's test utterances.
        features_TK: columns kept, the best first.
        f_scores_TK: their F scores.
    """

    prediction_NT: np.ndarray
    features_TK: np.ndarray
    f_scores_TK: np.ndarray


def fit(
    x_ND: np.ndarray, y_NT: np.ndarray, fold: Fold, specs: Iterable[Spec]
) -> dict[Spec, Fitted]:
    """Fits a training fold in several ways that share their scaling and F scores.

    Args:
        x_ND: features of all utterances.
        y_NT: their ratings, float64.
        fold: which to fit, and which to predict.
        specs: of one feature set, protocol and partner.
    """
    specs = sorted(specs, key=lambda spec: spec.selection)
    if all(spec.regressor == BASELINE for spec in specs):
        return {spec: _baseline(y_NT, fold) for spec in specs}
    scaler = StandardScaler(copy=False)  # float64, as scikit-learn's F score: converted once
    train_ND = scaler.fit_transform(x_ND[fold.train].astype(np.float64))
    test_ND = scaler.transform(x_ND[fold.test].astype(np.float64))
    train_NT = y_NT[fold.train]
    found = {}
    for selection, alike in groupby(specs, key=lambda spec: spec.selection):
        if selection == "fold":
            scores_TD = _f_scores(train_ND, train_NT)
        else:
            scores_TD = _f_scores(x_ND.astype(np.float64), y_NT)
        order_TD = np.argsort(-np.nan_to_num(scores_TD, nan=-1.0), axis=1, kind="stable")
        for spec in alike:
            best_TK = order_TD[:, : spec.n_selected]
            prediction_NT = _predict(spec.regressor, train_ND, train_NT, test_ND, best_TK)
            found[spec] = Fitted(prediction_NT, best_TK, np.take_along_axis(scores_TD, best_TK, 1))
    return found


def _baseline(y_NT: np.ndarray, fold: Fold) -> Fitted:
    model = DummyRegressor(strategy="mean").fit(np.zeros((len(fold.train), 0)), y_NT[fold.train])
    prediction_NT = model.predict(np.zeros((len(fold.test), 0))).reshape(-1, y_NT.shape[1])
    none = np.zeros((y_NT.shape[1], 0))
    return Fitted(prediction_NT, none.astype(int), none)


def _f_scores(x_ND: np.ndarray, y_NT: np.ndarray) -> np.ndarray:
    return np.array([f_regression(x_ND, y_N)[0] for y_N in y_NT.T])


def _predict(
    regressor: str,
    train_ND: np.ndarray,
    train_NT: np.ndarray,
    test_ND: np.ndarray,
    best_TK: np.ndarray,
) -> np.ndarray:
    """Predictions (N, T); with all features kept, the ratings share one decomposition."""
    make = REGRESSORS[regressor]
    if best_TK.shape[1] == train_ND.shape[1]:
        return make().fit(train_ND, train_NT).predict(test_ND).reshape(-1, train_NT.shape[1])
    columns = []
    for t, best_K in enumerate(best_TK):
        kept = np.sort(best_K)
        model = make().fit(train_ND[:, kept], train_NT[:, [t]])
        columns.append(model.predict(test_ND[:, kept]).reshape(-1))
    return np.stack(columns, axis=1)
