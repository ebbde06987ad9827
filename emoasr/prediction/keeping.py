"""What an evaluation keeps: a predictor for each feature set that a recognizer gives."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections

from emoasr.evaluation.dataset import Dataset
from emoasr.prediction import card, fitting, saved
from emoasr.prediction.manifest import Features, Record
from emoasr.settings.choices import POOLINGS

_DIGEST = re.compile("[0-9a-f]{16}")  # untrained networks and other tables have none


def keep(
    datasets: Sequence[Dataset],
    metadata: Mapping[str, Mapping[str, Any]],
    settings: ml_collections.ConfigDict,
    results: Mapping[str, Any],
    folder: Path,
    workers: int = 1,
) -> list[Path]:
    """Fits and writes `folder/SET` for each feature set that can be computed of new recordings.

    Args:
        datasets: that were evaluated; classes are not predicted.
        metadata: of the feature tables.
        settings: `config.eval`.
        results: of the evaluation: `rows` and `provenance`.
        folder: receives a folder for each set.
        workers: folds fitted at once.

    Returns:
        The predictors' folders.
    """
    written = []
    for name, made in metadata.items():
        if not _DIGEST.fullmatch(str(made.get("recognizer"))) or made["pooling"] not in POOLINGS:
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
            card=card.card(settings, rows, results["provenance"]),
        )
        card.write(folder / name, saved.save(folder / name, model, record))
        written.append(folder / name)
    return written
