"""Feature tables, labels and a run's folder as `emoasr.extract` leaves it, made up."""

import json
from pathlib import Path

import audformat
import ml_collections
import numpy as np
import pandas as pd

from emoasr import config
from emoasr.files import parquet
from emoasr.inference import columns


def settings(**changes) -> ml_collections.ConfigDict:
    c = config.experiment("table").eval
    c.n_selected = 5
    c.update(changes)
    return c


def corpus(
    n_speakers: int = 4, n_each: int = 12, n_features: int = 8, seed: int = 0
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A table f0, f1, ... and labels: arousal follows f0, valence is noise."""
    rng = np.random.default_rng(seed)
    n = n_speakers * n_each
    index = audformat.filewise_index([f"wav/{i:04d}.wav" for i in range(n)])
    X = rng.standard_normal((n, n_features)).astype(np.float32)
    table = pd.DataFrame(X, index=index, columns=[f"f{i}" for i in range(n_features)])
    labels = pd.DataFrame(
        {
            "speaker": [f"s{i % n_speakers}" for i in range(n)],
            "session": [f"session{i % n_speakers // 2}" for i in range(n)],
            "arousal": np.clip(3 + 0.5 * X[:, 0], 1.1, 4.9).astype(np.float32),
            "valence": rng.uniform(1, 5, n).astype(np.float32),
        },
        index=index,
    )
    labels["arousal"] += rng.normal(0, 0.01, n).astype(np.float32)  # or f0 would give it away
    return table, labels


def neural_like(
    index: pd.Index, seed: int = 0, n_layers: int = 15, n_units: int = 128
) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    X = np.tanh(rng.standard_normal((len(index), n_layers * n_units))).astype(np.float32)
    return pd.DataFrame(X, index=index, columns=columns.unit_names(n_layers, n_units))


def write(
    workdir: Path,
    tables: dict[str, pd.DataFrame],
    labels: pd.DataFrame,
    synthetic: bool = False,
    skipped: tuple = (),
    **neural: str,
) -> ml_collections.ConfigDict:
    """Writes what eval reads, the metadata of `neural` too; returns the configuration stored."""
    (workdir / "features").mkdir(parents=True)
    for name, table in tables.items():
        of_recognizer = {"recognizer": "sha256:abc", **neural} if name == "neural" else {}
        metadata = {"feature_set": name, "recognizer": None, **of_recognizer}
        parquet.write(table, workdir / "features" / f"{name}.parquet", metadata)
    parquet.write(labels, workdir / "labels.parquet")
    c = config.experiment("table")
    c.feature_sets = tuple(tables)
    c.eval = settings()
    record = {
        "config": c.to_dict(),
        "corpus": {"name": "made up", "synthetic": synthetic, "path": ""},
        "found": len(labels) + len(skipped),
        "used": len(labels),
        "skipped": list(skipped),
    }
    (workdir / "extract.json").write_text(json.dumps(record))
    return c
