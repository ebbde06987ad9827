import dataclasses
import itertools

import jax
import made_training
import numpy as np
import pandas as pd
import pytest

from emoasr.corpora.transcribed import Split
from emoasr.inference import bucketing
from emoasr.training import data, resident, sharding

pytestmark = pytest.mark.usefixtures("quick_compilation")
HOP = 512


def made_examples():
    """Utterances of 6 to 20 hops in two buckets, whose last batches are not full."""
    random = np.random.default_rng(0)
    samples = np.append(
        random.integers(6 * HOP, 12 * HOP, 10), random.integers(12 * HOP, 20 * HOP, 11)
    )
    source = [{"audio": random.integers(-3000, 3000, n).astype(np.int16)} for n in samples]
    labels = [random.integers(1, 27, 2) for _ in samples]
    short, long = np.split(np.arange(len(samples)), [10])
    buckets = [
        bucketing.Bucket(12, 3, short),
        bucketing.Bucket(20, 4, long),  # the shape of `made_training.batch`
    ]
    split = Split(source, pd.DataFrame())
    return data.Examples(split, np.arange(len(samples)), labels, buckets, HOP)


@pytest.fixture(scope="module")
def examples():
    return made_examples()


def batches(examples, share, n=20):
    return examples.training(n, seed=3, mesh=sharding.all_devices(), share=share)


def assert_equal(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_batches_are_the_same_where_the_speech_lies_on_the_device(examples):
    for fed, gathered in zip(batches(examples, 0), batches(examples, 0.2), strict=True):
        assert gathered.wave_BN.sharding.is_equivalent_to(fed.wave_BN.sharding, 2)
        assert_equal(fed, gathered)


def test_a_training_ends_the_same_to_the_last_bit(examples):
    examples = dataclasses.replace(examples, buckets=examples.buckets[1:])  # compiled once
    ends = []
    for share in (0, 0.2):
        trainer, state = made_training.trainer()
        state = sharding.replicate(state, trainer.mesh)
        for number, batch in enumerate(batches(examples, share)):
            state, _ = trainer.step(state, np.int32(number), batch)
        ends.append(state)
    assert_equal(*ends)


@pytest.mark.parametrize(("first", "then"), [(0, 0.2), (0.2, 0)])
def test_a_training_continues_where_the_speech_lies_elsewhere(examples, first, then):
    unbroken, stopped, continued = (batches(examples, share) for share in (first, first, then))
    for _ in range(7):
        next(stopped)
    continued.set_state(stopped.get_state())
    for expected, found in zip(itertools.islice(unbroken, 7, None), continued, strict=True):
        assert_equal(expected, found)


class Device:
    def __init__(self, limit):
        self.memory_stats = lambda: {"bytes_limit": limit}


class Mesh:
    def __init__(self, *limits):
        self.local_devices = [Device(limit) for limit in limits]


def test_speech_that_is_too_large_for_the_smallest_device_is_fed(examples):
    n_bytes = examples.n_bytes
    assert n_bytes == 2 * HOP * (10 * 12 + 11 * 20)
    for limits, share, there in (
        ([10 * n_bytes], 0.1, True), ([10 * n_bytes - 10], 0.1, False),
        ([10 * n_bytes, n_bytes], 0.5, False), ([2 * n_bytes, 3 * n_bytes], 0.5, True),
    ):  # fmt: skip
        assert resident.fits(n_bytes, share, Mesh(*limits)) is there
    assert not resident.fits(n_bytes, 0, sharding.all_devices())
