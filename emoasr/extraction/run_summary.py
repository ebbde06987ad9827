"""What an extraction tells at its end, in print and in `extract.json`."""

import dataclasses
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import ml_collections

from emoasr.corpora import Corpus, Skipped
from emoasr.errors import UserError, one_line
from emoasr.files import guard, parquet, storage


class Findings(NamedTuple):
    """What a step of an extraction found.

    Attributes:
        skipped: utterances that were left out, and why.
        warnings: one line each.
        metrics: fields of `extract.json`.
    """

    skipped: Sequence[Skipped] = ()
    warnings: Sequence[str] = ()
    metrics: Mapping[str, Any] = MappingProxyType({})


def joined(*findings: Findings) -> Findings:
    """What several steps found, each thing once, in their order."""
    return Findings(
        list(dict.fromkeys(s for found in findings for s in found.skipped)),
        list(dict.fromkeys(line for found in findings for line in found.warnings)),
        {name: value for found in findings for name, value in found.metrics.items()},
    )


def tell(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    tables: list[Path],
    found: Findings,
    workdir: Path,
) -> None:
    """Prints and stores found, used, skipped."""
    used = corpus.table.index
    anywhere = used[:0] if tables else used  # only given tables: nobody has listened yet
    outlines = {path: parquet.outline(path) for path in tables}
    for index, _, _ in outlines.values():
        used, anywhere = used.intersection(index), anywhere.union(index)
    parquet.write(corpus.table[corpus.table.index.isin(anywhere)], workdir / "labels.parquet")
    record = {
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
        **found.metrics,
    }
    guard.write_atomically(workdir / "extract.json", json.dumps(record, indent=1) + "\n")
    synthetic = " (SYNTHETIC: made by a program)" if corpus.synthetic else ""
    for path, (index, n_columns, _) in outlines.items():
        print(f"{path}: {len(index)} x {n_columns}")
    if "hours_of_audio" in record:
        compiled = f"{record['compilations']} compilations, " if "compilations" in record else ""
        print(
            f"{record['hours_of_audio']:.2f} hours of audio in {record['seconds']:.1f} s; "
            f"{compiled}padding {record['padding']:.1%}"
        )
    for line in found.warnings:
        print(f"warning: {line}")
    print(
        f"{corpus.name}{synthetic}: {record['found']} found, {record['used']} used in all tables, "
        f"{len(found.skipped)} skipped"
    )
    reasons = [  # most begin with their file: which those are, extract.json says
        (s.step, s.reason.removeprefix(f"{one_line(storage.joined(corpus.root, s.file))}: "))
        for s in found.skipped
    ]
    for (step, reason), count in Counter(reasons).most_common():
        print(f"  {count} x [{step}] {reason}")
    if found.skipped:
        print(f"  which: {workdir / 'extract.json'}")


def read(workdir: Path) -> dict[str, Any]:
    """What `tell` stored: `corpus`, `found`, `used`, `skipped`, `warnings`, `seconds`, `tables`.

    Raises:
        UserError: there is no such record, or it is broken.
    """
    path = workdir / "extract.json"
    lately = {"warnings": [], "seconds": 0.0, "tables": {}}  # what older runs do not say
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        told = {key: record[key] for key in ("corpus", "found", "used", "skipped")}
        return told | {key: record.get(key, nothing) for key, nothing in lately.items()}
    except (AttributeError, OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: no such record of an extraction; "
            f"run python -m emoasr.extract --workdir={workdir} first"
        ) from None
