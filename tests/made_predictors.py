"""Small predictors: of the small recognizer's units, fitted on made-up ratings."""

import numpy as np
import pandas as pd
import run_folder

from emoasr.evaluation.dataset import prepare
from emoasr.inference import columns
from emoasr.prediction import fitting, saved
from emoasr.prediction.manifest import Features, Record

N_UNITS = 16  # of the small recognizer: 2 layers of 8
DIGEST = "0123456789abcdef"


def labels_like(index: pd.Index, n_speakers: int = 10, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "speaker": [f"s{i % n_speakers}" for i in range(len(index))],
            "arousal": rng.uniform(1, 5, len(index)),
            "valence": rng.uniform(1, 5, len(index)),
        },
        index=index,
    )


def fitted(n_speakers=12, n_each=12, n_features=N_UNITS, seed=0, shift=0.0, **changes):
    """Model, speakers, table and labels; arousal follows the first feature, `mood` the second.

    Shifted by 9, no feature is in the range of a unit.
    """
    table, labels = run_folder.corpus(n_speakers, n_each, n_features, seed)
    labels["mood"] = np.array(["calm", "angry", "glad"])[np.digitize(table["f1"], [-0.5, 0.5])]
    table = (table + np.float32(shift)).set_axis(columns.unit_names(2, n_features // 2), axis=1)
    return *fit(table, labels, **changes), table, labels


def fit(table, labels, **changes):
    settings = run_folder.settings(**{"regressor": "ridge", "n_selected": 0, **changes})
    datasets, _ = prepare({"neural": table}, labels, settings)
    return fitting.fit(datasets, settings, "neural")


def record(model, speakers, recognizer=DIGEST, pooling="mean", tap="gate") -> Record:
    return Record(
        Features(recognizer, tap, pooling),
        tuple(target.name for target in model.targets),
        tuple(getattr(target, "classes", ()) for target in model.targets),
        model.scale,
        model.fitted.most_beyond,
        speakers,
        {"fitted": {"corpus": "made up"}},
    )


def save(folder, recognizer=DIGEST, pooling="mean", tap="gate", **changes):
    model, speakers, _, _ = fitted(**changes)
    saved.save(folder, model, record(model, speakers, recognizer, pooling, tap))
    return folder
