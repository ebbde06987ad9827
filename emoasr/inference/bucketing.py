"""Length buckets: few static shapes, little padding, and the batches of an epoch.

Lengths are in hops (`ceil(samples / hop_length)`), so that a bucket's padded waveform is a whole
number of hops.
"""

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache

import numpy as np

_STANDARD_BATCH = 1024  # hops of a standard batch, about: a CPU does larger ones no faster
_SHORTEST, _SHORTEST_ALONE = 16, 128  # hops that utterances are padded to, at least


@dataclasses.dataclass(frozen=True)
class Bucket:
    """Utterances that share one padded shape.

    Attributes:
        n_hops: padded length.
        batch_size: rows of a batch; the last batch of a bucket may have empty rows.
        indices: the utterances.
    """

    n_hops: int
    batch_size: int
    indices: np.ndarray

    @property
    def n_batches(self) -> int:
        """Batches that hold all utterances."""
        return -(-len(self.indices) // self.batch_size)


def plan_buckets(
    hops: Sequence[int] | np.ndarray, n_buckets: int, batch_hops: int, bucket_cost: int = 0
) -> list[Bucket]:
    """The partition by length into at most `n_buckets` with the least cost: padding and buckets.

    Exact (dynamic programming over the sorted lengths, empty rows of last batches included) up to
    512 different lengths; beyond that lengths are first rounded up to 512 steps.

    Args:
        hops: length of each utterance, at least 1.
        n_buckets: how many shapes there may be; each costs a compilation.
        batch_hops: padded size of a batch, about; the batches of a bucket are made equal.
        bucket_cost: what a bucket's compilation costs, in hops that the device computes meanwhile.

    Returns:
        Buckets, shortest first; within a bucket utterances keep their order.
    """
    hops = np.maximum(np.asarray(hops, np.int64), 1)
    if not len(hops):
        return []
    step = max(1, -(-int(hops.max()) // 512))
    rounded = -(-hops // step) * step
    edges, counts = np.unique(rounded, return_counts=True)
    below = np.concatenate([[0], np.cumsum(counts)])

    def cost(start: np.ndarray, stop: int) -> np.ndarray:  # of one bucket: edges[start:stop]
        size, n_batches = _deal(below[stop] - below[start], edges[stop - 1], batch_hops)
        return edges[stop - 1] * size * n_batches + bucket_cost

    buckets = []
    for start, stop in _cheapest(len(edges), n_buckets, cost):
        inside = np.flatnonzero((rounded >= edges[start]) & (rounded <= edges[stop - 1]))
        size, _ = _deal(len(inside), edges[stop - 1], batch_hops)
        buckets.append(Bucket(int(edges[stop - 1]), int(size), inside))
    return buckets


def _cheapest(
    n: int, n_parts: int, cost: Callable[[np.ndarray, int], np.ndarray]
) -> list[tuple[int, int]]:
    """Cuts `range(n)` into at most `n_parts` parts, from `start` to `stop`, that cost least.

    Args:
        n: at least 1.
        n_parts: at least 1.
        cost: of parts with these starts (S,) and this stop.
    """
    best = np.full((n_parts + 1, n + 1), np.inf)
    came = np.zeros((n_parts + 1, n + 1), int)
    best[:, 0] = 0
    for k in range(1, n_parts + 1):
        for stop in range(1, n + 1):
            total = best[k - 1, :stop] + cost(np.arange(stop), stop)
            came[k, stop] = np.argmin(total)
            best[k, stop] = total[came[k, stop]]
    parts, stop, k = [], n, n_parts
    while stop:
        start = int(came[k, stop])
        parts.append((start, stop))
        stop, k = start, k - 1
    return parts[::-1]


def standard_buckets(
    hops: Sequence[int] | np.ndarray, n_buckets: int, bucket_cost: int
) -> list[Bucket]:
    """Buckets of shapes that are the same in every call, so that each is compiled only once.

    Utterances that fill more than half of a standard batch share such batches, padded to one of
    four lengths an octave; fewer go alone, padded to one of two. Where a shape costs less than
    padding to it, only what fills a batch shares it, and what goes alone has the four lengths too.

    Args:
        hops: length of each utterance, at least 1.
        n_buckets: as for `plan_buckets`.
        bucket_cost: likewise.

    Returns:
        Buckets, shortest first; within a bucket utterances keep their order.
    """
    standard = _standard_lengths(np.maximum(hops, _SHORTEST), 4)
    buckets, alone = [], np.zeros(len(standard), np.int64)
    fine = bucket_cost < _SHORTEST_ALONE
    for bucket in plan_buckets(standard, n_buckets, _STANDARD_BATCH, bucket_cost):
        size, n_rows = max(1, _STANDARD_BATCH // bucket.n_hops), len(bucket.indices)
        n_shared = n_rows // size * size if fine else n_rows * (n_rows > size // 2)
        together, rest = np.split(bucket.indices, [n_shared * (size > 1)])
        if len(together):
            buckets.append(dataclasses.replace(bucket, indices=together, batch_size=size))
        alone[rest] = standard[rest] if fine else max(bucket.n_hops, _SHORTEST_ALONE)
    lengths = _standard_lengths(np.maximum(alone, 1), 4 if fine else 2)
    for length in np.unique(lengths[alone > 0]):
        indices = np.flatnonzero((alone > 0) & (lengths == length))
        buckets.append(Bucket(int(length), 1, indices))
    return sorted(buckets, key=lambda bucket: bucket.n_hops)


def _standard_lengths(hops, n_per_octave: int) -> np.ndarray:
    """Lengths rounded up to `n_per_octave` values an octave, evenly spread in it."""
    step = np.maximum(1, (1 << np.ceil(np.log2(hops)).astype(np.int64)) // (2 * n_per_octave))
    return -(-np.asarray(hops, np.int64) // step) * step


def _deal(rows, n_hops, batch_hops):
    """Batch size and batches that hold `rows` utterances in about equal parts."""
    size = -(-rows // np.clip(-(-rows * n_hops // batch_hops), 1, rows))
    return size, -(-rows // size)


def padding_share(buckets: Sequence[Bucket], hops: np.ndarray) -> float:
    """Share of all padded hops that holds no speech."""
    padded = sum(b.n_hops * b.batch_size * b.n_batches for b in buckets)
    return 1.0 - float(np.sum(hops)) / padded if padded else 0.0


def batches(buckets: Sequence[Bucket]) -> Iterator[tuple[Bucket, np.ndarray]]:
    """Every utterance once, bucket by bucket, in order."""
    for bucket in buckets:
        for i in range(0, len(bucket.indices), bucket.batch_size):
            yield bucket, bucket.indices[i : i + bucket.batch_size]


def with_any_of(buckets: Sequence[Bucket], wanted: np.ndarray) -> list[Bucket]:
    """The buckets with only those of their batches that hold any of the utterances wanted."""
    chosen = []
    for bucket in buckets:
        batches_of = [indices for _, indices in batches([bucket])]
        kept = [indices for indices in batches_of if np.isin(indices, wanted).any()]
        if kept:  # the batch that is not full, if it is among them, is still the last
            chosen.append(dataclasses.replace(bucket, indices=np.concatenate(kept)))
    return chosen


def pad(rows: Sequence[np.ndarray], n_rows: int, length: int, dtype=np.float32):
    """Stacks arrays of different lengths with zeros.

    Args:
        rows: arrays, at most `n_rows`, none longer than `length`; alike in their other axes.
        n_rows: rows of the result; those without an array are empty.
        length: of each row of the result.
        dtype: of the result.

    Returns:
        The padded array (n_rows, length, ...) and the true lengths (n_rows,), int32.
    """
    others = rows[0].shape[1:] if len(rows) else ()
    padded = np.zeros((n_rows, length, *others), dtype)
    lengths = np.zeros(n_rows, np.int32)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
        lengths[i] = len(row)
    return padded, lengths


class EpochPlan(Sequence):
    """The batches of a whole training, by number: a random-access source for Grain.

    Every epoch shuffles each bucket's utterances, and the batches of all buckets; all of it
    follows from the seed, so a batch's number is all that continuing needs.
    """

    def __init__(self, buckets: Sequence[Bucket], n_batches: int, seed: int):
        """Plans `n_batches` batches in all."""
        self._buckets, self._n_batches, self._seed = list(buckets), n_batches, seed
        self.epoch_batches = sum(b.n_batches for b in buckets)
        self._epoch = lru_cache(maxsize=4)(self._deal)

    def __len__(self) -> int:
        return self._n_batches

    def __getitem__(self, i) -> tuple[Bucket, np.ndarray]:
        """Batch `i`: its bucket, and its utterances."""
        return self._epoch(i // self.epoch_batches)[i % self.epoch_batches]

    def _deal(self, epoch: int) -> list[tuple[Bucket, np.ndarray]]:
        random = np.random.default_rng((self._seed, epoch))
        dealt = [
            (bucket, part)
            for bucket in self._buckets
            for part in np.array_split(random.permutation(bucket.indices), bucket.n_batches)
        ]
        return [dealt[i] for i in random.permutation(len(dealt))]
