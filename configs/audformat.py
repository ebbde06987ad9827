"""A database in audformat: a folder with `db.yaml`, its tables as CSV or Parquet, and its audio.

Several raters' columns of numbers are averaged; `--config.corpus.raters=keep` keeps them.
Evaluation needs `speaker` and the targets among the columns of the tables that are read. Cost and
result are those of the recordings.

    python -m emoasr.extract --config=audformat --config.corpus.path=DIR --workdir=runs/a
    python -m emoasr.eval --workdir=runs/a
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("audformat")
    c.corpus.tables = ()  # names of the tables that are read; (): all
    c.corpus.raters = "mean"  # of several raters' numbers; or "keep": a column each
    c.eval.scale = ()  # empty: the range seen in the training labels
    return c
