"""Whether several devices and several processes train the network that one does; prints a table.

    python scripts/distributed.py --steps=50

A small network is trained on noise, with augmentation and dropout, on 1, 2 and 4 virtual devices of
this machine's CPU, in two processes, and in two of which one is killed in mid-run before both, or
one process with two devices, continue. The table says by how much the losses of all steps, and the
weights after the last one, differ at most from those of one device.
"""

import dataclasses
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from absl import app, flags
from faults import noise
from safetensors.numpy import load_file

_ROOT = Path(__file__).resolve().parents[1]
_SMALL = (
    "--config=english", "--config.model.n_channels=8", "--config.model.n_blocks=1",
    "--config.model.dilations=(1,2)", "--config.model.dropout=.1", "--config.train.buckets=1",
    "--config.train.batch_frames=256", "--config.train.max_seconds=8", "--config.train.log_every=1",
    "--config.train.warmup_steps=5", "--config.train.optimizer=adamw",
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Job:
    """A short training.

    Attributes:
        corpus: transcribed table.
        steps: how long it is; four checkpoints are taken.
        timeout: seconds after which a process that does not answer is given up.
    """

    corpus: Path
    steps: int
    timeout: int = 60

    def flags(self, workdir: Path) -> list[str]:
        """Those of `emoasr pretrain` that all its processes share."""
        return [
            *_SMALL, f"--workdir={workdir}", f"--config.corpus.path={self.corpus}",
            f"--config.corpus.data_dir={self.corpus / 'prepared'}",
            f"--config.train.steps={self.steps}", f"--config.train.eval_every={self.steps}",
            f"--config.train.checkpoint_every={max(self.steps // 4, 1)}",
        ]  # fmt: skip

    def start(
        self, workdir: Path, *more: str, devices: int = 1, processes: int = 1
    ) -> list[subprocess.Popen]:
        """Starts all its processes.

        Args:
            workdir: the run's folder.
            more: further flags.
            devices: virtual ones of each process.
            processes: how many.
        """
        xla = os.environ.get("XLA_FLAGS", "")
        xla = f"{xla} --xla_force_host_platform_device_count={devices}"
        at = f"127.0.0.1:{free_port()}" if processes > 1 else ""
        common = [
            sys.executable, "-m", "emoasr.pretrain", *self.flags(workdir),
            f"--config.distributed.coordinator={at}",
            f"--config.distributed.n_processes={processes}",
            f"--config.distributed.timeout={self.timeout}",
        ]  # fmt: skip
        return [
            subprocess.Popen(
                [*common, f"--config.distributed.process_id={i}", *more],
                cwd=_ROOT, env=os.environ | {"JAX_PLATFORMS": "cpu", "XLA_FLAGS": xla},
                stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            )
            for i in range(processes)
        ]  # fmt: skip

    def finish(self, workdir: Path, devices: int = 1, processes: int = 1) -> "Outcome":
        """Runs it to its end."""
        for status, _, printed in end(self.start(workdir, devices=devices, processes=processes)):
            if status:
                raise SystemExit(f"emoasr.pretrain failed:\n{printed[-2000:]}")
        return Outcome.of(workdir)

    def struck(self, workdir: Path) -> list[tuple[int, str, str]]:
        """Kills one of two processes half-way; how both ended, as `end` returns it."""
        processes = self.start(workdir, processes=2)
        metrics = workdir / "pretrain" / "metrics.jsonl"
        while not metrics.exists() or metrics.read_text().count("loss") < self.steps // 2:
            if processes[0].poll() is not None:
                raise SystemExit(f"emoasr.pretrain ended too soon:\n{end(processes)}")
            time.sleep(0.02)
        processes[1].kill()
        return end(processes)


@dataclasses.dataclass(frozen=True)
class Outcome:
    """What a training leaves: the losses of its steps, and its weights."""

    losses: np.ndarray
    weights: dict[str, np.ndarray]

    @classmethod
    def of(cls, workdir: Path) -> "Outcome":
        """Reads a finished run's folder."""
        folder = workdir / "pretrain"
        rows = map(json.loads, (folder / "metrics.jsonl").read_text().splitlines())
        losses = np.array([row["loss"] for row in rows if "loss" in row])
        return cls(losses, load_file(folder / "recognizer" / "weights.safetensors"))

    def differences(self, other: "Outcome") -> tuple[float, float]:
        """The largest of a loss, in nats a character, and of a weight."""
        weights = [np.abs(w - other.weights[name]).max() for name, w in self.weights.items()]
        return float(np.abs(self.losses - other.losses).max()), float(max(weights))


def end(processes: list[subprocess.Popen]) -> list[tuple[int, str, str]]:
    """Waits for all; exit status, output and errors of each."""
    printed = [process.communicate() for process in processes]
    return [(p.returncode, out, err) for p, (out, err) in zip(processes, printed, strict=True)]


def free_port() -> int:
    """A TCP port that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def main(argv: list[str]) -> None:
    """Trains in all ways and prints the table."""
    del argv
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        job = Job(noise(folder / "noise", 48), flags.FLAGS.steps)
        expected = job.finish(folder / "1 device")

        def compare(name: str, found: Outcome) -> None:
            loss, weight = found.differences(expected)
            rows.append({"run": name, "steps": len(found.losses), "largest difference of a loss":
                         f"{loss:.1e}", "of a weight": f"{weight:.1e}"})  # fmt: skip
            print(json.dumps(rows[-1]), flush=True)

        for devices in (1, 2, 4):
            name = f"{devices} devices" if devices > 1 else "1 device again"
            compare(name, job.finish(folder / name, devices=devices))
        compare("2 processes", job.finish(folder / "2 processes", processes=2))
        status, _, printed = job.struck(folder / "killed")[0]
        print(f"after a kill of process 1, process 0 ended with status {status}: {printed[-300:]}")
        shutil.copytree(folder / "killed", folder / "other")
        compare("killed, continued", job.finish(folder / "killed", processes=2))
        compare("by 1 process, 2 devices", job.finish(folder / "other", devices=2))
    print(pd.DataFrame(rows).to_string(index=False))


if __name__ == "__main__":
    flags.DEFINE_integer("steps", 50, "Steps of each training.", lower_bound=2)
    app.run(main)
