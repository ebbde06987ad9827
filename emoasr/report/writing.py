"""Everything of a run that a person looks at, written into one folder."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emoasr.evaluation import correlation
from emoasr.files import parquet
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.report import (
    by_speaker,
    charts,
    compared,
    confusion,
    content,
    curves,
    figures,
    markdown,
    page,
    residuals,
    style,
    tables,
)

_OURS = re.compile(
    r"(summary|classes|confusion|differences|predicted|residuals|speakers|distribution|selected|"
    r"controls|regressors|n_selected|layers|early-late|selection|protocol|partner|refitted|pearson-.*)\.(png|svg|pdf)"
)
_CHANGED = ("selection", "protocol", "partner")  # analyses that have differences


def write(
    results: Mapping[str, Any],
    predictions: pd.DataFrame,
    selected: pd.DataFrame,
    maps: Sequence[correlation.Maps],
    labels: pd.DataFrame,
    folder: Path,
) -> Path:
    """Writes `report.html`, `report.md`, `figures/` and `correlations.parquet`.

    Each file is whole or not there; figures of an earlier run are removed.

    Args:
        results: what `eval/results.json` holds.
        predictions: `eval/predictions.parquet`.
        selected: `eval/selected.parquet`.
        maps: one a recognizer's set and rating; empty without one, or without speakers.
        labels: of the run, for what else is known of the speakers.
        folder: where to write.

    Returns:
        The path of `report.html`.

    Raises:
        UserError: the folder cannot be written.
    """
    said = content.build(results, predictions, selected, maps, labels)
    drawn = all_charts(results, said, predictions, labels)
    html = page.render(said, drawn, maps)
    pictures = figures.draw(results["rows"], drawn, maps)
    text = markdown.render(said, [name for name in pictures if name.endswith(".png")])

    beside = ensure_folder(folder / "figures")
    for path in [*beside.iterdir()]:
        if _OURS.fullmatch(path.name) and path.name not in pictures:
            path.unlink()
    for name, picture in pictures.items():
        write_atomically(beside / name, picture)
    if maps:
        parquet.write(correlation.as_table(maps), folder / "correlations.parquet")
    else:
        (folder / "correlations.parquet").unlink(missing_ok=True)
    write_atomically(folder / "report.md", text)
    write_atomically(folder / "report.html", html)
    return folder / "report.html"


def all_charts(
    results: Mapping[str, Any],
    said: Mapping[str, Any],
    predictions: pd.DataFrame,
    labels: pd.DataFrame,
) -> dict[str, list[charts.Chart]]:
    """The charts of a report, by its sections.

    Args:
        results: as of `write`.
        said: as `content.build` gives it.
        predictions: as of `write`.
        labels: likewise.
    """

    def of(analysis: str) -> tables.Rows:
        return tables.of_ratings(tables.of_analysis(results["battery"], analysis))

    def changed(analysis: str) -> list[dict[str, Any]]:
        found = results["battery"]["differences"] if results["battery"] else []
        return [d for d in found if d["analysis"] == analysis]

    rows, classes = results["rows"], said["classes"]
    palette = style.palette(row["feature_set"] for row in rows)
    rated = residuals.rated(predictions)
    regressors = ("regressor", "n_selected")
    speakers = (
        results["battery"]["speakers"] if results["battery"] else {"each": [], "variation": []}
    )

    return {
        "classes": compared.classes(tables.of_classes(rows), palette),
        "confusion": confusion.confusion(classes["confusion"]) if classes else [],
        "summary": compared.feature_sets(tables.of_ratings(rows), "summary", palette),
        "differences": compared.pairs(tables.of_ratings(results["differences"]), "differences"),
        "predicted": residuals.scatter(rated, palette),
        "residuals": residuals.by_group(rated, labels, palette),
        "speakers": by_speaker.speakers(said["by_speaker"], palette),
        "distribution": by_speaker.distribution(said["by_speaker"], palette),
        "selected": curves.selected(said["by_layer"], palette),
        "controls": compared.feature_sets(of("controls"), "controls", palette),
        "regressors": compared.feature_sets(of("regressors"), "regressors", palette, regressors),
        "n_selected": curves.n_selected(of("n_selected"), palette),
        "layers": curves.layers(of("layers"), palette),
        "early-late": by_speaker.early_late(speakers["each"], speakers["variation"], palette),
        "refitted": compared.pairs(changed("refitted"), "refitted"),
        **{a: compared.differences(changed(a), a) for a in _CHANGED},
    }
