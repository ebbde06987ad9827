"""What `emoasr.finetune` is asked for, checked as a whole before anything heavy is imported."""

from typing import NamedTuple

import ml_collections

from emoasr.errors import UserError
from emoasr.files import places, storage
from emoasr.settings import bounds, choices, shards
from emoasr.system import processes

POOLINGS = ("mean", "mean+std", choices.ATTENTION)
PLACES = ("transcribed", "data_dir")  # on this machine; results do not depend on them


class Asked(NamedTuple):
    """What follows from a finetuning's settings.

    Attributes:
        shard: the part of the folds; None: all of them.
        workers: decoding threads.
    """

    shard: shards.Shard | None
    workers: int


def check(config: ml_collections.ConfigDict) -> Asked:
    """Checks every setting of a finetuning, and that what it names is there.

    Raises:
        UserError: a setting is wrong, or a file or folder is missing.
    """
    bounds.check(config)
    asked = config.finetune
    for name, allowed in (
        ("init", choices.STARTS),
        ("pooling", POOLINGS),
        ("loss", choices.LOSSES),
        ("norms", choices.NORMS),
    ):
        choices.check_choice(f"config.finetune.{name}", asked[name], allowed)
    choices.check_choice("config.tap", config.tap, ("", *choices.TAPS))
    choices.check_evaluation(config.eval)
    if not asked.seeds or len(set(asked.seeds)) < len(asked.seeds):
        raise UserError(
            f"config.finetune.seeds={tuple(asked.seeds)}: must be one or more different numbers"
        )
    if choices.test_split(config.eval.protocol):
        raise UserError(
            f"config.eval.protocol={config.eval.protocol}: finetuning holds out every speaker in "
            "turn; give leave-one-speaker-out, leave-one-session-out or group-K-fold"
        )
    _check_transcribed(asked)
    places.check(config.corpus, config.recognizer)
    return Asked(shards.asked(config), processes.count(config.workers))


def _check_transcribed(asked: ml_collections.ConfigDict) -> None:
    if asked.ctc and not asked.transcribed:
        raise UserError(
            f"config.finetune.ctc={asked.ctc:g}: needs transcribed speech; give "
            "config.finetune.transcribed, a folder or table as of emoasr pretrain --config=english"
        )
    if asked.transcribed and not asked.layers:
        raise UserError(
            f"config.finetune.transcribed={asked.transcribed}: with config.finetune.layers=0 the "
            "recognizer stays as it is; leave it out, or train layers"
        )
    if asked.data_dir and not asked.transcribed:
        raise UserError(
            f"config.finetune.data_dir={asked.data_dir}: is for the prepared audio of "
            "config.finetune.transcribed, which is empty; give that too, or leave this out"
        )
    if asked.transcribed:
        path = storage.path(asked.transcribed)
        storage.check_there(path, f"config.finetune.transcribed={path}")
