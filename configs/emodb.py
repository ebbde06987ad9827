r"""EmoDB (Burkhardt et al., 2005): 535 recordings of ten actors, in German, seven emotions.

There are no ratings: the target is the acted emotion, classified.

Cost and result: not measured on the corpus itself.

    python -m emoasr.extract --config=emodb --config.corpus.path=DIR --workdir=runs/b
    python -m emoasr.eval --workdir=runs/b

`DIR` is the release's folder; extract says whether its counts are the published ones.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("emodb")
    c.eval.targets = ("emotion",)
    return c
