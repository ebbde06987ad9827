"""Utterances that can be evaluated: feature tables and targets brought together, and checked."""

import dataclasses
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import ml_collections
import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.evaluation import alignment, classification, layers, leaks, splits, standardised
from emoasr.evaluation.labels import groups_of, is_rating, merged, values
from emoasr.settings import choices
from emoasr.settings.choices import BASELINE
from emoasr.system.output import counted

_FEWEST_SPEAKERS = 3  # two do not show how much speakers differ
_SCALE_TOLERANCE = 0.01  # share of ratings off the scale; IEMOCAP has 4 of 10039


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Utterances that have the same targets, and their features.

    Attributes:
        tables: feature sets by name; they have a row for each utterance, and perhaps further rows.
        ratings: (N, T), float64, one column a target; of classes their numbers.
        groups: `speaker` and `session` of each utterance, as text, where the labels have them.
        scale: lowest and highest rating, to which predictions are clipped; empty: the range of the
            training ratings.
        classes: names of the classes, sorted; empty where the targets are ratings.
        unscaled: the tables before they were standardised within speakers or corpora; empty if
            they were not.
    """

    tables: Mapping[str, pd.DataFrame]
    ratings: pd.DataFrame
    groups: pd.DataFrame
    scale: tuple[float, ...]
    classes: tuple[str, ...] = ()
    unscaled: Mapping[str, pd.DataFrame] = dataclasses.field(default_factory=dict)

    @property
    def targets(self) -> list[str]:
        """Names of the ratings."""
        return [str(name) for name in self.ratings]

    def features(self, feature_set: str) -> np.ndarray:
        """One feature set of the utterances, (N, D); the baseline has no features."""
        if feature_set == BASELINE:
            return np.empty((len(self.ratings), 0))
        return alignment.rows(self.tables[feature_set], self.ratings.index).to_numpy()

    def where(self, kept: pd.Series) -> "Dataset":
        """Some of the utterances."""
        return dataclasses.replace(self, ratings=self.ratings[kept], groups=self.groups[kept])

    def as_extracted(self) -> "Dataset":
        """The same before features were standardised within speakers or corpora."""
        return dataclasses.replace(self, tables=self.unscaled or self.tables)


def prepare(
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    settings: ml_collections.ConfigDict,
    sums: Mapping[str, Sequence[str]] = MappingProxyType({}),
) -> tuple[list[Dataset], list[dict[str, Any]]]:
    """Brings tables and ratings together, and checks that the settings fit them.

    Args:
        tables: feature sets by name, (utterances, features), audformat index.
        labels: audformat index; the targets' columns, `speaker`, and `session` where it is needed.
        settings: `config.eval`, checked, see `settings.evaluation`.
        sums: as of `evaluate`.

    Returns:
        The data, targets with a rating of the same utterances together; and the utterances left
        out: file, start, end (seconds), step, reason.

    Raises:
        UserError: a setting, table or label that cannot be evaluated.
    """
    targets = merged([values(labels, target) for target in settings.targets], settings.merged)
    group = choices.held_out(settings.protocol)
    needed = _needed(labels, group, settings.within_speaker)
    groups = {name: groups_of(labels, name) for name in needed}
    tables = aligned = alignment.align(tables, labels.index)
    index, skipped = alignment.join(tables, labels.index)
    columns: list[pd.Series] = []
    for target in targets:
        of_target, unrated = alignment.rated(target, groups, index)
        skipped += unrated
        columns.append(of_target)
    tables = {name: alignment.rows(table, index) for name, table in tables.items()}
    leaks.check(tables, _guarded(labels.loc[index], targets))
    whose = standardised_within(labels.loc[index], settings)
    if whose is not None:
        tables = {name: standardised.within(table, whose) for name, table in tables.items()}
    tables = {**layers.subsets(tables, settings.layers), **tables}
    tables |= {name: side_by_side({p: tables[p] for p in parts}) for name, parts in sums.items()}
    datasets = []
    for alike in _by_rows(columns):
        of_rows, dropped = _dataset(tables, alike, labels, settings)
        unscaled = {} if whose is None else aligned
        datasets.append(dataclasses.replace(of_rows, unscaled=unscaled))
        skipped += dropped
    for dataset in datasets:
        _check_dataset(dataset, settings)
    return datasets, skipped


def side_by_side(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Joins columns of tables with one index; if names collide, each gets its table's as prefix.

    Example:
        >>> one, other = pd.DataFrame({"a": [1], "b": [2]}), pd.DataFrame({"a": [3]})
        >>> list(side_by_side({"x": one, "y": other}))
        ['x.a', 'x.b', 'y.a']
    """
    joined = pd.concat(tables.values(), axis=1)
    if joined.columns.is_unique:
        return joined
    named = [table.add_prefix(f"{name}.") for name, table in tables.items()]
    return pd.concat(named, axis=1)


def standardised_within(
    labels: pd.DataFrame, settings: ml_collections.ConfigDict
) -> pd.Series | None:
    """The speaker or corpus within which an utterance's features are standardised, if any."""
    columns = ["speaker"] * settings.within_speaker
    if settings.protocol == choices.CROSS_CORPUS and (columns or settings.within_corpus):
        columns += ["split"]  # the corpus: both may have speakers of the same names
    return labels[columns].fillna("").astype(str).agg(" ".join, axis=1) if columns else None


def _dataset(
    tables: Mapping[str, pd.DataFrame],
    alike: list[pd.Series],
    labels: pd.DataFrame,
    settings: ml_collections.ConfigDict,
) -> tuple[Dataset, list[dict[str, Any]]]:
    """The data of targets with the same utterances, and what of these was left out."""
    group, scale = choices.held_out(settings.protocol), tuple(settings.scale)
    if is_rating(alike[0]):
        ratings = pd.concat(alike, axis=1)
        return Dataset(tables, ratings, _groups(labels.loc[ratings.index], group), scale), []
    (target,) = alike
    rare = classification.rare(target, settings.fewest_of_class)
    common = target[~target.isin(rare)]
    groups = _groups(labels.loc[target.index], group)
    unlearnable = dict(rare)
    while more := classification.unlearnable(
        common, groups.loc[common.index], settings.protocol, settings.partner
    ):  # leaving a class out can change the folds
        unlearnable |= more
        common = common[~common.isin(more)]
    kept = ~target.isin(unlearnable)
    skipped = []
    for name, why in unlearnable.items():
        skipped += alignment.skip(target.index[target == name], f"{target.name} {name!r}: {why}")
    if target[kept].nunique() < 2:
        raise UserError(
            f"config.eval.targets: {target.name}: "
            f"{counted(target[kept].nunique(), 'class')} to distinguish in "
            f"{counted(len(target), 'utterance')} with features{_first(unlearnable)}; give "
            "a target with two or more"
        )
    number, classes = pd.factorize(target[kept], sort=True)
    ratings = pd.DataFrame({target.name: number.astype(float)}, target.index[kept])
    return Dataset(tables, ratings, groups[kept], scale, tuple(map(str, classes))), skipped


def _first(unlearnable: Mapping[str, str]) -> str:
    return "".join(f" ({name!r}: {why})" for name, why in [*unlearnable.items()][:1])


def _by_rows(columns: list[pd.Series]) -> list[list[pd.Series]]:
    """Ratings with the same index together, in the order of the first of each; classes alone."""
    found: list[list[pd.Series]] = []
    for column in columns:
        alike = [
            group
            for group in found
            if is_rating(group[0]) and is_rating(column) and group[0].index.equals(column.index)
        ]
        if alike:
            alike[0].append(column)
        else:
            found.append([column])
    return found


def _guarded(labels: pd.DataFrame, targets: list[pd.Series]) -> pd.DataFrame:
    """Labels that features must not give away: all numbers, and the targets."""
    numeric = [name for name, column in labels.items() if is_rating(column)]
    classes = {str(t.name): t.loc[labels.index] for t in targets if not is_rating(t)}
    return labels[numeric].assign(**classes)


def _needed(labels: pd.DataFrame, group: str, within_speaker: bool) -> list[str]:
    """What every utterance must have: the group held out, and the speaker where anyone has one."""
    known = "speaker" in labels and labels["speaker"].notna().any()
    if within_speaker and not known:
        raise UserError(
            "config.eval.within_speaker=True: the labels name no speakers; leave it out, or "
            "extract from a table with a column 'speaker'"
        )
    if group == "split" and not within_speaker:
        return [group]  # turns of unknown speakers are in the splits of corpora
    return ["speaker", group] if known and group != "speaker" else [group]


def _groups(labels: pd.DataFrame, group: str) -> pd.DataFrame:
    """`speaker` (in its absence the group held out), and `session` where all have one."""
    if group == "split":
        speaker = groups_of(labels, "speaker").fillna(splits.UNKNOWN)
        labels = labels.assign(speaker=speaker, split=groups_of(labels, "split").str.casefold())
    known = {
        name: labels[name].astype(str)
        for name in dict.fromkeys(("speaker", "session", group))
        if name in labels and labels[name].notna().all()
    }
    return pd.DataFrame({"speaker": known[group]} | known)


def _check_dataset(dataset: Dataset, settings: ml_collections.ConfigDict) -> None:
    group, groups = choices.held_out(settings.protocol), dataset.groups
    n_speakers, targets = groups["speaker"].nunique(), " and ".join(dataset.targets)
    if n_speakers < _FEWEST_SPEAKERS:
        raise UserError(
            f"labels: {counted(n_speakers, 'speaker')} with {targets}; comparing feature sets "
            f"across speakers needs {_FEWEST_SPEAKERS} or more"
        )
    if settings.partner == "out" and "session" not in groups:
        raise UserError(
            "config.eval.partner=out: needs the session of every utterance, in a column 'session' "
            "of the labels"
        )
    problem = splits.split_problem(groups, settings.protocol, settings.partner)
    if problem:
        raise UserError(
            f"config.eval.protocol={settings.protocol}: {problem}; with {targets} the labels have "
            f"{counted(len(groups), 'utterance')} of "
            f"{counted(groups[group].nunique(), group)}"
        )
    if settings.chosen_on == choices.DEV:
        if not (groups["split"] == choices.DEV).any():
            raise UserError(
                f"config.eval.chosen_on={choices.DEV}: no utterance has this split (there are: "
                f"{', '.join(sorted(groups['split'].unique()))})"
            )
        if not dataset.classes and settings.regressor != "ridge":
            raise UserError(
                f"config.eval.chosen_on={choices.DEV}: regressor {settings.regressor} has no "
                "penalty to choose; give --config.eval.regressor=ridge"
            )
    if dataset.scale and not dataset.classes:
        for _, rating in dataset.ratings.items():
            check_scale(rating, dataset.scale, "config.eval.scale")


def check_scale(rating: pd.Series, scale: tuple[float, ...], field: str) -> None:
    """Raises a UserError if more than a few ratings are off the scale that a field gives."""
    low, high = scale
    off = ~rating.dropna().between(low, high)
    if off.mean() > _SCALE_TOLERANCE:
        raise UserError(
            f"{field}={scale}: but ratings of {rating.name} range from {rating.min():g} to "
            f"{rating.max():g}; give their scale, or () for the range of the training folds"
        )
