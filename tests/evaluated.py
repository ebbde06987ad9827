"""Made-up data whose layers differ, and a look into what an evaluation found."""

import numpy as np
import run_folder

from emoasr.inference.columns import unit_names


def layered_corpus(n_speakers=8, n_each=16, seed=0):
    """Neural-like features of 3 layers of 4 units: arousal is in the first layer, valence last."""
    table, labels = run_folder.corpus(n_speakers, n_each, n_features=12, seed=seed)
    table = table.astype(np.float64)
    table.columns = unit_names(3, 4)
    rng = np.random.default_rng(seed)
    arousal, valence = labels["arousal"].to_numpy(), labels["valence"].to_numpy()
    for layer in range(3):
        noise = rng.standard_normal((2, len(table), 2))
        table.iloc[:, 4 * layer : 4 * layer + 2] = arousal[:, None] + (1 + 2 * layer) * noise[0] / 2
        table.iloc[:, 4 * layer + 2 : 4 * layer + 4] = valence[:, None] + (5 - 2 * layer) * noise[1]
    return table, labels


def row(result, feature_set, target="arousal"):
    (found,) = [r for r in result.rows if (r["feature_set"], r["target"]) == (feature_set, target)]
    return found


def of(frame, feature_set, target="arousal"):
    return frame[(frame["feature_set"] == feature_set) & (frame["target"] == target)]
