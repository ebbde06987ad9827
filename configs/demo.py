"""Synthetic demo: 16 eSpeak NG voices read 20 sentences; the labels are the voices' settings.

It shows every step without a download, and says nothing about how people feel. The speech and
`labels.csv` are written to `WORKDIR/corpus`. Needs `pip install emoasr[demo,egemaps]`.

Cost: 320 utterances, 10 minutes of speech, made in two seconds; all steps together
take minutes on two cores.
Result: the settings are plainly in the sound (utterance loudness follows volume, F0 follows pitch,
each with r = .9 within a voice), so every feature set should beat the mean by far.

    python -m emoasr.extract --config=configs/demo.py --workdir=runs/demo
    python -m emoasr.eval --config=configs/demo.py --workdir=runs/demo
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """The fields that differ from the defaults."""
    c = config.experiment("demo")
    del c.corpus.path  # made in the workdir
    c.corpus.seed = 0  # of the draw of each utterance's settings
    return c
