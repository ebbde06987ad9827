"""What a reviewer asks of a comparison: controls, leaks, other protocols, other models, layers."""

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emoasr.evaluation import bootstrap, cross_validation, dataset, jackknife, layer_trend
from emoasr.evaluation.comparison import Comparison, describe
from emoasr.evaluation.correlation import layer_shape
from emoasr.evaluation.dataset import Rated, Study
from emoasr.evaluation.regression import BASELINE, REGRESSORS, Spec
from emoasr.settings.choices import PROTOCOLS

_N_SELECTED = (10, 20, 50, 100, 200, 500, 1000, 0)  # 0: all
_PERMUTATIONS = 20
_AGAINST_MAIN = ("selection", "protocol", "partner")  # compared with the main table, set by set


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to fit besides the main table.

    Attributes:
        study: that of the main table, with each layer as a feature set where layers are asked for.
        rated: the utterances and targets.
        main: what the main table has.
        analyses: name of a question, and a way to predict that it needs.
        omitted: questions that cannot be asked of these data, and why.
    """

    study: Study
    rated: Rated
    main: list[Spec]
    analyses: list[tuple[str, Spec]] = dataclasses.field(default_factory=list)
    omitted: list[str] = dataclasses.field(default_factory=list)


def plan(of: Study, rated: Rated) -> Plan:
    """Lists what to fit for these utterances.

    The questions: `controls`, all sets by ridge on all features (one untrained network is enough
    for what follows); `selection`, F scores from the utterances tested on too; `protocol`, speakers
    against sessions held out; `partner`, the dialogue partner kept from training; `regressors`;
    `n_selected`; `layers`, each alone.
    """
    omitted: list[str] = []
    main, layers = of.specs(), _layers(of, omitted)
    wide = dataclasses.replace(of, tables={**of.tables, **layers})
    found: list[tuple[str, list[Spec]]] = [("controls", of.specs(regressor="ridge", n_selected=0))]
    of = _one_seed(of)
    found += [
        ("selection", _no_baseline(of.specs(selection=_other(of.settings.selection.scope)))),
        *_protocols(of, rated, omitted),
    ]
    kept = of.settings.n_selected or 100
    for regressor in REGRESSORS:
        for n_selected in (kept, 0):
            specs = _no_baseline(of.specs(regressor=regressor, n_selected=n_selected))
            found.append(("regressors", specs))
    for regressor in ("linear", "ridge"):
        for n_selected in _N_SELECTED:
            specs = of.specs(regressor=regressor, n_selected=n_selected)
            found.append(("n_selected", [s for s in specs if s.feature_set == subject(of)]))
    whole = dict(zip(wide.tables, wide.specs(regressor="ridge", n_selected=0), strict=False))
    found.append(("layers", [whole[name] for name in layers]))
    each = dict.fromkeys((analysis, spec) for analysis, specs in found for spec in specs)
    return Plan(wide, rated, main, list(each), omitted)


def subject(of: Study) -> str:
    """The feature set that the questions about one set are asked of."""
    return "neural" if "neural" in of.tables else next(iter(of.tables))


def report(plans: Sequence[Plan], compared: Sequence[Comparison]) -> dict[str, Any]:
    """Answers to all questions: `battery` in `eval/results.json`.

    Args:
        plans: what was fitted, each of other utterances.
        compared: every target's predictions, those of the main table among them.
    """
    rows, differences, layers = [], [], {}
    omitted = {why for plan in plans for why in plan.omitted}
    by_target = {c.target: c for c in compared}
    for plan in plans:
        left = jackknife.left_out(plan.study, plan.rated, plan.main)
        if isinstance(left, str):
            omitted.add(f"refitted: {left}")
        for target in plan.rated.targets:
            c = by_target[target]
            rows += [{"analysis": a, **c.row(spec)} for a, spec in plan.analyses]
            rows += _permuted(plan, target)
            differences += _changes(plan, c)
            if not isinstance(left, str):
                differences += _refitted(c, left, plan.main)
            layers[target] = [c.runs[s] for analysis, s in plan.analyses if analysis == "layers"]
    return {
        "rows": rows,
        "differences": differences,
        "trend": layer_trend.over_layers(layers) if all(layers.values()) else [],
        "omitted": sorted(omitted),
    }


def _changes(plan: Plan, compared: Comparison) -> list[dict[str, Any]]:
    """Each set under a changed condition against itself in the main table."""
    main = {spec.feature_set: spec for spec in plan.main}
    return [
        {"analysis": analysis, **compared.difference(spec, main[spec.feature_set])}
        for analysis, spec in plan.analyses
        if analysis in _AGAINST_MAIN
    ]


def _refitted(
    compared: Comparison, left: jackknife.Left, main: Sequence[Spec]
) -> list[dict[str, Any]]:
    """The main table's differences, their intervals with models fitted without each speaker."""
    return [
        {
            "analysis": "refitted",
            **compared.difference(a, b),
            **jackknife.limits(left, compared, a, b),
        }
        for a, b in itertools.combinations(main, 2)
    ]


def _permuted(planned: Plan, target: str) -> list[dict[str, Any]]:
    """Rows of the main way to predict, labels shuffled among each speaker's utterances.

    What is left then comes from the speakers' means and from chance.
    """
    of, people = planned.study, planned.rated.people
    (spec,) = [s for s in planned.main if s.feature_set == subject(of)]
    rng = np.random.default_rng(0)
    by_speaker = planned.rated.labels[target].groupby(people["speaker"].to_numpy())
    shuffled = {str(i): by_speaker.transform(rng.permutation) for i in range(_PERMUTATIONS)}
    null = Rated(pd.DataFrame(shuffled), people)
    runs = cross_validation.run(of, null, [spec], f"permuted {target}")
    return [
        {
            "analysis": "permuted",
            **describe(of, spec, target, frame),
            "repeat": repeat,
            **bootstrap.both(frame),
        }
        for repeat, frame in enumerate(runs.predictions.values())
    ]


def _one_seed(of: Study) -> Study:
    tables = {name: t for name, t in of.tables.items() if not name.startswith("random-")}
    return dataclasses.replace(of, tables=tables) if tables else of


def _layers(of: Study, omitted: list[str]) -> dict[str, pd.DataFrame]:
    if "neural" not in of.tables:
        omitted.append("layers: there is no feature set 'neural'")
        return {}
    n_layers, _ = layer_shape(of.tables["neural"].columns)
    return dataset.layers(of.tables, {f"layer{i:02d}": (i,) for i in range(n_layers)})


def _protocols(of: Study, rated: Rated, omitted: list[str]) -> list[tuple[str, list[Spec]]]:
    """The other protocol, and the partner out (or in)."""
    if "session" not in rated.people:
        why = "the labels have no session for every utterance"
        omitted += [f"protocol: {why}", f"partner: {why}"]
        return []
    by_speaker, by_session = PROTOCOLS
    other = by_session if of.settings.protocol == by_speaker else by_speaker
    ways = [("protocol", other, "in")]
    if of.settings.protocol == by_speaker:
        ways.append(("partner", by_speaker, "in" if of.settings.partner == "out" else "out"))
    else:
        omitted.append("partner: leaving sessions out keeps the dialogue partner out already")
    found = []
    for analysis, protocol, partner in ways:
        problem = dataset.unfit(rated, protocol, partner)
        if problem:
            omitted.append(f"{analysis}: {problem}")
        else:
            found.append((analysis, of.specs(protocol=protocol, partner=partner)))
    return found


def _no_baseline(specs: list[Spec]) -> list[Spec]:
    return [spec for spec in specs if spec.regressor != BASELINE]


def _other(scope: str) -> str:
    return "fold" if scope == "all" else "all"
