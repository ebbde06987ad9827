r"""Transcribed English speech: a table `file, speaker, split, duration, text` beside its audio.

Splits are train, valid and perhaps test, disjoint by speaker; the audio is in any format that
libsndfile reads. What the data are, under which terms, and what the recognizer is not suited for
cannot be known from them: say so in `config.card`, or the model card says "not stated".

Cost: a batch of 4096 frames takes 1.0 to 1.4 s on two CPU cores; 4000 batches are 92 minutes.
Result: character error rates of .28 to .53 after 10 to 18 hours of it, see `configs/shipped.py`.

    python -m emoasr.pretrain --config=english --config.corpus.path=DIR --workdir=runs/p \
        --config.card.name=NAME --config.card.data="WHAT IT WAS" --config.card.terms="CC BY 4.0"
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """What `emoasr.pretrain` does for transcribed English."""
    c = config.pretraining("transcribed")
    c.model.dropout = 0.0
    c.augment.band_limit = 0.25
    c.augment.mel_masks = 1
    c.augment.time_masks = 1
    c.augment.time_mask = 5
    c.augment.noise = 0.5
    c.train.steps = 4000
    c.train.batch_frames = 4096
    c.train.optimizer = "muon"
    c.train.learning_rate = 3e-3
    c.train.warmup_steps = 100
    return c
