"""Augmentation of waveforms on the device: rooms, noise, telephones, clipping and level.

Each transform draws anew for every utterance. One that is off computes nothing. Shape suffixes as
in `frontend`; R samples of a room's response.
"""

import jax
import jax.numpy as jnp

from emoasr.asr.frontend import Array
from emoasr.settings.choices import AugmentConfig

_DIRECT = (0.0, 12.0)  # dB, of the direct sound above the reverberation
_SHORTEST = 0.1  # seconds of reverberation
_VOICES = 3  # of babble
_HARMONICS = 10  # of hum
_TELEPHONE = (300.0, 3400.0)  # Hz, edges of the band
_ORDER = 8  # of its slopes, as a Butterworth filter's
_LEAST_CLIP = 0.1  # of the peak


def augment(
    wave_BN: jax.Array, lengths_B: Array, key: jax.Array, config: AugmentConfig, rate: int
) -> jax.Array:
    """Augments padded waveforms; beyond each utterance's end they stay zero.

    Args:
        wave_BN: samples in [-1, 1].
        lengths_B: true lengths, samples; empty rows come last.
        key: the batch's own.
        config: strengths.
        rate: samples a second.
    """
    keys = jax.random.split(key, 5)
    mask_BN = jnp.arange(wave_BN.shape[1]) < lengths_B[:, None]
    if config.reverb:
        wet_BN = _reverberated(wave_BN, mask_BN, keys[0], int(config.reverb_seconds * rate), rate)
        wave_BN = _some(wet_BN, wave_BN, keys[0], config.reverb)
    if config.add_noise:
        snr = (config.snr_low, config.snr_high)
        noisy_BN = wave_BN + _noise(wave_BN, lengths_B, mask_BN, keys[1], snr, rate)
        wave_BN = _some(noisy_BN, wave_BN, keys[1], config.add_noise)
    if config.telephone:
        narrow_BN = _telephone(wave_BN, rate) * mask_BN
        wave_BN = _some(narrow_BN, wave_BN, keys[2], config.telephone)
    if config.clip:
        limit_B1 = jax.random.uniform(keys[3], (len(wave_BN), 1), minval=_LEAST_CLIP)
        limit_B1 *= jnp.max(jnp.abs(wave_BN), axis=1, keepdims=True)
        wave_BN = _some(jnp.clip(wave_BN, -limit_B1, limit_B1), wave_BN, keys[3], config.clip)
    if config.level:
        db_B1 = config.level * jax.random.uniform(keys[4], (len(wave_BN), 1), minval=-1.0)
        wave_BN *= _amplitude(db_B1)
    return wave_BN


def _some(changed_BN, wave_BN, key, share):
    """The changed waveforms for a random share of the utterances."""
    chosen_B1 = jax.random.bernoulli(jax.random.fold_in(key, 1), share, (len(wave_BN), 1))
    return jnp.where(chosen_B1, changed_BN, wave_BN)


def _reverberated(wave_BN, mask_BN, key, longest, rate):
    """Convolves with exponentially decaying noise (Polack 1988), keeping the power.

    The decay is 60 dB in a reverberation time between `_SHORTEST` and `longest` samples.
    """
    noise_key, time_key, direct_key = jax.random.split(key, 3)
    n_rows, shape = len(wave_BN), (len(wave_BN), 1)
    time_B1 = jax.random.uniform(time_key, shape, minval=_SHORTEST * rate, maxval=longest)
    decay_BR = 10.0 ** (-3.0 * jnp.arange(1, longest) / time_B1)
    tail_BR = decay_BR * jax.random.normal(noise_key, (n_rows, longest - 1))
    direct_B1 = jax.random.uniform(direct_key, shape, minval=_DIRECT[0], maxval=_DIRECT[1])
    energy_B1 = jnp.sum(jnp.square(tail_BR), axis=1, keepdims=True)
    tail_BR *= _amplitude(-direct_B1) / jnp.sqrt(energy_B1)
    response_BR = jnp.concatenate([jnp.ones(shape), tail_BR], axis=1)
    n = wave_BN.shape[1] + longest  # so that nothing wraps around
    spectrum_BF = jnp.fft.rfft(wave_BN, n) * jnp.fft.rfft(response_BR, n)
    wet_BN = jnp.fft.irfft(spectrum_BF, n)[:, : wave_BN.shape[1]] * mask_BN
    return wet_BN * jnp.sqrt(_ratio(_power(wave_BN, mask_BN), _power(wet_BN, mask_BN)))


def _noise(wave_BN, lengths_B, mask_BN, key, snr, rate):
    """Babble, pink noise or mains hum, at a random signal-to-noise ratio of so many dB."""
    kind_key, snr_key, pink_key, hum_key = jax.random.split(key, 4)
    kinds_KBN = jnp.stack(
        [
            _babble(wave_BN, lengths_B),
            _pink(wave_BN.shape, pink_key),
            _hum(wave_BN.shape, hum_key, rate),
        ]
    )
    kind_B = jax.random.randint(kind_key, (len(wave_BN),), 0, len(kinds_KBN))
    noise_BN = kinds_KBN[kind_B, jnp.arange(len(wave_BN))] * mask_BN
    snr_B1 = jax.random.uniform(snr_key, (len(wave_BN), 1), minval=snr[0], maxval=snr[1])
    ratio_B1 = _ratio(_power(wave_BN, mask_BN), _power(noise_BN, mask_BN))
    return noise_BN * jnp.sqrt(ratio_B1) * _amplitude(-snr_B1)


def _babble(wave_BN, lengths_B):
    """The sum of the next utterances of the batch, each repeated to fill the row."""
    n_used = jnp.maximum(jnp.sum(lengths_B > 0), 1)
    row_B = jnp.arange(len(wave_BN))
    babble_BN = jnp.zeros_like(wave_BN)
    for voice in range(1, _VOICES + 1):
        other_B = (row_B + voice) % n_used
        place_BN = jnp.arange(wave_BN.shape[1]) % jnp.maximum(lengths_B[other_B], 1)[:, None]
        voice_BN = jnp.take_along_axis(wave_BN[other_B], place_BN, axis=1)
        babble_BN += jnp.where((other_B == row_B)[:, None], 0.0, voice_BN)
    return babble_BN


def _pink(shape, key):
    """Noise with a power of 1 / f."""
    spectrum_BF = jnp.fft.rfft(jax.random.normal(key, shape))
    return jnp.fft.irfft(
        spectrum_BF / jnp.sqrt(jnp.maximum(jnp.arange(spectrum_BF.shape[1]), 1)), shape[1]
    )


def _hum(shape, key, rate):
    """Harmonics of 50 or 60 Hz, of random phases and amplitudes."""
    mains_key, phase_key, strength_key = jax.random.split(key, 3)
    mains_B1 = jnp.where(jax.random.bernoulli(mains_key, 0.5, (shape[0], 1)), 50.0, 60.0)
    phase_BK = jax.random.uniform(phase_key, (shape[0], _HARMONICS))
    strength_BK = jax.random.uniform(strength_key, (shape[0], _HARMONICS))
    hum_BN = jnp.zeros(shape)
    for k in range(_HARMONICS):
        turns_BN = (k + 1) * mains_B1 * jnp.arange(shape[1]) / rate % 1.0
        hum_BN += strength_BK[:, k, None] * jnp.sin(2 * jnp.pi * (turns_BN + phase_BK[:, k, None]))
    return hum_BN


def _telephone(wave_BN, rate):
    """Limited to a telephone's band, without delay."""
    n = wave_BN.shape[1] + rate // 10  # the response of the lower edge fades within that
    hz_F = jnp.fft.rfftfreq(n, 1 / rate)
    low, high = _TELEPHONE
    power_F = 1 / (1 + (hz_F / high) ** (2 * _ORDER))
    power_F *= 1 / (1 + (low / jnp.maximum(hz_F, 1.0)) ** (2 * _ORDER))
    return jnp.fft.irfft(jnp.fft.rfft(wave_BN, n) * jnp.sqrt(power_F), n)[:, : wave_BN.shape[1]]


def _power(wave_BN, mask_BN):
    """(B, 1) sums of squares over the utterances."""
    return jnp.sum(jnp.square(wave_BN * mask_BN), axis=1, keepdims=True)


def _ratio(a, b):
    """The quotient; 0 where the divisor is."""
    return jnp.where(b > 0, a / jnp.where(b > 0, b, 1.0), 0.0)


def _amplitude(db):
    return 10.0 ** (db / 20)
