"""Which utterances are computed in which batches, planned from their headers alone."""

import concurrent.futures
import dataclasses
import itertools
from collections.abc import Iterator
from typing import NamedTuple, Protocol

import jax
import numpy as np

from emoasr.asr.frontend import FrontEnd, FrontEndConfig
from emoasr.audio.chunks import Chunk
from emoasr.audio.reading import AudioError
from emoasr.inference import bucketing
from emoasr.system import forks


class _Costs(NamedTuple):
    """What suits a kind of network on a platform.

    Attributes:
        batch_frames: of a batch, padding included.
        compilation: what one costs, in hops computed meanwhile; where it is much, short corpora get
            few shapes.
    """

    batch_frames: int
    compilation: int


# A CPU does larger batches no faster, and finds programs on disk. A transformer takes some 30 times
# as long for a frame as our network, and ten times the memory. A GPU needs more frames to be fully
# used: 65,536 of MFCCs need 3 GB, at some 40 kB each for spectra of windows and activations of all
# layers. Other than for CPUs, all of these are estimates.
_MFCCS = {"cpu": _Costs(8192, 1500)}
_MFCCS_ELSEWHERE = _Costs(65_536, 300_000)
_TRANSFORMERS = {"cpu": _Costs(1024, 100)}
_TRANSFORMERS_ELSEWHERE = _Costs(8192, 300_000)

_READERS = 16  # threads that ask for headers: where files are in a store, they mostly wait
_HEADERS = 32  # that a thread asks for before another has its turn

# frames; below, the context of a chunk would be most of the work
SHORTEST_CHUNK = 4096


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
        batch_frames: padded frames a batch, about.
        platform: what it was planned for, as JAX calls it.
    """

    source: Source
    hop_length: int
    longest: int
    workers: int
    buckets: list[bucketing.Bucket]
    long: list[int]
    n_samples: np.ndarray
    unreadable: dict[int, str]
    batch_frames: int
    platform: str

    def only(self, wanted: np.ndarray) -> "Plan":
        """The part of the plan that gives the results of some utterances.

        They are computed in the same batches as with all, so that their results are the same to
        the last bit.
        """
        long = np.intersect1d(self.long, wanted).astype(int).tolist()
        buckets = bucketing.with_any_of(self.buckets, wanted)
        return dataclasses.replace(self, buckets=buckets, long=long)


def make_plan(
    source: Source,
    frontend: FrontEnd,
    batch_frames: int = 0,
    n_buckets: int = 8,
    workers: int = 2,
    standard: bool = False,
    platform: str | None = None,
) -> Plan:
    """Plans the batches of all utterances, from their headers.

    Args:
        source: the utterances.
        frontend: what prepares them for the device.
        batch_frames: padded frames a batch, about; 0: as many as suit the platform.
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
    platform = platform or jax.default_backend()
    costs = _costs(frontend, platform)
    batch_frames = batch_frames or costs.batch_frames
    longest = frontend.window or max(batch_frames, SHORTEST_CHUNK)
    short = np.flatnonzero((hops > 0) & (hops <= longest))
    if standard:
        planned = bucketing.standard_buckets(hops[short], n_buckets, costs.compilation)
    else:
        planned = bucketing.plan_buckets(hops[short], n_buckets, batch_frames, costs.compilation)
    buckets = [dataclasses.replace(b, indices=short[b.indices]) for b in planned]
    long = np.flatnonzero(hops > longest).tolist()
    hop = frontend.hop_length
    return Plan(
        source, hop, longest, workers, buckets, long, n_samples, unreadable, batch_frames, platform
    )  # fmt: skip


def _costs(frontend: FrontEnd, platform: str) -> _Costs:
    """What suits the networks of a front end."""
    if isinstance(frontend, FrontEndConfig):
        return _MFCCS.get(platform, _MFCCS_ELSEWHERE)
    return _TRANSFORMERS.get(platform, _TRANSFORMERS_ELSEWHERE)


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
