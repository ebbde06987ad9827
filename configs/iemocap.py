"""IEMOCAP (Busso et al., 2008): 10039 turns by ten actors, in five sessions, 12.4 hours.

The paper's first experiment: arousal and valence of all turns, leave-one-speaker-out, linear
regression on the 100 best features.

Cost: not measured on the corpus itself; by EmoTale's (45 s for 37 minutes of speech, two CPU cores)
extraction of all four feature sets would take 15 minutes.
Result: not measured on the corpus itself. The paper's table 1, with its own recognizer, trained on
VCTK (mean and variance of the MSE over ten speakers); eval prints it beside ours:

              arousal        valence
    neural    .259   .020    .660   .118
    eGeMAPS   .267   .034    .697   .135

The ratings' variance, about what the training mean scores, is .493 (arousal) and .805 (valence).

    python -m emoasr.extract --config=configs/iemocap.py --config.corpus.path=DIR --workdir=runs/i
    python -m emoasr.eval --config=configs/iemocap.py --workdir=runs/i

`DIR` is the licensed folder `IEMOCAP_full_release`, as it is; extract says whether its counts are
the published ones.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("iemocap")
    c.corpus.consistent = ""  # all turns; "category": not xxx; "rating": listeners 1 apart at most
    c.feature_sets = (*config.FEATURE_SETS, "random-1", "random-2")  # three untrained networks
    c.eval.targets = ("arousal", "valence", "dominance")
    return c
