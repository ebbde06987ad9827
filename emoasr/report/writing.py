"""Everything of a run that a person looks at, written into one folder."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emoasr.evaluation import correlation
from emoasr.files import parquet
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.report import charts, content, figures, markdown, page, tables

_OURS = re.compile(
    r"(summary|classes|confusion|differences|speakers|selected|controls|regressors|n_selected|layers|selection|"
    r"protocol|partner|refitted|pearson-.*)\.png"
)
_CHANGED = ("refitted", "selection", "protocol", "partner")  # analyses that have differences


def write(
    results: Mapping[str, Any],
    predictions: pd.DataFrame,
    selected: pd.DataFrame,
    maps: Sequence[correlation.Maps],
    folder: Path,
) -> Path:
    """Writes `report.html`, `report.md`, `figures/*.png` and `correlations.parquet`.

    Each file is whole or not there; figures of an earlier run are removed.

    Args:
        results: what `eval/results.json` holds.
        predictions: `eval/predictions.parquet`.
        selected: `eval/selected.parquet`.
        maps: one a rating; empty without neural features or speakers.
        folder: where to write.

    Returns:
        The path of `report.html`.

    Raises:
        UserError: the folder cannot be written.
    """
    said = content.build(results, predictions, selected, maps)
    drawn = _charts(results, said)
    html = page.render(said, drawn, maps)
    pictures = figures.draw(results["rows"], predictions, drawn, maps)
    text = markdown.render(said, list(pictures))

    beside = ensure_folder(folder / "figures")
    for path in beside.glob("*.png"):
        if _OURS.fullmatch(path.name) and path.name not in pictures:
            path.unlink()
    for name, png in pictures.items():
        write_atomically(beside / name, png)
    if maps:
        parquet.write(correlation.as_table(maps), folder / "correlations.parquet")
    else:
        (folder / "correlations.parquet").unlink(missing_ok=True)
    write_atomically(folder / "report.md", text)
    write_atomically(folder / "report.html", html)
    return folder / "report.html"


def _charts(results: Mapping[str, Any], said: Mapping[str, Any]) -> dict[str, list[charts.Chart]]:
    def of(analysis: str) -> tables.Rows:
        return tables.of_ratings(tables.of_analysis(results["battery"], analysis))

    def changed(analysis: str) -> list[dict[str, Any]]:
        found = results["battery"]["differences"] if results["battery"] else []
        return [d for d in found if d["analysis"] == analysis]

    classes = said["classes"]

    return {
        "classes": charts.classes(tables.of_classes(results["rows"])),
        "confusion": charts.confusion(classes["confusion"]) if classes else [],
        "differences": charts.differences(tables.of_ratings(results["differences"])),
        "speakers": charts.speakers(said["by_speaker"]),
        "selected": charts.selected(said["by_layer"]),
        "controls": charts.feature_sets(of("controls"), "controls"),
        "regressors": charts.feature_sets(
            of("regressors"), "regressors", fields=("regressor", "n_selected")
        ),
        "n_selected": charts.n_selected(of("n_selected")),
        "layers": charts.layers(of("layers")),
        **{a: charts.differences(changed(a), a) for a in _CHANGED},
    }
