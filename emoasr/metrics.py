"""What a training writes about itself: JSON lines, TensorBoard events, a picture of the curves."""

import json
from pathlib import Path
from typing import Any

import tensorboardX
from matplotlib.figure import Figure


class MetricsLog:
    """Appends a run's metrics, and goes on where a stopped run was."""

    def __init__(self, folder: Path, step: int):
        """Opens the log to continue after `step`; what a killed run wrote beyond it is dropped."""
        self._folder = folder
        self._path = folder / "metrics.jsonl"
        self.rows = [row for row in self._read() if row["step"] <= step]
        self._path.write_text("".join(json.dumps(row) + "\n" for row in self.rows))
        self._events = tensorboardX.SummaryWriter(str(folder / "events"), purge_step=step + 1)

    def write(self, step: int, **values: float) -> None:
        """Writes one row."""
        row: dict[str, Any] = {"step": step, **values}
        self.rows.append(row)
        with self._path.open("a") as file:
            file.write(json.dumps(row) + "\n")
        for name, value in values.items():
            self._events.add_scalar(name, value, step)

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
        figure.savefig(path, dpi=120)
        return path

    def close(self) -> None:
        """Flushes the events."""
        self._events.close()

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

    def draw(self) -> None:
        """Draws nothing."""

    def close(self) -> None:
        """Has nothing to close."""
