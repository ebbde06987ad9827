"""What an extraction tells at its end, in print and in `extract.json`."""

import dataclasses
import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import ml_collections

from emoasr.corpora import Corpus, Skipped
from emoasr.errors import UserError, one_line
from emoasr.files import parquet, storage
from emoasr.files.writing import write_atomically


@dataclasses.dataclass
class Report:
    """What a run tells at its end, in print and in `extract.json`."""

    skipped: list[Skipped]
    warnings: list[str] = dataclasses.field(default_factory=list)
    figures: dict[str, Any] = dataclasses.field(default_factory=dict)

    def add(self, skipped: Iterable[Skipped], warnings: Iterable[str] = ()) -> None:
        """Adds what is not there yet."""
        self.skipped = list(dict.fromkeys([*self.skipped, *skipped]))
        self.warnings = list(dict.fromkeys([*self.warnings, *warnings]))


def tell(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    tables: list[Path],
    report: Report,
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
        "skipped": [dataclasses.asdict(s) for s in report.skipped],
        "warnings": report.warnings,
        "notes": corpus.notes,
        **report.figures,
    }
    write_atomically(workdir / "extract.json", json.dumps(record, indent=1) + "\n")
    synthetic = " (SYNTHETIC: made by a program)" if corpus.synthetic else ""
    for path, (index, n_columns, _) in outlines.items():
        print(f"{path}: {len(index)} x {n_columns}")
    if "hours_of_audio" in record:
        compiled = f"{record['compilations']} compilations, " if "compilations" in record else ""
        print(
            f"{record['hours_of_audio']:.2f} hours of audio in {record['seconds']:.1f} s; "
            f"{compiled}padding {record['padding']:.1%}"
        )
    for line in report.warnings:
        print(f"warning: {line}")
    print(
        f"{corpus.name}{synthetic}: {record['found']} found, {record['used']} used in all tables, "
        f"{len(report.skipped)} skipped"
    )
    reasons = [  # most begin with their file: which those are, extract.json says
        (s.step, s.reason.removeprefix(f"{one_line(storage.joined(corpus.root, s.file))}: "))
        for s in report.skipped
    ]
    for (step, reason), count in Counter(reasons).most_common():
        print(f"  {count} x [{step}] {reason}")
    if report.skipped:
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
