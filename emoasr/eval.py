"""Compares feature sets: how well does each predict the ratings of speakers never met?

    python -m emoasr.eval --workdir=runs/emotale
    python -m emoasr.eval --config=configs/emotale.py --workdir=runs/emotale
    python -m emoasr.eval --workdir=runs/emotale --config.eval.n_selected=50
    python -m emoasr.eval --workdir=runs/emotale --config.eval.regressor=ridge \
        --config.eval.n_selected=0

`--workdir` is a folder that `python -m emoasr.extract` has filled; without `--config` the
configuration that it stored there is taken. Prints the paper's table 1 and writes
`eval/report.html`, `eval/results.json`, `eval/predictions.parquet`, `eval/selected.parquet` and
`eval/figures/` into the workdir.
"""

import datetime
import importlib.metadata
import json
import platform
import re
import shlex
import sys
from pathlib import Path
from typing import Any

import ml_collections
import pandas as pd

from emoasr import cli, correlation, evaluation, features
from emoasr.errors import UserError
from emoasr.report import figures, page

_PACKAGES = ("emoasr", "scikit-learn", "audmetric", "scipy", "numpy", "pandas", "matplotlib")
_REASONS_PRINTED = 8


def main(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Evaluates the feature tables in `workdir`, and writes and prints what it finds.

    Args:
        config: `feature_sets` and `eval`.
        workdir: folder that `emoasr.extract` has filled.

    Raises:
        UserError: a table is missing or cannot be evaluated, or a setting is wrong.
    """
    extracted = _extract_record(workdir)
    labels, _ = features.read(workdir / "labels.parquet")
    tables, metadata = _feature_tables(config, workdir)
    folder = cli.ensure_folder(workdir / "eval" / "figures").parent

    found = evaluation.evaluate(tables, labels, config.eval)
    results = {
        "rows": found.rows,
        "provenance": _provenance(config, extracted, metadata),
        "skipped": [*extracted["skipped"], *found.skipped],
    }
    maps = []
    if "neural" in tables and "speaker" in labels:
        maps = [correlation.pearson_maps(tables["neural"], labels, t) for t in config.eval.targets]

    features.write(found.predictions, folder / "predictions.parquet")
    features.write(found.selected, folder / "selected.parquet")
    text = json.dumps(results, indent=2, ensure_ascii=False, allow_nan=False)
    cli.write_atomically(folder / "results.json", text + "\n")
    html = _draw(results, found.predictions, maps, folder / "figures")
    cli.write_atomically(folder / "report.html", html)
    _tell(results)
    print(folder / "report.html")


def _extract_record(workdir: Path) -> dict[str, Any]:
    path = workdir / "extract.json"
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        return {key: record[key] for key in ("corpus", "found", "used", "skipped")}
    except (OSError, ValueError, KeyError, TypeError):
        raise UserError(
            f"{path}: no such record of an extraction; "
            f"run python -m emoasr.extract --workdir={workdir} first"
        ) from None


def _feature_tables(
    config: ml_collections.ConfigDict, workdir: Path
) -> tuple[dict[str, pd.DataFrame], dict[str, dict[str, Any]]]:
    tables, metadata = {}, {}
    for name in config.feature_sets:
        tables[name], metadata[name] = features.read(workdir / "features" / f"{name}.parquet")
    return tables, metadata


def _provenance(
    config: ml_collections.ConfigDict, extracted: dict[str, Any], metadata: dict[str, Any]
) -> dict[str, Any]:
    return {
        **{key: extracted[key] for key in ("corpus", "found", "used")},
        **{key: config.eval[key] for key in ("protocol", "regressor", "n_selected", "scale")},
        "recognizer": metadata.get("neural", {}).get("recognizer"),
        "command": shlex.join(sys.orig_argv),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{name: _version(name) for name in _PACKAGES},
        },
        "feature_tables": metadata,
        "config": config.to_dict(),
    }


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "checkout"  # not installed


def _draw(
    results: dict[str, Any],
    predictions: pd.DataFrame,
    maps: list[correlation.Maps],
    folder: Path,
) -> str:
    """Writes the figures in place of an earlier run's, and returns the page."""
    summary = figures.to_png(figures.summary(results["rows"], predictions))
    limit = figures.pearson_limit(maps)
    speakers = sorted({speaker for m in maps for speaker in m.speakers})
    drawn = {s: figures.to_png(figures.pearson(maps, s, limit)) for s in speakers}
    undefined = {
        s: why
        for s in speakers
        if (why := [f"{m.target}, {m.undefined[s]}" for m in maps if s in m.undefined])
    }
    for stale in folder.glob("pearson-*.png"):
        stale.unlink()
    _write_png(folder / "summary.png", summary)
    for number, (speaker, png) in enumerate(drawn.items(), start=1):
        safe = re.sub(r"[^\w-]+", "_", speaker)[:40]
        _write_png(folder / f"pearson-{number:02d}-{safe}.png", png)
    return page.render(results, summary, drawn, undefined)


def _write_png(path: Path, png: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(png)
    part.replace(path)


def _tell(results: dict[str, Any]) -> None:
    rows, told = results["rows"], results["provenance"]
    synthetic = " (SYNTHETIC: made by a program)" if told["corpus"]["synthetic"] else ""
    print(f"{told['corpus']['name']}{synthetic}: {told['found']} found, {told['used']} extracted")
    for row in {row["target"]: row for row in rows}.values():
        print(
            f"{row['target']}: {row['n_utterances']} utterances, "
            f"{row['protocol']}, {row['n_folds']} folds"
        )
    reasons = page.reasons(results["skipped"])
    print(f"skipped: {len(results['skipped'])}")
    for reason, count in reasons[:_REASONS_PRINTED]:
        print(f"  {count} x {reason}")
    if reasons[_REASONS_PRINTED:]:
        print(f"  and {len(reasons) - _REASONS_PRINTED} more reasons, in the report")
    print(f"\nAs predicted\n{page.as_text(page.paper_table(rows))}")
    print(f"\nClipped to the rating scale\n{page.as_text(page.paper_table(rows, 'clipped_'))}\n")


if __name__ == "__main__":
    cli.run(main, needs="eval")
