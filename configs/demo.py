"""Synthetic demo: 16 eSpeak NG voices read 20 sentences; the labels are the voices' settings.

It shows every step without a download, and says nothing about how people feel. The speech and
`labels.csv` are written to `WORKDIR/corpus`. Needs `pip install -e '.[demo,egemaps]'`.

Cost: 320 utterances, 10 minutes of speech, made in two seconds; extraction of all four feature sets
and evaluation take under a minute on two CPU cores.
Result (clipped to 1..5; arousal / valence CCC, leave-one-voice-out): neural .831 / .185, random
.689 / .110, mfcc .699 / .150, egemaps .749 / .488. Arousal (rate, volume, pitch) is in every
feature set. Valence is mostly pitch range, which only openSMILE measures; the others' models of it
are worse than the mean, as a linear regression with 100 features and 300 utterances is when there
is little to find.

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
