"""Transcribed English, 10.4 h of seven small open sets: the shipped recognizer's training.

The corpus is a table `file, speaker, split, duration, text` beside its audio (any format that
libsndfile reads), splits disjoint by speaker. Another corpus of that shape trains with the same
command; then say in `config.card` what it is.

    python -m emoasr.pretrain --config=configs/english.py --config.corpus.path=DIR --workdir=runs/p
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """What `emoasr.pretrain` does for transcribed English."""
    c = config.pretraining()
    c.train.steps = 4600
    c.train.batch_frames = 4096
    c.train.learning_rate = 1.5e-3
    c.card.name = "english"
    c.card.data = (
        "train splits of speechocean762, fotaq (Flight of the Amazon Queen), bass (Beneath a Steel "
        "Sky), drascula, kathleen (rhasspy), asterisk_en (Asterisk core sounds)"
    )
    c.card.terms = (
        "speechocean762: free for commercial and non-commercial purposes (CC BY 4.0); fotaq, bass, "
        "drascula: freeware, may be modified and distributed with a notice; kathleen: CC0; "
        "asterisk_en: CC BY-SA 3.0"
    )
    return c
