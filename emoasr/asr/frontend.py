"""The acoustic front end: padded waveforms to MFCCs on the device, equal to librosa's.

The values are those of the original recognizer: `librosa.feature.mfcc(y, sr=16000)` of librosa
0.5.0, which newer versions give with `pad_mode="reflect"`.

Shape suffixes: B utterances, N samples, H hops, K samples of a hop or window, F frequency bins, M
mel bands, T frames, D coefficients.
"""

import dataclasses
from functools import lru_cache
from typing import Any, ClassVar, Protocol

import jax
import jax.numpy as jnp
import numpy as np

Array = jax.Array | np.ndarray

PAD_MODES = ("reflect", "constant")

_CHUNK = 512  # windows
_FLOOR = 1e-10  # of the mel power, before the logarithm (librosa's amin)
_RATES = range(1000, 384001)  # Hz, that a front end may have


class FrontEnd(Protocol):
    """Turns padded waveforms into a network's input; a frozen dataclass, and part of its digest.

    Attributes:
        described: what a frame is, in words.
        sample_rate: of the waveforms, Hz.
        hop_length: samples from frame to frame of the network.
        antialias: see `audio.resample`.
        window: most frames processed at once: longer recordings are processed window by window,
            each by itself; None: a recording of any length is processed as a whole.
        least: least frames: shorter utterances are padded to them.
        edge: frames at either end of a stretch of speech that depend on what lies beyond it.
    """

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    @property
    def described(self) -> str: ...  # noqa: D102
    @property
    def sample_rate(self) -> int: ...  # noqa: D102
    @property
    def hop_length(self) -> int: ...  # noqa: D102
    @property
    def antialias(self) -> bool: ...  # noqa: D102
    @property
    def window(self) -> int | None: ...  # noqa: D102
    @property
    def least(self) -> int: ...  # noqa: D102
    @property
    def edge(self) -> int: ...  # noqa: D102

    def n_frames(self, n_samples: Any) -> Any:
        """Frames of an utterance of `n_samples` (an int or an array) samples."""
        ...

    def n_padded(self, n_samples: int) -> int:
        """Frames of a row that is padded to `n_samples` samples."""
        ...

    def __call__(
        self, wave_BN: Array, lengths_B: Array, top_B: Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """The network's input for a padded batch, and each row's length without padding."""
        ...


@dataclasses.dataclass(frozen=True)
class FrontEndConfig:
    """What the front end computes; the defaults are the original recognizer's.

    Attributes:
        sample_rate: of the waveforms, Hz; files and arrays are resampled to it.
        n_fft: window and transform length, samples; a multiple of `hop_length`.
        hop_length: samples from frame to frame.
        n_mels: Slaney mel bands from 0 Hz to half the sample rate.
        n_mfcc: cepstral coefficients kept, C0 included.
        top_db: mel power is clipped this far below the utterance's own maximum, dB.
        pad_mode: what the first and last windows hold beyond the utterance: "reflect", its mirror
            image, librosa's default up to 0.8, or "constant", zeros, the default since 0.9.
        antialias: False: audio at a whole multiple of `sample_rate` is decimated without a filter,
            as the original did to VCTK in training; see `audio.resample`.
    """

    sample_rate: int = 16000
    n_fft: int = 2048
    hop_length: int = 512
    n_mels: int = 128
    n_mfcc: int = 20
    top_db: float = 80.0
    pad_mode: str = "reflect"
    antialias: bool = True

    def __post_init__(self) -> None:
        if type(self.sample_rate) is not int or self.sample_rate not in _RATES:
            raise ValueError(
                f"sample_rate={self.sample_rate!r}: must be whole Hz, {_RATES[0]} to {_RATES[-1]}"
            )
        if self.pad_mode not in PAD_MODES:
            raise ValueError(f"pad_mode={self.pad_mode!r}: must be {' or '.join(PAD_MODES)}")
        if type(self.antialias) is not bool:
            raise ValueError(f"antialias={self.antialias!r}: must be true or false")
        if self.n_fft % (2 * self.hop_length):
            raise ValueError("n_fft must be a multiple of two hop_lengths")

    @property
    def described(self) -> str:
        """What a frame is, in words."""
        return f"{self.n_mfcc} MFCCs"

    @property
    def window(self) -> None:
        """None: recordings of any length are processed as a whole."""

    @property
    def least(self) -> int:
        """Least frames: shorter utterances are padded to them."""
        return 1

    @property
    def edge(self) -> int:
        """Frames at either end of a stretch of speech that depend on what lies beyond it."""
        return self.n_fft // 2 // self.hop_length

    def __call__(
        self, wave_BN: Array, lengths_B: Array, top_B: Array | None = None
    ) -> tuple[jax.Array, jax.Array]:
        """See `mfcc`."""
        return mfcc(wave_BN, lengths_B, self, top_B)

    def n_frames(self, n_samples):
        """Frames of an utterance of `n_samples` (an int or an array) samples."""
        return (1 + n_samples // self.hop_length) * (n_samples > 0)

    n_padded = n_frames


def mfcc(
    wave_BN: Array, lengths_B: Array, config: FrontEndConfig, top_B: Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """MFCCs of a padded batch; samples beyond an utterance's length have no effect.

    Args:
        wave_BN: samples in [-1, 1], float32; N a multiple of the hop length.
        lengths_B: true lengths, samples; 0 marks an empty row.
        config: the front end.
        top_B: where rows are chunks of utterances, the whole utterance's maximum, dB.

    Returns:
        MFCCs (B, 1 + N / hop, n_mfcc), float32, zero beyond each utterance's end; and the number
        of valid frames (B,), 0 for an empty row.
    """
    mel_BTM, frames_B = log_mel(wave_BN, lengths_B, config, top_B)
    mask_BT1 = frame_mask(frames_B, mel_BTM.shape[1])[..., None]
    return cepstra(mel_BTM, config) * mask_BT1, frames_B


def log_mel(
    wave_BN: Array, lengths_B: Array, config: FrontEndConfig, top_B: Array | None = None
) -> tuple[jax.Array, jax.Array]:
    """Mel power in dB, clipped `top_db` below each utterance's maximum.

    Arguments and frame counts as for `mfcc`; returns (B, T, n_mels), undefined beyond the end.
    """
    db_BTM, frames_B = mel_db(wave_BN, lengths_B, config)
    if top_B is None:
        top_B = loudest(db_BTM, frame_mask(frames_B, db_BTM.shape[1]))
    return jnp.maximum(db_BTM, (top_B - config.top_db)[:, None, None]), frames_B


def mel_db(wave_BN: Array, lengths_B: Array, config: FrontEndConfig) -> tuple[jax.Array, jax.Array]:
    """Mel power in dB, not clipped; else as `log_mel`."""
    pad = _reflect if config.pad_mode == "reflect" else _zeros
    padded_BN = pad(wave_BN, lengths_B, config.n_fft // 2)
    mel_BHM = _mel_power(padded_BN.reshape(-1, config.hop_length), config)
    mel_BHM = mel_BHM.reshape(len(padded_BN), -1, config.n_mels)  # the last windows span two rows
    mel_BTM = mel_BHM[:, : wave_BN.shape[1] // config.hop_length + 1]
    frames_B = config.n_frames(lengths_B)
    return 10.0 * jnp.log10(jnp.maximum(mel_BTM, _FLOOR)), frames_B


def loudest(db_BTM: jax.Array, mask_BT: Array) -> jax.Array:
    """The largest mel power (B,) over the frames of the mask, dB."""
    return jnp.max(db_BTM, axis=(1, 2), where=mask_BT[..., None], initial=-jnp.inf)


def cepstra(mel_BTM: jax.Array, config: FrontEndConfig) -> jax.Array:
    """The first `n_mfcc` coefficients of the orthonormal DCT-II over the mel bands."""
    # Only C0 depends on a frame's mean; without it, float32 sums of 128 dB values are exact.
    mean_BT1 = jnp.mean(mel_BTM, axis=-1, keepdims=True)
    mfcc_BTD = _matmul(mel_BTM - mean_BT1, dct(config.n_mels, config.n_mfcc))
    return mfcc_BTD.at[..., :1].add(np.float32(np.sqrt(config.n_mels)) * mean_BT1)


def frame_mask(frames_B: Array, n_frames: int) -> jax.Array:
    """(B, n_frames) booleans: True on an utterance's own frames."""
    return jnp.arange(n_frames) < frames_B[:, None]


def _reflect(wave_BN: Array, lengths_B: Array, pad: int) -> jax.Array:
    """Pads by reflection at the true end; repeatedly where the utterance is shorter than `pad`."""
    last_B1 = jnp.maximum(lengths_B - 1, 0)[:, None]
    period_B1 = jnp.maximum(2 * last_B1, 1)  # one sample: everything maps to it
    position_BN = jnp.arange(-pad, wave_BN.shape[1] + pad)[None] % period_B1
    source_BN = jnp.minimum(position_BN, period_B1 - position_BN)
    return jnp.take_along_axis(wave_BN, jnp.minimum(source_BN, last_B1), axis=1)


def _zeros(wave_BN: Array, lengths_B: Array, pad: int) -> jax.Array:
    """Pads by zeros at the true end."""
    own_BN = jnp.arange(wave_BN.shape[1]) < lengths_B[:, None]
    return jnp.pad(jnp.where(own_BN, wave_BN, 0.0), ((0, 0), (pad, pad)))


def _mel_power(hops_HK: jax.Array, config: FrontEndConfig) -> jax.Array:
    """Mel power (H, M) of the windows that begin with each hop; beyond the last hop are zeros.

    A CPU computes as many windows at a time as its caches hold: twice as fast as all at once.
    """
    n_hops, overlap = len(hops_HK), config.n_fft // config.hop_length
    chunk = min(_CHUNK, n_hops) if jax.default_backend() == "cpu" else n_hops
    n_chunks = -(-n_hops // chunk)
    hops_HK = jnp.pad(hops_HK, ((0, n_chunks * chunk - n_hops + overlap - 1), (0, 0)))
    window_K = hann(config.n_fft)

    def of_chunk(start: jax.Array) -> jax.Array:
        own_HK = jax.lax.dynamic_slice_in_dim(hops_HK, start, chunk + overlap - 1)
        windows = jnp.concatenate([own_HK[i : i + chunk] for i in range(overlap)], axis=-1)
        spectrum_HF = jnp.fft.rfft(windows * window_K)
        power_HF = jnp.square(spectrum_HF.real) + jnp.square(spectrum_HF.imag)
        return _matmul(power_HF, mel_basis(config.sample_rate, config.n_fft, config.n_mels))

    mel_CHM = jax.lax.map(of_chunk, jnp.arange(n_chunks) * chunk)
    return mel_CHM.reshape(-1, config.n_mels)[:n_hops]


def hann(n: int) -> np.ndarray:
    """The periodic Hann window (n,), as SciPy's, whose import takes longer than a file."""
    return (0.5 + 0.5 * np.cos(np.linspace(-np.pi, np.pi, n + 1)[:-1])).astype(np.float32)


def dct(n_mels: int, n_mfcc: int) -> np.ndarray:
    """The orthonormal DCT-II (n_mels, n_mfcc)."""
    turns_MD = np.outer(2 * np.arange(n_mels) + 1, np.arange(n_mfcc)) % (4 * n_mels)
    dct_MD = np.sqrt(2 / n_mels) * np.cos(np.pi / (2 * n_mels) * turns_MD)
    dct_MD[:, 0] = np.sqrt(1 / n_mels)
    return dct_MD.astype(np.float32)


@lru_cache
def mel_basis(sample_rate: int, n_fft: int, n_mels: int) -> np.ndarray:
    """Triangular mel filters of unit area (F, M), as `librosa.filters.mel`.

    Not taken from librosa, which would need numba and LLVM, a seventh of an installation.
    """
    bins_F = np.fft.rfftfreq(n_fft, 1 / sample_rate)
    edges = _mel_to_hz(np.linspace(0, _hz_to_mel(sample_rate / 2), n_mels + 2))
    ramps = edges[:, None] - bins_F
    widths = np.diff(edges)[:, None]
    triangles_MF = np.minimum(-ramps[:-2] / widths[:-1], ramps[2:] / widths[1:])
    heights_M1 = 2 / (edges[2:] - edges[:-2])[:, None]
    return (np.maximum(triangles_MF, 0) * heights_M1).T.astype(np.float32)


# Slaney's mel scale: linear up to 1000 Hz, then 27 bands a factor of 6.4.
_LINEAR = 200 / 3  # Hz a mel
_CORNER = 1000 / _LINEAR  # mel
_LOG_STEP = np.log(6.4) / 27


def _hz_to_mel(hz: float) -> float:
    return hz / _LINEAR if hz < 1000 else _CORNER + np.log(hz / 1000) / _LOG_STEP


def _mel_to_hz(mel: np.ndarray) -> np.ndarray:
    return np.where(mel < _CORNER, _LINEAR * mel, 1000 * np.exp(_LOG_STEP * (mel - _CORNER)))


def _matmul(x: jax.Array, y: np.ndarray) -> jax.Array:
    return jnp.matmul(x, y, precision=jax.lax.Precision.HIGHEST)  # GPUs default to TF32
