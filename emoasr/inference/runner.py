"""A plan carried out: utterances decoded ahead, one jitted function, results batch by batch.

Shape suffixes: B utterances, N samples.
"""

import collections
import concurrent.futures
import contextlib
import itertools
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

import jax
import numpy as np

from emoasr.audio.chunks import Chunk
from emoasr.audio.reading import AudioError, is_silent
from emoasr.errors import UserError
from emoasr.inference import bucketing, long_recordings
from emoasr.inference.device_functions import DeviceFunction, Program
from emoasr.inference.planning import Plan, Source

# shapes; of a pass with more, only the programs at work stay in memory
_PROGRAMS = 8
_PART = 8192  # hops of a batch that a thread decodes in one go


class Result(NamedTuple):
    """The result of one batch.

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
    loaded = _loaded(plan, buckets)
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


def _programs(plan: Plan, function: DeviceFunction) -> Iterator[Program]:
    """The program of each bucket, longest first, compiled while the one before is at work."""

    def program(bucket: bucketing.Bucket) -> Program:
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


def _loaded(plan: Plan, buckets: list[bucketing.Bucket]) -> Generator[_Batch, None, None]:
    """Decoded batches in order, made by threads while those before them are computed.

    A batch is decoded in parts: all threads work on the one that the device waits for.
    """
    with concurrent.futures.ThreadPoolExecutor(plan.workers) as pool:
        coming: collections.deque[tuple[_Batch, list[concurrent.futures.Future]]]
        coming = collections.deque()

        def first() -> _Batch:
            batch, parts = coming.popleft()
            for part in parts:
                part.result()
            return batch

        try:
            for bucket, indices in bucketing.batches(buckets):
                batch = _empty(bucket, indices, plan.hop_length)
                rows = max(1, _PART // bucket.n_hops)
                parts = [slice(i, i + rows) for i in range(0, len(indices), rows)]
                coming.append((batch, [pool.submit(_fill, plan, batch, part) for part in parts]))
                while len(coming) > 1 and sum(len(p) for _, p in coming) > plan.workers + 2:
                    yield first()
            while coming:
                yield first()
        finally:  # after an error or Ctrl-C: parts that nobody waits for
            for _, waiting in coming:
                for part in waiting:
                    part.cancel()


def _empty(bucket: bucketing.Bucket, indices: np.ndarray, hop_length: int) -> _Batch:
    wave_BN = np.zeros((bucket.batch_size, bucket.n_hops * hop_length), np.float32)
    lengths_B, silent = np.zeros(bucket.batch_size, np.int32), np.zeros(len(indices), bool)
    return _Batch(indices, wave_BN, lengths_B, silent, {})


def _fill(plan: Plan, batch: _Batch, part: slice) -> None:
    """Decodes some utterances of a batch into their rows."""
    for row, i in enumerate(batch.indices[part].tolist(), part.start):
        try:
            wave_N = decode(plan.source, i, batch.wave_BN.shape[1])
        except AudioError as error:
            batch.failed[i] = str(error)
            continue
        batch.wave_BN[row, : len(wave_N)] = wave_N
        batch.lengths_B[row], batch.silent[row] = len(wave_N), is_silent(wave_N)


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
    """The arrays, if finite: samples are, so that otherwise the weights are at fault."""
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
