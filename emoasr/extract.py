"""Extracts features of every utterance of a corpus: one table a feature set.

    python -m emoasr.extract --config=configs/demo.py --workdir=runs/demo
    python -m emoasr.extract --config=configs/emotale.py --config.corpus.path=DIR --workdir=runs/e
    python -m emoasr.extract --config=configs/folder.py --config.corpus.path=DIR --workdir=runs/f

The workdir receives `features/SET.parquet` (`neural`, `mfcc`, `egemaps`, and the untrained networks
`random` and `random-N` of seeds `config.seed` and N, as `config.feature_sets` says),
`labels.parquet`, and `extract.json`: the configuration, and which utterances were found, used and
skipped, and why. A table that is there already, made from the same files with the same settings, is
kept; so the same command finishes a run that was stopped. Entries of `config.feature_sets` that are
paths of tables are left to `python -m emoasr.eval`.
"""

import contextlib
import dataclasses
import json
import os
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_collections
import numpy as np
import pandas as pd
from tqdm import tqdm

from emoasr import cli, egemaps, features, provenance
from emoasr.corpora import Corpus, Skipped, open_corpus
from emoasr.errors import UserError, check_choice
from emoasr.spool import Spool

if TYPE_CHECKING:  # JAX is imported within functions: openSMILE's processes do without it
    from emoasr.recognizer import Recognizer


@dataclasses.dataclass
class Report:
    """What a run tells at its end, in print and in `extract.json`."""

    skipped: list[Skipped]
    warnings: list[str] = dataclasses.field(default_factory=list)
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)


def main(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Extracts `config.feature_sets` of the corpus into `workdir`.

    Args:
        config: `corpus`, `feature_sets`, `recognizer`, `tap`, `pooling`, `seed`, `batch_frames`,
            `buckets`, `compute_dtype`, `workers`.
        workdir: the run's folder.

    Raises:
        UserError: a setting is wrong, the corpus or recognizer cannot be opened, or no utterance
            could be read.
    """
    from emoasr.checkpoint import load_recognizer

    _check(config)
    recognizer = load_recognizer(config.recognizer or None)
    corpus = open_corpus(config.corpus, workdir)
    folder = cli.ensure_folder(workdir / "features")
    report = Report(list(corpus.skipped))
    for given in filter(features.is_given, config.feature_sets):
        print(f"{given}: a given table, left to emoasr.eval")
    wanted = provenance.wanted(config, corpus, recognizer)
    new = [name for name in wanted if not _kept(folder, name, wanted[name], report)]
    started = time.monotonic()
    for name, table in _extract(config, corpus, recognizer, new, report, folder):
        skipped = [dataclasses.asdict(s) for s in report.skipped if s.step in (name, "audio")]
        told = {"skipped": skipped, "warnings": report.warnings}
        features.write(table, folder / f"{name}.parquet", {**wanted[name], **told})
    report.figures["seconds"] = round(time.monotonic() - started, 2)
    _tell(config, corpus, [folder / f"{name}.parquet" for name in wanted], report, workdir)


def _check(config: ml_collections.ConfigDict) -> None:
    from emoasr.model import COMPUTE_DTYPES, TAPS
    from emoasr.pooling import POOLINGS

    check_choice("config.tap", config.tap, TAPS)
    check_choice("config.compute_dtype", config.compute_dtype, COMPUTE_DTYPES)
    check_choice("config.pooling", config.pooling, POOLINGS)
    features.paths(config.feature_sets, Path())  # of two with one name, eval could take neither
    provenance.own_sets(config)
    for name in ("batch_frames", "buckets"):
        if config[name] < 1:
            raise UserError(f"config.{name}={config[name]}: must be 1 or more")


def _kept(folder: Path, name: str, wanted: dict[str, Any], report: Report) -> bool:
    """Whether the table on disk is the wanted one; what it skipped and warned of is told again."""
    path = folder / f"{name}.parquet"
    if not path.exists():
        return False
    _, _, metadata = features.outline(path)
    skipped = [Skipped(**s) for s in metadata.pop("skipped", [])]
    warnings = metadata.pop("warnings", [])
    if metadata != wanted:
        return False
    print(f"{path}: kept, made from the same files with the same settings")
    report.skipped += [s for s in skipped if s not in report.skipped]
    report.warnings += [w for w in warnings if w not in report.warnings]
    return True


def _extract(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    recognizer: "Recognizer",
    new: list[str],
    report: Report,
    folder: Path,
) -> Iterator[tuple[str, pd.DataFrame | Iterator[pd.DataFrame]]]:
    """Tables of the sets that are not there yet; what fails goes to the report."""
    workers = config.workers or os.cpu_count() or 1
    on_device = [name for name in new if name != "egemaps"]
    if on_device:
        columns = _column_names(recognizer, on_device)
        with contextlib.ExitStack() as stack:
            spools = {
                name: stack.enter_context(Spool(folder / f".{name}.rows", columns[name]))
                for name in on_device
            }
            done = _extract_on_device(config, corpus, recognizer, spools, workers, report)
            for name, spool in spools.items():
                yield name, spool.frames(done, corpus.table.index[done])
    if "egemaps" in new:
        unreadable = {(s.file, s.start, s.end) for s in report.skipped if s.step == "audio"}
        readable = [i for i in range(len(corpus)) if corpus.key(i) not in unreadable]
        with tqdm(total=len(readable), unit="utt", desc="egemaps") as bar:
            table, skipped = egemaps.extract(corpus, readable, workers, bar.update)
        report.skipped += skipped
        yield "egemaps", table


def _extract_on_device(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    recognizer: "Recognizer",
    spools: dict[str, Spool],
    workers: int,
    report: Report,
) -> np.ndarray:
    """One pass over the corpus for all sets that the accelerator computes.

    Returns:
        The utterances that have a row in each spool, ascending.
    """
    from emoasr import batching, compilation, control, inference, pooling

    compilation.keep()
    frontend = recognizer.config.frontend
    corpus = dataclasses.replace(
        corpus, sample_rate=frontend.sample_rate, antialias=frontend.antialias
    )
    run = inference.Run(corpus, frontend.hop_length, config.batch_frames, config.buckets, workers)
    n_samples = run.plan()
    _raise_if_all_failed(corpus, run.failed)
    networks = {"neural": recognizer.model} if "neural" in spools else {}
    if seeds := provenance.seeds(config, list(spools)):
        waves, model = control.calibration_waves(corpus, n_samples), recognizer.config.model
        networks |= {n: control.untrained(model, frontend, waves, s) for n, s in seeds.items()}
    networks = {name: net.computing_in(config.compute_dtype) for name, net in networks.items()}
    pooler = pooling.Pooler(networks, frontend, config.tap, config.pooling, "mfcc" in spools)

    done = np.zeros(len(corpus), bool)
    hours = n_samples / frontend.sample_rate / 3600
    form = "{l_bar}{bar}| {n:.2f}/{total:.2f} h of audio [{elapsed}<{remaining}]"
    with tqdm(total=hours.sum(), desc="/".join(spools)[:30], bar_format=form) as bar:
        for indices, arrays in run.results(pooler):
            for name, rows in arrays.items():
                spools[name].put(indices, rows)
            done[indices] = True
            bar.update(hours[indices].sum())
    _raise_if_all_failed(corpus, run.failed)
    report.skipped += [corpus.skip(i, "audio", why) for i, why in sorted(run.failed.items())]
    silent = [f"{corpus.segment(i).path}: all samples are zero" for i in sorted(run.silent)]
    report.warnings += [w for w in silent if w not in report.warnings]
    hops = -(-np.delete(n_samples, run.long) // frontend.hop_length)
    report.figures |= {
        "hours_of_audio": round(float(hours.sum()), 4),
        "shapes": [(b.batch_size, b.n_hops + 1) for b in run.buckets],
        "compilations": pooler.n_compilations,
        "padding": round(batching.padding_share(run.buckets, hops), 4),
    }
    return np.flatnonzero(done)


def _column_names(recognizer: "Recognizer", names: list[str]) -> dict[str, list[str]]:
    config = recognizer.config
    units = features.unit_names(config.model.n_layers, config.model.n_channels)
    mfcc = [f"mfcc{i:02d}.{how}" for how in ("mean", "std") for i in range(config.frontend.n_mfcc)]
    return {name: mfcc if name == "mfcc" else units for name in names}


def _raise_if_all_failed(corpus: Corpus, failed: dict[int, str]) -> None:
    if len(failed) == len(corpus):
        raise UserError(f"no utterance of {corpus.name} could be read; the first: {failed[0]}")


def _tell(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    tables: list[Path],
    report: Report,
    workdir: Path,
) -> None:
    """Prints and stores found, used, skipped."""
    used = corpus.table.index
    anywhere = used[:0] if tables else used  # only given tables: nobody has listened yet
    outlines = {path: features.outline(path) for path in tables}
    for index, _, _ in outlines.values():
        used, anywhere = used.intersection(index), anywhere.union(index)
    features.write(corpus.table[corpus.table.index.isin(anywhere)], workdir / "labels.parquet")
    record = {
        "config": json.loads(config.to_json_best_effort()),
        "corpus": {
            "name": corpus.name,
            "synthetic": corpus.synthetic,
            "path": str(corpus.root),
        },
        "found": len(corpus) + len(corpus.skipped),
        "used": len(used),
        "skipped": [dataclasses.asdict(s) for s in report.skipped],
        "warnings": report.warnings,
        "notes": corpus.notes,
        **report.figures,
    }
    cli.write_atomically(workdir / "extract.json", json.dumps(record, indent=1) + "\n")
    synthetic = " (SYNTHETIC: made by a program)" if corpus.synthetic else ""
    for path, (index, n_columns, _) in outlines.items():
        print(f"{path}: {len(index)} x {n_columns}")
    if "shapes" in record:
        print(
            f"{record['hours_of_audio']:.2f} hours of audio in {record['seconds']:.1f} s; "
            f"{record['compilations']} compilations, padding {record['padding']:.1%}"
        )
    for line in report.warnings:
        print(f"warning: {line}")
    print(
        f"{corpus.name}{synthetic}: {record['found']} found, {record['used']} used in all tables, "
        f"{len(report.skipped)} skipped"
    )
    for (step, reason), count in Counter((s.step, s.reason) for s in report.skipped).most_common():
        print(f"  {count} x [{step}] {reason}")
    if report.skipped:
        print(f"  which: {workdir / 'extract.json'}")


if __name__ == "__main__":
    cli.run(main, needs="feature_sets")
