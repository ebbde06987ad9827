"""Extracts features of every utterance of a corpus: one table a feature set.

    python -m emoasr.extract --config=configs/demo.py --workdir=runs/demo
    python -m emoasr.extract --config=configs/emotale.py --config.corpus.path=DIR --workdir=runs/e
    python -m emoasr.extract --config=configs/folder.py --config.corpus.path=DIR --workdir=runs/f

In parts, side by side, on one machine or many that share a disk (or in a job array):

    python -m emoasr.extract --config=... --workdir=runs/e --config.shard=3/16   # 1/16 to 16/16
    python -m emoasr.extract --merge --workdir=runs/e

The workdir receives `features/SET.parquet` (`neural`, `mfcc`, `egemaps`, and the untrained networks
`random` and `random-N` of seeds `config.seed` and N, as `config.feature_sets` says),
`labels.parquet`, and `extract.json`: the configuration, and which utterances were found, used and
skipped, and why. A table that is there already, made from the same files with the same settings, is
kept, and so is every row that came out before a run was stopped or a file changed: the same command
goes on from there. Entries of `config.feature_sets` that are
paths of tables are left to `python -m emoasr.eval`.
"""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_collections

from emoasr import (
    cli,
    extras,
    features,
    guard,
    merging,
    parquet,
    provenance,
    raydata,
    shards,
    storage,
)
from emoasr.audio import AudioError, Segment, read
from emoasr.corpora import Corpus, Skipped, open_corpus
from emoasr.errors import UserError, check_choice
from emoasr.passes import Pass
from emoasr.record import Report, tell
from emoasr.rows import Rows, remove_parts

if TYPE_CHECKING:  # JAX is imported within functions: openSMILE's processes do without it
    from emoasr.recognizer import Recognizer


def main(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Extracts `config.feature_sets` of the corpus into `workdir`.

    Args:
        config: `corpus`, `feature_sets`, `recognizer`, `tap`, `pooling`, `seed`, `batch_frames`,
            `buckets`, `compute_dtype`, `workers`, `shard`,
            `engine`, `ray`.
        workdir: the run's folder; a shard has its own in there.

    Raises:
        UserError: a setting is wrong, the corpus or recognizer cannot be opened, or no utterance
            could be read.
    """
    guard.steady_memory()
    from emoasr.checkpoint import load_recognizer

    _check(config)
    shard = shards.wanted(config)
    whole = open_corpus(config.corpus, workdir)
    if config.engine == "ray":
        raydata.start(config.ray)
    recognizer = load_recognizer(config.recognizer or None)
    corpus = shard.of(whole) if shard else whole
    workdir = shard.folder(workdir) if shard else workdir
    folder = guard.ensure_folder(workdir / "features")
    report = Report(list(corpus.skipped))
    for given in filter(features.is_given, config.feature_sets):
        print(f"{given}: a given table, left to emoasr.eval")
    wanted = provenance.wanted(config, corpus, recognizer)
    new = [name for name in wanted if not _kept(folder, name, wanted[name], corpus, report)]
    run = Pass(config, corpus, workdir, report, whole)
    started = time.monotonic()
    for name, rows in _extract(run, recognizer, new):
        skipped = [dataclasses.asdict(s) for s in report.skipped if s.step in (name, "audio")]
        done = [i for i, key in enumerate(run.keys) if key in rows]
        keys = [run.keys[i] for i in done]
        told = {"skipped": skipped, "warnings": report.warnings, "rows": rows.seal(keys)}
        parts = rows.tables(keys, corpus.table.index[done])
        parquet.write(parts, folder / f"{name}.parquet", {**wanted[name], **told})
        rows.clear()
    report.figures["seconds"] = round(time.monotonic() - started, 2)
    report.figures["tables"] = wanted
    tell(config, corpus, [folder / f"{name}.parquet" for name in wanted], report, workdir)


def _check(config: ml_collections.ConfigDict) -> None:
    from emoasr.model import COMPUTE_DTYPES, TAPS
    from emoasr.pooling import POOLINGS

    check_choice("config.tap", config.tap, TAPS)
    check_choice("config.compute_dtype", config.compute_dtype, COMPUTE_DTYPES)
    check_choice("config.pooling", config.pooling, POOLINGS)
    check_choice("config.engine", config.engine, ("local", "ray"))
    if "egemaps" in config.feature_sets:
        extras.require("egemaps", "config.feature_sets: egemaps")
    if config.engine == "ray":
        extras.require("ray", "config.engine=ray")
    features.paths(config.feature_sets, Path())  # of two with one name, eval could take neither
    provenance.own_sets(config)
    for name in ("batch_frames", "buckets"):
        if config[name] < 1:
            raise UserError(f"config.{name}={config[name]}: must be 1 or more")


def _kept(folder: Path, name: str, wanted: dict[str, Any], corpus: Corpus, report: Report) -> bool:
    """Whether the table on disk is the wanted one; what it skipped and warned of is told again."""
    path = folder / f"{name}.parquet"
    if not path.exists():
        return False
    try:
        _, _, metadata = parquet.outline(path)
    except UserError as error:
        print(f"warning: {error}; it is made anew")
        return False
    skipped = [Skipped(**s) for s in metadata.pop("skipped", [])]
    warnings = metadata.pop("warnings", [])
    metadata.pop("rows", None)
    if metadata != wanted or any(_readable_now(corpus, s) for s in skipped if s.step == "audio"):
        return False
    print(f"{path}: kept, made from the same files with the same settings")
    remove_parts(folder.parent / ".rows" / name)
    report.add(skipped, warnings)
    return True


def _readable_now(corpus: Corpus, skipped: Skipped) -> bool:
    """Whether what was unreadable is not now: rights change neither a file's size nor time."""
    try:
        path = storage.joined(corpus.root, skipped.file)
        read(Segment(path, skipped.start or 0.0, skipped.end))
    except AudioError:
        return False
    return True


def _extract(run: Pass, recognizer: "Recognizer", new: list[str]) -> Iterator[tuple[str, Rows]]:
    """Rows of the sets that there are no tables of."""
    if on_device := [name for name in new if name != "egemaps"]:
        yield from run.on_device(recognizer, on_device).items()
    if "egemaps" in new:
        yield "egemaps", run.by_opensmile()


if __name__ == "__main__":
    cli.run(main, needs="feature_sets", seat=shards.seat, instead={"merge": merging.main})
