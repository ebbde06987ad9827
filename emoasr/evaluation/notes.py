"""What a reader of an evaluation's results must know of its utterances."""

from collections.abc import Iterable

import ml_collections
import numpy as np
import pandas as pd

from emoasr import config
from emoasr.evaluation import alignment, splits
from emoasr.evaluation.dataset import Dataset, standardised_within
from emoasr.evaluation.labels import example
from emoasr.evaluation.standardised import row_blocks
from emoasr.settings.choices import group_folds, held_out, standardised, test_split
from emoasr.system.output import counted

_MANY = 5  # speakers or sessions: more have one note together
_FEW_OF_CLASS = 10  # utterances: one is a tenth of a recall


def of(
    datasets: list[Dataset],
    protocols: Iterable[str],
    labels: pd.DataFrame,
    settings: ml_collections.ConfigDict,
) -> list[str]:
    """Notes, a line each.

    Args:
        datasets: the utterances, as of `dataset.prepare`.
        protocols: that they are evaluated with.
        labels: all of them.
        settings: `config.eval`.
    """
    found = _without_effect(datasets, settings)
    found += _standardised(datasets, labels, settings) + _same_features(datasets)
    for dataset in datasets:
        if dataset.classes:
            found += _rare(dataset, settings.protocol)
        else:
            found += _constant(dataset, settings.protocol) + _off_scale(dataset)
    for protocol in protocols:
        for dataset in datasets:
            found += splits.notes(dataset.groups, protocol)
    if "speaker" not in labels or labels["speaker"].isna().all():
        found.append("the labels name no speakers: sessions take their place, in intervals too")
    return list(dict.fromkeys(found))


def _without_effect(datasets: list[Dataset], settings: ml_collections.ConfigDict) -> list[str]:
    """A setting of classes where no target has any, or of ratings where all have classes."""
    field, why = "", ""
    if not any(dataset.classes for dataset in datasets):
        field, why = "fewest_of_class", "no target has classes"
    elif all(dataset.classes for dataset in datasets):
        field, why = "regressor", "all targets have classes"
    if not field or settings[field] == config.experiment("").eval[field]:
        return []
    return [f"config.eval.{field}={settings[field]} has no effect: {why}"]


def _standardised(
    datasets: list[Dataset], labels: pd.DataFrame, settings: ml_collections.ConfigDict
) -> list[str]:
    """How features are standardised, where not only each training fold does so."""
    how = standardised(settings)
    if not how:
        return []
    labels = labels.loc[next(iter(datasets[0].tables.values())).index]
    group = standardised_within(labels, settings)
    if group is None:
        return [f"features are standardised {how}"]
    tested, own = (
        ("test speakers", "their") if settings.within_speaker else ("the test corpus", "its")
    )
    how += (
        f"; means and deviations of {tested} come from {own} own utterances, without {own} labels"
    )
    return [
        f"features are standardised {how}",
        *(_alone(datasets, labels["speaker"], group) if settings.within_speaker else []),
    ]


def _alone(datasets: list[Dataset], speaker: pd.Series, group: pd.Series) -> list[str]:
    """A warning of evaluated speakers with one utterance, which is its own mean."""
    alone = {*speaker[~group.duplicated(keep=False)].dropna().astype(str)}
    alone &= {name for dataset in datasets for name in dataset.groups["speaker"]}
    if not alone:
        return []
    return [
        f"warning: {counted(len(alone), 'speaker')} with a single utterance, such as {min(alone)}: "
        "standardised within the speaker, all its features are 0"
    ]


def _same_features(datasets: list[Dataset]) -> list[str]:
    """Notes on utterances of different speakers or sessions whose features are all equal.

    One recording under two names could be in both training and test.
    """
    notes = []
    groups = pd.concat([dataset.groups for dataset in datasets], join="inner")
    group = groups[~groups.index.duplicated()].agg(" ".join, axis=1)
    for name, table in datasets[0].as_extracted().tables.items():
        x_ND = alignment.rows(table, group.index).to_numpy()
        blocks = (np.ascontiguousarray(x_ND[block]) for block in row_blocks(len(x_ND)))
        rows = np.array([hash(x_D.tobytes()) for block in blocks for x_D in block])
        shared = (group.groupby(rows).transform("nunique") > 1).to_numpy()
        if shared.any():
            pair = group[rows == rows[shared.argmax()]].drop_duplicates().index
            one, other = example(pair), example(pair[1:])
            notes.append(
                f"warning: {name}: {shared.sum()} utterances have exactly the features of one of "
                f"another speaker or session, such as ({one}) and ({other}); one recording twice?"
            )
    return notes


def _constant(dataset: Dataset, protocol: str) -> list[str]:
    """Speakers or sessions, each of which is a fold, whose ratings do not vary."""
    if group_folds(protocol) or test_split(protocol):
        return []
    kind, notes = held_out(protocol), []
    means = "means over folds leave it out"
    for target, rating in dataset.ratings.items():
        by_group = rating.groupby(dataset.groups[kind].to_numpy())
        alike = {who: r for who, r in by_group if len(r) > 1 and r.nunique() == 1}
        if len(alike) > _MANY:
            notes.append(
                f"{len(alike)} {kind}s, such as {next(iter(alike))}: all their ratings of "
                f"{target} are alike; the correlation within them is undefined, and {means}"
            )
            continue
        notes += [
            f"{kind} {name}: all {len(values)} ratings of {target} are {values.iloc[0]:g}; "
            f"the correlation within this {kind} is undefined, and {means}"
            for name, values in alike.items()
        ]
    return notes


def _off_scale(dataset: Dataset) -> list[str]:
    """Ratings off the scale, which predictions, clipped to it, cannot reach."""
    notes = []
    for target, rating in dataset.ratings.items() if dataset.scale else ():
        low, high = dataset.scale
        off = rating[~rating.between(low, high)]
        if len(off):
            notes.append(
                f"off the scale from {low:g} to {high:g}: {counted(len(off), 'rating')} of "
                f"{target}, such as {off.iloc[0]:g} ({example(off.index)})"
            )
    return notes


def _rare(dataset: Dataset, protocol: str) -> list[str]:
    """Classes of few tested utterances, and those whose names differ only by case."""
    (target,) = dataset.targets
    test = test_split(protocol)
    tested = dataset.where(dataset.groups["split"] == test) if test else dataset
    counts = np.bincount(tested.ratings[target].astype(int), minlength=len(dataset.classes))
    notes = [
        f"{target}: in the unweighted average recall {name!r} counts as much as any other class, "
        f"with only {counted(n, 'utterance')}"
        for name, n in zip(dataset.classes, counts, strict=True)
        if 0 < n < _FEW_OF_CLASS  # without a tested utterance it has no recall
    ]
    alike: dict[str, list[str]] = {}
    for name in dataset.classes:
        alike.setdefault(name.casefold(), []).append(name)
    return notes + [
        f"{target}: {' and '.join(names)} differ only by case, but count as different classes"
        for names in alike.values()
        if len(names) > 1
    ]
