import numpy as np
import pandas as pd

from emoasr.evaluation import layer_trend


def test_layers_of_equal_worth_show_no_trend():
    frames = {}
    for seed, target in enumerate(("arousal", "valence")):
        rng = np.random.default_rng(seed)
        speaker = np.repeat([f"s{i}" for i in range(10)], 30)
        label = rng.uniform(1, 5, 300)
        noisy = [label + rng.normal(0, 1, 300) for _ in range(15)]
        frames[target] = [
            pd.DataFrame({"speaker": speaker, "label": label, "clipped": p}) for p in noisy
        ]
    verdicts = [t["verdict"] for t in layer_trend.over_layers(frames)]
    assert verdicts == [
        "arousal: no significant trend over layers",
        "valence: no significant trend over layers",
        "arousal and valence: no significant difference between their trends over layers",
    ]
