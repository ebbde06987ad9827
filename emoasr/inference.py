"""From many utterances to results on the device: buckets, decoding ahead, one jitted function.

Shape suffixes: B utterances, N samples.
"""

import dataclasses
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import grain
import jax
import numpy as np

from emoasr import batching
from emoasr.audio import AudioError, is_silent

# what a compilation may cost, kept on disk as it is: short corpora get few shapes
_COMPILATION_HOPS = 2500

DeviceFunction = Callable[[jax.Array, jax.Array], dict[str, jax.Array]]


class Source(Protocol):
    """Utterances by number; both methods raise `AudioError`."""

    def __len__(self) -> int:
        """Number of utterances."""
        ...

    def n_samples(self, i: int) -> int:
        """Samples of utterance `i`, at most, without decoding it."""
        ...

    def samples(self, i: int) -> np.ndarray:
        """Utterance `i`: mono float32 at the front end's rate."""
        ...


@dataclasses.dataclass
class Run:
    """One pass of a source through a device function.

    Attributes:
        source: the utterances.
        hop_length: samples a hop; padded lengths are whole hops.
        batch_frames: padded frames a batch, about.
        n_buckets: shapes at most.
        workers: decoding threads.
        failed: filled in while running: utterances without a result, and why.
        silent: filled in while running: utterances whose samples are all zero.
        buckets: the plan, known after `plan`.
    """

    source: Source
    hop_length: int
    batch_frames: int = 8192
    n_buckets: int = 8
    workers: int = 2
    failed: dict[int, str] = dataclasses.field(default_factory=dict)
    silent: list[int] = dataclasses.field(default_factory=list)
    buckets: list[batching.Bucket] = dataclasses.field(default_factory=list)

    def plan(self) -> np.ndarray:
        """Plans the buckets; returns every utterance's samples at most, 0 where unreadable."""
        n_samples = np.zeros(len(self.source), np.int64)
        for i in range(len(self.source)):
            try:
                n_samples[i] = self.source.n_samples(i)
            except AudioError as error:
                self.failed[i] = str(error)
        readable = np.flatnonzero(n_samples)
        hops = -(-n_samples[readable] // self.hop_length)
        planned = batching.plan_buckets(hops, self.n_buckets, self.batch_frames, _COMPILATION_HOPS)
        self.buckets = [dataclasses.replace(b, indices=readable[b.indices]) for b in planned]
        return n_samples

    def results(self, function: DeviceFunction) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Runs the plan; call `plan` first.

        Args:
            function: jitted; waveforms (B, N) and lengths (B,) to arrays with B rows.

        Yields:
            Utterances of a batch that have a result, and their rows of each array. A batch's
            result is fetched when the next one has been dispatched, so the device never waits.
        """
        # longest first: what does not fit into memory fails at once, not after hours
        plan = list(batching.batches(self.buckets[::-1]))
        loaded = grain.MapDataset.source(plan).map(self._load).to_iter_dataset(
            grain.ReadOptions(num_threads=self.workers, prefetch_buffer_size=self.workers + 2)
        )  # fmt: skip
        pending: tuple[np.ndarray, np.ndarray, dict[str, jax.Array]] | None = None
        for indices, wave_BN, lengths_B in loaded:
            dispatched = (indices, lengths_B, function(wave_BN, lengths_B))
            if pending is not None:
                yield _fetch(*pending)
            pending = dispatched
        if pending is not None:
            yield _fetch(*pending)

    def _load(self, entry: tuple[batching.Bucket, np.ndarray]):
        bucket, indices = entry
        length = bucket.n_hops * self.hop_length
        waves = [self._decode(int(i), length) for i in indices]
        return indices, *batching.pad(waves, bucket.batch_size, length)

    def _decode(self, i: int, longest: int) -> np.ndarray:
        """Samples, none where that fails: an empty row."""
        try:
            wave_N = self.source.samples(i)
        except AudioError as error:
            self.failed[i] = str(error)
            return np.zeros(0, np.float32)
        if len(wave_N) > longest:
            self.failed[i] = "decodes to more samples than its header says"
            return np.zeros(0, np.float32)
        if is_silent(wave_N):
            self.silent.append(i)
        return wave_N


def _fetch(indices, lengths_B, arrays) -> tuple[np.ndarray, dict[str, Any]]:
    done = lengths_B[: len(indices)] > 0
    rows = {name: np.asarray(array)[: len(indices)][done] for name, array in arrays.items()}
    return indices[done], rows
