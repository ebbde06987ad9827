"""The random-weights control: what the architecture gives without any training."""

import jax
import numpy as np
from flax import nnx

from emoasr import batching
from emoasr import frontend as fe
from emoasr.model import GatedConvNet, ModelConfig


def untrained(
    config: ModelConfig, frontend: fe.FrontEndConfig, waves: list[np.ndarray], seed: int
) -> GatedConvNet:
    """A network with random weights, its batch norms fitted to some speech.

    Raw MFCCs lie far outside the range of the first tanh, so an untrained network is a fair
    control only once each batch norm has seen the statistics of its input, as in training.

    Args:
        config: the network's size.
        frontend: its front end.
        waves: utterances that give the batch norms' statistics; no labels are used.
        seed: of the weights.
    """
    model = GatedConvNet(config, rngs=nnx.Rngs(seed))
    for _, module in nnx.iter_modules(model):
        if isinstance(module, nnx.BatchNorm):
            module.momentum = 0.0  # the statistics are this one batch's
    hop = frontend.hop_length
    longest = max(-(-len(wave_N) // hop) for wave_N in waves) * hop

    @nnx.jit
    def fit(model, wave_BN, lengths_B):
        model(*fe.mfcc(wave_BN, lengths_B, frontend), dropout_key=jax.random.key(0))

    fit(model, *batching.pad(waves, len(waves), longest))
    return model
