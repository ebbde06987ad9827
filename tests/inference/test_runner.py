"""Batches through a device: what is dispatched when, and what is planned for which device."""

import itertools

import numpy as np
import pytest
from simulated_device import SimulatedDevice

from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.log_mel import LogMelConfig
from emoasr.audio.reading import AudioError
from emoasr.inference import planning, runner

HOP = 512


class Noise:
    """Utterances of so many hops; every fifth cannot be read."""

    def __init__(self, hops):
        self._hops = hops

    def __len__(self):
        return len(self._hops)

    def n_samples(self, i):
        return self._hops[i] * HOP

    def samples(self, i):
        if i % 5 == 4:
            raise AudioError(f"{i} is broken")
        return np.full(self._hops[i] * HOP, (i % 3) * 0.1, np.float32)


class Sums(SimulatedDevice):
    """Gives what it was given, summed."""

    def compiled(self, n_rows, n_samples):
        program = super().compiled(n_rows, n_samples)
        return lambda wave_BN, lengths_B: {
            **program(wave_BN, lengths_B), "sum": wave_BN.sum(axis=1), "n": lengths_B
        }  # fmt: skip


def device(kind=SimulatedDevice):
    clock = itertools.count()
    return kind(FrontEndConfig(), 1.0, clock=lambda: next(clock), sleep=lambda s: None)


@pytest.mark.parametrize("workers", [1, 3])
def test_the_device_has_its_next_batch_before_the_host_takes_the_last(workers):
    simulated = device()
    plan = planning.make_plan(Noise([8] * 40), FrontEndConfig(), 64, 1, workers)
    n_batches = sum(bucket.n_batches for bucket in plan.buckets)
    assert n_batches > 3
    assert len(list(runner.run(plan, simulated))) == n_batches
    at = {event: place for place, event in enumerate(simulated.events)}
    for number in range(n_batches - 1):
        assert at["dispatched", number + 1] < at["fetched", number]


@pytest.mark.parametrize("part", [1, 20, 10_000])
def test_parts_of_a_batch_come_together(part, monkeypatch):
    monkeypatch.setattr(runner, "_PART", part)
    hops = [1 + i % 7 for i in range(23)]
    plan = planning.make_plan(Noise(hops), FrontEndConfig(), 50, 2, 3)
    found = {}
    failed = {}
    for result in runner.run(plan, device(Sums)):
        rows = zip(result.arrays["sum"], result.arrays["n"], result.silent, strict=True)
        found |= dict(zip(result.indices.tolist(), rows, strict=True))
        failed |= result.failed
    assert failed == {i: f"{i} is broken" for i in range(4, 23, 5)}
    assert sorted([*found, *failed]) == list(range(23))
    for i, (total, n, silent) in found.items():
        assert n == hops[i] * HOP
        assert total == pytest.approx(n * (i % 3) * 0.1, rel=1e-4)
        assert silent == (i % 3 == 0)


@pytest.mark.parametrize(
    ("frontend", "platform", "frames"),
    [(FrontEndConfig(), "cpu", 8192), (FrontEndConfig(), "gpu", 65_536), (None, "gpu", 8192)],
)
def test_batches_suit_the_platform(frontend, platform, frames):
    frontend = frontend or LogMelConfig()
    plan = planning.make_plan(Noise([16] * 20_000), frontend, n_buckets=1, platform=platform)
    (bucket,) = plan.buckets
    assert plan.batch_frames == frames
    assert 0.8 * frames < bucket.batch_size * bucket.n_hops < 1.2 * frames
    asked = planning.make_plan(Noise([16] * 9), frontend, 32, n_buckets=1, platform=platform)
    assert asked.buckets[0].batch_size == max(1, 32 // asked.buckets[0].n_hops)
