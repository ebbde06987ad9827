"""What an evaluation keeps: a predictor for each feature set that a recognizer gives."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections
import pandas as pd

from emoasr.evaluation import alignment
from emoasr.prediction import card, fitting, saved
from emoasr.prediction.manifest import Features, Record
from emoasr.settings.choices import POOLINGS

_DIGEST = re.compile("[0-9a-f]{16}")  # untrained networks and other tables have none


def keep(
    tables: Mapping[str, pd.DataFrame],
    labels: pd.DataFrame,
    metadata: Mapping[str, Mapping[str, Any]],
    settings: ml_collections.ConfigDict,
    results: Mapping[str, Any],
    folder: Path,
    workers: int = 1,
) -> list[Path]:
    """Fits and writes `folder/SET` for each feature set that can be computed of new recordings.

    Args:
        tables: feature sets by name.
        labels: as of `evaluate`.
        metadata: of the tables.
        settings: `config.eval`.
        results: of the evaluation: `rows` and `provenance`.
        folder: receives a folder for each set.
        workers: folds fitted at once.

    Returns:
        The predictors' folders.
    """
    settings = settings.copy_and_resolve_references()
    with settings.unlocked():  # a predictor predicts numbers, no classes
        settings.targets = tuple(t for t in settings.targets if alignment.is_rating(labels[t]))
    if not settings.targets:
        return []
    written = []
    for name, made in metadata.items():
        if not _DIGEST.fullmatch(str(made.get("recognizer"))) or made["pooling"] not in POOLINGS:
            continue
        model, speakers = fitting.fit(tables, labels, settings, name, workers)
        rows = [
            row
            for row in results["rows"]
            if row["feature_set"] == name and row["target"] in settings.targets
        ]
        record = Record(
            Features(made["recognizer"], made["tap"], made["pooling"]),
            targets=tuple(target.name for target in model.targets),
            scale=model.scale,
            most_beyond=model.fitted.most_beyond,
            speakers=speakers,
            card=card.card(settings, rows, results["provenance"]),
        )
        saved.save(folder / name, model, record)
        card.write(folder / name)
        written.append(folder / name)
    return written
