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
from typing import Any, NamedTuple, Protocol

import jax
import numpy as np

from emoasr.asr.frontend import FrontEnd
from emoasr.audio.chunks import Chunk
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

# frames; below, the context of a chunk would be most of the work
_SHORTEST_CHUNK = 4096


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

    def chunks(self, i: int, size: int, context: int, hop: int) -> Iterator[Chunk]:
        """Utterance `i` in chunks, see `chunks.of_file`."""
        ...


@dataclasses.dataclass(frozen=True, eq=False)
class Plan:
    """Which utterances a device function gets, and in which batches.

    Attributes:
        source: the utterances.
        hop_length: samples a hop; padded lengths are whole hops.
        longest: hops of an utterance, or chunk of one, that is computed at once, at most.
        workers: decoding threads.
        buckets: batches of utterances of similar length, shortest first.
        long: utterances of more than a batch, to be computed in chunks.
        n_samples: every utterance's samples at most, by its header; 0 where that cannot be read.
        unreadable: utterances whose header cannot be read, and why; they are in no batch.
    """

    source: Source
    hop_length: int
    longest: int
    workers: int
    buckets: list[bucketing.Bucket]
    long: list[int]
    n_samples: np.ndarray
    unreadable: dict[int, str]

    def only(self, wanted: np.ndarray) -> "Plan":
        """The part of the plan that gives the results of some utterances.

        They are computed in the same batches as with all, so that their results are the same to
        the last bit.
        """
        long = np.intersect1d(self.long, wanted).astype(int).tolist()
        buckets = bucketing.with_any_of(self.buckets, wanted)
        return dataclasses.replace(self, buckets=buckets, long=long)


class Result(NamedTuple):
    """What came of one batch.

    Attributes:
        indices: utterances that have a result.
        arrays: rows of each array, one an utterance.
        silent: of each of `indices`, whether all its samples are zero.
        failed: utterances without a result, and why.
    """

    indices: np.ndarray
    arrays: dict[str, Any]
    silent: np.ndarray
    failed: dict[int, str]


class _Batch(NamedTuple):
    """Decoded utterances, padded; those that failed are empty rows."""

    indices: np.ndarray
    wave_BN: np.ndarray
    lengths_B: np.ndarray
    silent: np.ndarray
    failed: dict[int, str]


def make_plan(
    source: Source,
    frontend: FrontEnd,
    batch_frames: int = 8192,
    n_buckets: int = 8,
    workers: int = 2,
    standard: bool = False,
    platform: str | None = None,
) -> Plan:
    """Plans the batches of all utterances, from their headers.

    Args:
        source: the utterances.
        frontend: what prepares them for the device.
        batch_frames: padded frames a batch, about.
        n_buckets: shapes at most.
        workers: see `Plan`.
        standard: whether shapes are chosen from those that are the same in every run.
        platform: what will compute them, as JAX calls it; None: what JAX uses here.

    Raises:
        UserError: a process that cannot use JAX, see `forks`.
    """
    forks.check()
    n_samples, unreadable = _measured(source)
    hops = -(-n_samples // frontend.hop_length)
    hops = np.where(hops > 0, np.maximum(hops, frontend.least), 0)
    longest = frontend.window or max(batch_frames, _SHORTEST_CHUNK)
    short = np.flatnonzero((hops > 0) & (hops <= longest))
    platform = platform or jax.default_backend()
    cost = _COMPILATION_HOPS.get(platform, _COMPILATION_HOPS_ELSEWHERE)
    if standard:
        planned = bucketing.standard_buckets(hops[short], n_buckets, cost)
    else:
        planned = bucketing.plan_buckets(hops[short], n_buckets, batch_frames, cost)
    buckets = [dataclasses.replace(b, indices=short[b.indices]) for b in planned]
    long = np.flatnonzero(hops > longest).tolist()
    hop = frontend.hop_length
    return Plan(source, hop, longest, workers, buckets, long, n_samples, unreadable)


def run(plan: Plan, function: DeviceFunction) -> Iterator[Result]:
    """Computes a function of the plan's utterances.

    Args:
        plan: see `make_plan`.
        function: what to compute.

    Yields:
        The result of each batch. It is fetched when the next batch has been dispatched, so the
        device never waits.
    """
    # longest first: what does not fit into memory fails at once, not after hours
    buckets = plan.buckets[::-1]
    pending: tuple[_Batch, dict[str, jax.Array]] | None = None
    loaded = _ahead(functools.partial(_load, plan), bucketing.batches(buckets), plan.workers)
    with contextlib.closing(loaded) as batches:
        for bucket, program in zip(buckets, _programs(plan, function), strict=True):
            for batch in itertools.islice(batches, bucket.n_batches):
                dispatched = batch, program(batch.wave_BN, batch.lengths_B)
                if pending is not None:
                    yield _fetch(*pending)
                pending = dispatched
    if pending is not None:
        yield _fetch(*pending)
    for i in plan.long:
        yield _in_chunks(plan, i, function)


def _measured(source: Source) -> tuple[np.ndarray, dict[int, str]]:
    """Every utterance's samples by its header, 0 where that cannot be read; and why it cannot."""
    n_utterances = len(source)

    def measure(first: int) -> list[int | str]:
        found: list[int | str] = []
        for i in range(first, min(first + _HEADERS, n_utterances)):
            try:
                found.append(source.n_samples(i))
            except AudioError as error:
                found.append(str(error))
        return found

    with concurrent.futures.ThreadPoolExecutor(_READERS) as pool:
        parts = pool.map(measure, range(0, n_utterances, _HEADERS))
        found = list(itertools.chain.from_iterable(parts))
    unreadable = {i: why for i, why in enumerate(found) if isinstance(why, str)}
    return np.array(
        [0 if i in unreadable else n for i, n in enumerate(found)], np.int64
    ), unreadable


def _programs(plan: Plan, function: DeviceFunction) -> Iterator[long_recordings.Program]:
    """The program of each bucket, longest first, compiled while the one before is at work."""

    def program(bucket: bucketing.Bucket) -> long_recordings.Program:
        return function.compiled(bucket.batch_size, bucket.n_hops * plan.hop_length)

    buckets = plan.buckets[::-1]
    compiler = concurrent.futures.ThreadPoolExecutor(1)
    try:
        coming = [compiler.submit(program, bucket) for bucket in buckets[:1]]
        for i in range(len(buckets)):
            ready = coming.pop().result()
            coming = [compiler.submit(program, bucket) for bucket in buckets[i + 1 : i + 2]]
            yield ready
            if len(buckets) > _PROGRAMS:
                function.clear()
    finally:  # an interrupt waits for no compilation
        compiler.shutdown(wait=False, cancel_futures=True)


def _load(plan: Plan, entry: tuple[bucketing.Bucket, np.ndarray]) -> _Batch:
    """Decodes a batch."""
    bucket, indices = entry
    length = bucket.n_hops * plan.hop_length
    waves, failed = [], {}
    for i in map(int, indices):
        try:
            waves.append(_decode(plan.source, i, length))
        except AudioError as error:
            failed[i] = str(error)
            waves.append(np.zeros(0, np.float32))
    silent = np.array([is_silent(wave_N) for wave_N in waves])
    wave_BN, lengths_B = bucketing.pad(waves, bucket.batch_size, length)
    return _Batch(indices, wave_BN, lengths_B, silent, failed)


def _decode(source: Source, i: int, longest: int) -> np.ndarray:
    wave_N = source.samples(i)
    if len(wave_N) > longest:
        raise AudioError("decodes to more samples than its header says")
    return wave_N


def _fetch(batch: _Batch, arrays: dict[str, jax.Array]) -> Result:
    n_rows = len(batch.indices)
    done = batch.lengths_B[:n_rows] > 0
    rows = {name: np.asarray(array)[:n_rows][done] for name, array in arrays.items()}
    return Result(batch.indices[done], rows, batch.silent[done], batch.failed)


def _in_chunks(plan: Plan, i: int, function: DeviceFunction) -> Result:
    """The result of a long utterance."""
    sounds = []

    def chunks(context: int) -> Iterator[Chunk]:
        hop = plan.hop_length
        for chunk in plan.source.chunks(i, plan.longest * hop, context, hop):
            sounds.append(not is_silent(chunk.wave_N))
            yield chunk

    try:
        arrays = long_recordings.compute(function, chunks)
    except AudioError as error:
        return Result(np.empty(0, int), {}, np.empty(0, bool), {i: str(error)})
    return Result(np.array([i]), arrays, np.array([not any(sounds)]), {})


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
