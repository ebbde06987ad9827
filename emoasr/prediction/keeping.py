"""What an evaluation keeps: a predictor for each feature set that a recognizer gives."""

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections

from emoasr.errors import quoted
from emoasr.evaluation.dataset import Dataset
from emoasr.prediction import card, fitting, manifest, saved
from emoasr.prediction.manifest import Features, Record
from emoasr.settings.choices import POOLINGS, TAPS

_DIGEST = re.compile("[0-9a-f]{16}")  # untrained networks and other tables have none


def keep(
    datasets: Sequence[Dataset],
    metadata: Mapping[str, Mapping[str, Any]],
    settings: ml_collections.ConfigDict,
    results: Mapping[str, Any],
    folder: Path,
    workers: int = 1,
) -> list[str]:
    """Fits and writes `folder/SET` for each feature set that can be computed of new recordings.

    Args:
        datasets: that were evaluated.
        metadata: of the feature tables.
        settings: `config.eval`.
        results: of the evaluation: `rows` and `provenance`.
        folder: receives a folder for each set.
        workers: folds fitted at once.

    Returns:
        For readers, a line for each set of a recognizer that gets none; then the others' folders.
    """
    written, lacking = [], []
    of_all = _problem(datasets, settings)
    for name, made in metadata.items():
        if not _DIGEST.fullmatch(str(made.get("recognizer"))):
            continue
        if why := of_all or _unknown(made):
            shutil.rmtree(folder / name, ignore_errors=True)  # that of another evaluation
            lacking.append(f"{name}: no predictor is kept: {why}")
            continue
        model, speakers = fitting.fit(datasets, settings, name, workers)
        rows = [row for row in results["rows"] if row["feature_set"] == name]
        record = Record(
            Features(made["recognizer"], made["tap"], made["pooling"]),
            targets=tuple(target.name for target in model.targets),
            classes=tuple(getattr(target, "classes", ()) for target in model.targets),
            scale=model.scale,
            most_beyond=model.fitted.most_beyond,
            speakers=speakers,
            card=card.card(settings, model.fitted, rows, results["provenance"]),
        )
        card.write(folder / name, saved.save(folder / name, model, record))
        written.append(str(folder / name))
    return [*lacking, *written]


def _problem(datasets: Sequence[Dataset], settings: ml_collections.ConfigDict) -> str:
    """Why no predictor of these utterances can be fitted, or read again; empty: it can."""
    classes = {target: d.classes for d in datasets for target in d.targets}
    why = manifest.names_problem(settings.targets, [classes[t] for t in settings.targets])
    return why or fitting.problem(datasets, settings)


def _unknown(made: Mapping[str, Any]) -> str:
    """What a table does not say of its features that a predictor must know; empty: nothing."""
    for name, allowed in (("tap", TAPS), ("pooling", POOLINGS)):
        if made.get(name) not in (*allowed,):
            return (
                f"the metadata of its table say {name} {quoted(made.get(name))}, not one of "
                f"{', '.join(allowed)}; extract it again"
            )
    return ""
