"""Ctrl-C, kills, full disks, lost and damaged files: what survives of the commands' results.

    python scripts/faults.py --audio=DIR --kills=30 --stops=20

Each fault strikes a run at a random moment; then the same command runs on. What it leaves at its
end is compared, bit for bit, with what a run without faults leaves. The table says how often each
fault struck, and how many rows were lost or wrong. Audio is a folder of speech; training gets
noise.
A full disk needs the right to mount a tmpfs; without it that fault is left out.
"""

import contextlib
import dataclasses
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from absl import app, flags

_ROOT = Path(__file__).resolve().parents[1]
# rows go to disk five times a second, not every five seconds: short runs then have some
_RUN = (
    "import runpy, sys; from emoasr.extraction import row_store; "
    "row_store._SECONDS = 0.2; "
    "sys.argv = sys.argv[1:]; runpy.run_module(sys.argv[0], run_name='__main__', alter_sys=True)"
)
Outcome = dict[str, pd.DataFrame]  # tables whose rows can be lost or wrong


@dataclasses.dataclass
class Job:
    """A command.

    Attributes:
        name: its module in `emoasr`.
        arguments: all; WORKDIR stands for the folder of a run.
        outcome: what a finished run's folder holds.
        begin: fills a new folder before the first run.
    """

    name: str
    arguments: list[str]
    outcome: Callable[[Path], Outcome]
    begin: Callable[[Path], object] = lambda workdir: workdir.mkdir(parents=True)

    def start(self, workdir: Path, *how: str) -> subprocess.Popen:
        """Starts it in a session of its own, so that its children can be found.

        Args:
            workdir: the run's folder.
            how: Python's arguments before the module's name; none: so that short runs have rows.
        """
        arguments = [argument.replace("WORKDIR", str(workdir)) for argument in self.arguments]
        with printed(workdir).open("w") as stdout:
            return subprocess.Popen(
                [sys.executable, *(how or ("-c", _RUN)), f"emoasr.{self.name}", *arguments],
                cwd=_ROOT, stdout=stdout, stderr=subprocess.PIPE,
                start_new_session=True,
            )  # fmt: skip

    def finish(self, workdir: Path) -> Outcome:
        """Runs it to its end."""
        process = self.start(workdir)
        message = errors(process)
        if process.returncode:
            raise SystemExit(f"emoasr.{self.name} failed:\n{message[-2000:]}")
        return self.outcome(workdir)


def errors(process: subprocess.Popen) -> str:
    """What it wrote to stderr until its end; carriage returns are kept."""
    return process.communicate()[1].decode(errors="replace")


def printed(workdir: Path) -> Path:
    """Where the last run's standard output is."""
    return workdir.with_name(f"{workdir.name}.printed")


def transcribed(workdir: Path) -> Outcome:
    """What was printed."""
    return {"lines": pd.DataFrame({"line": printed(workdir).read_text().splitlines()})}


def extracted(workdir: Path) -> Outcome:
    """Feature tables, labels, and what was skipped or warned of."""
    tables = {p.stem: pd.read_parquet(p) for p in sorted((workdir / "features").glob("*.parquet"))}
    message = json.loads((workdir / "extract.json").read_text(encoding="utf-8"))
    kept = {name: json.dumps(message[name]) for name in ("found", "used", "skipped", "warnings")}
    tables["labels"] = pd.read_parquet(workdir / "labels.parquet")
    return tables | {"record": pd.DataFrame({"message": kept})}


def evaluated(workdir: Path) -> Outcome:
    """Predictions, selected features, metrics."""
    (path,) = workdir.glob("eval/*/results.json")
    results = json.loads(path.read_text(encoding="utf-8"))
    tables = {p.stem: pd.read_parquet(p) for p in sorted(path.parent.glob("*.parquet"))}
    return tables | {"results": pd.DataFrame({"row": list(map(json.dumps, results["rows"]))})}


def trained(workdir: Path) -> Outcome:
    """The recognizer's weights, and the losses of all steps."""
    lines = (workdir / "pretrain" / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    weights = _weights(workdir / "pretrain" / "recognizer")
    return {"weights": weights, "metrics": pd.DataFrame({"row": lines})}


def finetuned(workdir: Path) -> Outcome:
    """Predictions of all folds, and the predictor's weights."""
    folder = workdir / "finetune"
    predictions = pd.read_parquet(folder / "predictions.parquet")
    return {"predictions": predictions, "weights": _weights(folder / "predictor")}


def _weights(folder: Path) -> pd.DataFrame:
    from safetensors.numpy import load_file

    weights = load_file(folder / "weights.safetensors")
    flat = {name: value.tobytes().hex() for name, value in sorted(weights.items())}
    return pd.DataFrame({"value": flat})


def compare(expected: Outcome, found: Outcome) -> tuple[int, int]:
    """Rows lost, and rows that differ in any bit or should not be there."""
    lost = wrong = 0
    for name in expected:
        table, other = _numbered(expected[name]), _numbered(found.get(name, expected[name][:0]))
        common = table.index.intersection(other.index)
        lost += len(table) - len(common)
        wrong += len(other) - len(common)
        a, b = (t.loc[common].astype(str) for t in (table, other))  # NaN is as NaN, and 0 not as -0
        wrong += len(common) - int((a == b).all(axis=1).sum()) if list(a) == list(b) else len(table)
    return lost, wrong


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """With an index that has no entry twice."""
    again = table.groupby(level=list(range(table.index.nlevels))).cumcount()
    return table.set_index(again, append=True)


def undisturbed(job: Job, folder: Path) -> tuple[Outcome, float]:
    """What a run without faults leaves, and the seconds that it takes."""
    expected, seconds = {}, 0.0
    for name in ("undisturbed", "timed"):  # the first one fills caches
        job.begin(folder / name)
        started = time.monotonic()
        expected = job.finish(folder / name)
        seconds = time.monotonic() - started
    return expected, seconds


def struck(
    job: Job, folder: Path, expected: Outcome, moments: list[float], how: list[str],
    blow: Callable[[subprocess.Popen], None],
) -> tuple[int, int, int]:  # fmt: skip
    """Strikes the command at these moments of its life, each time in the folder it left.

    Returns:
        Runs that came to their end, rows that they lost, and rows of theirs that are wrong.
    """
    runs = lost = wrong = 0
    moments = list(moments)
    while moments:
        workdir = folder / f"run {runs}"
        job.begin(workdir)
        while moments:
            process = job.start(workdir, *how)
            try:
                process.communicate(timeout=moments[-1])
                moments[-1] *= 0.9  # it came to its end; the next may be as quick
                break
            except subprocess.TimeoutExpired:
                moments.pop()
                blow(process)
        differs = compare(expected, job.finish(workdir))
        lost, wrong, runs = lost + differs[0], wrong + differs[1], runs + 1
        shutil.rmtree(workdir)
    return runs, lost, wrong


def kills(job: Job, n: int, folder: Path) -> dict[str, object]:
    """Kills the command again and again, until it has survived `n` kills."""
    dice, orphans = random.Random(0), 0
    expected, seconds = undisturbed(job, folder)

    def kill(process: subprocess.Popen) -> None:
        nonlocal orphans
        process.kill()
        process.communicate()
        orphans += orphans_of(process.pid)

    moments = [dice.uniform(0, seconds) for _ in range(n)]
    runs, lost, wrong = struck(job, folder, expected, moments, [], kill)
    return _row(f"{job.name}: kill -9", n, lost, wrong, f"{runs} runs, {orphans} orphans")


def stops(name: str, job: Job, n: int, folder: Path) -> dict[str, object]:
    """Ctrl-C as a terminal sends it, to all processes, at `n` moments spread over a run's life."""
    dice, counts, slowest = random.Random(3), Counter(), 0.0
    expected, seconds = undisturbed(job, folder)

    def interrupt(process: subprocess.Popen) -> None:
        nonlocal slowest
        started = time.monotonic()
        os.killpg(process.pid, signal.SIGINT)
        message = errors(process)
        slowest = max(slowest, time.monotonic() - started)
        lines = [line for line in message.split("\n") if line and "\r" not in line]  # no bars
        stopped = process.returncode == 130 and len(lines) == 1
        counts["status 130 and one line"] += stopped
        done = process.returncode == 0 and not lines  # all is written, Python is ending
        counts["status 0, done already"] += done
        counts["tracebacks"] += "Traceback" in message
        counts["orphans"] += orphans_of(process.pid)
        if not (stopped or done):
            print(f"{name}: status {process.returncode}\n{message[-1500:]}", file=sys.stderr)

    moments = [seconds * (i + dice.random()) / n for i in range(n)]
    dice.shuffle(moments)
    runs, lost, wrong = struck(job, folder, expected, moments, ["-m"], interrupt)
    note = ", ".join(f"{what}: {count}" for what, count in counts.items())
    note += f"; a run takes {seconds:.1f} s, {runs} came to their end, slowest stop {slowest:.1f} s"
    return _row(f"{name}: Ctrl-C", n, lost, wrong, note)


def orphans_of(session: int) -> int:
    """Whether processes of a session are left a while after its leader was killed."""
    for _ in range(50):
        try:
            os.killpg(session, 0)
        except ProcessLookupError:
            return 0
        time.sleep(0.1)
    os.killpg(session, signal.SIGKILL)
    return 1


def full_disk(job: Job, folder: Path) -> Iterator[dict[str, object]]:
    """Fills the disk at several sizes; one line must say so, and nothing be lost."""
    expected = job.outcome(folder / "undisturbed")
    size = sum(p.stat().st_size for p in (folder / "undisturbed").rglob("*") if p.is_file())
    lost = wrong = struck = message = 0
    for share in (0.1, 0.3, 0.5, 0.7, 0.9):
        with _small_disk(folder / "disk", int(size * share)) as disk:
            process = job.start(disk / "run")
            error = errors(process)
            struck += process.returncode != 0
            message += "no space left" in error and "Traceback" not in error
            subprocess.run(["mount", "-o", "remount,size=2g", str(disk)], check=True)
            differs = compare(expected, job.finish(disk / "run"))
            lost, wrong = lost + differs[0], wrong + differs[1]
    yield _row(
        f"{job.name}: full disk", struck, lost, wrong, f"reported in one line {message} times"
    )


@contextlib.contextmanager
def _small_disk(path: Path, size: int) -> Iterator[Path]:
    path.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)], check=True)
    try:
        yield path
    finally:
        subprocess.run(["umount", str(path)], check=True)


def lost_file(job: Job, audio: Path, folder: Path, n: int) -> dict[str, object]:
    """Takes a file away while the command is at work, and brings it back before it runs again."""
    dice, lost, wrong = random.Random(1), 0, 0
    expected = job.outcome(folder / "undisturbed")
    for i in range(n):
        workdir = folder / f"lost {i}"
        file = dice.choice(sorted(audio.iterdir()))
        away = folder / file.name
        process = job.start(workdir)
        time.sleep(dice.uniform(0, 5))
        file.rename(away)
        process.communicate()
        away.rename(file)
        differs = compare(expected, job.finish(workdir))
        lost, wrong = lost + differs[0], wrong + differs[1]
    return _row(f"{job.name}: file lost in mid-run", n, lost, wrong, "")


def damaged(job: Job, folder: Path, n: int) -> dict[str, object]:
    """Cuts off, at random, what a killed or finished run left of its own."""
    dice, lost, wrong, struck = random.Random(2), 0, 0, 0
    expected = job.outcome(folder / "undisturbed")
    for i in range(n):
        workdir = folder / f"damaged {i}"
        if i % 2:
            shutil.copytree(folder / "undisturbed", workdir)
        else:
            process = job.start(workdir)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.communicate(timeout=dice.uniform(4, 8))
            process.kill()
            process.communicate()
        struck += cut_off(workdir, dice)
        differs = compare(expected, job.finish(workdir))
        lost, wrong = lost + differs[0], wrong + differs[1]
    return _row(f"{job.name}: files cut off", struck, lost, wrong, f"{n} runs")


def cut_off(workdir: Path, dice: random.Random) -> int:
    """Truncates about half of the files that a run left of its own; how many."""
    own = [path for path in workdir.rglob("*") if path.is_file()
           and (path.suffix == ".parquet" or ".rows" in path.parts)]  # fmt: skip
    struck = [path for path in own if dice.random() < 0.5]
    for path in struck:
        os.truncate(path, dice.randrange(path.stat().st_size + 1))
    return len(struck)


def second_process(job: Job, folder: Path) -> dict[str, object]:
    """Starts the command twice in one folder, at the same time: one of them must be refused."""
    expected = job.outcome(folder / "undisturbed")
    workdir = folder / "twice"
    job.begin(workdir)
    both = [job.start(workdir), job.start(workdir)]
    message = [errors(process) for process in both]
    refused = ["another emoasr command is running" in text for text in message].count(True) == 1
    differs = compare(expected, job.outcome(workdir))
    return _row(f"{job.name}: started twice", 1, *differs, "refused" if refused else "NOT REFUSED")


def _row(what: str, n: int, lost: int, wrong: int, note: str) -> dict[str, object]:
    row = {"what": what, "times": n, "lost rows": lost, "wrong rows": wrong, "note": note}
    print(json.dumps(row), flush=True)
    return row


def noise(folder: Path, n: int) -> Path:
    """A transcribed and rated table of `n` recordings of noise, on which training takes no time."""
    folder.mkdir()
    dice, lines = np.random.default_rng(0), ["file,speaker,split,arousal,text"]
    for i in range(n):
        wave_N = 0.1 * dice.normal(size=int(dice.integers(4000, 30000)))
        soundfile.write(folder / f"{i}.wav", wave_N, 16000)
        split = ("train", "train", "valid", "test")[i % 4]
        lines.append(f"{i}.wav,{split}{i % 4},{split},{1 + i % 5},{'abc'[: 1 + i % 3]}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder


def jobs(audio: Path, corpus: Path, evaluation: Path, recognizer: str = "") -> dict[str, Job]:
    """The commands that a run's folder belongs to.

    Args:
        audio: folder of recordings to extract.
        corpus: transcribed and rated table to train on.
        evaluation: a run's folder with tables and labels to evaluate.
        recognizer: to extract with and to finetune; empty: the shipped one.
    """
    sets = "('neural','random','mfcc','egemaps')"
    extract = [
        "--config=folder", f"--config.corpus.path={audio}", f"--config.feature_sets={sets}",
        f"--config.recognizer={recognizer}", "--config.batch_frames=1024", "--workdir=WORKDIR",
    ]  # fmt: skip
    pretrain = [
        "--config=english", f"--config.corpus.path={corpus}", "--config.train.steps=60",
        f"--config.corpus.data_dir={corpus / 'prepared'}", "--config.model.n_channels=8",
        "--config.train.batch_frames=512", "--config.train.checkpoint_every=7",
        "--config.train.eval_every=20", "--config.train.log_every=1",
        "--config.train.warmup_steps=5", "--config.train.max_seconds=4",
        "--config.train.buckets=1", "--config.model.n_blocks=1",
        "--config.model.dilations=(1,2)", "--workdir=WORKDIR",
    ]  # fmt: skip
    finetune = [
        "--config=table", f"--config.corpus.path={corpus / 'metadata.csv'}",
        "--config.eval.targets=arousal",
        f"--config.recognizer={recognizer}", "--config.finetune.layers=1",
        "--config.finetune.epochs=2", "--config.finetune.buckets=1", "--workdir=WORKDIR",
    ]  # fmt: skip
    return {
        "extract": Job("extract", extract, extracted),
        "eval": Job(
            "eval",
            ["--workdir=WORKDIR"],
            evaluated,
            lambda workdir: shutil.copytree(evaluation, workdir),
        ),
        "pretrain": Job("pretrain", pretrain, trained),
        "finetune": Job("finetune", finetune, finetuned),
    }


def more_jobs(extract: Job, audio: Path, folder: Path) -> dict[str, Job]:
    """What else Ctrl-C may meet: a shard, the joining of shards, and transcripts.

    Args:
        extract: an extraction.
        audio: its recordings.
        folder: receives the shards to join.
    """
    shards = [
        dataclasses.replace(extract, arguments=[*extract.arguments, f"--config.shard={i}/2"])
        for i in (1, 2)
    ]
    for shard in shards:
        dataclasses.replace(shard, outcome=lambda _: {}).finish(folder)
    of_shard = dataclasses.replace(shards[0], outcome=lambda w: extracted(w / "shards" / "1-of-2"))
    merge = Job("extract", ["--merge", "--workdir=WORKDIR"], extracted,
                lambda workdir: shutil.copytree(folder, workdir))  # fmt: skip
    files = [str(path) for path in sorted(audio.iterdir())]
    return {
        "extract --config.shard": of_shard,
        "extract --merge": merge,
        "transcribe": Job("transcribe", files, transcribed),
    }


def main(argv: list[str]) -> None:
    """Tries all faults and prints the table."""
    values = flags.FLAGS
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        audio = folder / "audio"
        audio.mkdir()
        for path in sorted(p for p in Path(values.audio).rglob("*") if p.is_file())[: values.files]:
            shutil.copy2(path, audio / path.name)
        demo = Job("extract", ["--config=demo", "--workdir=WORKDIR"], extracted)
        demo.finish(folder / "evaluation")
        all_jobs = jobs(audio, noise(folder / "noise", 24), folder / "evaluation")
        rows = [kills(job, values.kills, folder / name) for name, job in all_jobs.items()]
        extract = all_jobs["extract"]
        if values.stops:
            stopped = all_jobs | more_jobs(extract, audio, folder / "shards")
            rows += [stops(name, job, values.stops, folder / f"stop {name}")
                     for name, job in stopped.items()]  # fmt: skip
        if os.geteuid() == 0:
            for name in ("extract", "pretrain"):
                rows += full_disk(all_jobs[name], folder / name)
        rows.append(lost_file(extract, audio, folder / "extract", max(values.kills // 5, 1)))
        rows.append(damaged(extract, folder / "extract", max(values.kills // 3, 2)))
        rows += [second_process(job, folder / name) for name, job in all_jobs.items()]
    print(pd.DataFrame(rows).to_string(index=False))
    if values.out:
        Path(values.out).write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    flags.DEFINE_string("audio", None, "Folder of speech to extract.", required=True)
    flags.DEFINE_integer("files", 60, "How many of its files.", lower_bound=2)
    flags.DEFINE_integer("kills", 30, "Kills of each command.", lower_bound=1)
    flags.DEFINE_integer("stops", 20, "Ctrl-C in each command.", lower_bound=0)
    flags.DEFINE_string("out", None, "JSON file to write.")
    app.run(main)
