"""The paper's own results, for comparison: Tits et al. (2018), tables 1 and 2."""

from collections.abc import Mapping
from typing import Any

# corpus.consistent: feature set: mean and variance over ten speakers of the MSE, arousal, valence
_TABLES = {
    "": {
        "neural": ((0.259, 0.020), (0.660, 0.118)),
        "egemaps": ((0.267, 0.034), (0.697, 0.135)),
    },
    "category": {
        "first": ((0.325, 0.069), (0.714, 0.114)),
        "last": ((0.357, 0.038), (0.661, 0.089)),
        "neural": ((0.296, 0.044), (0.621, 0.099)),
        "egemaps": ((0.328, 0.064), (0.683, 0.124)),
    },
}
_METHOD = {
    "protocol": "leave-one-speaker-out", "partner": "in", "regressor": "linear", "n_selected": 100,
    "within_speaker": False,
}  # fmt: skip


def rows(config: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the paper found for this corpus: feature_set, target, mse_mean, mse_variance.

    Empty where the paper has nothing to compare with: another corpus, protocol or model.

    Args:
        config: fields `corpus` and `eval` of a run.
    """
    corpus, method = config["corpus"], {name: config["eval"][name] for name in _METHOD}
    if corpus["kind"] != "iemocap" or method != _METHOD:
        return []
    return [
        {"feature_set": name, "target": target, "mse_mean": mean, "mse_variance": variance}
        for name, of_targets in _TABLES.get(corpus.get("consistent", ""), {}).items()
        for target, (mean, variance) in zip(("arousal", "valence"), of_targets, strict=True)
    ]
