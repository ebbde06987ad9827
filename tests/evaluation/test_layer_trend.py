import audmetric
import numpy as np
import pandas as pd
import pytest

from emoasr.evaluation import layer_trend


@pytest.mark.parametrize(("n_layers", "third"), [(1, 1), (2, 1), (5, 2), (7, 2), (15, 5)])
def test_the_rise_is_of_the_last_third_over_the_first(n_layers, third):
    rng = np.random.default_rng(n_layers)
    speaker, label = np.repeat([f"s{i}" for i in range(8)], 10), rng.uniform(1, 5, 80)
    frames = [
        pd.DataFrame(
            {"speaker": speaker, "label": label, "clipped": label + rng.normal(0, 3 - 2.5 * x, 80)}
        )
        for x in np.linspace(0, 1, n_layers)
    ]
    (trend,) = layer_trend.over_layers({"valence": frames}, "whisper")
    ccc = np.array(
        [
            [audmetric.concordance_cc(rows.label, rows.clipped) for _, rows in f.groupby("speaker")]
            for f in frames
        ]
    )
    expected = (ccc[-third:].mean(axis=0) - ccc[:third].mean(axis=0)).mean()
    np.testing.assert_allclose(trend["rise"], expected, atol=1e-12)
    assert trend["rise_low"] <= trend["rise"] <= trend["rise_high"]
    if n_layers == 1:
        assert (trend["rho"], trend["n_speakers"], trend["rise"]) == (None, 0, 0)
    else:
        assert (
            trend["verdict"]
            == "whisper: valence: later layers predict it better than earlier layers"
        )


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
