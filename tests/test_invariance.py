"""The promise that rivals break: batch, order and padding never change an utterance's features."""

import numpy as np
import pytest

import emoasr
from emoasr import audio, batching
from emoasr.pooling import Pooler


@pytest.fixture(scope="module")
def waves(shared_data):
    files = sorted((shared_data / "emotale" / "wav").iterdir())[::16]
    return [audio.read(audio.Segment(path)) for path in files]


@pytest.fixture(scope="module")
def pooler():
    recognizer = emoasr.load_recognizer()
    return Pooler({"neural": recognizer.model}, recognizer.config.frontend, "gate", "mean")


def in_batches(pooler, waves, order, size: int, extra_hops: int = 0) -> np.ndarray:
    """Features, row i those of `waves[i]`, computed in `order`, `size` at a time."""
    table = np.empty((len(waves), 1920), np.float32)
    hops = -(-max(len(wave) for wave in waves) // 512) + extra_hops
    for start in range(0, len(order), size):
        rows = order[start : start + size]
        padded = batching.pad([waves[i] for i in rows], size, hops * 512)
        table[rows] = np.asarray(pooler(*padded)["neural"])[: len(rows)]
    return table


@pytest.fixture(scope="module")
def alone(pooler, waves):
    """Each utterance by itself, padded to no more than whole hops."""
    rows = [in_batches(pooler, [wave], np.array([0]), 1) for wave in waves]
    return np.concatenate(rows)


@pytest.mark.slow
@pytest.mark.parametrize(("size", "extra_hops"), [(7, 0), (32, 0), (7, 100)])
def test_features_of_real_speech_do_not_depend_on_the_batch(pooler, waves, alone, size, extra_hops):
    assert len(waves) == 50
    order = np.random.default_rng(size).permutation(len(waves))
    together = in_batches(pooler, waves, order, size, extra_hops)
    difference = np.abs(together - alone).max()
    print(f"batches of {size}, {extra_hops} more hops: largest difference {difference:.1e}")
    assert difference <= 1e-5
