r"""CREMA-D (Cao et al., 2014): 7442 clips, 91 actors, twelve English sentences, six emotions.

There are no ratings here: the target is the acted emotion, classified. Two clips that are known to
be unusable are left out.

Cost and result: not measured on the corpus itself.

    python -m emoasr.extract --config=cremad --config.corpus.path=DIR --workdir=runs/c
    python -m emoasr.eval --workdir=runs/c

`DIR` is the release's folder, with `AudioWAV` and `VideoDemographics.csv`; files that Git LFS has
not fetched are named as no audio. Extract says whether its counts are the published ones.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("cremad")
    c.eval.targets = ("emotion",)
    return c
