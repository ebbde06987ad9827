"""A plan carried out: utterances decoded ahead, one jitted function, results batch by batch.

Shape suffixes: B utterances, N samples.
"""

import collections
import concurrent.futures
import contextlib
import functools
import itertools
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from emoasr.audio.chunks import Chunk
from emoasr.audio.reading import AudioError, is_silent
from emoasr.errors import UserError
from emoasr.inference import bucketing, long_recordings
from emoasr.inference.long_recordings import DeviceFunction
from emoasr.inference.planning import Plan, Source

# shapes; of a pass with more, only the programs at work stay in memory
_PROGRAMS = 8


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


def run(plan: Plan, function: DeviceFunction) -> Iterator[Result]:
    """Computes a function of the plan's utterances.

    Args:
        plan: see `planning.make_plan`.
        function: what to compute.

    Yields:
        The result of each batch. It is fetched when the next batch has been dispatched, so the
        device never waits.

    Raises:
        UserError: a result is NaN or infinite.
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
            waves.append(decode(plan.source, i, length))
        except AudioError as error:
            failed[i] = str(error)
            waves.append(np.zeros(0, np.float32))
    silent = np.array([is_silent(wave_N) for wave_N in waves])
    wave_BN, lengths_B = bucketing.pad(waves, bucket.batch_size, length)
    return _Batch(indices, wave_BN, lengths_B, silent, failed)


def decode(source: Source, i: int, longest: int) -> np.ndarray:
    """An utterance's samples. Raises: AudioError: it has none, or more than `longest`."""
    wave_N = source.samples(i)
    if len(wave_N) > longest:
        raise AudioError("decodes to more samples than its header says")
    return wave_N


def _fetch(batch: _Batch, arrays: dict[str, jax.Array]) -> Result:
    n_rows = len(batch.indices)
    done = batch.lengths_B[:n_rows] > 0
    rows = {name: np.asarray(array)[:n_rows][done] for name, array in arrays.items()}
    return Result(batch.indices[done], _finite(rows), batch.silent[done], batch.failed)


def _finite(arrays: dict[str, Any]) -> dict[str, Any]:
    """The arrays, none of which holds what samples, which are finite, cannot give."""
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            raise UserError(
                f"the recognizer's {name} activations are NaN or infinite: its weights are too "
                "large, or are not those of its configuration; take another recognizer"
            )
    return arrays


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
    return Result(np.array([i]), _finite(arrays), np.array([not any(sounds)]), {})


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
