"""What a training writes about itself: JSON lines, TensorBoard events, a picture of the curves."""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import vl_convert
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from emoasr.files.writing import write_atomically


class MetricsLog:
    """Appends a run's metrics, and goes on where a stopped run was."""

    def __init__(self, folder: Path, step: int):
        """Opens the log to continue after `step`; what a killed run wrote beyond it is dropped."""
        self._folder = folder
        self._path = folder / "metrics.jsonl"
        self.rows = [row for row in self._read() if row["step"] <= step]
        write_atomically(self._path, "".join(json.dumps(row) + "\n" for row in self.rows))
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
        plots = [
            _curves(self.rows, ("loss",), "CTC loss, nats a character"),
            _curves(self.rows, ("valid_cer", "valid_wer"), "error rate, validation speakers"),
        ]
        chart = {"hconcat": plots, "resolve": {"scale": {"color": "independent"}}}
        path = self._folder / "curves.png"
        write_atomically(path, vl_convert.vegalite_to_png(chart, scale=1.5))
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


def _curves(rows: Sequence[dict[str, Any]], names: Sequence[str], title: str) -> dict[str, Any]:
    """Metrics over steps, described in Vega-Lite."""
    points = [
        {"step": row["step"], "value": row[name], "name": name}
        for row in rows
        for name in names
        if math.isfinite(row.get(name, math.nan))
    ]
    color = {"field": "name", "type": "nominal", "scale": {"domain": list(names)}, "title": None}
    return {
        "data": {"values": points},
        "width": 400,
        "height": 260,
        "mark": {"type": "line", "point": names != ("loss",)},
        "encoding": {
            "x": {"field": "step", "type": "quantitative"},
            "y": {"field": "value", "type": "quantitative", "title": title},
            "color": {**color, "legend": {"orient": "top"}},
        },
    }


class NoLog:
    """The log of the processes that process 0 writes for."""

    def write(self, step: int, **values: float) -> None:
        """Writes nothing."""

    def has(self, step: int, name: str) -> bool:
        """Has nothing."""
        return False

    def draw(self) -> None:
        """Draws nothing."""

    def close(self) -> None:
        """Has nothing to close."""
