"""Bounds of the numbers in a configuration or a recognizer's record, for each field.

They are checked before anything is computed.
"""

import math
import numbers
from collections.abc import Mapping
from typing import Any

import ml_collections

from emoasr.errors import UserError, quoted
from emoasr.settings.configurations import NAMED_FREELY, leaves

_INF = math.inf
_SEED = (0, 2**32 - 1)
_FRAMES = (1, 1 << 24)  # of a batch
_SHAPES = (1, 512)  # different lengths that the planner distinguishes

# Lowest and highest, of each element where there are several. Units are in `config`.
BOUNDS: Mapping[str, tuple[float, float]] = {
    "corpus.seed": _SEED,
    "corpus.window": (0, _INF),
    "corpus.hop": (0, _INF),
    "seed": _SEED,
    "batch_frames": (0, _FRAMES[1]),
    "buckets": _SHAPES,
    "workers": (0, 1024),
    "ray.actors": (1, 100_000),
    "ray.cpus": (0, 1024),
    "ray.gpus": (0, 64),
    "ray.gpu_memory": (0.01, 1),
    "eval.n_selected": (0, _INF),
    "eval.fewest_of_class": (1, _INF),
    "eval.scale": (-1e9, 1e9),
    "eval.train_scale": (-1e9, 1e9),
    "eval.layers": (-100, 99),  # of each subset; how many there are, the table knows
    "finetune.layers": (-1, 100),
    "finetune.seeds": _SEED,
    "finetune.epochs": (0, 10_000),
    "finetune.patience": (1, 10_000),
    "finetune.held_out": (0.01, 0.9),
    "finetune.learning_rate": (0, _INF),
    "finetune.rate_below": (0, _INF),
    "finetune.weight_decay": (0, _INF),
    "finetune.clip_norm": (1e-9, _INF),
    "finetune.ctc": (0, _INF),
    "finetune.batch_frames": _FRAMES,
    "finetune.buckets": _SHAPES,
    # high enough for any network trained so far, and low enough that an untrusted recognizer cannot
    # exhaust memory or time before its weights are checked
    "model.n_mfcc": (1, 512),
    "model.n_channels": (1, 4096),
    "model.kernel_size": (1, 255),
    "model.dilations": (1, 4096),
    "model.n_blocks": (1, 100),
    "model.n_symbols": (28, 28),  # a space, a..z, and CTC's blank
    "model.dropout": (0, 0.99),
    "frontend.n_fft": (2, 1 << 14),  # `FrontEndConfig` checks its other fields itself
    "frontend.hop_length": (1, 1 << 14),
    "frontend.n_mels": (1, 512),
    "frontend.n_mfcc": (1, 512),
    "frontend.top_db": (1, 1000),
    "augment.warp": (1, 4),
    "augment.stretch": (1, 4),
    "augment.band_limit": (0, 1),
    "augment.min_band": (0, 127),  # of the front end's 128 bands; at 128 nothing would be limited
    "augment.mel_masks": (0, 100),
    "augment.mel_mask": (0, 512),
    "augment.time_masks": (0, 100),
    "augment.time_mask": (0, 1 << 16),
    "augment.gain": (0, 1e6),
    "augment.noise": (0, 1e6),
    "augment.reverb": (0, 1),
    "augment.reverb_seconds": (0.2, 5),
    "augment.add_noise": (0, 1),
    "augment.snr_low": (-60, 100),
    "augment.snr_high": (-60, 100),
    "augment.telephone": (0, 1),
    "augment.clip": (0, 1),
    "augment.level": (0, 60),
    "train.steps": (1, 2**31 - 1),
    "train.batch_frames": _FRAMES,
    "train.buckets": _SHAPES,
    "train.resident": (0, 1),
    "train.max_seconds": (0.1, 3600),
    "train.learning_rate": (0, _INF),
    "train.warmup_steps": (0, 2**31 - 1),
    "train.weight_decay": (0, _INF),
    "train.clip_norm": (1e-9, _INF),
    "train.seed": _SEED,
    "train.init_weight": (0, 1),
    "train.teacher_weight": (0, 1),
    "train.log_every": (1, _INF),
    "train.eval_every": (1, _INF),
    "train.checkpoint_every": (1, _INF),
    "beam_size": (1, 1 << 16),
    "smooth": (0, 3600),  # seconds
    "language_weight": (0, _INF),
    "distributed.n_processes": (0, 1 << 20),
    "distributed.process_id": (-1, 1 << 20),
    "distributed.timeout": (1, 86_400),
}
# of several numbers, those that must be whole
_WHOLE = ("eval.layers", "finetune.seeds", "model.dilations", "beam_size")


def check(config: ml_collections.ConfigDict, group: str = "") -> None:
    """Checks that every number is within its bounds; fields that are not in `BOUNDS` are ignored.

    Args:
        config: of a command, or a group of its fields.
        group: that group, such as `eval.`.

    Raises:
        UserError: a value is out of bounds, not a number, or infinite; it names the field.
    """
    for name, value in leaves(config, group).items():
        field = NAMED_FREELY if name.startswith(f"{NAMED_FREELY}.") else name
        if field in BOUNDS:
            check_number(f"config.{name}", value, field)


def check_number(what: str, value: Any, field: str) -> None:
    """Checks that a number, or each of several, is within the bounds of a field.

    Args:
        what: the name that the user knows.
        value: the number, or a sequence of them.
        field: a key of `BOUNDS`.

    Raises:
        UserError: it is not.
    """
    low, high = BOUNDS[field]
    kind: type = numbers.Integral if field in _WHOLE else numbers.Real
    for number in value if isinstance(value, tuple | list) else (value,):
        if not _is(kind, number) or not low <= number <= high or abs(number) == _INF:
            must = "whole numbers, " * (kind is numbers.Integral) + f"{low}"
            must += f" to {high}" if low < high < _INF else " or more" * (high == _INF)
            raise UserError(f"{what}={quoted(value)}: must be {must}")


def _is(kind: type, value: Any) -> bool:
    return isinstance(value, kind) and not isinstance(value, bool)
