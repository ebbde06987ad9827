"""Ways to predict one rating, side by side: figures, intervals, differences."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from emoasr.evaluation import bootstrap
from emoasr.evaluation.dataset import Study
from emoasr.evaluation.regression import BASELINE, Spec


class Comparison:
    """Predictions of one target, compared over the same draws of speakers.

    Attributes:
        target: the rating.
        runs: predictions by spec, see `crossvalidation.Runs`.
        figures: see `intervals.both`, by spec.
    """

    def __init__(self, of: Study, target: str, runs: Mapping[Spec, pd.DataFrame]):
        self.target, self.runs = target, dict(runs)
        self._study = of
        self._drawn = bootstrap.Bootstrap(self.runs)
        self.figures = {spec: bootstrap.both(frame) for spec, frame in self.runs.items()}

    def row(self, spec: Spec) -> dict[str, Any]:
        """What was done, on how much, its figures and their intervals."""
        return {
            **describe(self._study, spec, self.target, self.runs[spec]),
            **self.figures[spec],
            **self._drawn.of(spec),
        }

    def difference(self, a: Spec, b: Spec) -> dict[str, Any]:
        """Figures of a minus those of b, their intervals, and a test over the folds."""
        ours, theirs = self.figures[a], self.figures[b]
        return {
            "target": self.target,
            "protocol": a.protocol,
            "partner": a.partner,
            "selection": a.selection,
            "regressor": a.regressor,
            "n_selected": a.n_selected,
            "a": a.feature_set,
            "b": b.feature_set,
            **{key: _minus(ours[key], theirs[key]) for key in _COMPARED},
            **self._drawn.difference(a, b),
            **bootstrap.wilcoxon(self.runs[a], self.runs[b]),
        }


def describe(of: Study, spec: Spec, target: str, predicted: pd.DataFrame) -> dict[str, Any]:
    """The fields of a row that say what was done, and on how much."""
    return {
        "feature_set": spec.feature_set,
        "target": target,
        "protocol": spec.protocol,
        "partner": spec.partner,
        "selection": spec.selection,
        "regressor": spec.regressor,
        "n_features": 0 if spec.feature_set == BASELINE else of.tables[spec.feature_set].shape[1],
        "n_selected": spec.n_selected,
        "n_utterances": len(predicted),
        "n_folds": predicted["fold"].nunique(),
        "n_speakers": predicted["speaker"].nunique(),
    }


_COMPARED = [prefix + key for prefix in bootstrap.VARIANTS for key in bootstrap.FIGURES]


def _minus(a: float | None, b: float | None) -> float | None:
    return None if a is None or b is None else a - b
