"""Small trainings, and what they leave.

Those with the same `settings` on the same recordings share their compiled programs.
"""

import dataclasses
import functools
import json
import re

import jax
import jax.numpy as jnp
import numpy as np

import emoasr
from emoasr import config
from emoasr.asr import saved
from emoasr.asr.saved import SavedRecognizer
from emoasr.settings.choices import AugmentConfig
from emoasr.training import sharding, step


def interrupt(patch, at):
    """Ctrl-C, as a training hands batch `at` (from 1) to the devices."""
    function, calls = sharding.spread, []

    def stops(*arguments):
        calls.append(arguments)
        if len(calls) == at:
            raise KeyboardInterrupt
        return function(*arguments)

    patch.setattr(sharding, "spread", stops)


def rounded_products(traced) -> int:
    """Products of a traced program that a device computes as it likes: GPUs default to TF32."""
    program = str(traced.jaxpr)
    products = re.findall(r"\b(?:dot_general|conv_general_dilated)\[", program)
    assert products
    return len(products) - program.count("precision=(Precision.HIGHEST, Precision.HIGHEST)")


def settings(speech, data_dir, **train):
    c = config.pretraining("transcribed")
    c.corpus.path = str(speech)
    c.corpus.data_dir = str(data_dir)
    c.model.update({"n_channels": 8, "n_blocks": 1, "dilations": (1, 2)})
    c.train.update({"steps": 6, "buckets": 1, "log_every": 1, "checkpoint_every": 2} | train)
    return c


def weights(workdir):
    folder = workdir / "pretrain" / "recognizer"
    return saved.weights(emoasr.load_recognizer(folder).model)


def rows(workdir):
    lines = (workdir / "pretrain" / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


def batch(seed: int = 0, empty: int = 0) -> step.Batch:
    """Four utterances of noise with two labels each, and `empty` empty rows."""
    random = np.random.default_rng(seed)
    wave_BN = random.integers(-3000, 3000, (4, 20 * 512)).astype(np.int16)
    labels_BL = random.integers(1, 27, (4, 2)).astype(np.int32)
    rows = (wave_BN, np.full(4, 20 * 512), labels_BL, np.full(4, 2), np.full(4, 3))
    padded = [np.pad(r, [(0, empty)] + [(0, 0)] * (r.ndim - 1)) for r in rows]
    return step.Batch(*(p if p.dtype == np.int16 else p.astype(np.int32) for p in padded))


def trainer(augmented: bool | AugmentConfig = False, **train):
    """A small trainer, which has its compiled steps from its last use; and its first state."""
    made, state = _trainer(augmented, **train)
    return made, copied(state)


def copied(state):
    """A step takes the memory of the state that it is given."""
    return jax.tree.map(jnp.copy, state)


@functools.cache
def _trainer(augmented: bool | AugmentConfig, teacher: SavedRecognizer | None = None, **train):
    c = config.pretraining("transcribed")
    c.model.update({"n_channels": 8, "n_blocks": 1, "dilations": (1, 2), "dropout": 0.0})
    if not augmented:
        c.augment = {}
    c.train.update({"steps": 60, "warmup_steps": 5, "learning_rate": 3e-2} | train)
    if isinstance(augmented, AugmentConfig):
        c.augment = dataclasses.asdict(augmented)
    return step.create(c, taught_by=teacher)
