"""Ablations and controls: changed conditions, other protocols, other models, single layers."""

import dataclasses
import itertools
import re
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation import (
    cross_validation,
    early_late,
    jackknife,
    layer_trend,
    layers,
    splits,
    traits,
)
from emoasr.evaluation.comparison import Comparison, describe, metrics_of
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.regression import REGRESSORS, PredictorConfig, predictor_configs
from emoasr.settings.choices import BASELINE, CROSS_CORPUS, PARTNERS, PROTOCOLS, held_out

_N_SELECTED = (10, 20, 50, 100, 200, 500, 1000, 0)  # 0: all
_PERMUTATIONS = 20
_AGAINST_MAIN = ("selection", "protocol", "partner")  # compared with the main table, set by set
_WITH_BASELINE = ("controls", "protocol", "partner")  # in the others it is as in the main table
_ALL_BY_RIDGE = {"regressor": "ridge", "n_selected": 0}

Tables = Mapping[str, pd.DataFrame]
Analysis = tuple[str, Tables, dict[str, Any]]  # name, feature sets, settings that change


@dataclasses.dataclass(frozen=True)
class Plan:
    """What is fitted on one dataset.

    Attributes:
        dataset: utterances and features, each layer as a feature set where layers are analysed.
        main: configs of the main table.
        analyses: name of an analysis, and a config that it needs.
        omitted: analyses that these data do not allow, and why.
        networks: feature sets whose layers are analysed.
    """

    dataset: Dataset
    main: list[PredictorConfig]
    analyses: list[tuple[str, PredictorConfig]] = dataclasses.field(default_factory=list)
    omitted: list[str] = dataclasses.field(default_factory=list)
    networks: list[str] = dataclasses.field(default_factory=list)

    @property
    def configs(self) -> list[PredictorConfig]:
        """All of them, the main table's first."""
        return [*self.main, *(config for _, config in self.analyses)]


def plan(
    dataset: Dataset, main: list[PredictorConfig], settings: ml_collections.ConfigDict
) -> Plan:
    """Lists what to fit besides the main table.

    The analyses: `controls`, all sets by ridge regression on all features (one untrained network is
    enough for those that follow); `selection`, F scores from test utterances too; `protocol`,
    speakers or sessions held out; `partner`, the dialogue partner removed from training;
    `regressors`; `n_selected`; `layers`, each alone.

    Raises:
        UserError: a feature set has the name of a layer.
    """
    names = _one_seed(dataset.tables)
    networks = [n for n in names if not layers.is_subset(n, names, settings.layers)]
    found = {} if dataset.classes else layers.networks({n: dataset.tables[n] for n in networks})
    layer_tables = _layer_tables(dataset.tables, [*found])
    for name in (name for name in dataset.tables if name in layer_tables):
        raise UserError(
            f"feature set {name!r}: config.eval.battery=True gives this name to a layer of "
            f"{layers.network_of(name)!r}; rename the set, in config.feature_sets or "
            "config.eval.layers"
        )
    analyses_of = _analyses_of_classes if dataset.classes else _analyses
    asked, omitted = analyses_of(dataset, layer_tables, settings)
    analyses = [
        (name, config)
        for name, tables, changes in asked
        for config in predictor_configs(tables, settings, bool(dataset.classes), **changes)
        if config.feature_set != BASELINE or name in _WITH_BASELINE
    ]
    wide = dataclasses.replace(dataset, tables={**dataset.tables, **layer_tables})
    return Plan(wide, main, list(dict.fromkeys(analyses)), omitted, [*found])


def report(
    plans: Sequence[Plan], compared: Mapping[str, Comparison], labels: pd.DataFrame, workers: int
) -> dict[str, Any]:
    """Results of all analyses: `battery` in `eval/results.json`.

    Args:
        plans: what was fitted, each on other utterances.
        compared: predictions by target, those of the main table among them.
        labels: of the run, for what is known of the speakers.
        workers: folds fitted at once.
    """
    rows, differences = [], []
    by_layer: dict[str, dict[str, list[pd.DataFrame]]] = {}
    omitted = {why for plan in plans for why in plan.omitted}
    speakers: dict[str, list[dict[str, Any]]] = {"variation": [], "each": [], "traits": []}
    for plan in plans:
        of_plan, lacking = _between_speakers(plan, labels)
        omitted |= {*lacking}
        for name, records in of_plan.items():
            speakers[name] += records
        problem = jackknife.problem(plan.dataset, plan.main[0].protocol, plan.main[0].partner)
        parts = []
        if problem and not plan.dataset.classes:  # `_analyses_of_classes` omits more than this
            omitted.add(f"refitted: {problem}")
        elif not plan.dataset.classes:
            parts = jackknife.without_each_speaker(plan.dataset, plan.main, workers)
        for target in plan.dataset.targets:
            c = compared[target]
            rows += [{"analysis": name, **c.row(config)} for name, config in plan.analyses]
            rows += _permuted(plan, target, workers)
            differences += _changes(plan, c)
            if parts:
                differences += _refitted(plan.main, c, parts)
            for name, config in plan.analyses:
                if name == "layers":
                    network = layers.network_of(config.feature_set)
                    of_network = by_layer.setdefault(network, {})
                    of_network.setdefault(target, []).append(c.predictions[config])
    return {
        "rows": rows,
        "differences": differences,
        "trend": [
            trend
            for network, of_targets in by_layer.items()
            for trend in layer_trend.over_layers(of_targets, network)
        ],
        "speakers": speakers,
        "omitted": sorted(omitted),
    }


def _between_speakers(
    plan: Plan, labels: pd.DataFrame
) -> tuple[dict[str, list[dict[str, Any]]], list[str]]:
    """Differences between speakers in where ratings show, and their traits; what is omitted."""
    dialogues = labels.get("dialogue", pd.Series(index=labels.index, dtype=object))
    dialogues = dialogues.loc[plan.dataset.ratings.index]
    every = [early_late.contrasts(plan.dataset, name, dialogues) for name in plan.networks]
    problems = [f"speakers, early and late layers: {why}" for why in every if isinstance(why, str)]
    compared = [one for one in every if not isinstance(one, str)]
    if not compared:
        return {}, problems
    if out := compared[0].left_out:
        why = f"fewer than {early_late.FEWEST_UTTERANCES} utterances, or ratings that hardly vary"
        few = ", ".join(out[:5]) if len(out) <= 5 else f"{len(out)} speakers, such as {out[0]}"
        problems.append(f"speakers, early and late layers: without {few} ({why})")
    known = traits.of_speakers(plan.dataset.as_extracted(), labels)
    found = {
        "variation": [record for one in compared for record in one.variation()],
        "each": [record for one in compared for record in one.each()],
        "traits": [record for one in compared for record in traits.associations(one, known)],
    }
    return found, [*problems, *(f"a trait of speakers, {why}" for why in known.missing)]


def _changes(plan: Plan, compared: Comparison) -> list[dict[str, Any]]:
    """Each set under a changed condition against itself in the main table."""
    main = {config.feature_set: config for config in plan.main}
    return [
        {"analysis": name, **compared.difference(config, main[config.feature_set])}
        for name, config in plan.analyses
        if name in _AGAINST_MAIN
    ]


def _refitted(
    main: Sequence[PredictorConfig], compared: Comparison, parts: list[jackknife.MetricsOfPart]
) -> list[dict[str, Any]]:
    """The main table's differences, with intervals by jackknife: fitted without each speaker."""
    return [
        {
            "analysis": "refitted",
            **compared.difference(a, b),
            **jackknife.limits(parts, compared, a, b),
        }
        for a, b in itertools.combinations(main, 2)
    ]


def _permuted(plan: Plan, target: str, workers: int) -> list[dict[str, Any]]:
    """Rows of one feature set, labels shuffled among each speaker's utterances.

    What can still be predicted then comes from the speakers' means and from chance.
    """
    single = _single_set(plan.dataset.tables)
    (config,) = [c for c in plan.main if c.feature_set == single]
    rng = np.random.default_rng(0)
    by_speaker = plan.dataset.ratings[target].groupby(plan.dataset.groups["speaker"].to_numpy())
    shuffled = {str(i): by_speaker.transform(rng.permutation) for i in range(_PERMUTATIONS)}
    null = dataclasses.replace(plan.dataset, ratings=pd.DataFrame(shuffled))
    fitted = cross_validation.run(null, [config], workers, f"permuted {target}")
    return [
        {
            "analysis": "permuted",
            **describe(config, target, frame),
            "repeat": repeat,
            **metrics_of(frame),
        }
        for repeat, frame in enumerate(fitted.predictions.values())
    ]


def _analyses_of_classes(
    dataset: Dataset, layer_tables: Tables, settings: ml_collections.ConfigDict
) -> tuple[list[Analysis], list[str]]:
    """All features; the other analyses are of ratings."""
    del layer_tables, settings
    (target,) = dataset.targets
    omitted = [
        f"{target}: of classes, only controls and permuted labels; other analyses need ratings"
    ]
    return [("controls", dataset.tables, {"n_selected": 0})], omitted


def _analyses(
    dataset: Dataset, layer_tables: Tables, settings: ml_collections.ConfigDict
) -> tuple[list[Analysis], list[str]]:
    """All analyses that the data allow; and those omitted, and why."""
    tables = _one_seed(dataset.tables)
    single = {name: tables[name] for name in [_single_set(tables)]}
    protocols, omitted = _protocols(dataset.groups, settings)
    if not layer_tables:
        omitted.append("layers: there is no feature set of a network")
    other_scope = "fold" if settings.selection.scope == "all" else "all"
    chosen = {name: t for name, t in tables.items() if 0 < settings.n_selected < t.shape[1]}
    if not chosen:
        omitted.append("selection: all features are used, so none are selected")
    n_selected = (settings.n_selected or 100, 0)
    found: list[Analysis] = [
        ("controls", dataset.tables, _ALL_BY_RIDGE),
        ("selection", chosen, {"selection": other_scope}),
        *((name, tables, changes) for name, changes in protocols.items()),
        *(
            ("regressors", tables, {"regressor": regressor, "n_selected": n})
            for regressor, n in itertools.product(REGRESSORS, n_selected)
        ),
        *(
            ("n_selected", single, {"regressor": regressor, "n_selected": n})
            for regressor, n in itertools.product(("linear", "ridge"), _N_SELECTED)
        ),
        ("layers", layer_tables, _ALL_BY_RIDGE),
    ]
    return found, omitted


def _protocols(
    groups: pd.DataFrame, settings: ml_collections.ConfigDict
) -> tuple[dict[str, dict[str, str]], list[str]]:
    """The other protocol, and the partner out (or in); and what of these is omitted, and why."""
    by_split = held_out(settings.protocol) == "split"  # which has no other protocol beside it
    if "session" not in groups:
        why = "the labels do not have a session for every utterance"
        return {}, [f"{name}: {why}" for name in ("protocol", "partner")[by_split:]]
    by_speaker, by_session = PROTOCOLS
    omitted = []
    other = "in" if settings.partner == "out" else "out"
    found = {"partner": {"protocol": settings.protocol, "partner": other}}
    if held_out(settings.protocol) == "speaker":
        found = {"protocol": {"protocol": by_session, "partner": "in"}, **found}
    elif not by_split:
        found = {"protocol": {"protocol": by_speaker, "partner": "in"}}
        omitted.append("partner: leaving sessions out removes the dialogue partner already")
    problems = {name: splits.split_problem(groups, **changes) for name, changes in found.items()}
    if settings.protocol == CROSS_CORPUS:  # sessions of the same name in both are not the same
        problems["partner"] = "training and test sessions are of two corpora"
    elif problems.get("partner") == "" and not _has_partners(groups, settings.protocol):
        problems["partner"] = "no test speaker shares a session with a training speaker"
    omitted += [f"{name}: {problem}" for name, problem in problems.items() if problem]
    return {name: found[name] for name, problem in problems.items() if not problem}, omitted


def _has_partners(groups: pd.DataFrame, protocol: str) -> bool:
    """Whether leaving the dialogue partner out of training takes anything from it."""
    both = (splits.split(groups, protocol, partner) for partner in PARTNERS)
    return any(len(one.train) != len(other.train) for one, other in zip(*both, strict=True))


def _one_seed(tables: Tables) -> Tables:
    """The sets without further untrained networks of one size."""
    kept = {name: t for name, t in tables.items() if not re.fullmatch(r"random-\d+", name)}
    return kept or tables


def _layer_tables(tables: Tables, networks: Sequence[str]) -> dict[str, pd.DataFrame]:
    """Each layer of the networks' features as a feature set."""
    of_networks = layers.each({name: tables[name] for name in networks})
    return {name: t for of_network in of_networks.values() for name, t in of_network.items()}


def _single_set(tables: Tables) -> str:
    """The feature set for analyses of a single one."""
    return "neural" if "neural" in tables else next(iter(tables))
