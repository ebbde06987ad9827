"""How well feature sets predict targets: feature tables and labels in, every metric out.

The protocol is the paper's (section 5; Tits et al. 2018): the features with the best univariate F
scores, a linear regression on them, and the squared error on unseen speakers. Scaling, selection
and a penalty are fitted inside each training fold. A baseline, the mean of the training ratings as
a constant prediction, is compared with every feature set. Targets that are classes, not numbers,
are predicted by logistic regression (see `classification`) in the same folds.
"""

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import ml_collections
import pandas as pd

from emoasr.evaluation import ablations, cross_validation, notes, predicted
from emoasr.evaluation.ablations import Plan
from emoasr.evaluation.comparison import Comparison
from emoasr.evaluation.cross_validation import CrossValidated
from emoasr.evaluation.dataset import Dataset, prepare
from emoasr.evaluation.metrics import has_classes
from emoasr.evaluation.predicted import Frames, Predicted
from emoasr.evaluation.regression import PredictorConfig, predictor_configs
from emoasr.settings.choices import BASELINE


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What `evaluate` finds; metrics that are undefined are None.

    Attributes:
        rows: one a feature set and target, with the fields of `eval/results.json`.
        differences: one a pair of feature sets and target, likewise.
        battery: ablations and controls, see `ablations.report`; None where they were not asked for.
        predictions: one row an utterance, feature set and target, indexed by utterance; columns
            feature_set, target, fold (the group held out), speaker, label, prediction, clipped;
            where a target has classes, also class and predicted_class, text, in place of these
            three.
        selected: one row a feature that a fold selected; columns feature_set, target, fold,
            feature, f_score, rank (1 is the best).
        skipped: utterances left out: file, start, end (seconds), step, reason.
        datasets: the utterances that are not, with their features.
        notes: what a reader of the metrics must know, one line each.
    """

    rows: list[dict[str, Any]]
    differences: list[dict[str, Any]]
    battery: dict[str, Any] | None
    predictions: pd.DataFrame
    selected: pd.DataFrame
    skipped: list[dict[str, Any]]
    datasets: list[Dataset]
    notes: list[str]

    def results(
        self,
        provenance: Mapping[str, Any],
        skipped: Sequence[Mapping[str, Any]],
        said: Mapping[str, str] = MappingProxyType({}),
        notes: Sequence[str] = (),
    ) -> dict[str, Any]:
        """What `results.json` holds.

        Args:
            provenance: how the evaluation was made.
            skipped: utterances that were left out before.
            said: further fields of all rows, see `cross_corpus.Joined`.
            notes: further ones, before its own.
        """
        return {
            "rows": [{**row, **said} for row in self.rows],
            "differences": self.differences,
            "battery": self.battery,
            "notes": [*notes, *self.notes],
            "provenance": provenance,
            "skipped": [*skipped, *self.skipped],
        }


def evaluate(
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    settings: ml_collections.ConfigDict,
    workers: int = 1,
    sums: Mapping[str, Sequence[str]] = MappingProxyType({}),
    given: Mapping[str, Predicted] = MappingProxyType({}),
) -> Evaluation:
    """Predicts every target from every feature set, each on the same utterances.

    Args:
        tables: feature sets by name, (utterances, features), audformat index.
        labels: audformat index; the targets' columns, of numbers or of classes, and `speaker` or
            `session`.
        settings: `config.eval`, checked, see `settings.evaluation`.
        workers: folds fitted at once.
        sums: further feature sets, by name: the tables whose columns stand side by side in each.
        given: predictions that are compared as they are, by name.

    Raises:
        UserError: a setting, table, label or prediction that cannot be evaluated.
    """
    predicted.check_protocol(given, settings.protocol, settings.partner)
    datasets, skipped = prepare(tables, labels, settings, sums)
    frames_of: dict[str, dict[PredictorConfig, Frames]] = {}
    for dataset in datasets:
        frames_of |= predicted.by_target(dataset, given)
    plans = [_planned(dataset, settings) for dataset in datasets]
    for plan in plans:
        predicted.check_names(given, plan.dataset.tables)
    compared: dict[str, Comparison] = {}
    fitted: dict[str, CrossValidated] = {}
    for plan in plans:
        of_plan = cross_validation.run(plan.dataset, plan.configs, workers, "folds")
        for target in plan.dataset.targets:
            fitted[target] = of_plan
            compared[target] = _comparison(target, of_plan, frames_of[target])
    main_of = {  # the baseline stays the last
        target: [*plan.main[:-1], *frames_of[target], plan.main[-1]]
        for plan in plans
        for target in plan.dataset.targets
    }
    each = [(config, target) for target in settings.targets for config in main_of[target]]
    protocols = dict.fromkeys(config.protocol for plan in plans for config in plan.configs)
    return Evaluation(
        rows=[compared[target].row(config) for config, target in each],
        differences=[
            compared[target].difference(a, b)
            for target in settings.targets
            for a, b in itertools.combinations(main_of[target], 2)
        ],
        battery=ablations.report(plans, compared, labels, workers) if settings.battery else None,
        predictions=_together([compared[target].predictions[config] for config, target in each]),
        selected=pd.concat(
            [fitted[t].selected(c, t) for c, t in each if c.feature_set not in (BASELINE, *given)],
            ignore_index=True,
        ),
        skipped=skipped,
        datasets=datasets,
        notes=[
            *notes.of(datasets, protocols, labels, settings),
            *predicted.notes(given, frames_of),
        ],
    )


def _planned(dataset: Dataset, settings: ml_collections.ConfigDict) -> Plan:
    """What is fitted on a dataset, with the ablations and controls that are asked for."""
    main = predictor_configs(dataset.tables, settings, bool(dataset.classes))
    return ablations.plan(dataset, main, settings) if settings.battery else Plan(dataset, main)


def _comparison(
    target: str, fitted: CrossValidated, frames: Mapping[PredictorConfig, Frames]
) -> Comparison:
    """What was fitted beside predictions that were given."""
    means = fitted.of_target(target) | {config: of.mean for config, of in frames.items()}
    return Comparison(target, means, {config: of.each for config, of in frames.items()})


def _together(predictions: list[pd.DataFrame]) -> pd.DataFrame:
    """All predictions, classes in columns of their own: a column of a table has one type."""
    classes = {"label": "class", "prediction": "predicted_class"}
    return pd.concat(
        [frame.rename(columns=classes) if has_classes(frame) else frame for frame in predictions]
    )
