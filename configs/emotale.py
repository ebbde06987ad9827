"""EmoTale (Das et al., ASRU 2025): 800 acted utterances, 18 speakers, Danish and English.

Arousal, valence and dominance are means of three annotators' ratings from 1 to 5.

Cost: 37 minutes of speech; extraction of all six feature sets 55 s, evaluation 37 s, with
ablations and controls 4.1 minutes on two CPU cores.
Result (predictions clipped to 1..5; arousal / valence / dominance CCC, leave-one-speaker-out): with
linear regression on the 100 best features neural .802 / .493 / .764, three untrained networks
.762 / .366 / .710, .741 / .381 / .681 and .698 / .354 / .670, mfcc .761 / .371 / .680, egemaps
.776 / .493 / .717; with ridge on all (--config.eval.regressor=ridge --config.eval.n_selected=0)
neural .820 / .539 / .782, untrained .761 / .424 / .712, .743 / .372 / .675 and .757 / .426 / .729,
mfcc .766 / .358 / .683, egemaps .784 / .482 / .710. The training mean's MSE is .803 / .686 / .583.

The three taps (--config.tap=...), neural:

                     gate           skip           residual
    linear on 100    .802 / .493    .796 / .479    .802 / .448
    ridge on all     .820 / .539    .828 / .500    .801 / .524

    python -m emoasr.extract --config=configs/emotale.py --config.corpus.path=DIR --workdir=runs/e
    python -m emoasr.eval --config=configs/emotale.py --workdir=runs/e
    python -m emoasr.eval --config=configs/emotale.py --workdir=runs/e --config.eval.battery=True

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
    c.eval.terms = (
        "EmoTale states no licence; its authors ask to cite Hjuler, Skat-Rørdam, Clemmensen and "
        "Das, EmoTale: An Enacted Speech-emotion Dataset in Danish (ASRU 2025, arXiv 2508.14548)"
    )
    c.eval.limits = (
        "fitted on acted Danish and English sentences of 18 speakers near a microphone: other "
        "speech, rooms and languages may be predicted worse than the intervals say; not for "
        "decisions about people"
    )
    return c
