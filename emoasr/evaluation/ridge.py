"""Ridge regression of many utterances on many features, a block of rows at a time.

Shape suffixes: N utterances, D features, T ratings, A penalties, R rows of a block.
"""

from typing import Protocol

import numpy as np
from sklearn.linear_model import RidgeCV

from emoasr.evaluation.standardised import row_blocks

PENALTIES = np.logspace(0, 5, 11)


class Rows(Protocol):
    """Standardised features (N, D), of which some rows can be had: an array, `Standardised`."""

    shape: tuple[int, ...]

    def __getitem__(self, rows: slice, /) -> np.ndarray:
        """Some rows, float64."""
        ...


class Ridge:
    """The penalty, for each rating, is the one with the least leave-one-out error, as in RidgeCV.

    With more utterances than features the features' covariance is decomposed, once for all ratings
    and penalties: G = V diag(w) V', with G = x'x. With q = x V, a penalty's weights are V a, where
    a = (q'y) / (w + penalty); an utterance's leverage is h = 1/N + sum(q² / (w + penalty)); and its
    leave-one-out error (y - x V a) / (1 - h) (Golub, Heath & Wahba 1979, "Generalized
    cross-validation as a method for choosing a good ridge parameter", Technometrics 21: 215-223).
    Else scikit-learn's RidgeCV decomposes x x', which is smaller.
    """

    def fit(self, x_ND: Rows, y_NT: np.ndarray) -> "Ridge":
        """Chooses the penalties and fits; each feature's mean is zero."""
        n, n_features = x_ND.shape
        if n <= n_features:
            model = RidgeCV(alphas=PENALTIES, alpha_per_target=True).fit(x_ND[:], y_NT)
            self._weights_DT, self._bias_T = model.coef_.T.reshape(n_features, -1), model.intercept_
            return self
        self._bias_T = y_NT.mean(axis=0)
        y_NT = y_NT - self._bias_T
        gram_DD, moment_DT = np.zeros((n_features, n_features)), np.zeros((n_features, y_NT.shape[1]))
        for block in row_blocks(n):
            x_RD = x_ND[block]
            gram_DD += x_RD.T @ x_RD
            moment_DT += x_RD.T @ y_NT[block]
        w_D, v_DD = np.linalg.eigh(gram_DD)
        inverse_DA = 1 / (w_D.clip(0)[:, None] + PENALTIES)
        a_DAT = inverse_DA[:, :, None] * (v_DD.T @ moment_DT)[:, None]
        penalty_T = _least_error(x_ND, y_NT, v_DD, inverse_DA, a_DAT)
        self._weights_DT = v_DD @ a_DAT[:, penalty_T, np.arange(len(penalty_T))]
        return self

    def predict(self, x_PD: np.ndarray) -> np.ndarray:
        """Ratings (P, T)."""
        return x_PD @ self._weights_DT + self._bias_T


def _least_error(
    x_ND: Rows, y_NT: np.ndarray, v_DD: np.ndarray, inverse_DA: np.ndarray, a_DAT: np.ndarray
) -> np.ndarray:
    """Number of the penalty with the least leave-one-out error, (T,)."""
    errors_AT = np.zeros(a_DAT.shape[1:])
    for block in row_blocks(len(y_NT)):
        q_RD = x_ND[block] @ v_DD
        left_RAT = y_NT[block, None] - np.tensordot(q_RD, a_DAT, 1)
        leverage_RA = 1 / len(y_NT) + np.square(q_RD, out=q_RD) @ inverse_DA
        errors_AT += np.square(left_RAT / (1 - leverage_RA[:, :, None])).sum(axis=0)
    return errors_AT.argmin(axis=0)
