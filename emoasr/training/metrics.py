"""What a training writes about itself: JSON lines, TensorBoard events, a picture of the curves."""

import contextlib
import json
import time
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from emoasr.files import guard


class MetricsLog:
    """Appends a run's metrics, and goes on where a stopped run was."""

    def __init__(self, folder: Path, step: int):
        """Opens the log to continue after `step`; what a killed run wrote beyond it is dropped."""
        self._folder = folder
        self._path = folder / "metrics.jsonl"
        self.rows = [row for row in self._read() if row["step"] <= step]
        guard.write_atomically(self._path, "".join(json.dumps(row) + "\n" for row in self.rows))
        (folder / "events").mkdir(exist_ok=True)
        self._events = EventsWriter(str(folder / "events" / "events"))
        start = SessionLog(status=SessionLog.START)  # hides what was written beyond the step
        self._event(step=step + 1, session_log=start)

    def write(self, step: int, **values: float) -> None:
        """Writes one row."""
        row: dict[str, Any] = {"step": step, **values}
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        scalars = [summary.scalar(name, value).value[0] for name, value in values.items()]
        self._event(step=step, summary=summary.Summary(value=scalars))
        self._events.flush()

    def has(self, step: int, name: str) -> bool:
        """Whether this was written after that step."""
        return any(row["step"] == step and name in row for row in self.rows)

    def draw(self) -> Path:
        """Draws loss and error rates over steps to `curves.png`."""
        figure = Figure(figsize=(10, 3.6), layout="constrained")
        left, right = figure.subplots(1, 2)
        for axis, names in ((left, ("loss",)), (right, ("valid_cer", "valid_wer"))):
            for name in names:
                points = [(row["step"], row[name]) for row in self.rows if name in row]
                if points:
                    axis.plot(*zip(*points, strict=True), label=name, marker="." * (name != "loss"))
                    axis.legend()
            axis.set_xlabel("step")
            axis.grid(alpha=0.3)
        left.set_ylabel("CTC loss, nats a character")
        right.set_ylabel("error rate, validation speakers")
        path = self._folder / "curves.png"
        with guard.replacing(path) as file:
            figure.savefig(file, dpi=120)
        return path

    def close(self) -> None:
        """Closes the events."""
        with contextlib.suppress(OSError):  # a full disk; what could be kept is
            self._events.close()

    def _event(self, **fields: Any) -> None:
        self._events.write_event(Event(wall_time=time.time(), **fields))

    def _read(self) -> list[dict[str, Any]]:
        rows = []
        for line in self._path.read_text().splitlines() if self._path.exists() else ():
            try:
                rows.append(json.loads(line))
            except ValueError:  # the line that a kill cut off
                continue
        return rows


class NoLog:
    """The log of processes that another writes for."""

    def write(self, step: int, **values: float) -> None:
        """Writes nothing."""

    def has(self, step: int, name: str) -> bool:
        """Has nothing."""
        return False

    def draw(self) -> None:
        """Draws nothing."""

    def close(self) -> None:
        """Has nothing to close."""
