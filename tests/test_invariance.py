"""The promise that rivals break: batch, order and padding never change an utterance's features.

What does change them is measured here too, on up to two seconds of 50 utterances of EmoTale and the
shipped recognizer (neural features lie between -1 and 1; `pytest -s` prints largest and mean
differences):

* `compute_dtype` bfloat16 against float32: 0.009 and 0.0006; MFCCs are computed in float32 always.
* The level: +20 dB 0.76 and 0.049, -20 dB 0.59 and 0.057, +6 dB 0.20 and 0.016, -6 dB 0.18 and
  0.016. Features are not free of the level, and are not promised to be: C0 is part of what the
  recognizer gets. It moves by sqrt(128) dB a decibel, the other MFCCs by less than 1e-3, or 0.1
  at -20 dB, where the front end's floor of 1e-10 is reached here and there.
* The rate of the file: the same sound resampled to 22.05, 44.1, 48 or 96 kHz and read back, 0.032
  and 0.0012, MFCCs 1.7 and 0.55: the resampler's filter takes what lies between 7.3 and 8 kHz.
"""

import dataclasses
import functools

import numpy as np
import pytest
import soundfile
import soxr
from flax import nnx
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import emoasr
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.audio import reading
from emoasr.inference import bucketing
from emoasr.inference.pooling import POOLINGS, Pooler

HOP = 512
SHORT = 64  # hops
C0_A_DECIBEL = np.sqrt(128)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def waves(shared_data):
    files = sorted((shared_data / "emotale" / "wav").iterdir())[::16]
    return [reading.read(reading.Segment(path)) for path in files]


@pytest.fixture(scope="module")
def recognizer():
    return emoasr.load_recognizer()


@pytest.fixture(scope="module")
def poolers(recognizer):
    """By pooling and compute dtype; poolings but the mean, of the first five layers alone."""
    model = recognizer.model
    shallow = GatedConvNet(dataclasses.replace(model.config, n_blocks=1), rngs=nnx.Rngs(0))
    shallow.front, shallow.layers = model.front, nnx.List(model.layers[: len(shallow.layers)])

    def of(pooling, dtype):
        network = model if pooling == "mean" else shallow
        networks = {"neural": network.computing_in(dtype)}
        return Pooler(networks, recognizer.config.frontend, "gate", pooling, with_mfcc=True)

    kinds = [*((pooling, "float32") for pooling in POOLINGS), ("mean", "bfloat16")]
    return {kind: of(*kind) for kind in kinds}


@pytest.fixture(scope="module")
def pooler(poolers):
    return poolers["mean", "float32"]


@functools.cache
def program(pooler, size: int, hops: int):
    return pooler.compiled(size, hops * HOP)


def in_batches(pooler, waves, order, size: int, hops: int = 0) -> dict[str, np.ndarray]:
    """Tables, row i that of `waves[i]`, computed in `order`, `size` at a time."""
    hops = hops or -(-max(len(wave) for wave in waves) // HOP)
    tables: dict[str, np.ndarray] = {}
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        sets = program(pooler, size, hops)(
            *bucketing.pad([waves[i] for i in rows], size, hops * HOP)
        )
        for name, values in sets.items():
            table = tables.setdefault(name, np.empty((len(waves), values.shape[1]), np.float32))
            table[rows] = np.asarray(values)[: len(rows)]
    return tables


def difference(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> dict[str, float]:
    return {name: float(np.abs(a[name] - b[name]).max()) for name in a}


def report(what: str, a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    """What docs/guides/promises.md and the docstring above say: seen with `pytest -s`."""
    for name in a:
        moved = np.abs(a[name] - b[name])
        print(f"\n{what}: {name} {moved.mean():.4f} on average, {moved.max():.4f} at most", end="")


@pytest.fixture(scope="module")
def alone(pooler, waves):
    """Some utterances, each by itself, padded to no more than whole hops."""
    rows = {i: in_batches(pooler, [waves[i]], np.array([0]), 1) for i in (0, 24, 49)}
    return {i: {name: table[0] for name, table in sets.items()} for i, sets in rows.items()}


@pytest.mark.parametrize(("size", "extra_hops"), [(7, 0), (32, 0), (7, 100)])
def test_features_of_real_speech_do_not_depend_on_the_batch(pooler, waves, alone, size, extra_hops):
    assert len(waves) == 50
    order = np.random.default_rng(size).permutation(len(waves))
    hops = -(-max(len(wave) for wave in waves) // HOP) + extra_hops
    together = in_batches(pooler, waves, order, size, hops)
    for i, row in alone.items():
        found = difference(row, {name: table[i] for name, table in together.items()})
        assert found["neural"] <= 1e-6 and found["mfcc"] <= 1e-3  # measured: 0 and 6e-5


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    cuts=st.lists(
        st.tuples(st.integers(0, 49), st.integers(0, 8000), st.integers(1, SHORT * HOP)),
        min_size=1, max_size=7,
    ),
    order=st.randoms(use_true_random=False),
    size_and_hops=st.sampled_from([(7, SHORT), (7, SHORT + 32)]),
)  # fmt: skip
@pytest.mark.parametrize("kind", [*((p, "float32") for p in POOLINGS), ("mean", "bfloat16")])
def test_a_cut_of_speech_has_its_features_in_any_company(
    poolers, waves, kind, cuts, order, size_and_hops
):
    """Any cuts, order, batch, padding, bucket: the bits of the neural features stay the same."""
    speech = [waves[i][start:][:length] for i, start, length in cuts]
    rows = list(range(len(speech)))
    single = in_batches(poolers[kind], speech, rows, 1, SHORT)
    order.shuffle(rows)
    together = in_batches(poolers[kind], speech, rows, *size_and_hops)
    found = difference(single, together)
    assert np.isfinite(single["neural"]).all() and np.isfinite(single["mfcc"]).all()
    assert found["neural"] <= 1e-6 and found["mfcc"] <= 1e-3  # measured: 0 and 6e-5


@pytest.fixture(scope="module")
def speech(waves):
    """Two seconds of each utterance, or less."""
    return [wave[4000:][: SHORT * HOP] for wave in waves]


@pytest.fixture(scope="module")
def features(pooler, speech):
    """A function from waves like `speech` to their tables."""
    return lambda waves: in_batches(pooler, waves, np.arange(len(waves)), 7, SHORT)


def test_bfloat16_rounds(poolers, features, speech):
    half = in_batches(poolers["mean", "bfloat16"], speech, np.arange(len(speech)), 7, SHORT)
    found = difference(half, features(speech))
    report("bfloat16", half, features(speech))
    assert 0 < found["neural"] < 0.02 and found["mfcc"] == 0.0


@pytest.mark.parametrize("decibels", [20, 6, -6, -20])
def test_gain_moves_the_mean_of_c0_alone_among_mfccs(features, speech, decibels):
    louder = features([wave * np.float32(10 ** (decibels / 20)) for wave in speech])
    report(f"{decibels:+} dB", louder, features(speech))
    moved = louder["mfcc"] - features(speech)["mfcc"]
    np.testing.assert_allclose(moved[:, 0], decibels * C0_A_DECIBEL, atol=0.1)
    assert np.abs(moved[:, 1:]).max() < (1e-3 if decibels > 0 else 0.1)
    assert np.isfinite(louder["neural"]).all() and np.abs(louder["neural"]).max() <= 1


@pytest.mark.parametrize("rate", [22050, 44100, 48000, 96000])
def test_the_rate_of_a_file_matters_little(features, speech, rate):
    raised = [soxr.resample(wave, 16000, rate, quality="VHQ") for wave in speech]
    again = features([reading.resample(wave, rate)[: SHORT * HOP] for wave in raised])
    at_16 = features(speech)
    report(f"{rate} Hz and back", again, at_16)
    assert np.abs(again["neural"] - at_16["neural"]).mean() < 0.004
    assert difference(again, at_16)["neural"] < 0.3


@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (48000, 2)])
def test_a_file_and_its_samples_have_the_same_features(recognizer, waves, tmp_path, rate, channels):
    """Bit for bit, whole files and segments."""
    arrays = [np.tile(soxr.resample(w, 16000, rate)[:, None], (1, channels)) for w in waves[:3]]
    files = [str(tmp_path / f"{i}.wav") for i in range(3)]
    for file, array in zip(files, arrays, strict=True):
        soundfile.write(file, array, rate, subtype="FLOAT")
    of_arrays = recognizer.features((arrays, rate)).to_numpy()
    np.testing.assert_array_equal(recognizer.features(files).to_numpy(), of_arrays)
