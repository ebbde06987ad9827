"""EmoTale (Das et al., ASRU 2025): 800 acted utterances, 18 speakers, Danish and English.

Arousal, valence and dominance are means of three annotators' ratings from 1 to 5.

Cost: 37 minutes of speech; extraction of all four feature sets 45 to 66 s, evaluation 10 s on two
CPU cores.
Result (predictions clipped to 1..5; arousal / valence CCC, leave-one-speaker-out): with linear
regression on the 100 best features neural .772 / .417, random .724 / .317, mfcc .761 / .371,
egemaps .776 / .493; with ridge on all (--config.eval.regressor=ridge
--config.eval.n_selected=0) neural .805 / .494, random .753 / .344, mfcc .766 / .358, egemaps
.784 / .482. The training mean's MSE is .803 / .686.

The three taps (--config.tap=...), neural:

                     gate           skip           residual
    linear on 100    .772 / .417    .760 / .451    .763 / .446
    ridge on all     .805 / .494    .813 / .515    .811 / .487

    python -m emoasr.extract --config=configs/emotale.py --config.corpus.path=DIR --workdir=runs/e
    python -m emoasr.eval --config=configs/emotale.py --workdir=runs/e

`DIR` is upstream's folder: `annotations.csv`, `speaker_info.csv`, `wav/` (wav or flac).
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("emotale")
    c.corpus.language = ""  # DK, EN; empty: both
    c.feature_sets = (*config.FEATURE_SETS, "random-1", "random-2")  # three untrained networks
    c.eval.targets = ("arousal", "valence", "dominance")
    return c
