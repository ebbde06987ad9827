"""Evaluates a made feature table of a corpus of MSP-Podcast's shape, in its folder as distributed.

    python scripts/simulate_evaluation.py --turns=150000

The files of audio are empty: what is read of them is made up, 1920 numbers a turn that carry some
of three ratings and of who speaks. Everything else is what `emoasr eval` does, by
`configs/msp_podcast.py`. Prints seconds and the peak of memory so far of each step, and the size of
the report's page.
"""

import json
import resource
import shutil
import tempfile
import time
from pathlib import Path

import ml_collections
import numpy as np
import pandas as pd
from absl import app, flags

from emoasr import config
from emoasr import eval as emoasr_eval
from emoasr.corpora import open_corpus
from emoasr.files import parquet
from emoasr.inference.columns import unit_names
from emoasr.settings import configurations

_TURNS = flags.DEFINE_integer("turns", 150_000, "Rows.", lower_bound=100)
_SPEAKERS = flags.DEFINE_integer("speakers", 2000, "Speakers of all splits.", lower_bound=10)
_REGRESSORS = flags.DEFINE_list("regressors", "ridge,linear", "ridge on all features, linear: 100.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder to work in. Default: a temporary one.")

_SHARES = {"Train": 0.56, "Development": 0.13, "Test1": 0.2, "Test2": 0.1, "Test3": 0.01}
_ROWS = 5000  # made at once


def main(_) -> None:
    """Makes the corpus and its table, and evaluates it."""
    workdir = Path(_WORKDIR.value or tempfile.mkdtemp(prefix="emoasr-simulated-"))
    started = time.monotonic()
    labels = _release(workdir / "release")
    _table(labels, workdir)
    started = _report("corpus and table", started)
    for regressor in _REGRESSORS.value:
        c = configurations.load(configurations.shipped(config.experiment)["msp_podcast"])
        c.feature_sets, c.eval.regressor = ("neural",), regressor
        c.eval.n_selected = 0 if regressor == "ridge" else 100
        emoasr_eval.main(c, workdir)
        started = _report(f"eval, {regressor}", started)
    for page in sorted(workdir.glob("eval/*/report.html")):
        print(f"{page}: {page.stat().st_size / 1e6:.1f} MB")
    if _WORKDIR.value is None:
        shutil.rmtree(workdir)


def _report(step: str, started: float) -> float:
    now = time.monotonic()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    print(f"{step}: {now - started:.0f} s, peak of memory so far {peak:.2f} GiB", flush=True)
    return now


def _release(root: Path) -> pd.DataFrame:
    """A folder as a release has it; its labels, as the loader gives them."""
    random, n = np.random.default_rng(0), _TURNS.value
    of_split = random.choice(len(_SHARES), _SPEAKERS.value, p=[*_SHARES.values()])
    activity = random.lognormal(0, 1.2, _SPEAKERS.value)  # a few speak much
    speaker = random.choice(_SPEAKERS.value, n, p=activity / activity.sum())
    mood = random.normal(4, 0.5, (_SPEAKERS.value, 3))
    ratings = (mood[speaker] + random.normal(0, 0.8, (n, 3))).clip(1, 7).round(1)
    frame = pd.DataFrame({"FileName": [f"MSP-PODCAST_{i:06d}.wav" for i in range(n)]})
    frame["EmoClass"] = random.choice([*"NHASXU"], n)
    frame[["EmoAct", "EmoVal", "EmoDom"]] = ratings
    frame["SpkrID"] = speaker.astype(str)
    frame["Split_Set"] = np.array([*_SHARES])[of_split[speaker]]
    (root / "Labels").mkdir(parents=True)
    (root / "Audios").mkdir()
    for name in frame["FileName"]:
        (root / "Audios" / name).touch()
    frame.to_csv(root / "Labels" / "labels_consensus.csv", index=False)
    corpus = ml_collections.ConfigDict({"kind": "msp_podcast", "path": str(root)})
    return open_corpus(corpus, root).table


def _table(labels: pd.DataFrame, workdir: Path) -> None:
    """What an extraction leaves: labels, `neural` and the run summary."""
    random = np.random.default_rng(1)
    of_ratings = random.standard_normal((3, 1920)) * 0.2
    ratings = labels[["arousal", "valence", "dominance"]].to_numpy(np.float64)
    mixed = random.standard_normal((64, 1920))

    def parts():
        for i in range(0, len(labels), _ROWS):
            rows = ratings[i : i + _ROWS]
            noise = random.standard_normal((len(rows), 64)) @ mixed / 8
            noise += random.standard_normal((len(rows), 1920))
            yield np.asfortranarray(np.tanh((rows - 4) @ of_ratings + noise), np.float32)

    (workdir / "features").mkdir()
    digest = {"recognizer": "0123456789abcdef", "tap": "gate", "pooling": "mean"}
    path = workdir / "features" / "neural.parquet"
    parquet.write_numbers(parts(), labels.index, unit_names(), path, digest)
    parquet.write(labels, workdir / "labels.parquet", {"labels": "made"})
    summary = {
        "config": {},
        "corpus": {"name": "made like MSP-Podcast", "synthetic": True, "path": ""},
        "found": len(labels), "used": len(labels), "skipped": [], "warnings": [], "notes": [],
        "labels": "made", "tables": {"neural": digest},
    }  # fmt: skip
    (workdir / "extract.json").write_text(json.dumps(summary))


if __name__ == "__main__":
    app.run(main)
