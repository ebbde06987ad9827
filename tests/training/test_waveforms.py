"""Augmentation of waveforms: off changes nothing, padding stays zero, strengths are as asked."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from emoasr.settings.choices import AugmentConfig
from emoasr.training import waveforms

RATE = 16000
LENGTHS = np.array([16000, 9000, 12000, 3000, 0, 0])
OPTIONS = ("reverb", "add_noise", "telephone", "clip")
OFF = AugmentConfig()
compiled = jax.jit(waveforms.augment, static_argnums=(3, 4))
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def speech():
    random = np.random.default_rng(0)
    wave = 0.1 * random.normal(size=(len(LENGTHS), LENGTHS.max())).astype(np.float32)
    return jnp.asarray(wave * (np.arange(LENGTHS.max()) < LENGTHS[:, None]))


def augmented(speech, seed=0, lengths_B=LENGTHS, **strengths) -> np.ndarray:
    config = dataclasses.replace(OFF, **strengths)
    key = jax.random.key(seed)
    return np.asarray(compiled(speech, jnp.asarray(lengths_B), key, config, RATE))


def test_off_is_the_default_and_changes_nothing(speech):
    key = jax.random.key(0)
    assert waveforms.augment(speech, jnp.asarray(LENGTHS), key, OFF, RATE) is speech


@pytest.mark.parametrize("option", OPTIONS)
def test_a_share_of_the_utterances_is_changed(speech, option):
    speech = jnp.tile(speech[:1], (40, 1)) * jnp.linspace(0.5, 1, 40)[:, None]
    found = augmented(speech, lengths_B=np.full(40, LENGTHS[0]), **{option: 0.5})
    assert 8 < (found != np.asarray(speech)).any(axis=1).sum() < 32


@pytest.mark.parametrize("option", [*OPTIONS, "level"])
def test_it_follows_from_the_key_and_leaves_padding_zero(speech, option):
    strength = {option: 6.0 if option == "level" else 1.0}
    first, again, other = (augmented(speech, seed, **strength) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first, again)
    used = LENGTHS > 0
    assert (first[used] != np.asarray(speech)[used]).any(axis=1).all()
    assert option == "telephone" or (first != other).any()  # a telephone draws nothing
    assert np.isfinite(first).all()
    assert not first[np.arange(LENGTHS.max()) >= LENGTHS[:, None]].any()


@pytest.mark.parametrize("option", [*OPTIONS, "level"])
def test_empty_rows_for_more_devices_change_nothing(speech, option):
    strength = {option: 6.0 if option == "level" else 1.0}
    padded_BN = jnp.pad(speech, ((0, 2), (0, 0)))
    found = augmented(padded_BN, lengths_B=np.pad(LENGTHS, (0, 2)), **strength)
    np.testing.assert_allclose(found[: len(LENGTHS)], augmented(speech, **strength), atol=1e-5)


@pytest.mark.parametrize("seed", range(4))  # all three kinds of noise
def test_noise_has_the_ratio_that_is_asked_for(speech, seed):
    added = augmented(speech, seed, add_noise=1.0, snr_low=7.0, snr_high=7.0) - speech
    power, noise = (np.square(np.asarray(x))[:4].sum(axis=1) for x in (speech, added))
    np.testing.assert_allclose(10 * np.log10(power / noise), 7.0, atol=0.01)


def test_a_single_utterance_has_no_babble_and_no_nan(speech):
    found = [augmented(speech[:1], seed, LENGTHS[:1], add_noise=1.0) for seed in range(8)]
    assert np.isfinite(found).all()
    assert any((x == np.asarray(speech[:1])).all() for x in found)


def test_reverberation_keeps_the_power_and_decays_as_asked(speech):
    click_BN = jnp.zeros((32, RATE)).at[:, 0].set(0.5)
    found = augmented(click_BN, lengths_B=np.full(32, RATE), reverb=1.0, reverb_seconds=0.6)
    np.testing.assert_allclose(np.square(found).sum(axis=1), 0.25, rtol=1e-3)
    energy = np.square(found).mean(axis=0)
    parts = [energy[a:b].mean() for a, b in ((800, 1600), (3200, 4000), (6400, 7200))]
    assert parts[0] > 3 * parts[1] > 9 * parts[2] > 0
    assert not found[:, int(0.6 * RATE) :].round(6).any()


def test_a_telephone_passes_its_band_alone():
    seconds = np.arange(RATE) / RATE
    hz = (100, 1000, 3000, 5000)
    tones_BN = jnp.asarray(np.stack([np.sin(2 * np.pi * f * seconds) for f in hz]), jnp.float32)
    found = augmented(tones_BN, lengths_B=np.full(4, RATE), telephone=1.0)
    ratio = np.sqrt(np.square(found)[:, 2000:-2000].mean(axis=1) / 0.5)
    np.testing.assert_allclose(ratio, [0, 1, 1, 0], atol=0.1)


def test_clipped_peaks_and_changed_levels_are_within_their_limits(speech):
    peak = np.abs(speech[:4]).max(axis=1)
    clipped = np.abs(augmented(speech, clip=1.0)[:4]).max(axis=1) / peak
    assert (clipped >= 0.1).all() and (clipped <= 1).all() and clipped.std() > 0
    level = 20 * np.log10(np.abs(augmented(speech, level=6.0)[:4]).max(axis=1) / peak)
    assert (np.abs(level) <= 6).all() and level.std() > 0
