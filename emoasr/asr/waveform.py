"""The front end of the wav2vec 2.0 family: samples, normalised utterance by utterance or as read.

Shape suffixes: B utterances, N samples.
"""

import dataclasses
import math
from collections.abc import Sequence

import jax
import jax.numpy as jnp

from emoasr.asr.frontend import Array

_EPSILON = 1e-7  # of the variance
_WINDOW = 30  # seconds processed at once


@dataclasses.dataclass(frozen=True)
class WaveformConfig:
    """What the front end does.

    Attributes:
        kernels: sizes of the network's convolutions, which make frames of samples.
        strides: their strides.
        normalise: whether an utterance gets mean 0 and variance 1, over its own samples.
        sample_rate: of the waveforms, Hz; files and arrays are resampled to it.
        antialias: True; see `FrontEndConfig`.
    """

    kernels: tuple[int, ...] = (10, 3, 3, 3, 3, 2, 2)
    strides: tuple[int, ...] = (5, 2, 2, 2, 2, 2, 2)
    normalise: bool = True
    sample_rate: int = 16000
    antialias: bool = True

    @property
    def hop_length(self) -> int:
        """Samples from frame to frame."""
        return math.prod(self.strides)

    @property
    def window(self) -> int:
        """Frames processed at once; longer recordings are processed window by window."""
        return _WINDOW * self.sample_rate // self.hop_length

    @property
    def least(self) -> int:
        """Least frames: shorter utterances are padded to them."""
        return 1

    @property
    def edge(self) -> int:
        """0: nothing depends on what lies beyond a window."""
        return 0

    @property
    def described(self) -> str:
        """What a frame is, in words."""
        return "samples as they are" + ", normalised" * self.normalise

    def n_frames(self, n_samples):
        """Frames of an utterance of `n_samples` (an int or an array) samples: at least one."""
        return n_outputs(self._heard(n_samples), self.kernels, self.strides)

    n_padded = n_frames

    def __call__(
        self, wave_BN: Array, lengths_B: Array, top_B: Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Prepares a padded batch; what lies beyond an utterance's length changes nothing.

        An utterance shorter than what the first frame sees is continued with zeros.

        Args:
            wave_BN: samples in [-1, 1], float32.
            lengths_B: true lengths, samples; 0 marks an empty row.
            top_B: not used.

        Returns:
            Samples (B, N'), zero beyond each utterance's end; and the length of each.
        """
        short = max(self._shortest - wave_BN.shape[1], 0)
        wave_BN = jnp.pad(wave_BN, ((0, 0), (0, short)))
        own_BN = jnp.arange(wave_BN.shape[1]) < lengths_B[:, None]
        if self.normalise:
            n_B1 = jnp.maximum(lengths_B, 1)[:, None]
            wave_BN = wave_BN - jnp.sum(wave_BN, axis=1, keepdims=True, where=own_BN) / n_B1
            square_BN = jnp.square(wave_BN)
            variance_B1 = jnp.sum(square_BN, axis=1, keepdims=True, where=own_BN) / n_B1
            wave_BN = wave_BN * jax.lax.rsqrt(variance_B1 + _EPSILON)
        return jnp.where(own_BN, wave_BN, 0.0), self._heard(lengths_B)

    @property
    def _shortest(self) -> int:
        """Samples that one frame sees."""
        seen = 1
        for kernel, stride in zip(self.kernels[::-1], self.strides[::-1], strict=True):
            seen = (seen - 1) * stride + kernel
        return seen

    def _heard(self, n_samples):
        """Number of samples, with the zeros that continue a short utterance."""
        return n_samples + (n_samples > 0) * (self._shortest - n_samples) * (
            n_samples < self._shortest
        )


def n_outputs(n_inputs, kernels: Sequence[int], strides: Sequence[int]):
    """Outputs of convolutions without padding, of `n_inputs` (an int or an array); 0 of none."""
    for kernel, stride in zip(kernels, strides, strict=True):
        n_inputs = ((n_inputs - kernel) // stride + 1) * (n_inputs >= kernel)
    return n_inputs
