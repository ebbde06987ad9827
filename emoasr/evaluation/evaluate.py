"""How much of a rating a feature set carries: folds by speaker, selection, regression, errors.

The protocol is the paper's (section 5; Tits et al. 2018): the features with the best univariate F
scores, a linear regression on them, and the squared error on speakers that the model never met.
Scaling, selection and a penalty are fitted inside each training fold. The training fold's mean
rating, as a constant prediction, stands beside every feature set.
"""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import ml_collections
import pandas as pd

from emoasr.evaluation import ablations, cross_validation, dataset
from emoasr.evaluation.ablations import Plan
from emoasr.evaluation.comparison import Comparison
from emoasr.evaluation.regression import BASELINE, Spec


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `evaluate` finds; figures that are undefined are None.

    Attributes:
        rows: one a feature set and target, with the fields of `eval/results.json`.
        differences: one a pair of feature sets and target, likewise.
        battery: what a reviewer asks, see `battery`; None where it was not asked for.
        predictions: one row an utterance, feature set and target, indexed by utterance; columns
            feature_set, target, fold (the group held out), speaker, label, prediction, clipped.
        selected: one row a feature that a fold selected; columns feature_set, target, fold,
            feature, f_score, rank (1 is the best).
        skipped: utterances left out: file, start, end (seconds), step, reason.
        notes: what a reader of the figures must know, one line each.
    """

    rows: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    battery: dict[str, Any] | None
    predictions: pd.DataFrame
    selected: pd.DataFrame
    skipped: list[dict[str, Any]]
    notes: list[str]


def evaluate(
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    settings: ml_collections.ConfigDict,
    workers: int = 1,
) -> Evaluation:
    """Predicts every target from every feature set, each on the same utterances.

    Args:
        tables: feature sets by name, (utterances, features), audformat index.
        labels: audformat index; the targets' columns and `speaker` or `session`.
        settings: `config.eval`.
        workers: folds to fit at once.

    Raises:
        UserError: a setting, table or label that cannot be evaluated.
    """
    of = dataset.prepare(tables, labels, settings, workers)
    specs = of.specs()
    plans = [
        ablations.plan(of, rated) if settings.battery else Plan(of, rated, specs)
        for rated in of.rated
    ]
    found: dict[str, Comparison] = {}
    selected: dict[tuple[Spec, str], pd.DataFrame] = {}
    for plan in plans:
        wanted = [*specs, *(spec for _, spec in plan.analyses)]
        runs = cross_validation.run(plan.study, plan.rated, wanted, "folds")
        selected |= runs.selected
        for target in plan.rated.targets:
            found[target] = Comparison(plan.study, target, runs.of(target))
    compared = [found[target] for target in settings.targets]
    each = [(c, spec) for c in compared for spec in specs]
    return Evaluation(
        rows=[c.row(spec) for c, spec in each],
        differences=[
            c.difference(*ab) for c in compared for ab in itertools.combinations(specs, 2)
        ],
        battery=ablations.report(plans, compared) if settings.battery else None,
        predictions=pd.concat([_named(c, spec, c.runs[spec]) for c, spec in each]),
        selected=pd.concat(
            [_named(c, s, selected[s, c.target]) for c, s in each if s.feature_set != BASELINE],
            ignore_index=True,
        ),
        skipped=of.skipped,
        notes=of.notes,
    )


def _named(compared: Comparison, spec: Spec, frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with the columns feature_set and target in front."""
    frame = frame.copy()
    frame.insert(0, "feature_set", spec.feature_set)
    frame.insert(1, "target", compared.target)
    return frame
