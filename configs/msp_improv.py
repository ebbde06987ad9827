r"""MSP-IMPROV (Busso et al., 2017): twelve actors improvise in six pairs; rated from 1 to 5.

Cost and result: not measured on the corpus itself.

    python -m emoasr.extract --config=msp_improv --config.corpus.path=DIR --workdir=runs/mi
    python -m emoasr.eval --workdir=runs/mi

`DIR` is the release's folder, with `Evalution.txt`, as it is spelt there, and the audio below.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("msp_improv")
    c.eval.targets = ("arousal", "valence", "dominance")
    return c
