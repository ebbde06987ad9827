"""A teacher's hidden states for training speech: computed once, and kept on disk.

They are those of its middle layer, which tells most about emotion in Whisper
(`docs/guides/depth.md`), at our frames: means of the teacher's frames around each, with triangular
weights. They lie as float16 in a folder beside the prepared audio, whose name is a digest of all
that they depend on. Each utterance has a checksum, written after its frames: where it is missing or
does not match, the frames are computed again, so that a killed run continues.

Shape suffixes: B utterances, N samples, F frames of all utterances, T frames of ours, K of the
teacher's, D units.
"""

import dataclasses
import hashlib
import json
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np

from emoasr.asr.frontend import FrontEnd, FrontEndConfig
from emoasr.asr.networks.base import Output
from emoasr.asr.saved import SavedRecognizer
from emoasr.audio import chunks
from emoasr.corpora import prepared
from emoasr.errors import UserError
from emoasr.files.run_lock import run_lock
from emoasr.inference import frames, planning, runner
from emoasr.system import limits, output, processes, progress

_FORMAT = 1
_BLOCK = 1 << 16  # frames in memory at a time
_FLAT = 1e-6  # smaller deviations count as zero


@dataclasses.dataclass(frozen=True, eq=False)
class Speech:
    """Utterances that a teacher hears, as samples of 16 bits; a `planning.Source`.

    Attributes:
        read: gives the samples (N,) of an utterance.
        n_samples_of: how many each has.
        digests: of their samples.
    """

    read: Callable[[int], np.ndarray]
    n_samples_of: np.ndarray
    digests: Sequence[str]

    def __len__(self) -> int:
        return len(self.digests)

    def n_samples(self, i: int) -> int:
        """Samples of an utterance."""
        return int(self.n_samples_of[i])

    def samples(self, i: int) -> np.ndarray:
        """Its samples, in [-1, 1]."""
        return self.read(i).astype(np.float32) / 32768

    def chunks(self, i: int, size: int, context: int, hop: int) -> Iterator[chunks.Chunk]:
        """Its samples in chunks, see `chunks.of_array`."""
        return chunks.of_array(self.samples(i), size, context, hop)


@dataclasses.dataclass(frozen=True, eq=False)
class Targets:
    """Hidden states of utterances.

    Attributes:
        states_FD: of all, one after the other, float16; on disk.
        starts: first frame of each utterance, and the number of all.
        mean_D: of each unit.
        scale_D: its standard deviation.
    """

    states_FD: np.ndarray
    starts: np.ndarray
    mean_D: np.ndarray
    scale_D: np.ndarray

    @property
    def n_units(self) -> int:
        """Units of the teacher."""
        return len(self.mean_D)

    def padded(self, utterances: np.ndarray, n_rows: int, n_frames: int) -> np.ndarray:
        """Those of some utterances (n_rows, n_frames, D), the rest zeros."""
        states_BTD = np.zeros((n_rows, n_frames, self.n_units), np.float16)
        for row, i in enumerate(utterances):
            states_TD = self.of(int(i))
            states_BTD[row, : len(states_TD)] = states_TD
        return states_BTD

    def of(self, i: int) -> np.ndarray:
        """Standardised hidden states (T, D) of an utterance, float16."""
        states_TD = self.states_FD[self.starts[i] : self.starts[i + 1]].astype(np.float32)
        return ((states_TD - self.mean_D) / self.scale_D).astype(np.float16)


@dataclasses.dataclass(frozen=True)
class _Middle:
    """The hidden states of the middle layer; see `frames.OfFrames`."""

    tap: str

    def __call__(self, output: Output, mask_BT: jax.Array, arrays: Any = None) -> jax.Array:
        layers = output.taps[self.tap]
        return layers[(len(layers) - 1) // 2]


def check(teacher: SavedRecognizer, name: str, ours: FrontEndConfig) -> None:
    """Refuses a teacher whose sampling rate is not that of prepared speech.

    Args:
        teacher: a recognizer.
        name: what the user calls it.
        ours: the front end of the network that is trained.

    Raises:
        UserError: it hears speech of another sampling rate.
    """
    rate = teacher.config.frontend.sample_rate
    if rate != ours.sample_rate:
        raise UserError(
            f"config.train.teacher={name}: hears {rate} Hz, and training speech has "
            f"{ours.sample_rate} Hz; take another recognizer"
        )


def made(folder: Path, teacher: SavedRecognizer, speech: Speech, ours: FrontEndConfig) -> Targets:
    """The teacher's hidden states of all utterances; those that are not there are computed.

    Args:
        folder: of the targets of all teachers.
        teacher: a recognizer that `check` has let pass.
        speech: the utterances.
        ours: the front end whose frames they shall have.

    Raises:
        UserError: no room on the disk; a hidden state that float16 cannot hold; another process is
            computing them.
    """
    made_with = [_FORMAT, teacher.digest, ours.sample_rate, ours.hop_length, *speech.digests]
    folder /= hashlib.sha256(json.dumps(made_with).encode()).hexdigest()[:16]
    frames_of = ours.n_frames(np.asarray(speech.n_samples_of))
    store = _Store(folder, frames_of, teacher.config.model.n_channels)
    if len(missing := store.missing()):
        flag = f"--{prepared.DATA_DIR}"
        with run_lock(folder, flag=flag):
            what = "the teacher's hidden states"
            limits.check_room(folder, store.n_bytes(missing), what, flag)
            print(f"{what} of {output.counted(len(missing), 'utterance')}, once, in {folder}")
            for i, states_KD in _heard(teacher, speech, missing):
                theirs = teacher.config.frontend
                store.put(i, at_frames(states_KD, theirs, int(frames_of[i]), ours))
    return store.targets()


def _heard(
    teacher: SavedRecognizer, speech: Speech, wanted: np.ndarray
) -> Iterator[tuple[int, np.ndarray]]:
    """Utterances in any order, and the hidden states (K, D) of each."""
    frontend = teacher.config.frontend
    function = frames.FrameFunction(teacher.model, frontend, _Middle(teacher.tap(None)))
    plan = planning.make_plan(speech, frontend, workers=processes.count(0)).only(wanted)
    with progress.bar(total=len(wanted), desc="teacher", unit="utt") as bar:
        for result in runner.run(plan, function):
            states, n_frames = result.arrays["values"], result.arrays["frames"]
            for i, states_KD, n in zip(result.indices, states, n_frames, strict=True):
                yield int(i), states_KD[:n]
            bar.update(len(result.indices))
    function.clear()


def at_frames(
    states_KD: np.ndarray, theirs: FrontEnd, n_frames: int, ours: FrontEndConfig
) -> np.ndarray:
    """Hidden states (T, D) at our frames: means of those around, float32.

    Args:
        states_KD: at the teacher's frames, at least one.
        theirs: its front end.
        n_frames: of ours.
        ours: our front end.
    """
    place_K = frames.times(theirs, len(states_KD))
    place_T = np.minimum(frames.times(ours, n_frames), place_K[-1])
    reach = max(f.hop_length / f.sample_rate for f in (theirs, ours))  # seconds to either side
    weight_TK = np.maximum(1 - np.abs(place_T[:, None] - place_K) / reach, 0).astype(np.float32)
    return weight_TK @ states_KD / weight_TK.sum(axis=1, keepdims=True)


class _Store:
    """Frames of all utterances in one file, and their checksums in another."""

    def __init__(self, folder: Path, frames_of: np.ndarray, n_units: int):
        self._starts = np.concatenate([[0], np.cumsum(frames_of)])
        self._shape = int(self._starts[-1]), n_units
        self._states, self._checksums = folder / "states.f16", folder / "checksums.u32"
        folder.mkdir(parents=True, exist_ok=True)
        for path, size in ((self._states, 2 * n_units * self._shape[0]),
                           (self._checksums, 4 * len(frames_of))):  # fmt: skip
            if not path.exists() or path.stat().st_size != size:
                with path.open("ab") as file:
                    file.truncate(size)  # zeros in a sparse file

    def _rows(self) -> np.ndarray:
        return np.memmap(self._states, "<f2", "r", shape=self._shape)

    def missing(self) -> np.ndarray:
        """Utterances whose frames are missing or do not match their checksum."""
        rows_FD = self._rows()
        spans = zip(self._starts, self._starts[1:], strict=False)
        found = [_checksum(rows_FD[start:stop]) for start, stop in spans]
        return np.flatnonzero(np.fromfile(self._checksums, "<u4") != np.array(found, np.uint32))

    def n_bytes(self, utterances: np.ndarray) -> int:
        """What these take on disk."""
        return 2 * self._shape[1] * int(np.diff(self._starts)[utterances].sum())

    def put(self, i: int, states_TD: np.ndarray) -> None:
        """Writes an utterance's frames, and then its checksum."""
        if (highest := np.abs(states_TD).max()) > np.finfo(np.float16).max:
            raise UserError(
                f"config.train.teacher: its hidden states reach {highest:.3g}, more than float16 "
                "can hold; take another recognizer"
            )
        half_TD = states_TD.astype("<f2")
        for path, place, content in (
            (self._states, 2 * self._shape[1] * int(self._starts[i]), half_TD.tobytes()),
            (self._checksums, 4 * i, np.array(_checksum(half_TD), "<u4").tobytes()),
        ):
            with path.open("r+b") as file:
                file.seek(place)
                file.write(content)

    def targets(self) -> Targets:
        """All of them, and what they are standardised by."""
        rows_FD = self._rows()
        total_D, squares_D = np.zeros((2, self._shape[1]))
        for start in range(0, self._shape[0], _BLOCK):
            block_FD = rows_FD[start : start + _BLOCK].astype(np.float64)
            total_D += block_FD.sum(axis=0)
            squares_D += np.square(block_FD).sum(axis=0)
        mean_D = total_D / self._shape[0]
        deviation_D = np.sqrt(np.maximum(squares_D / self._shape[0] - mean_D**2, 0))
        scale_D = np.where(deviation_D > _FLAT, deviation_D, 1.0)
        return Targets(rows_FD, self._starts, mean_D.astype("f4"), scale_D.astype("f4"))


def _checksum(half_TD: np.ndarray) -> int:
    """A CRC-32, but never 0, which stands where nothing was written."""
    return zlib.crc32(half_TD.tobytes()) or 1
