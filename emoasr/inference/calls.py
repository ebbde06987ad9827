"""One call of the Python API: inputs on their way through a device function, and those left out."""

import functools
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import pandas as pd
from tqdm import tqdm

from emoasr.asr import frontend as fe
from emoasr.audio.windows import Windows
from emoasr.errors import UserError
from emoasr.inference import frames, inputs, planning, runner
from emoasr.inference.device_functions import DeviceFunction
from emoasr.inference.inputs import Input
from emoasr.settings.choices import check_choice
from emoasr.system import forks, output, processes

BATCH_FRAMES = 8192  # of a batch, padding included; longer inputs are computed in chunks

_ON_ERROR = ("raise", "skip")
_MANY, _LONG = 50, 3600  # inputs, seconds of audio: more get a progress bar


class Kept:
    """A device function whose programs stay in memory from call to call: there are few shapes."""

    def __init__(self, function: DeviceFunction):
        self.frontend, self.receptive_field = function.frontend, function.receptive_field
        self.chunk, self.merge = function.chunk, function.merge
        self.compiled = functools.cache(function.compiled)

    def clear(self) -> None:
        """Does nothing: the programs stay."""


class Frames(NamedTuple):
    """Something of every frame of every input.

    Attributes:
        rows: their index: that of the inputs (of arrays `input`), and `time`, the second of the
            file, or of the array, around which a frame lies.
        values: one row a frame, inputs in their order.
    """

    rows: pd.MultiIndex
    values: np.ndarray


class Stretch(NamedTuple):
    """Where an input lies.

    Attributes:
        file: its path or URL; None: it is an array.
        start: second of the file, or array, at which it begins.
    """

    file: str | None
    start: float


class Call:
    """Inputs on their way through a device function.

    Attributes:
        index: one entry an input, or a window of one.
        source: gives their samples.
        on_error: "raise" or "skip", of an input that cannot be read.
        notes: what the user should know of them, one line each.
    """

    def __init__(
        self,
        x: Input,
        frontend: fe.FrontEnd,
        on_error: str,
        progress: bool,
        windows: Windows | None = None,
    ):
        """Opens the inputs.

        Args:
            x: see `inputs.opened`.
            frontend: of the recognizer.
            on_error: "raise" or "skip", of an input that cannot be read.
            progress: whether to show a bar, for many inputs or hours of audio.
            windows: into which to cut each input; None: it stays whole.

        Raises:
            UserError: as `inputs.opened`.
        """
        forks.check()
        check_choice("on_error", on_error, _ON_ERROR)
        self.source, self.index, self._inputs, self.notes = inputs.opened(x, frontend, windows)
        self.on_error, self._frontend, self._progress = on_error, frontend, progress
        self._left_out: dict[int, str] = {}

    def name(self, i: int) -> str:
        """What to call input `i` in a message."""
        entry, (file, start) = self.index[i], self.place(i)
        what, _, end = entry if isinstance(entry, tuple) else (entry, None, None)
        name = f"input {what}" if file is None else file
        if end is None or (start == 0 and pd.isna(end)):
            return name
        stop: str = "its end" if pd.isna(end) else f"{end.total_seconds():g} s"
        return f"{name} from {start:g} s to {stop}"

    def place(self, i: int) -> Stretch:
        """Where input `i` lies."""
        entry = self.index[i]
        what, start, _ = entry if isinstance(entry, tuple) else (entry, None, None)
        file = what if isinstance(what, str) else None
        return Stretch(file, 0.0 if start is None else start.total_seconds())

    def results(self, function: DeviceFunction) -> Iterator[runner.Result]:
        """Every result; an input that has none is an error, or left out."""
        workers, frontend = processes.count(0), self._frontend
        plan = planning.make_plan(
            self.source, frontend, BATCH_FRAMES, workers=workers, standard=True
        )
        self._leave_out(plan.unreadable)
        seconds = plan.n_samples.sum() / self._frontend.sample_rate
        many = len(self.index) > _MANY or seconds > _LONG
        shown = self._progress and many
        with tqdm(desc="heard", total=len(self.index), unit="input", disable=not shown) as bar:
            for result in runner.run(plan, function):
                self._leave_out(result.failed)
                if len(result.indices):
                    yield result
                bar.update(len(result.indices))

    def each_frames(self, function: DeviceFunction) -> Iterator[tuple[int, np.ndarray]]:
        """Inputs, in any order, and what a frame function gives of each, (T, width)."""
        for result in self.results(function):
            arrays = result.arrays["values"], result.arrays["frames"]
            for i, values_TK, n_frames in zip(result.indices, *arrays, strict=True):
                yield int(i), values_TK[:n_frames]

    def frames(self, each: Iterable[tuple[int, np.ndarray]], width: int) -> Frames:
        """Something of every frame of every input, as one table.

        Args:
            each: inputs, in any order, and (T, width) of each; see `each_frames`.
            width: numbers a frame.
        """
        found = dict(each)
        rows = sorted(found)
        counts = [len(found[i]) for i in rows]
        index = self.index.rename("input") if self.index.names == [None] else self.index
        table = index[np.repeat(rows, counts).astype(int)].to_frame(index=False)
        times = [frames.times(self._frontend, n) for n in counts]
        table["time"] = np.concatenate([np.empty(0), *times])
        if "start" in table:
            table["time"] += table["start"].dt.total_seconds()
        none = np.empty((0, width), np.float32)
        values = np.concatenate([none, *(found.pop(i) for i in rows)])
        return Frames(pd.MultiIndex.from_frame(table), values)

    def finished(self, table: pd.DataFrame) -> pd.DataFrame:
        """A table of one row an input, without the rows of inputs that were left out."""
        if self.on_error != "skip":
            return table
        return self.noted(table[~np.isin(np.arange(len(table)), list(self._left_out))])

    def noted(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table, with the inputs that were left out in its `attrs`; warns of them."""
        if self.on_error != "skip":
            return table
        windows = sorted(self._left_out.items())
        reasons = dict.fromkeys((self._inputs[i], why) for i, why in windows)
        skipped = [{"input": i, "reason": why} for i, why in reasons]
        table.attrs["skipped"] = skipped
        if skipped:
            n_inputs, n_left_out = len(set(self._inputs)), len({i for i, _ in reasons})
            warnings.warn(
                f"{n_left_out} of {output.counted(n_inputs, 'input')} left out, the first: input "
                f"{skipped[0]['input']}: {skipped[0]['reason']}; see "
                ".attrs['skipped']",
                stacklevel=4,
            )
        return table

    def _leave_out(self, failed: dict[int, str]) -> None:
        if failed and self.on_error != "skip":
            i = min(failed)
            raise UserError(f"input {self._inputs[i]}: {failed[i]}")
        self._left_out |= failed
