"""Any table of utterances: CSV, Parquet, or an audformat table stored as either.

Columns: `file`, perhaps `start` and `end` (1.5, 500ms, 01:30.5 or `0 days 00:00:01.5`), any of
`speaker`, `session`, `arousal`, `valence`, `dominance`, `emotion`, `text`, `split`, and further
ones, which are kept. Cost and result are those of the recordings; evaluation needs `speaker` and
the targets.

    python -m emoasr.extract --config=configs/table.py --config.corpus.path=FILE --workdir=runs/t
    python -m emoasr.eval --config=configs/table.py --workdir=runs/t
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("table")
    c.corpus.root = ""  # folder or URL that `file` is relative to; empty: the table's own
    c.eval.scale = ()  # empty: the range seen in the training labels
    return c
