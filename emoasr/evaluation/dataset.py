"""What is compared: feature tables and ratings of the same utterances, checked."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import ml_collections
import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation import alignment, splits
from emoasr.evaluation.correlation import layer_shape
from emoasr.evaluation.regression import BASELINE, Spec
from emoasr.settings import bounds
from emoasr.settings.choices import PROTOCOLS, check_evaluation

_SMALLEST_TRAINING_FOLD = 3  # utterances: an F score has n - 2 degrees of freedom
_FEWEST_SPEAKERS = 3  # what others would have given cannot be told from two
_SCALE_TOLERANCE = 0.01  # share of ratings off the scale; IEMOCAP has 4 of 10039


@dataclasses.dataclass(frozen=True)
class Rated:
    """Utterances with the same targets rated.

    Attributes:
        labels: (N, T) ratings, float64, one column a target.
        people: `speaker` and `session` of each utterance, as text, where the labels have them.
    """

    labels: pd.DataFrame
    people: pd.DataFrame

    @property
    def targets(self) -> list[str]:
        """Names of the ratings."""
        return [str(name) for name in self.labels]


@dataclasses.dataclass(frozen=True)
class Study:
    """What is compared.

    Attributes:
        tables: feature sets by name.
        rated: the targets, those rated on the same utterances together.
        skipped: utterances left out: file, start, end (seconds), step, reason.
        notes: what a reader of the figures must know, one line each.
        settings: `config.eval`.
        workers: folds fitted at once.
    """

    tables: Mapping[str, pd.DataFrame]
    rated: Sequence[Rated]
    skipped: list[dict[str, Any]]
    notes: list[str]
    settings: ml_collections.ConfigDict
    workers: int

    def specs(self, **changes: Any) -> list[Spec]:
        """The configured way to predict from every table, and the baseline, with changes."""
        s = self.settings
        base = {
            "protocol": s.protocol,
            "partner": s.partner,
            "selection": s.selection.scope,
            "regressor": s.regressor,
            "n_selected": s.n_selected,
        } | changes
        specs = [Spec(name, **base) for name in self.tables]
        specs.append(Spec(BASELINE, **base | {"regressor": BASELINE, "n_selected": 0}))
        return [self.within(spec) for spec in specs]

    def within(self, spec: Spec) -> Spec:
        """The spec with as many features as the table has at most; 0 selects all."""
        if spec.regressor == BASELINE:
            return spec
        n_features = self.tables[spec.feature_set].shape[1]
        return dataclasses.replace(spec, n_selected=min(spec.n_selected or n_features, n_features))


def prepare(
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    settings: ml_collections.ConfigDict,
    workers: int = 1,
) -> Study:
    """Brings tables and ratings together.

    Args:
        tables: feature sets by name, (utterances, features), audformat index.
        labels: audformat index; the targets' columns, `speaker`, and `session` where it is needed.
        settings: `config.eval`.
        workers: folds to fit at once.

    Raises:
        UserError: a setting, table or label that cannot be evaluated.
    """
    _check(settings, tables)
    ratings = [alignment.ratings(labels, target) for target in settings.targets]
    needed = PROTOCOLS[settings.protocol]
    group = alignment.groups(labels, needed)
    tables = alignment.align(tables, labels.index)
    index, skipped = alignment.join(tables, labels.index)
    columns: list[pd.Series] = []
    for rating in ratings:
        of_target, unrated = alignment.rated(rating, group, index)
        skipped += unrated
        columns.append(of_target["label"].rename(str(rating.name)))
    rated = [
        Rated(pd.concat(alike, axis=1), _people(labels.loc[alike[0].index], needed))
        for alike in _by_rows(columns)
    ]
    for r in rated:
        _check_folds(r, settings)
    notes = [note for r in rated for note in _constant(r)]
    every = {**layers(tables, settings.layers), **tables}
    chosen = {name: table.loc[index] for name, table in every.items()}
    return Study(chosen, rated, skipped, notes, settings, workers)


def _by_rows(columns: list[pd.Series]) -> list[list[pd.Series]]:
    """Columns with the same index together, in the order of the first of each."""
    found: list[list[pd.Series]] = []
    for column in columns:
        alike = [group for group in found if group[0].index.equals(column.index)]
        if alike:
            alike[0].append(column)
        else:
            found.append([column])
    return found


def layers(
    tables: Mapping[str, pd.DataFrame], wanted: Mapping[str, Sequence[int]]
) -> dict[str, pd.DataFrame]:
    """Subsets of the neural features as feature sets: the columns of some layers.

    Args:
        tables: feature sets by name.
        wanted: layer numbers by the subset's name; -1 is the last layer.

    Raises:
        UserError: there are no neural features, no such layer, or the name is taken.
    """
    found = {}
    for name, numbers in wanted.items():
        field = f"config.eval.layers.{name}"
        if "neural" not in tables:
            raise UserError(f"{field}: needs the feature set 'neural' in config.feature_sets")
        if name in tables or name == BASELINE:
            raise UserError(f"{field}: a feature set has that name already; give another")
        columns = tables["neural"].columns
        n_layers, _ = layer_shape(columns)
        if not numbers or not all(-n_layers <= n < n_layers for n in numbers):
            raise UserError(
                f"{field}={tuple(numbers)}: must be layers from 0 to {n_layers - 1}, or from "
                f"-{n_layers} to -1, counted from the end"
            )
        of_column = np.repeat(np.arange(n_layers), len(columns) // n_layers)
        kept = np.isin(of_column, [n % n_layers for n in numbers])
        found[name] = tables["neural"].loc[:, kept]
    return found


def unfit(rated: Rated, protocol: str, partner: str) -> str:
    """Why these utterances cannot be split so; empty where they can."""
    group = PROTOCOLS[protocol]
    few = f"{_SMALLEST_TRAINING_FOLD} utterances"
    if rated.people[group].nunique() < 2:
        return f"needs 2 {group}s or more"
    split = splits.split(rated.people, protocol, partner)
    smallest = min(split, key=lambda fold: len(fold.train))
    if len(smallest.train) >= _SMALLEST_TRAINING_FOLD:
        return ""
    if partner == "out":
        return f"without the sessions of {smallest.name} fewer than {few} are left to train on"
    return f"needs {few} or more besides each {group}"


def _people(labels: pd.DataFrame, needed: str) -> pd.DataFrame:
    """`speaker`, in its absence the session in its place, and `session` where all have one."""
    known = {
        name: labels[name].astype(str)
        for name in ("speaker", "session")
        if name in labels and labels[name].notna().all()
    }
    return pd.DataFrame({"speaker": known[needed]} | known)


def _constant(rated: Rated) -> list[str]:
    """Speakers whose ratings do not vary."""
    notes = []
    for target, label in rated.labels.items():
        for speaker, values in label.groupby(rated.people["speaker"].to_numpy()):
            if len(values) > 1 and values.nunique() == 1:
                notes.append(
                    f"speaker {speaker}: all {len(values)} ratings of {target} are "
                    f"{values.iloc[0]:g}; with that speaker alone a correlation is undefined, "
                    "and left out of means over folds"
                )
    return notes


def _check(settings: ml_collections.ConfigDict, tables: Mapping[str, pd.DataFrame]) -> None:
    bounds.check(settings, "eval.")
    check_evaluation(settings)
    if not tables or BASELINE in tables:
        raise UserError(
            f"config.feature_sets={tuple(tables)}: must be one or more names, not {BASELINE!r}, "
            "which is the baseline that is always there"
        )


def _check_folds(rated: Rated, settings: ml_collections.ConfigDict) -> None:
    group = PROTOCOLS[settings.protocol]
    n_speakers, targets = rated.people["speaker"].nunique(), " and ".join(rated.targets)
    if n_speakers < _FEWEST_SPEAKERS:
        raise UserError(
            f"labels: {n_speakers} speaker(s) with a rating of {targets}; comparing feature sets "
            f"across speakers needs {_FEWEST_SPEAKERS} or more"
        )
    if settings.partner == "out" and "session" not in rated.people:
        raise UserError(
            "config.eval.partner=out: needs the session of every utterance, a column 'session' in "
            "the labels"
        )
    problem = unfit(rated, settings.protocol, settings.partner)
    if problem:
        raise UserError(
            f"config.eval.protocol={settings.protocol}: {problem}; those with a rating of "
            f"{targets} are {len(rated.labels)} of {rated.people[group].nunique()} {group}(s)"
        )
    for target, label in rated.labels.items() if settings.scale else ():
        low, high = settings.scale
        if (~label.between(low, high)).mean() > _SCALE_TOLERANCE:
            raise UserError(
                f"config.eval.scale={tuple(settings.scale)}: but ratings of {target} go from "
                f"{label.min():g} to {label.max():g}; give their scale, or () for the range of the "
                "training folds"
            )
