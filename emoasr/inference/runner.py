"""From many utterances to results on the device: buckets, decoding ahead, one jitted function.

Shape suffixes: B utterances, N samples.
"""

import collections
import concurrent.futures
import contextlib
import dataclasses
import functools
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, Protocol

import jax
import numpy as np

from emoasr.audio.chunks import Piece
from emoasr.audio.reading import AudioError, is_silent
from emoasr.inference import bucketing, long_recordings
from emoasr.inference.long_recordings import DeviceFunction
from emoasr.system import forks

# What a compilation costs, in hops computed meanwhile: short corpora get few shapes. A CPU's is
# that of a program kept on disk; accelerators compute faster and compile longer (an estimate).
_COMPILATION_HOPS = {"cpu": 1500}
_COMPILATION_HOPS_ELSEWHERE = 300_000

# shapes; of a pass with more, only the programs at work stay in memory
_PROGRAMS = 8

_READERS = 16  # threads that ask for headers: where files are in a store, they mostly wait
_HEADERS = 32  # that a thread asks for before another has its turn

# frames; below, the frames around a piece would be most of the work
_SHORTEST_PIECE = 4096


class Source(Protocol):
    """Utterances by number; all methods but `len` raise `AudioError`."""

    def __len__(self) -> int:
        """Number of utterances."""
        ...

    def n_samples(self, i: int) -> int:
        """Samples of utterance `i`, at most, without decoding it."""
        ...

    def samples(self, i: int) -> np.ndarray:
        """Utterance `i`: mono float32 at the front end's rate."""
        ...

    def pieces(self, i: int, core: int, halo: int, hop: int) -> Iterator[Piece]:
        """Utterance `i` in overlapping pieces, see `pieces.of_file`."""
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
        standard: whether shapes are chosen from those that are the same in every run.
        failed: filled in while running: utterances without a result, and why.
        silent: filled in while running: utterances whose samples are all zero.
        buckets: the plan, known after `plan`.
        long: utterances of more than a batch, to be heard piece by piece; known after `plan`.
    """

    source: Source
    hop_length: int
    batch_frames: int = 8192
    n_buckets: int = 8
    workers: int = 2
    standard: bool = False
    failed: dict[int, str] = dataclasses.field(default_factory=dict)
    silent: list[int] = dataclasses.field(default_factory=list)
    buckets: list[bucketing.Bucket] = dataclasses.field(default_factory=list)
    long: list[int] = dataclasses.field(default_factory=list)

    @functools.cached_property
    def n_samples(self) -> np.ndarray:
        """Every utterance's samples at most, by its header; 0 where that cannot be read."""
        n_samples = np.zeros(len(self.source), np.int64)

        def measure(first: int) -> None:
            for i in range(first, min(first + _HEADERS, len(n_samples))):
                try:
                    n_samples[i] = self.source.n_samples(i)
                except AudioError as error:
                    self.failed[i] = str(error)

        with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
            for _ in pool.map(measure, range(0, len(n_samples), _HEADERS)):
                pass
        return n_samples

    def plan(self, wanted: np.ndarray | None = None, platform: str | None = None) -> None:
        """Plans the buckets of all utterances.

        Args:
            wanted: utterances whose results are wanted; None: all. They are computed with whom
                they would be if all were, so that their results are the same to the last bit.
            platform: what will compute them, as JAX calls it; None: what JAX uses here.

        Raises:
            UserError: a process that cannot use JAX, see `forks`.
        """
        forks.check()
        hops = -(-self.n_samples // self.hop_length)
        wanted = np.arange(len(hops)) if wanted is None else wanted
        self.long = wanted[hops[wanted] > self._longest].tolist()
        short = np.flatnonzero((hops > 0) & (hops <= self._longest))
        platform = platform or jax.default_backend()
        cost = _COMPILATION_HOPS.get(platform, _COMPILATION_HOPS_ELSEWHERE)
        if self.standard:
            planned = bucketing.standard_buckets(hops[short], self.n_buckets, cost)
        else:
            planned = bucketing.plan_buckets(hops[short], self.n_buckets, self.batch_frames, cost)
        buckets = [dataclasses.replace(b, indices=short[b.indices]) for b in planned]
        self.buckets = bucketing.with_any_of(buckets, wanted)

    @property
    def _longest(self) -> int:
        """Hops of an utterance that is heard in one piece, at most."""
        return max(self.batch_frames, _SHORTEST_PIECE)

    def results(self, function: DeviceFunction) -> Iterator[tuple[np.ndarray, dict[str, Any]]]:
        """Runs the plan; call `plan` first.

        Args:
            function: what to compute.

        Yields:
            Utterances of a batch that have a result, and their rows of each array. A batch's
            result is fetched when the next one has been dispatched, so the device never waits.
        """
        # longest first: what does not fit into memory fails at once, not after hours
        plan = self.buckets[::-1]
        pending: tuple[np.ndarray, np.ndarray, dict[str, jax.Array]] | None = None
        loaded = _ahead(self._load, bucketing.batches(plan), self.workers)
        with contextlib.closing(loaded) as batches:
            for bucket, program in zip(plan, self._programs(function, plan), strict=True):
                for indices, wave_BN, lengths_B in itertools.islice(batches, bucket.n_batches):
                    dispatched = (indices, lengths_B, program(wave_BN, lengths_B))
                    if pending is not None:
                        yield _fetch(*pending)
                    pending = dispatched
        if pending is not None:
            yield _fetch(*pending)
        for i in self.long:
            try:
                yield np.array([i]), self._listen(i, function)
            except AudioError as error:
                self.failed[i] = str(error)

    def _programs(
        self, function: DeviceFunction, plan: list[bucketing.Bucket]
    ) -> Iterator[long_recordings.Program]:
        """The program of each bucket, compiled while the one before is at work."""

        def program(bucket: bucketing.Bucket) -> long_recordings.Program:
            return function.compiled(bucket.batch_size, bucket.n_hops * self.hop_length)

        compiler = concurrent.futures.ThreadPoolExecutor(1)
        try:
            coming = [compiler.submit(program, bucket) for bucket in plan[:1]]
            for i in range(len(plan)):
                ready = coming.pop().result()
                coming = [compiler.submit(program, bucket) for bucket in plan[i + 1 : i + 2]]
                yield ready
                if len(plan) > _PROGRAMS:
                    function.forget()
        finally:  # an interrupt waits for no compilation
            compiler.shutdown(wait=False, cancel_futures=True)

    def _listen(self, i: int, function: DeviceFunction) -> dict[str, np.ndarray]:
        """A long utterance's row of each array."""
        sounds = []

        def pieces(halo: int) -> Iterator[Piece]:
            hop = self.hop_length
            for piece in self.source.pieces(i, self._longest * hop, halo, hop):
                sounds.append(not is_silent(piece.wave_N))
                yield piece

        arrays = long_recordings.listen(function, pieces)
        if not any(sounds):
            self.silent.append(i)
        return arrays

    def _load(self, entry: tuple[bucketing.Bucket, np.ndarray]):
        bucket, indices = entry
        length = bucket.n_hops * self.hop_length
        waves = [self._decode(int(i), length) for i in indices]
        return indices, *bucketing.pad(waves, bucket.batch_size, length)

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


def _ahead(
    function: Callable[[Any], Any], items: Iterable[Any], workers: int
) -> Generator[Any, None, None]:
    """Results in order, made by threads a few items ahead of who takes them."""
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        coming: collections.deque[concurrent.futures.Future] = collections.deque()
        try:
            for item in items:
                coming.append(pool.submit(function, item))
                if len(coming) > workers + 2:
                    yield coming.popleft().result()
            while coming:
                yield coming.popleft().result()
        finally:  # of an error or Ctrl-C: what nobody waits for
            for future in coming:
                future.cancel()


def _fetch(indices, lengths_B, arrays) -> tuple[np.ndarray, dict[str, Any]]:
    done = lengths_B[: len(indices)] > 0
    rows = {name: np.asarray(array)[: len(indices)][done] for name, array in arrays.items()}
    return indices[done], rows
