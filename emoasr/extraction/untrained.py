"""The random-weights control: what the architecture gives without any training."""

import dataclasses
import itertools
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr import saved
from emoasr.asr.networks.base import Network, Sizes
from emoasr.asr.networks.norm import MaskedBatchNorm
from emoasr.audio.reading import AudioError
from emoasr.corpora import Corpus, inputs_digest
from emoasr.errors import UserError
from emoasr.inference import bucketing

N_CALIBRATION = 64  # utterances that give the batch norms their statistics
CALIBRATION_SECONDS = 10.0  # of each, at most


class Calibration(NamedTuple):
    """Speech that gives untrained networks the statistics of their batch norms.

    Attributes:
        waves: of each utterance, its beginning.
        metadata: what says which speech it is; it changes with the files, and with which of them
            can be read.
    """

    waves: list[np.ndarray]
    metadata: dict[str, Any]


def calibrate(corpus: Corpus) -> Calibration:
    """Takes some speech from all over a corpus.

    Args:
        corpus: at the front end's rate.

    Raises:
        UserError: none of it could be read.
    """
    longest = int(CALIBRATION_SECONDS * corpus.sample_rate)
    spread = np.unique(np.linspace(0, len(corpus) - 1, N_CALIBRATION).astype(int))
    waves: list[np.ndarray] = []
    used, reasons = [], []
    for stretch in itertools.pairwise([*spread, len(corpus)]):
        for i in range(*stretch):  # until one can be read
            try:
                first = next(corpus.chunks(i, longest, 0, 1))  # not a long file as a whole
            except AudioError as error:  # also reported when it is extracted
                reasons.append(str(error))
            else:
                waves.append(first.wave_N[:longest])
                used.append(i)
                break
    if not waves:
        raise UserError(f"no utterance of {corpus.name} could be read; the first: {reasons[0]}")
    of = inputs_digest(dataclasses.replace(corpus, table=corpus.table.iloc[used]).fingerprints())
    metadata = {"utterances": N_CALIBRATION, "seconds": CALIBRATION_SECONDS, "inputs": of}
    return Calibration(waves, metadata)


def untrained(config: Sizes, frontend: fe.FrontEnd, waves: list[np.ndarray], seed: int) -> Network:
    """A network with random weights, its batch norms fitted to some speech.

    Raw MFCCs lie far outside the range of the first tanh, so an untrained network is a fair
    control only once each batch norm has seen the statistics of its input, as in training.

    Args:
        config: the network's size.
        frontend: its front end.
        waves: utterances that give the batch norms' statistics; no labels are used.
        seed: of the weights.
    """
    model = saved.with_random_weights(config, seed)
    norms = [m for _, m in nnx.iter_modules(model) if isinstance(m, MaskedBatchNorm)]
    if not norms:  # a transformer's norms are of the frame that it hears
        return model
    momentum = norms[0].momentum
    for norm in norms:
        norm.momentum = 0.0  # the statistics are this one batch's
    hop = frontend.hop_length
    longest = max(-(-len(wave_N) // hop) for wave_N in waves) * hop
    batch = bucketing.pad(waves, len(waves), longest)
    graph, state = nnx.split(model)
    nnx.update(model, _fitted(graph, frontend, state, *batch))
    for norm in norms:
        norm.momentum = momentum  # as in every other network: they share what is compiled
    return model


@partial(jax.jit, static_argnums=(0, 1))
def _fitted(graph, frontend, state, wave_BN, lengths_B):
    model = nnx.merge(graph, state)
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nnx.Dropout):
            module.rate = 0.0  # as when features are extracted
    model(*frontend(wave_BN, lengths_B), dropout_key=jax.random.key(0))
    return nnx.state(model)
