"""Predictions of one rating, made up."""

import numpy as np
import pandas as pd


def predicted(n_speakers=6, n_each=15, seed=0, sessions=False, offset=0.0):
    rng = np.random.default_rng(seed)
    n = n_speakers * n_each
    speaker = np.repeat([f"s{i:02d}" for i in range(n_speakers)], n_each)
    label = rng.uniform(1, 5, n)
    prediction = 0.5 * label + rng.normal(offset, 1, n)
    return pd.DataFrame(
        {
            "fold": [f"{int(s[1:]) // 2}" for s in speaker] if sessions else speaker,
            "speaker": speaker,
            "label": label,
            "prediction": prediction,
            "clipped": prediction.clip(1, 5),
        }
    )
