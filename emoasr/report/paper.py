"""The paper's own results, to stand beside ours: Tits et al. (2018), tables 1 and 2."""

from typing import Any

import ml_collections

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


def rows(config: ml_collections.ConfigDict) -> list[dict[str, Any]]:
    """What the paper found for this corpus: feature_set, target, mse_mean, mse_variance.

    Empty where the paper has nothing to compare with: another corpus, protocol or model.
    """
    of = config.eval
    theirs = (of.protocol, of.regressor, of.n_selected) == ("leave-one-speaker-out", "linear", 100)
    if config.corpus.kind != "iemocap" or not theirs:
        return []
    return [
        {"feature_set": name, "target": target, "mse_mean": mean, "mse_variance": variance}
        for name, figures in _TABLES.get(config.corpus.get("consistent", ""), {}).items()
        for target, (mean, variance) in zip(("arousal", "valence"), figures, strict=True)
    ]
