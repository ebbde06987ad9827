"""Any folder of audio files, searched recursively; no labels, so features only.

Cost: seconds a thousand short files on a GPU, minutes on a few cores.
Result: `features/neural.parquet`, one row a file.

    python -m emoasr.extract --config=configs/folder.py --config.corpus.path=DIR --workdir=runs/f
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("folder")
    c.feature_sets = ("neural",)
    return c
