"""The run summary: what an extraction found, in `extract.json` and printed at its end."""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import ml_collections

from emoasr.corpora import Corpus, Skipped
from emoasr.errors import UserError, without_file
from emoasr.files import parquet
from emoasr.files.writing import write_atomically
from emoasr.system import output


class Findings(NamedTuple):
    """What a step of an extraction found.

    Attributes:
        skipped: utterances that were left out, and why.
        warnings: one line each.
        metrics: fields of `extract.json`.
        computed: batches, padding and such, by each feature set that a device computed now.
    """

    skipped: Sequence[Skipped] = ()
    warnings: Sequence[str] = ()
    metrics: Mapping[str, Any] = MappingProxyType({})
    computed: Mapping[str, Mapping[str, Any]] = MappingProxyType({})


def joined(*findings: Findings) -> Findings:
    """What several steps found, each thing once, in their order.

    An utterance whose audio cannot be read is not listed again as left out by eGeMAPS, nor because
    the reason that a table of an earlier run holds names it by another path.
    """
    once: dict[Any, Skipped] = {}
    for s in (s for found in findings for s in found.skipped):
        once.setdefault(s if s.step == "corpus" else (s.step, s.file, s.start, s.end), s)
    skipped = list(once.values())
    unreadable = {(s.file, s.start, s.end) for s in skipped if s.step == "audio"}
    return Findings(
        [s for s in skipped if s.step != "egemaps" or (s.file, s.start, s.end) not in unreadable],
        list(dict.fromkeys(line for found in findings for line in found.warnings)),
        {name: value for found in findings for name, value in found.metrics.items()},
        {name: took for found in findings for name, took in found.computed.items()},
    )


def finish(
    config: ml_collections.ConfigDict,
    of_corpus: Mapping[str, Any],
    corpus: Corpus,
    tables: Mapping[str, parquet.Outline],
    found: Findings,
    workdir: Path,
) -> None:
    """Writes the labels and then `extract.json`, which makes a run finished; prints a summary.

    Args:
        config: all settings, with all feature sets of the run.
        of_corpus: what says which corpus it is, see `provenance.of_corpus`.
        corpus: its utterances.
        tables: the finished feature tables, by set.
        found: by all steps.
        workdir: the run's folder.
    """
    used = corpus.table.index
    anywhere = used[:0] if tables else used  # only external tables: no audio has been read yet
    for table in tables.values():
        used, anywhere = used.intersection(table.rows), anywhere.union(table.rows)
    labels = corpus.table[corpus.table.index.isin(anywhere)]
    digest = hashlib.sha256(labels.to_csv().encode(errors="surrogatepass")).hexdigest()[:16]
    beside = ("skipped", "warnings")
    summary = {
        "config": json.loads(config.to_json_best_effort()),
        "corpus": {
            "name": corpus.name,
            "synthetic": corpus.synthetic,
            "path": str(corpus.root),
        },
        "found": len(corpus) + len(corpus.skipped),
        "used": len(used),
        "skipped": [dataclasses.asdict(s) for s in found.skipped],
        "warnings": found.warnings,
        "notes": corpus.notes,
        "labels": digest,
        "tables": {
            name: {k: value for k, value in table.metadata.items() if k not in beside}
            for name, table in tables.items()
        },
        **found.metrics,
        **_hours(found.computed),
        "computed": found.computed,
    }
    parquet.write(labels, workdir / "labels.parquet", {**of_corpus, "labels": digest})
    write_atomically(workdir / "extract.json", json.dumps(summary, indent=1) + "\n")
    _print(summary, corpus, tables, workdir)


def _hours(computed: Mapping[str, Mapping[str, Any]]) -> dict[str, float]:
    """Hours of audio computed now: the most that any feature set took."""
    hours = [took["hours_of_audio"] for took in computed.values()]
    return {"hours_of_audio": max(hours)} if hours else {}


def _print(
    summary: Mapping[str, Any],
    corpus: Corpus,
    tables: Mapping[str, parquet.Outline],
    workdir: Path,
) -> None:
    """Prints a run summary, for people."""
    for name, table in tables.items():
        print(f"{workdir / 'features' / name}.parquet: {len(table.rows)} x {table.n_columns}")
    if "hours_of_audio" in summary:
        hours = summary["hours_of_audio"]
        audio = f"{hours:.2f} hours" if hours >= 1 else f"{60 * hours:.1f} minutes"
        print(f"{audio} of audio in {summary['seconds']:.1f} s")
    for name, took in summary["computed"].items():
        n = took.get("compilations")
        compiled = "" if n is None else f"{output.counted(n, 'compilation')}, "
        output.detail(f"{name}: {compiled}padding {took['padding']:.1%}")
    for line in summary["warnings"]:
        print(f"warning: {line}")
    synthetic = " (SYNTHETIC: made by a program)" if corpus.synthetic else ""
    print(
        f"{corpus.name}{synthetic}: {summary['found']} found, {summary['used']} used in all "
        f"tables, {len(summary['skipped'])} skipped"
    )
    skipped: dict[tuple[str, str], list[str]] = {}
    for s in summary["skipped"]:  # most reasons begin with their file, by whichever path
        reason = without_file(s["reason"], s["file"])
        skipped.setdefault((s["step"], reason), []).append(s["file"])
    for (step, reason), files in sorted(skipped.items(), key=lambda item: -len(item[1])):
        print(f"  {len(files)} x [{step}] {reason}{output.few(files)}")
    if skipped:
        print(f"  which: {workdir / 'extract.json'}")


def read(workdir: Path) -> dict[str, Any]:
    """Reads a run summary: `corpus`, `found`, `used`, `skipped`, `tables`, `labels`, `config`.

    Raises:
        UserError: there is none, or it is broken.
    """
    path = workdir / "extract.json"
    # of runs by older versions
    defaults: dict[str, Any] = {"tables": {}, "labels": None, "config": {}}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        summary = {key: stored[key] for key in ("corpus", "found", "used", "skipped")}
        return summary | {key: stored.get(key, default) for key, default in defaults.items()}
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: no such record of an extraction; "
            f"run python -m emoasr.extract --workdir={workdir} first"
        ) from None
