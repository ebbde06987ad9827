"""What `emoasr.eval` does."""

import datetime
import importlib.metadata
import json
import platform
import shlex
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import ml_collections
import pandas as pd

from emoasr import report
from emoasr.corpora.base import RATINGS
from emoasr.evaluation import correlation, evaluate
from emoasr.extraction import feature_tables, provenance, run_summary
from emoasr.files import guard, parquet
from emoasr.report import content, paper, tables
from emoasr.settings import feature_sets
from emoasr.system import processes

_PACKAGES = ("emoasr", "scikit-learn", "audmetric", "scipy", "numpy", "pandas", "plotly")
_REASONS_PRINTED = 8


def run(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Evaluates as `emoasr.eval.main` says."""
    started = time.monotonic()
    extracted = run_summary.read(workdir)
    labels, _ = feature_tables.read(workdir / "labels.parquet")
    tables, metadata = feature_tables.load(config.feature_sets, workdir / "features")
    given = {Path(entry).stem for entry in config.feature_sets if feature_sets.is_given(entry)}
    own = {name: told for name, told in metadata.items() if name not in given}
    provenance.check_same_run(own, extracted["tables"], workdir / "features")
    folder = guard.ensure_folder(workdir / "eval" / "figures").parent

    workers = processes.count(config.workers)
    found = evaluate.evaluate(tables, labels, config.eval, workers)
    maps = _maps(tables, labels, config.eval.targets)
    parquet.write(found.predictions, folder / "predictions.parquet")
    parquet.write(found.selected, folder / "selected.parquet")
    results = {
        "rows": found.rows,
        "differences": found.differences,
        "battery": found.battery,
        "notes": found.notes,
        "provenance": _provenance(config, extracted, metadata, time.monotonic() - started),
        "skipped": [*extracted["skipped"], *found.skipped],
    }
    text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False)
    guard.write_atomically(folder / "results.json", text + "\n")
    written = report.write(results, found.predictions, found.selected, maps, folder)
    _tell(results)
    print(written)


def _maps(
    tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame, targets: Sequence[str]
) -> list[correlation.Maps]:
    """Pearson maps of the targets, and of the other dimensions that the labels have."""
    if "neural" not in tables or "speaker" not in labels:
        return []
    others = [name for name in RATINGS if name in labels and labels[name].notna().any()]
    return [
        correlation.pearson_maps(tables["neural"], labels, name)
        for name in dict.fromkeys([*targets, *others])
    ]


def _provenance(
    config: ml_collections.ConfigDict,
    extracted: dict[str, Any],
    metadata: dict[str, Any],
    seconds: float,
) -> dict[str, Any]:
    return {
        **{key: extracted[key] for key in ("corpus", "found", "used")},
        **{key: config.eval[key] for key in ("protocol", "regressor", "n_selected", "scale")},
        "recognizer": metadata.get("neural", {}).get("recognizer"),
        "command": shlex.join(sys.orig_argv),
        "seconds": round(seconds, 1),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "feature_tables": metadata,
        "paper": paper.rows(config),
        "config": config.to_dict(),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "checkout"  # not installed


def _tell(results: dict[str, Any]) -> None:
    rows, told = results["rows"], results["provenance"]
    synthetic = " (SYNTHETIC: made by a program)" if told["corpus"]["synthetic"] else ""
    print(f"{told['corpus']['name']}{synthetic}: {told['found']} found, {told['used']} extracted")
    for row in {row["target"]: row for row in rows}.values():
        print(
            f"{row['target']}: {row['n_utterances']} utterances, "
            f"{row['protocol']}, {row['n_folds']} folds"
        )
    reasons = content.reasons(results["skipped"])
    print(f"skipped: {len(results['skipped'])}")
    for reason, count in reasons[:_REASONS_PRINTED]:
        print(f"  {count} x {reason}")
    if reasons[_REASONS_PRINTED:]:
        print(f"  and {len(reasons) - _REASONS_PRINTED} more reasons, in the report")
    for note in results["notes"]:
        print(f"note: {note}")
    print(f"\nAs predicted\n{tables.as_text(tables.paper_table(rows))}")
    if told["paper"]:
        beside = tables.beside_the_paper(rows, told["paper"])
        print(f"\nBeside the paper\n{beside.to_string(index=False)}")
    clipped = tables.main(rows, "clipped_").to_string(index=False)
    print(f"\nClipped to the rating scale, with 95 % intervals by speaker\n{clipped}\n")
    for line in _answers(results["battery"]):
        print(line)


def _answers(battery: dict[str, Any] | None) -> list[str]:
    """What the battery says in a word; its figures are in the report."""
    if battery is None:
        return []
    verdicts = [f"layers: {trend['verdict']}" for trend in battery["trend"]]
    return [*verdicts, *(f"not asked: {why}" for why in battery["omitted"]), ""]
