import dataclasses
import re
import warnings

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import librosa
import numpy as np
import pytest
import scipy.fft
import scipy.signal

from emoasr.asr import frontend
from emoasr.audio import reading

CONFIG = frontend.FrontEndConfig()
mfcc = jax.jit(frontend.mfcc, static_argnums=2)


def speechlike(n: int, seed: int = 0) -> np.ndarray:
    """Noise with the range of speech: bursts, near-silence, a few tones."""
    random = np.random.default_rng(seed)
    t = np.arange(n)
    envelope = np.abs(np.sin(t / 9000)) ** 4 + 1e-4
    tones = sum(np.sin(2 * np.pi * f * t / 16000) for f in (110, 730, 2400))
    return (0.2 * envelope * (tones + random.normal(size=n))).astype(np.float32)


def reference(y: np.ndarray, config: frontend.FrontEndConfig = CONFIG) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa warns of n_fft longer than the signal
        mel = librosa.feature.melspectrogram(
            y=y, sr=config.sample_rate, n_fft=config.n_fft, hop_length=config.hop_length,
            n_mels=config.n_mels, pad_mode=config.pad_mode,
        )  # fmt: skip
        db = librosa.power_to_db(mel, top_db=config.top_db)
        return librosa.feature.mfcc(S=db, n_mfcc=config.n_mfcc).T


def ours(y: np.ndarray, length: int | None = None, junk: float = 0.0, config=CONFIG) -> np.ndarray:
    hop = config.hop_length
    wave_BN = np.full((1, length or -(-len(y) // hop) * hop), junk, np.float32)
    wave_BN[0, : len(y)] = y
    mfcc_BTD, frames_B = mfcc(wave_BN, np.array([len(y)]), config)
    return np.asarray(mfcc_BTD[0, : int(frames_B[0])])


@hypothesis.given(
    st.integers(1000, 384000), st.sampled_from([256, 1024, 2048, 4096]), st.integers(1, 256)
)
def test_mel_bands_are_librosas_to_the_bit(rate, n_fft, n_mels):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # librosa warns of bands between two bins
        basis_MF = librosa.filters.mel(sr=rate, n_fft=n_fft, n_mels=n_mels, dtype=np.float64)
    found_FM = frontend.mel_basis(rate, n_fft, n_mels)
    np.testing.assert_array_equal(found_FM, basis_MF.T.astype(np.float32))


@hypothesis.settings(max_examples=60)
@hypothesis.given(st.one_of(st.integers(1, 2100), st.integers(1, 8192)), st.integers(0, 99))
def test_equals_librosa_at_every_length_from_one_sample_up(n, seed):
    y = speechlike(8192, seed)[-n:]
    expected = reference(y)
    found = ours(y, length=8192, junk=0.7)
    assert found.shape == expected.shape == (1 + n // 512, 20)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("pad_mode", frontend.PAD_MODES)
@pytest.mark.parametrize("rate", [16000, 22050])
@pytest.mark.parametrize("n", [1, 100, 1024, 5000, 8192])
def test_equals_librosa_with_either_padding_at_any_rate(pad_mode, rate, n):
    config = frontend.FrontEndConfig(sample_rate=rate, pad_mode=pad_mode)
    y = speechlike(8192)[-n:]
    found = ours(y, length=8192, junk=0.7, config=config)
    np.testing.assert_allclose(found, reference(y, config), atol=1e-3)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_fft": 1024, "hop_length": 256},
        {"n_fft": 2048, "hop_length": 256},
        {"n_mels": 40, "n_mfcc": 13},
        {"top_db": 30.0},
    ],
)
def test_equals_librosa_with_other_settings(changes):
    config = frontend.FrontEndConfig(**changes)
    y = speechlike(7000)
    expected = reference(y, config)
    found = ours(y, length=8192, junk=0.7, config=config)
    assert found.shape == expected.shape == (1 + 7000 // config.hop_length, config.n_mfcc)
    np.testing.assert_allclose(found, expected, atol=1e-3)


@pytest.mark.parametrize("n", [512 * 511, 512 * 512 - 1, 512 * 1100 + 77])
def test_equals_librosa_on_a_minute_of_speech(n):
    """More windows than are computed at a time, and just as many."""
    y = np.tile(speechlike(100_000), 6)[:n]
    np.testing.assert_allclose(ours(y), reference(y), atol=1e-3)


@pytest.mark.parametrize("pad_mode", frontend.PAD_MODES)
def test_every_row_of_a_batch_is_librosas(pad_mode):
    config = frontend.FrontEndConfig(pad_mode=pad_mode)
    rows = [speechlike(n, seed) for seed, n in enumerate((8192, 700, 5000))]
    wave_BN = np.full((3, 8192), 0.7, np.float32)
    for row, y in zip(wave_BN, rows, strict=True):
        row[: len(y)] = y
    mfcc_BTD, frames_B = mfcc(wave_BN, np.array([len(y) for y in rows]), config)
    assert mfcc_BTD.shape == (3, 17, 20) and frames_B.tolist() == [17, 2, 10]
    for found, n, y in zip(mfcc_BTD, frames_B, rows, strict=True):
        np.testing.assert_allclose(found[:n], reference(y, config), atol=1e-3)


def test_equals_librosa_on_real_speech(shared_data):
    files = sorted((shared_data / "emotale" / "wav").iterdir())[::80]
    differences = [
        np.abs(ours(y) - reference(y)).max()
        for f in files
        if (y := reading.read(reading.Segment(f))).any()
    ]
    print(f"largest difference from librosa on real speech: {max(differences):.1e}")
    assert len(differences) == 10
    assert max(differences) < 1e-3


def test_clips_below_the_utterances_own_maximum_not_the_batchs():
    loud, quiet = speechlike(16000), speechlike(16000, 1) * 1e-3
    wave_BN = np.stack([loud, quiet])[:, : 31 * 512]
    together, _ = mfcc(wave_BN, np.full(2, 31 * 512), CONFIG)
    np.testing.assert_allclose(together[1], ours(quiet[: 31 * 512]), atol=1e-4)


def test_a_piece_is_clipped_below_the_maximum_of_its_whole_utterance():
    y = speechlike(8192)
    mel_BTM, frames_B = frontend.mel_db(y[None], np.array([8192]), CONFIG)
    top = float(mel_BTM.max()) + 50  # of another, louder piece
    clipped_TM = np.maximum(mel_BTM[0], top - 80)
    assert 0.1 < np.mean(clipped_TM > mel_BTM[0]) < 0.9
    found, _ = mfcc(y[None], np.array([8192]), CONFIG, np.array([top], np.float32))
    expected = librosa.feature.mfcc(S=clipped_TM.T, n_mfcc=20).T
    np.testing.assert_allclose(found[0, : int(frames_B[0])], expected, atol=1e-3)


@pytest.mark.parametrize("y", [np.zeros(5000, np.float32), np.ones(5000, np.float32)])
def test_silence_and_direct_current_are_finite_and_equal(y):
    np.testing.assert_allclose(ours(y), reference(y), atol=1e-3)


def test_frames_beyond_the_end_are_zero_and_empty_rows_have_none():
    wave_BN = np.ones((2, 4096), np.float32)
    mfcc_BTD, frames_B = mfcc(wave_BN, np.array([1000, 0]), CONFIG)
    assert frames_B.tolist() == [2, 0]
    assert not np.any(mfcc_BTD[0, 2:]) and not np.any(mfcc_BTD[1])


def test_log_mel_is_librosas_power_to_db():
    y = speechlike(9000)
    expected = librosa.power_to_db(
        librosa.feature.melspectrogram(y=y, sr=16000, pad_mode="reflect")
    ).T
    mel_BTM, _ = frontend.log_mel(jnp.pad(y, (0, 216))[None], np.array([9000]), CONFIG)
    np.testing.assert_allclose(mel_BTM[0, :18], expected, atol=2e-3)


def test_products_are_not_rounded_to_tf32_on_a_gpu():
    program = mfcc.lower(np.zeros((1, 1024), np.float32), np.array([1024]), CONFIG).as_text()
    products = re.findall("dot_general.*", program)
    assert len(products) == 2
    assert all("precision = [HIGHEST, HIGHEST]" in product for product in products)


def test_the_default_is_the_original_recognizers():
    assert dataclasses.asdict(frontend.FrontEndConfig()) == {
        "sample_rate": 16000, "n_fft": 2048, "hop_length": 512, "n_mels": 128, "n_mfcc": 20,
        "top_db": 80.0, "pad_mode": "reflect", "antialias": True,
    }  # fmt: skip


@pytest.mark.parametrize("rate", [1000, 384000])
def test_rates_from_one_to_384_khz_are_allowed(rate):
    assert frontend.FrontEndConfig(sample_rate=rate).sample_rate == rate


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("n_fft", 2000, "multiple"),
        ("n_fft", 512 * 3, "multiple"),
        ("sample_rate", 0, "whole Hz"),
        ("sample_rate", 999, "whole Hz"),
        ("sample_rate", 384001, "whole Hz"),
        ("sample_rate", 16000.5, "whole Hz"),
        ("sample_rate", "16000", "whole Hz"),
        ("sample_rate", 10**6, "whole Hz"),
        ("pad_mode", "edge", "reflect or constant"),
        ("antialias", "no", "true or false"),
    ],
)
def test_a_front_end_that_cannot_be_is_refused(field, value, why):
    with pytest.raises(ValueError, match=why):
        frontend.FrontEndConfig(**{field: value})


@pytest.mark.parametrize(
    ("n_fft", "n_mels"), [(2048, 128), (512, 80), (1024, 64), (512, 40), (256, 20)]
)
def test_window_and_transform_are_those_of_scipy(n_fft, n_mels):
    window_K = scipy.signal.get_window("hann", n_fft).astype(np.float32)
    np.testing.assert_array_equal(frontend.hann(n_fft), window_K)
    dct_MD = scipy.fft.dct(np.eye(n_mels), norm="ortho", axis=1)
    np.testing.assert_allclose(frontend.dct(n_mels, 20), dct_MD[:, :20], rtol=1e-6, atol=1e-9)
