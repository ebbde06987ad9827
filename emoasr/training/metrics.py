"""What a training writes about itself: JSON lines, TensorBoard events, a picture of the curves."""

import contextlib
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
import vl_convert
from tensorboardX import summary
from tensorboardX.event_file_writer import EventsWriter
from tensorboardX.proto.event_pb2 import Event, SessionLog

from emoasr.errors import UserError
from emoasr.files.writing import write_atomically
from emoasr.system import progress
from emoasr.training import multihost
from emoasr.training.step import learning_rates


class MetricsLog:
    """A run's metrics, which continue those of a stopped run; process 0 writes and shows them.

    The metrics of a step stay on the device until those of `log_every` steps are fetched together.
    """

    def __init__(
        self, folder: Path, train: ml_collections.ConfigDict, step: int, pending: list[dict]
    ):
        """Opens the log to continue after `step`; what a killed run wrote beyond it is dropped.

        Args:
            folder: of the run.
            train: a training's `config.train`.
            step: that is done; 0: none.
            pending: what `pending` gave for the checkpoint of that step.
        """
        self._folder, self._train, self._pending = folder, train, pending
        self._writes = multihost.is_first()
        self._rates = learning_rates(train.learning_rate, train.warmup_steps, train.steps)
        self._bar = progress.bar(
            total=train.steps, initial=step, unit="step", desc="pretrain", disable=not self._writes
        )
        self._path = folder / "metrics.jsonl"
        self.rows = [row for row in self._read() if row["step"] <= step] if self._writes else []
        if self._writes:
            write_atomically(self._path, "".join(json.dumps(row) + "\n" for row in self.rows))
            (folder / "events").mkdir(exist_ok=True)
            self._events = EventsWriter(str(folder / "events" / "events"))
            start = SessionLog(status=SessionLog.START)  # hides what was written beyond the step
            self._event(step=step + 1, session_log=start)

    def __enter__(self) -> "MetricsLog":
        return self

    def __exit__(self, *_: object) -> None:
        """Closes the progress bar and the events."""
        self._bar.close()
        with contextlib.suppress(OSError):  # a full disk; what could be kept is
            if self._writes:
                self._events.close()

    def is_due(self, step: int, every: int) -> bool:
        """Whether what is due every so many steps, and after the last one, is due after this."""
        return step % every == 0 or step == self._train.steps

    def add(self, step: int, metrics: dict[str, jax.Array]) -> None:
        """Takes a step's metrics; writes the means of all since the last ones if these are due.

        Raises:
            UserError: the mean loss is not finite.
        """
        self._pending.append(metrics)
        self._bar.update()
        if not self.is_due(step, self._train.log_every):
            return
        rows = self.pending()
        self._pending.clear()
        means = {name: float(np.mean([np.float32(r[name]) for r in rows])) for name in rows[0]}
        with multihost.barrier():
            if not math.isfinite(means["loss"]):
                raise UserError(
                    f"the loss is {means['loss']} within the {self._train.log_every} steps before "
                    f"{step}; lower config.train.learning_rate, and give another --workdir or "
                    "--overwrite"
                )
        self.write(step, **means, learning_rate=float(self._rates(step - 1)))
        self._bar.set_postfix(loss=f"{means['loss']:.3f}", refresh=False)

    def pending(self) -> list[dict[str, float]]:
        """Metrics of the steps since the last row, for a checkpoint."""
        return [{name: float(value) for name, value in m.items()} for m in self._pending]

    def write(self, step: int, **values: float) -> None:
        """Writes one row."""
        if not self._writes:
            return
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

    def draw(self) -> None:
        """Draws loss, error rates and learning rate over steps to `curves.png`."""
        if not self._writes:
            return
        plots = [
            _curves(self.rows, ("loss",), "CTC loss, nats a character"),
            _curves(self.rows, ("valid_cer", "valid_wer"), "error rate, validation speakers"),
            _curves(self.rows, ("learning_rate",), "learning rate"),
        ]
        if any("teacher_loss" in row for row in self.rows):
            plots.append(_curves(self.rows, ("teacher_loss",), "unexplained share of the teacher"))
        chart = {"hconcat": plots, "resolve": {"scale": {"color": "independent"}}}
        picture = vl_convert.vegalite_to_png(chart, scale=1.5)
        write_atomically(self._folder / "curves.png", picture)

    def _event(self, **fields: Any) -> None:
        self._events.write_event(Event(wall_time=time.time(), **fields))

    def _read(self) -> list[dict[str, Any]]:
        rows = []
        content = self._path.read_bytes() if self._path.exists() else b""
        for line in content.splitlines():
            with contextlib.suppress(ValueError):  # the line that a kill cut off
                rows.append(json.loads(line))
        return [row for row in rows if isinstance(row, dict) and "step" in row]


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
        "mark": {"type": "line", "point": len(names) > 1},
        "encoding": {
            "x": {
                "field": "step",
                "type": "quantitative",
                "axis": {"format": "d", "tickMinStep": 1},
            },
            "y": {"field": "value", "type": "quantitative", "title": title},
            "color": {**color, "legend": {"orient": "top"}},
        },
    }
