r"""Adds synthetic speech to a transcribed corpus, for more texts and voices in pre-training.

    bash scripts/setup_synthesis.sh SYNTHESIZERS
    python scripts/synthesize_speech.py CORPUS OUT --synthesizers=SYNTHESIZERS --texts=FILE \
        --engines=kokoro=2.3,hibari=2,joe=1

CORPUS is a folder with `metadata.csv` (file, speaker, split, text), see `configs/english.py`. OUT
gets a `metadata.csv` of all its utterances, where they lie, and of the synthetic ones, all of the
split `train`; give it as `--config.corpus.path=OUT`. FILE has a text a line: plain English without
digits or abbreviations, such as the prompts that VCTK's speakers read, or what `training_texts.py`
prints.

Voices are in `scripts/synthesis_voices.txt`: Kokoro's 54 and 100 blends of them, 100 of hibari, 20
of Piper's joe. Kokoro's sound most natural and differ most from one another; 2 CPU cores make 3
hours of it in an hour, 40 of hibari, 15 of joe. Other blends of Kokoro, 200, and 400 voices of
hibari are in `scripts/synthesis_accents.txt`, each with a foreign accent of its own (`accents.py`):
give that as `--voices`, and OUT of a first call as CORPUS. The same arguments draw the same texts
and voices (joe's models draw noise of their own); what is there is not spoken again.
"""

import itertools
import json
import re
import subprocess
import threading
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
from absl import app, flags

from emoasr.corpora import transcribed
from emoasr.errors import UserError
from emoasr.files import writing
from emoasr.system import progress

_SYNTHESIZERS = flags.DEFINE_string("synthesizers", "", "What setup_synthesis.sh made.")
_TEXTS = flags.DEFINE_string("texts", "", "File with a text a line.")
_ENGINES = flags.DEFINE_list("engines", ["kokoro=1"], "ENGINE=HOURS, of kokoro, hibari, joe.")
_VOICES = flags.DEFINE_string(
    "voices", str(Path(__file__).with_name("synthesis_voices.txt")), "File with a voice a line."
)
_JOBS = flags.DEFINE_integer("jobs", 2, "Utterances spoken at once.", lower_bound=1)

_SEEDS = {"kokoro": 7, "hibari": 13, "joe": 11}  # of texts and voices
_AT_ONCE = 64  # utterances between two looks at the hours


def main(argv: list[str]) -> None:
    """Speaks what is missing in OUT and writes its table."""
    if len(argv) != 3:
        raise app.UsageError("give the corpus' folder and the folder to write")
    corpus, out = Path(argv[1]), Path(argv[2])
    wanted = _wanted_hours(_ENGINES.value)
    python = Path(_SYNTHESIZERS.value, "venv", "bin", "python")
    if not python.exists():
        raise SystemExit(f"error: --synthesizers={_SYNTHESIZERS.value}: not made; see --help")
    texts, voices = _lines("texts"), _voices(wanted)
    try:
        known = transcribed.read_rows(corpus, parts=True)
        writing.ensure_folder(out)
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
    if corpus.resolve() == out.resolve():
        raise SystemExit(f"error: {out}: its table would be replaced; give another folder as OUT")

    speakers = _Speakers(python, out)
    with ThreadPoolExecutor(_JOBS.value) as pool:
        rows = [
            row
            for engine, hours in wanted.items()
            for row in _spoken(engine, hours, _plan(engine, voices[engine], texts), speakers, pool)
        ]
    known["file"] = [str((corpus / file).resolve()) for file in known["file"]]
    synthetic = pd.DataFrame(rows).assign(split="train")
    times = [name for name in ("start", "end") if name in known]
    columns = ["file", *times, "speaker", "split", "duration", "text"]
    pd.concat([known, synthetic])[columns].to_csv(out / "metadata.csv", index=False)
    hours = synthetic["duration"].sum() / 3600
    print(f"{len(synthetic)} synthetic utterances, {hours:.2f} h: {out / 'metadata.csv'}")


def _wanted_hours(given: list[str]) -> dict[str, float]:
    wanted = {}
    for part in given:
        engine, _, hours = part.partition("=")
        is_number = hours.replace(".", "", 1).isdecimal()
        if engine not in _SEEDS or engine in wanted or not is_number or not float(hours):
            raise app.UsageError(
                f"--engines has {part!r}; give ENGINE=HOURS of {', '.join(_SEEDS)}, each once, and "
                "more hours than 0"
            )
        wanted[engine] = float(hours)
    if not wanted:
        raise app.UsageError(f"--engines is empty; give ENGINE=HOURS of {', '.join(_SEEDS)}")
    return wanted


def _lines(flag: str) -> list[str]:
    """Those of the file that a flag names, but for empty ones."""
    path = Path(flags.FLAGS[flag].value)
    if not path.is_file():
        raise SystemExit(f"error: --{flag}={path}: no such file; see --help")
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except UnicodeDecodeError:
        raise SystemExit(f"error: --{flag}={path}: is not UTF-8; save it in UTF-8") from None
    if not any(lines):
        raise SystemExit(f"error: --{flag}={path}: nothing in it")
    return [line for line in lines if line]


class _Speakers:
    """Speaks in a process of the synthesizers' environment for every thread that asks."""

    def __init__(self, python: Path, out: Path):
        self._command = [python, Path(__file__).with_name("synthesis_engines.py"), out]
        self._out = out
        self._own = threading.local()

    def speak(self, job: dict) -> float:
        """Writes an utterance, unless it is there; its duration in seconds."""
        path = self._out / job["file"]
        if path.exists():
            return round(soundfile.info(path).duration, 3)
        if not hasattr(self._own, "process"):
            pipe = subprocess.PIPE
            self._own.process = subprocess.Popen(self._command, stdin=pipe, stdout=pipe, text=True)
        process = self._own.process
        process.stdin.write(json.dumps(job) + "\n")
        process.stdin.flush()
        answer = process.stdout.readline()
        if not answer:
            raise SystemExit(f"error: {path}: could not be spoken; what is above says why")
        return float(answer)


def _voices(engines: Iterable[str]) -> dict[str, list[list[str]]]:
    """Name and specification of each engine's voices."""
    lines = [line.split() for line in _lines("voices")]
    for line in lines:
        if len(line) != 2 or not re.match("[khj]:", line[1]):
            raise SystemExit(
                f"error: --voices={_VOICES.value}: line {' '.join(line)!r}: give a name and "
                "k:, h: or j: with what Kokoro, hibari or joe need; see synthesis_voices.txt"
            )
    voices = {engine: [line for line in lines if line[1][0] == engine[0]] for engine in engines}
    for engine, own in voices.items():
        if not own:
            raise SystemExit(f"error: --voices={_VOICES.value}: has no voice of {engine}")
    return voices


def _plan(engine: str, voices: list[list[str]], texts: list[str]) -> Iterator[dict]:
    """Utterances without end; a text comes again when all were read, by another voice."""
    random = np.random.default_rng(_SEEDS[engine] + 1)
    random.permutation(len(voices))  # kept, so that texts stay those of the speech made so far
    order = random.permutation(len(texts))
    for i in itertools.count():
        name, voice = voices[(i + i // len(texts)) % len(voices)]
        yield {
            "file": f"{engine}/{name}/{i:07d}.opus", "speaker": f"{engine}/{name}",
            "text": texts[order[i % len(texts)]], "voice": voice, "seed": [_SEEDS[engine], i],
        }  # fmt: skip


def _spoken(
    engine: str, hours: float, plan: Iterator[dict], speakers: _Speakers, pool: ThreadPoolExecutor
) -> list[dict]:
    """The first utterances of the plan that last as long as wanted."""
    rows, seconds = [], 0.0
    with progress.bar(total=round(hours * 3600), unit="s", desc=engine) as bar:
        while seconds < hours * 3600:
            jobs = list(itertools.islice(plan, _AT_ONCE))
            for job, duration in zip(jobs, pool.map(speakers.speak, jobs), strict=True):
                if seconds < hours * 3600:
                    rows.append({**job, "duration": duration})
                    seconds += duration
                    bar.update(round(duration))
    return rows


if __name__ == "__main__":
    app.run(main)
