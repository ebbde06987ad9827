"""VCTK, 44 h of read English by 109 speakers: the corpus of the paper's recognizer.

Releases 0.80 and 0.92, the folder or the zip. Speakers are held out for validation and test by a
fixed list; error rates are given with and without the prompts that every speaker reads.

Cost: prepared once, 5 GB; 60,000 batches of 4096 frames are 40 epochs, the original's number:
hours on one GPU (not measured).
Result: not measured here.

    python -m emoasr.pretrain --config=configs/vctk.py --config.corpus.path=DIR --workdir=runs/vctk
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """What `emoasr.pretrain` does for VCTK."""
    c = config.pretraining("vctk")
    c.corpus.mic = "mic1"  # of release 0.92: mic1 or mic2
    c.corpus.decimate = False  # take every third sample, aliasing included, as the original did
    c.train.steps = 60_000
    c.train.batch_frames = 4096
    c.train.learning_rate = 1.5e-3
    c.train.eval_every = 2000
    c.train.checkpoint_every = 500
    c.card.name = "vctk"
    c.card.data = "VCTK, all speakers but those of corpora/vctk.py's VALID and TEST"
    c.card.terms = "CC BY 4.0"
    return c
