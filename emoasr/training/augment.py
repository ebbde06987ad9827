"""Augmentation of training speech on the device, on log-mel spectra and MFCCs.

Without it this network overfits its training speakers. Each transform draws anew for every
utterance. Shape suffixes as in `frontend`; S source frames, L source bands.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from emoasr.asr import frontend as fe
from emoasr.asr.frontend import Array, frame_mask
from emoasr.settings.choices import AugmentConfig
from emoasr.training import waveforms


def mfcc(
    wave_BN: jax.Array, lengths_B: Array, min_frames_B: Array, keys: tuple[jax.Array, ...],
    config: AugmentConfig, frontend: fe.FrontEndConfig, log_mel: Callable,
) -> tuple[jax.Array, jax.Array, jax.Array]:  # fmt: skip
    """MFCCs of augmented speech.

    Args:
        wave_BN: samples in [-1, 1].
        lengths_B: true lengths, samples.
        min_frames_B: see `spectra`.
        keys: of waveforms, spectra and coefficients.
        config: strengths.
        frontend: front end.
        log_mel: its spectra and their valid frames, of waveforms and their lengths.

    Returns:
        MFCCs, undefined beyond the end; and as `spectra` the new numbers of valid frames, and where
        each frame was.
    """
    rate = frontend.sample_rate
    wave_BN = waveforms.augment(wave_BN, lengths_B, keys[0], config, rate)
    mel_BTM, frames_B = log_mel(wave_BN, lengths_B)
    mel_BTM, frames_B, source_BT = spectra(mel_BTM, frames_B, min_frames_B, keys[1], config)
    return coefficients(fe.cepstra(mel_BTM, frontend), keys[2], config), frames_B, source_BT


def spectra(
    mel_BTM: jax.Array, frames_B: jax.Array, min_frames_B: Array, key: jax.Array,
    config: AugmentConfig,
) -> tuple[jax.Array, jax.Array, jax.Array]:  # fmt: skip
    """Augments log-mel spectra in dB.

    Args:
        mel_BTM: as `frontend.log_mel` gives them.
        frames_B: valid frames of each utterance.
        min_frames_B: frames that stretching must leave, so that the text still fits.
        key: the batch's own.
        config: strengths.

    Returns:
        Spectra of the same shape; the new numbers of valid frames; and for each frame the place
        (B, T) among the frames given, with a fraction, that it was taken from.
    """
    keys = jax.random.split(key, 5)
    source_BT, frames_B = _stretched(mel_BTM, frames_B, min_frames_B, keys[0], config.stretch)
    mel_BTM = taken_from(mel_BTM, source_BT)
    mel_BTM = _warp(mel_BTM, keys[1], config.warp)
    mask_BT1 = frame_mask(frames_B, mel_BTM.shape[1])[..., None]
    floor_B11 = jnp.min(mel_BTM, axis=(1, 2), keepdims=True, where=mask_BT1, initial=100.0)
    sum_B11 = jnp.sum(mel_BTM, axis=(1, 2), keepdims=True, where=mask_BT1)
    mean_B11 = sum_B11 / jnp.maximum(frames_B * mel_BTM.shape[2], 1)[:, None, None]
    mel_BTM = jnp.where(_above_limit(mel_BTM, keys[2], config), floor_B11, mel_BTM)
    n_rows, n_frames, n_mels = mel_BTM.shape
    hidden_BM = _spans(keys[3], n_rows, n_mels, n_mels, config.mel_masks, config.mel_mask)
    hidden_BT = _spans(
        keys[4], n_rows, n_frames, frames_B[:, None], config.time_masks, config.time_mask
    )
    hidden_BTM = hidden_BM[:, None, :] | hidden_BT[:, :, None]
    return jnp.where(hidden_BTM, mean_B11, mel_BTM), frames_B, source_BT


def taken_from(x_BSX: Array, source_BT: jax.Array) -> jax.Array:
    """Values (B, T, X) at places between frames, linearly interpolated."""
    return jnp.einsum("bts,bsx->btx", _hat(source_BT, x_BSX.shape[1]), x_BSX)


def coefficients(mfcc_BTD: jax.Array, key: jax.Array, config: AugmentConfig) -> jax.Array:
    """Adds a random loudness (one for an utterance) and noise to MFCCs."""
    gain_key, noise_key = jax.random.split(key)
    gain_B1 = config.gain * jax.random.normal(gain_key, (mfcc_BTD.shape[0], 1))
    noise_BTD = config.noise * jax.random.normal(noise_key, mfcc_BTD.shape)
    return (mfcc_BTD + noise_BTD).at[..., 0].add(gain_B1)


def _stretched(mel_BTM, frames_B, min_frames_B, key, factor):
    """Source places and new numbers of frames, of time resampled within the padded length.

    Each utterance has a factor in [1 / factor, factor].
    """
    longest_B = mel_BTM.shape[1] / jnp.maximum(frames_B, 1)
    shortest_B = min_frames_B / jnp.maximum(frames_B, 1)
    factor_B = jnp.clip(_log_uniform(key, frames_B.shape, factor), shortest_B, longest_B)
    source_BT = jnp.arange(mel_BTM.shape[1]) / factor_B[:, None]
    source_BT = jnp.minimum(source_BT, jnp.maximum(frames_B - 1, 0)[:, None])
    frames_B = jnp.where(frames_B > 0, jnp.ceil(frames_B * factor_B - 1e-3), 0).astype(jnp.int32)
    return source_BT, jnp.minimum(frames_B, mel_BTM.shape[1])


def _warp(mel_BTM, key, factor):
    """Resamples the mel axis by a factor in [1 / factor, factor]."""
    n_mels = mel_BTM.shape[2]
    factor_B1 = _log_uniform(key, (mel_BTM.shape[0], 1), factor)
    source_BM = jnp.minimum(jnp.arange(n_mels) * factor_B1, n_mels - 1)
    return jnp.einsum("bml,btl->btm", _hat(source_BM, n_mels), mel_BTM)


def _hat(position_BX, n_sources):
    """Linear interpolation as a matrix: weights (B, X, sources) of every position."""
    return jnp.maximum(0.0, 1.0 - jnp.abs(position_BX[..., None] - jnp.arange(n_sources)))


def _above_limit(mel_BTM, key, config):
    """(B, 1, M) booleans: the bands that a random upper limit takes from some utterances."""
    choose_key, limit_key = jax.random.split(key)
    n_rows, _, n_mels = mel_BTM.shape
    chosen_B11 = jax.random.bernoulli(choose_key, config.band_limit, (n_rows, 1, 1))
    limit_B11 = jax.random.uniform(limit_key, (n_rows, 1, 1), minval=config.min_band, maxval=n_mels)
    return chosen_B11 & (jnp.arange(n_mels) > limit_B11)


def _spans(key, n_rows, length, valid, n_spans, longest):
    """(B, length) booleans: True within any of `n_spans` random spans that begin below `valid`."""
    start_key, size_key = jax.random.split(key)
    shape = (n_rows, n_spans)
    size_BS = jax.random.uniform(size_key, shape, maxval=float(longest))
    start_BS = jax.random.uniform(start_key, shape) * valid
    offset_BSX = jnp.arange(length) - start_BS[..., None]
    return jnp.any((offset_BSX >= 0) & (offset_BSX < size_BS[..., None]), axis=1)


def _log_uniform(key, shape, factor):
    limit = jnp.log(factor)
    return jnp.exp(jax.random.uniform(key, shape, minval=-limit, maxval=limit))
