r"""MELD (Poria et al., 2019): turns of a television series, seven emotions, in fixed splits.

Most characters speak in all splits, so the metrics are not of unseen speakers; the report names
them.

Cost and result: not measured on the corpus itself.

    python -m emoasr.extract --config=meld --config.corpus.path=DIR --workdir=runs/me
    python -m emoasr.eval --workdir=runs/me

`DIR` has `train_sent_emo.csv` and its kind, and the sound of the clips, `dia0_utt0.wav` and so on,
below folders whose names have the word `train`, `dev` or `test`.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("meld")
    c.eval.targets = ("emotion",)
    c.eval.protocol = "predefined-test"
    return c
