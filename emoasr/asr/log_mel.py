"""The front end of Whisper: log-mel frames of a window of fixed length, on the device.

The values are those of Hugging Face's `WhisperFeatureExtractor`.

Shape suffixes: B utterances, N samples, P pieces of samples, K samples of a window, F mel frames, M
mel bands.
"""

import dataclasses

import jax
import jax.numpy as jnp

from emoasr.asr.frontend import Array, hann, mel_basis

_FRAME_HOP = 160  # samples from mel frame to mel frame
_PIECE = 80  # samples: a whole number of them makes a hop, and a transform
_FLOOR = 1e-10  # of the mel power
_RANGE = 8.0  # powers of ten below the window's maximum at which it is clipped


@dataclasses.dataclass(frozen=True)
class LogMelConfig:
    """What the front end computes; the defaults are those of all Whisper models but large-v3.

    Attributes:
        n_mels: mel bands: 80; in large-v3 128.
        window: frames of the network in a window; utterances are padded with silence to it, and
            longer recordings are processed window by window.
        sample_rate: of the waveforms, Hz; files and arrays are resampled to it.
        n_fft: length of the transform, samples.
        hop_length: samples from frame to frame of the network.
        antialias: True; see `FrontEndConfig`.
    """

    n_mels: int = 80
    window: int = 1500
    sample_rate: int = 16000
    n_fft: int = 400
    hop_length: int = 2 * _FRAME_HOP
    antialias: bool = True

    @property
    def least(self) -> int:
        """Least frames: utterances are padded to a whole window."""
        return self.window

    @property
    def edge(self) -> int:
        """0: nothing depends on what lies beyond a window."""
        return 0

    @property
    def described(self) -> str:
        """What a frame is, in words."""
        return f"{self.n_mels} log-mel bands"

    def n_frames(self, n_samples):
        """Frames of the network that hold any of `n_samples` (an int or an array) samples."""
        return -(-n_samples // self.hop_length)

    def n_padded(self, n_samples: int) -> int:
        """Frames of a row that is padded to `n_samples` samples: always a window's."""
        return self.window

    def __call__(
        self, wave_BN: Array, lengths_B: Array, top_B: Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """Log-mel frames of a window.

        Args:
            wave_BN: samples in [-1, 1], float32.
            lengths_B: true lengths, samples, at most those of a window; 0 marks an empty row.
            top_B: not used: power is clipped below each window's maximum.

        Returns:
            Log-mel frames (B, 2 window, n_mels), float32; and the frames of the network that are
            not padding (B,).
        """
        n_samples = self.window * self.hop_length
        own_BN = jnp.arange(wave_BN.shape[1]) < lengths_B[:, None]
        window_BN = jnp.where(own_BN, wave_BN, 0.0)[:, :n_samples]
        window_BN = jnp.pad(window_BN, ((0, 0), (0, n_samples - window_BN.shape[1])))
        log_BFM = jnp.log10(jnp.maximum(self._power(window_BN), _FLOOR))
        top_B11 = jnp.max(log_BFM, axis=(1, 2), keepdims=True)
        return (jnp.maximum(log_BFM, top_B11 - _RANGE) + 4.0) / 4.0, self.n_frames(lengths_B)

    def _power(self, window_BN):
        """Mel power (B, F, M) of transforms that are centred on every hop."""
        half = self.n_fft // 2
        padded_BN = jnp.pad(window_BN, ((0, 0), (half, half)), mode="reflect")
        piece_BPK = padded_BN.reshape(len(padded_BN), -1, _PIECE)
        hop, n_pieces = _FRAME_HOP // _PIECE, self.n_fft // _PIECE
        stop = 2 * self.window * hop
        frame_BFK = jnp.concatenate(
            [piece_BPK[:, i : i + stop : hop] for i in range(n_pieces)], axis=-1
        )
        spectrum = jnp.fft.rfft(frame_BFK * hann(self.n_fft))
        power = jnp.square(spectrum.real) + jnp.square(spectrum.imag)
        basis_KM = mel_basis(self.sample_rate, self.n_fft, self.n_mels)
        return jnp.matmul(power, basis_KM, precision=jax.lax.Precision.HIGHEST)
