"""What `emoasr.eval` is asked for, checked as a whole before anything heavy is imported."""

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections

from emoasr.errors import UserError
from emoasr.files import places, storage
from emoasr.files.writing import workdir_of
from emoasr.settings import bounds, choices, configurations, evaluation_name, feature_sets
from emoasr.system import processes

_NAME = re.compile("[A-Za-z][A-Za-z0-9._-]*")  # of predictions


class Asked(NamedTuple):
    """What follows from an evaluation's settings.

    Attributes:
        folder: of the evaluation.
        made_from: the settings that its results depend on, under names that a user knows.
        columns: of the labels, that its results depend on.
        sums: feature sets whose columns stand side by side, by the sum's name.
        workers: folds fitted at once.
        train_workdir: of cross-corpus evaluation, the run to fit on.
        predictions: tables of predictions that are compared as they are, by name.
    """

    folder: Path
    made_from: dict[str, Any]
    columns: tuple[str, ...]
    sums: dict[str, tuple[str, ...]]
    workers: int
    train_workdir: Path | None
    predictions: dict[str, Path]


def check(config: ml_collections.ConfigDict, workdir: Path) -> Asked:
    """Checks every setting of an evaluation, and that what it names is there.

    Args:
        config: `feature_sets`, `workers` and `eval`.
        workdir: folder that `emoasr.extract` has filled.

    Raises:
        UserError: a setting is wrong, or a table or the extraction is missing.
    """
    bounds.check(config)
    values = configurations.leaves(config.eval).items()
    made_from = {f"config.eval.{name}": value for name, value in values if name != "name"}
    tables = workdir / "features"
    located = feature_sets.paths(config.feature_sets, tables)
    sums = feature_sets.sums(config.feature_sets, located)
    choices.check_evaluation(config.eval)
    choices.check_names([*located, *sums], config.eval.layers)
    predictions = _predictions(config.eval, [*located, *sums])
    places.check_extracted(workdir)
    feature_sets.check_there(located, tables)
    made_from |= {f"feature set {name}": "a sum" for name in sums}
    columns = ("speaker", "session", choices.held_out(config.eval.protocol), *config.eval.targets)
    folder = workdir / "eval" / evaluation_name.of(config.eval)
    train_workdir = _train_workdir(config, workdir, located)
    workers = processes.count(config.workers)
    return Asked(folder, made_from, columns, sums, workers, train_workdir, predictions)


def _predictions(settings: ml_collections.ConfigDict, taken: Collection[str]) -> dict[str, Path]:
    """Where the predictions of `config.eval.predictions` lie, by name."""
    found: dict[str, Path] = {}
    for entry in settings.predictions:
        name, _, folder = entry.partition("=")
        what = f"config.eval.predictions={entry!r}"
        if not _NAME.fullmatch(name) or not folder:
            raise UserError(f"{what}: must be NAME=WORKDIR, such as finetuned=runs/f")
        if name in (*found, *taken, *settings.layers, choices.BASELINE):
            raise UserError(
                f"{what}: a feature set or another entry has that name; choose a different one"
            )
        found[name] = (
            workdir_of(folder, f"config.eval.predictions={name}")
            / "finetune"
            / "predictions.parquet"
        )
        if not found[name].is_file():
            raise UserError(
                f"{what}: {found[name]} is not there; run python -m emoasr.finetune "
                f"--workdir={folder} to its end"
            )
    if found and choices.test_split(settings.protocol):
        raise UserError(
            f"config.eval.predictions: finetuning holds out every speaker in turn, "
            f"config.eval.protocol={settings.protocol} does not; leave the predictions out, or "
            "give the protocol of the finetuning"
        )
    return found


def _train_workdir(
    config: ml_collections.ConfigDict, workdir: Path, located: Mapping[str, storage.Place]
) -> Path | None:
    if not config.eval.train_workdir:
        return None
    field = "config.eval.train_workdir"
    train = workdir_of(config.eval.train_workdir, field)
    places.check_extracted(train)
    if train.resolve() == workdir.resolve():
        raise UserError(f"{field}={train}: is --workdir itself; give the run of another corpus")
    for name, path in located.items():
        if path.parent != workdir / "features":
            raise UserError(
                f"config.feature_sets: {path}: an external table has only one corpus, but "
                f"{choices.CROSS_CORPUS} needs feature sets that extract made of both; leave it out"
            )
        if not (train / "features" / path.name).is_file():
            raise UserError(
                f"{field}={train}: has no feature set {name!r}; extract it there, or leave it out "
                "of config.feature_sets"
            )
    return train
