r"""MSP-Podcast (Lotfian & Busso, 2019): turns of podcasts, rated from 1 to 7, in fixed splits.

Trains on `train` and tests `test1`; for another test set:

    python -m emoasr.eval --workdir=runs/m --config.eval.protocol=predefined-test2

Evaluations of all test sets stand side by side in `eval/index.html`. The ridge's penalty is chosen
within `train`; `dev` is neither trained on nor tested (`predefined-dev` tests it).

Cost and result: not measured on the corpus itself.

    python -m emoasr.extract --config=msp_podcast --config.corpus.path=DIR --workdir=runs/m
    python -m emoasr.eval --workdir=runs/m

`DIR` is the release's folder, with `Labels/labels_consensus.csv` and `Audios/`.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("msp_podcast")
    c.feature_sets = ("neural", "egemaps")
    c.eval.targets = ("arousal", "valence", "dominance")
    c.eval.protocol = "predefined-test1"
    c.eval.regressor = "ridge"
    c.eval.n_selected = 0
    c.eval.scale = (1.0, 7.0)
    return c
