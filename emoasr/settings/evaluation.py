"""What `emoasr.eval` is asked for, checked as a whole before anything heavy is imported."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import ml_collections

from emoasr.files import places
from emoasr.settings import bounds, choices, evaluation_name, feature_sets, fields
from emoasr.system import processes


class Asked(NamedTuple):
    """An evaluation's settings beside their values.

    Attributes:
        folder: of the evaluation.
        made_from: the settings that its results depend on, under names that a user knows.
        sums: feature sets whose columns stand side by side, by the sum's name.
        workers: folds fitted at once.
    """

    folder: Path
    made_from: dict[str, Any]
    sums: dict[str, tuple[str, ...]]
    workers: int


def check(config: ml_collections.ConfigDict, workdir: Path) -> Asked:
    """Checks every setting of an evaluation, and that what it names is there.

    Args:
        config: `feature_sets`, `workers` and `eval`.
        workdir: folder that `emoasr.extract` has filled.

    Raises:
        UserError: a setting is wrong, or a table or the extraction is missing.
    """
    bounds.check(config)
    values = fields.leaves(config.eval).items()
    made_from = {f"config.eval.{name}": value for name, value in values if name != "name"}
    tables = workdir / "features"
    located = feature_sets.paths(config.feature_sets, tables)
    sums = feature_sets.sums(config.feature_sets, located)
    check_settings(config.eval, [*located, *sums])
    places.check_extracted(workdir)
    feature_sets.check_there(located, tables)
    folder = workdir / "eval" / evaluation_name.of(config.eval)
    return Asked(folder, made_from, sums, processes.count(config.workers))


def check_settings(settings: ml_collections.ConfigDict, names: Iterable[str]) -> None:
    """Checks `config.eval`.

    Args:
        settings: `config.eval`.
        names: of the feature sets.

    Raises:
        UserError: a setting is wrong.
    """
    bounds.check(settings, "eval.")
    choices.check_evaluation(settings)
    choices.check_names(names, settings.layers)
