"""A predictor as numbers: affine maps, their errors, and what they were fitted on.

Shape suffixes: M inputs, D features, C classes, F folds, N fitted utterances of a target, U of all
targets, P features that an utterance is known by.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from emoasr.errors import one_line
from emoasr.inference.attention import Attention
from emoasr.prediction import intervals
from emoasr.system.output import counted

KNOWN_BY = 8  # features of an utterance
_SAME = 1e-4  # above differences of features of size 1 between batches or processors
_ROWS = 1024  # inputs at a time


class Output(NamedTuple):
    """An affine map, w · x + b; its values over frames are a course.

    Attributes:
        name: of the rating, or of the class with its target's before it.
        weights_D: w; zero for a feature that was not selected.
        bias: b.
    """

    name: str
    weights_D: np.ndarray
    bias: float


@dataclasses.dataclass(frozen=True)
class Target:
    """How one rating is predicted: scaling, selection and regression in one map, w · x + b.

    Attributes:
        name: of the rating.
        weights_D: w; zero for a feature that was not selected.
        bias: b.
        fold_weights_FD: of the models of all folds, each fitted without the fold's speakers.
        fold_biases_F: likewise.
        errors_N: absolute errors of those models on the utterances left out.
        folds_N: the fold that left each utterance out.
        speakers_N: each utterance's speaker, as a number.
    """

    name: str
    weights_D: np.ndarray
    bias: float
    fold_weights_FD: np.ndarray
    fold_biases_F: np.ndarray
    errors_N: np.ndarray
    folds_N: np.ndarray
    speakers_N: np.ndarray

    @property
    def outputs(self) -> tuple[Output, ...]:
        """Its map."""
        return (Output(self.name, self.weights_D, self.bias),)

    def columns(self, x_MD: np.ndarray, scale: tuple[float, ...]) -> dict[str, np.ndarray]:
        """Predictions, on the scale, and their bounds."""
        low, high = scale or (-np.inf, np.inf)
        three = self.predict(x_MD), *self.bounds(x_MD)
        return {
            self.name + end: values_M.clip(low, high).astype(np.float32)
            for end, values_M in zip(("", "_low", "_high"), three, strict=True)
        }

    def predict(self, x_MD: np.ndarray) -> np.ndarray:
        """Predictions (M,), float64, which may be off the scale."""
        return x_MD.astype(np.float64) @ self.weights_D.astype(np.float64) + self.bias

    def bounds(self, x_MD: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper bounds (M,) of the rating, see `intervals.bounds`."""
        of_folds_MF = x_MD.astype(np.float64) @ self.fold_weights_FD.T.astype(np.float64)
        return intervals.bounds(
            of_folds_MF + self.fold_biases_F, self.errors_N, self.folds_N, self.speakers_N
        )


@dataclasses.dataclass(frozen=True)
class ClassTarget:
    """How one target of classes is predicted, by logistic regression: a map a class, and softmax.

    Attributes:
        name: of the target.
        classes: names, two or more.
        weights_CD: of each class.
        biases_C: of each class.
    """

    name: str
    classes: tuple[str, ...]
    weights_CD: np.ndarray
    biases_C: np.ndarray

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The map of each class: its score before softmax."""
        each = zip(self.classes, self.weights_CD, self.biases_C, strict=True)
        return tuple(Output(f"{self.name}_{c}", w_D, float(b)) for c, w_D, b in each)

    def columns(self, x_MD: np.ndarray, scale: tuple[float, ...]) -> dict[str, np.ndarray]:
        """The most probable class, and each class's probability."""
        scores_MC = x_MD.astype(np.float64) @ self.weights_CD.T.astype(np.float64) + self.biases_C
        shares_MC = np.exp(scores_MC - scores_MC.max(axis=1, keepdims=True, initial=-np.inf))
        shares_MC = (shares_MC / shares_MC.sum(axis=1, keepdims=True)).astype(np.float32)
        best_M = np.array(self.classes, object)[shares_MC.argmax(axis=1)]
        names = (output.name for output in self.outputs)
        return {self.name: best_M, **dict(zip(names, shares_MC.T, strict=True))}


@dataclasses.dataclass(frozen=True)
class Fitted:
    """What the features of the fitted utterances were like.

    Attributes:
        lowest_D: of each feature.
        highest_D: of each feature.
        mean_D: of each feature.
        most_beyond: share of features beyond the range of all other speakers that 99 % of the
            utterances do not exceed.
        known_UP: some features of every utterance, to recognize it by.
    """

    lowest_D: np.ndarray
    highest_D: np.ndarray
    mean_D: np.ndarray
    most_beyond: float
    known_UP: np.ndarray

    def beyond(self, x_MD: np.ndarray) -> np.ndarray:
        """Share (M,) of each input's features that are below the lowest or above the highest.

        Rounding does not count: an utterance that was fitted on has 0.
        """
        same_D = self._rounding()
        below_MD, above_MD = x_MD < self.lowest_D - same_D, x_MD > self.highest_D + same_D
        return np.mean(below_MD | above_MD, axis=1)

    def knows(self, x_MD: np.ndarray) -> np.ndarray:
        """Whether (M,) each input is one of the fitted utterances."""
        some_MP, same_P = known_by(x_MD), known_by(self._rounding()[None])[0]
        found_M = np.zeros(len(x_MD), bool)
        for i, some_P in enumerate(some_MP):
            found_M[i] = (np.abs(self.known_UP - some_P) < same_P).all(axis=1).any()
        return found_M

    def _rounding(self) -> np.ndarray:
        """A bound (D,) on each feature's differences between two runs on the same speech."""
        largest_D = np.maximum(np.abs(self.lowest_D), np.abs(self.highest_D))
        return _SAME * np.maximum(largest_D, 1)


@dataclasses.dataclass(frozen=True)
class Model:
    """Several targets predicted from the same features.

    Attributes:
        targets: at least one, of ratings or of classes.
        fitted: what the fitted utterances were like.
        scale: lowest and highest rating, to which predictions are clipped; empty: they are not.
        attention: weighs the frames that features are the mean of; None: see `Features.pooling`.
    """

    targets: tuple[Target | ClassTarget, ...]
    fitted: Fitted
    scale: tuple[float, ...]
    attention: Attention | None = None

    @property
    def n_features(self) -> int:
        """Number of features."""
        return len(self.fitted.lowest_D)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """The maps of all targets: one a rating, one a class."""
        return tuple(output for target in self.targets for output in target.outputs)

    def unclipped(self, x_MD: np.ndarray) -> np.ndarray:
        """Values (M, outputs): of ratings, which may be off the scale; of classes, their scores."""
        weights_DK = np.stack([output.weights_D for output in self.outputs], axis=1)
        biases_K = np.array([output.bias for output in self.outputs])
        return x_MD.astype(np.float64) @ weights_DK.astype(np.float64) + biases_K

    def predict(self, x_MD: np.ndarray, index: pd.Index) -> pd.DataFrame:
        """Predictions on the scale, with their intervals.

        Args:
            x_MD: features.
            index: of the result.

        Returns:
            For each rating a column of its name, and `NAME_low` and `NAME_high`; for each target of
            classes a column of its name, text, and `NAME_CLASS`, the probability of each; `beyond`,
            the share of features beyond the range of the fitted utterances; `fitted`, whether the
            input is one of these. All numbers are float32.
        """
        starts = range(0, max(len(x_MD), 1), _ROWS)
        return pd.concat([self._rows(x_MD[i : i + _ROWS]) for i in starts]).set_axis(index)

    def _rows(self, x_MD: np.ndarray) -> pd.DataFrame:
        columns: dict[str, np.ndarray] = {}
        for target in self.targets:
            columns |= target.columns(x_MD, self.scale)
        columns["beyond"] = self.fitted.beyond(x_MD).astype(np.float32)
        return pd.DataFrame({**columns, "fitted": self.fitted.knows(x_MD)})


def known_by(x_MD: np.ndarray) -> np.ndarray:
    """The features (M, P) that an utterance is known by."""
    return x_MD[:, np.linspace(0, x_MD.shape[1] - 1, KNOWN_BY).astype(int)].astype(np.float32)


def warnings(
    predictions: pd.DataFrame, names: Sequence[str], most_beyond: float, silent: Sequence[str] = ()
) -> list[str]:
    """What a reader of predictions must know, one line each.

    Args:
        predictions: as `Model.predict` gives them.
        names: of the inputs, one a row.
        most_beyond: see `Fitted`.
        silent: names of inputs whose samples are all zero.
    """
    lines = []
    for which, what in (
        (silent, "silent: all samples are zero"),
        (
            _names(names, predictions["beyond"].to_numpy() > np.float32(most_beyond)),
            f"unlike the fitted speech (more than {most_beyond:.1%} of the features beyond its "
            "range): the intervals may not hold",
        ),
        (
            _names(names, predictions["fitted"].to_numpy()),
            "among the speech that the predictor was fitted on: the intervals and its error "
            "figures, which are of new speakers, do not hold",
        ),
    ):
        if which:
            some = ", ".join(map(one_line, which[:3])) + ", ..." * (len(which) > 3)
            lines.append(f"{len(which)} of {counted(len(names), 'input')} {what}: {some}")
    return lines


def _names(names: Sequence[str], wrong_M: np.ndarray) -> list[str]:
    return [names[i] for i in np.flatnonzero(wrong_M).tolist()]
