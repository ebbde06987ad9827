r"""RAVDESS (Livingstone & Russo, 2018): 24 actors speak two sentences in eight emotions; 23 sing.

There are no ratings: the target is the acted emotion, classified. Speech has 1440 recordings, song
1012; a person who speaks and sings is one speaker, so both are left out together.

Cost and result: not measured on the corpus itself.

    python -m emoasr.extract --config=ravdess --config.corpus.path=DIR --workdir=runs/r
    python -m emoasr.eval --workdir=runs/r

`DIR` holds the unpacked archives `Audio_Speech_Actors_01-24` and `Audio_Song_Actors_01-24`, or one
of them; extract says whether its counts are the published ones.
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("ravdess")
    c.corpus.channel = "speech"  # speech, song; empty: both
    c.eval.targets = ("emotion",)
    return c
