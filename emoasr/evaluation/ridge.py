"""Ridge regression of many utterances on many features, a block of rows at a time.

Shape suffixes: N utterances, D features, T ratings, A penalties, R rows of a block, M utterances of
a development set.
"""

from typing import Protocol

import numpy as np
from sklearn.linear_model import Ridge as OnePenalty
from sklearn.linear_model import RidgeCV

from emoasr.evaluation.standardised import row_blocks

Dev = tuple[np.ndarray, np.ndarray]  # a development set: standardised features, ratings (M, T)
PENALTIES = np.logspace(0, 5, 11)


class Rows(Protocol):
    """Standardised features (N, D), of which some rows can be had: an array, `Standardised`."""

    shape: tuple[int, ...]

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Some rows, float64."""
        ...


class Ridge:
    """Ridge regression; each rating's penalty has the least leave-one-out error, as in RidgeCV.

    Or the least error on a development set.

    With more utterances than features the features' covariance is decomposed, once for all ratings
    and penalties: G = V diag(w) V', with G = x'x. With q = x V, a penalty's weights are V a, where
    a = (q'y) / (w + penalty); an utterance's leverage is h = 1/N + sum(q² / (w + penalty)); and its
    leave-one-out error (y - x V a) / (1 - h) (Golub, Heath & Wahba 1979, "Generalized
    cross-validation as a method for choosing a good ridge parameter", Technometrics 21: 215-223).
    Else scikit-learn's RidgeCV decomposes x x', which is smaller.

    Attributes:
        penalties_T: those chosen.
    """

    penalties_T: np.ndarray

    def fit(self, x_ND: Rows, y_NT: np.ndarray, dev: Dev | None = None) -> "Ridge":
        """Chooses the penalties and fits; each feature's mean is zero."""
        n, n_features = x_ND.shape
        if n == 1:  # none to leave out: all penalties give the same
            self._weights_DT, self._bias_T = np.zeros((n_features, y_NT.shape[1])), y_NT[0]
            self.penalties_T = np.full(y_NT.shape[1], PENALTIES[0])
            return self
        if n <= n_features:
            self._fit_few(x_ND[:], y_NT, dev)
            return self
        self._bias_T = y_NT.mean(axis=0)
        y_NT = y_NT - self._bias_T
        gram_DD = np.zeros((n_features, n_features))
        moment_DT = np.zeros((n_features, y_NT.shape[1]))
        for block in row_blocks(n):
            x_RD = x_ND[block]
            gram_DD += x_RD.T @ x_RD
            moment_DT += x_RD.T @ y_NT[block]
        w_D, v_DD = np.linalg.eigh(gram_DD)
        inverse_DA = 1 / (w_D.clip(0)[:, None] + PENALTIES)
        a_DAT = inverse_DA[:, :, None] * (v_DD.T @ moment_DT)[:, None]
        if dev is None:
            errors_AT = _left_out(x_ND, y_NT, v_DD, inverse_DA, a_DAT)
        else:
            errors_AT = _errors(np.tensordot(dev[0] @ v_DD, a_DAT, 1), dev[1] - self._bias_T)
        self._weights_DT = v_DD @ _of_each(a_DAT, errors_AT)
        self.penalties_T = PENALTIES[errors_AT.argmin(axis=0)]
        return self

    def _fit_few(self, x_ND: np.ndarray, y_NT: np.ndarray, dev: Dev | None) -> None:
        def of_model(model):
            return model.coef_.T.reshape(x_ND.shape[1], -1)

        if dev is None:
            model = RidgeCV(alphas=PENALTIES, alpha_per_target=True).fit(x_ND, y_NT)
            self._weights_DT, self._bias_T = of_model(model), model.intercept_
            self.penalties_T = np.atleast_1d(model.alpha_)
            return
        models = [OnePenalty(penalty).fit(x_ND, y_NT) for penalty in PENALTIES]
        self._bias_T = y_NT.mean(axis=0)
        weights_DAT = np.stack([of_model(model) for model in models], axis=1)
        errors_AT = _errors(np.tensordot(dev[0], weights_DAT, 1), dev[1] - self._bias_T)
        self._weights_DT = _of_each(weights_DAT, errors_AT)
        self.penalties_T = PENALTIES[errors_AT.argmin(axis=0)]

    def predict(self, x_PD: np.ndarray) -> np.ndarray:
        """Ratings (P, T)."""
        return x_PD @ self._weights_DT + self._bias_T


def _left_out(
    x_ND: Rows, y_NT: np.ndarray, v_DD: np.ndarray, inverse_DA: np.ndarray, a_DAT: np.ndarray
) -> np.ndarray:
    """Sums of squared leave-one-out errors, (A, T)."""
    errors_AT = np.zeros(a_DAT.shape[1:])
    for block in row_blocks(len(y_NT)):
        q_RD = x_ND[block] @ v_DD
        left_RAT = y_NT[block, None] - np.tensordot(q_RD, a_DAT, 1)
        leverage_RA = 1 / len(y_NT) + np.square(q_RD, out=q_RD) @ inverse_DA
        errors_AT += np.square(left_RAT / (1 - leverage_RA[:, :, None])).sum(axis=0)
    return errors_AT


def _errors(predicted_MAT: np.ndarray, y_MT: np.ndarray) -> np.ndarray:
    return np.square(y_MT[:, None] - predicted_MAT).sum(axis=0)


def _of_each(weights_DAT: np.ndarray, errors_AT: np.ndarray) -> np.ndarray:
    """Each rating's weights (D, T) with the penalty of least error."""
    return weights_DAT[:, errors_AT.argmin(axis=0), np.arange(errors_AT.shape[1])]
