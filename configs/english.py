"""Transcribed English, 10.4 h of six small open sets: the training of the shipped recognizer.

The corpus is a table `file, speaker, split, duration, text` beside its audio (any format that
libsndfile reads), splits disjoint by speaker. Another corpus of that shape trains with the same
command; then say in `config.card` what it is.

Cost: 52 minutes on two CPU cores that other work shared; 4600 batches of 4096 frames, 13 epochs.
Result: CER .533 on validation speakers; .528 (lj_part1, a native reader), .582 (fotaq, acted
characters) and .537 (speechocean762, Mandarin accents, half children) on test speakers. Still
learning slowly at the end; WER is near 1, as the network spells by ear and has no language model.

    python -m emoasr.pretrain --config=configs/english.py --config.corpus.path=DIR --workdir=runs/p
"""

import ml_collections

from emoasr import config


def get_config() -> ml_collections.ConfigDict:
    """What `emoasr.pretrain` does for transcribed English."""
    c = config.pretraining("transcribed")
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
