"""Figures of a run as PNG files; the charts are those of the page."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emoasr.evaluation.correlation import MEAN, Maps
from emoasr.report import charts, drawing, pearson, tables
from emoasr.report.charts import Chart
from emoasr.report.vegalite import Description
from emoasr.report.wording import label

_VARIANTS = {  # all others: CCC
    **dict.fromkeys(("differences", "refitted", "selection", "protocol", "partner"), "clipped"),
    "selected": "",
    "classes": "",
}
_WIDTH = 420  # of a chart that takes what the page has


def draw(
    rows: Sequence[dict[str, Any]],
    predictions: pd.DataFrame,
    of_page: Mapping[str, Sequence[Chart]],
    maps: Sequence[Maps],
) -> dict[str, bytes]:
    """All pictures of a run, PNG, by file name.

    Args:
        rows: those of the main table.
        predictions: `eval/predictions.parquet`.
        of_page: the page's charts, by group.
        maps: one a rating; may be empty.
    """
    rated = tables.of_ratings(rows)
    described = {}
    if rated:
        described["summary"] = charts.summary(rated, predictions.dropna(subset="label"))
    for group, of_group in of_page.items():
        if of_group:
            if group == "confusion":
                number, name = _best(rows)
                titled = [{**c, "title": f"{c['title']}, {label(name)}"} for c in of_group]
                described[group] = together(titled, number)
            else:
                described[group] = together(of_group, _VARIANTS.get(group, "ccc clipped"))
    for i, name in enumerate(pearson.names(maps) if maps else []):
        safe = "mean" if name == MEAN else re.sub(r"[^\w-]+", "_", name)[:40]
        described[f"pearson-{i:02d}-{safe}"] = maps_of(maps, name)
    return {f"{name}.png": drawing.to_png(chart) for name, chart in described.items()}


def _best(rows: Sequence[dict[str, Any]]) -> tuple[str, str]:
    """The feature set, by number and name, with the highest UAR of the first target of classes."""
    having = [row for row in tables.of_classes(rows) if row["n_features"]]
    first = [row for row in having if row["target"] == having[0]["target"]]
    number = max(range(len(first)), key=lambda i: first[i]["uar"])
    return str(number), first[number]["feature_set"]


def together(of_group: Sequence[Chart], variant: str) -> Description:
    """A group's charts with their titles: in a row, or one below the other where they are wide.

    Args:
        of_group: charts of one kind.
        variant: which of their variants.
    """
    plots = []
    for chart in of_group:
        plot = {**chart["variants"][variant], "title": label(chart["title"], 60)}
        narrow = {"width": _WIDTH} if plot.get("width") == "container" else {}
        plots.append({**plot, **narrow})
    return {"vconcat" if "facet" in plots[0] else "hconcat": plots}


def maps_of(maps: Sequence[Maps], name: str) -> Description:
    """The maps of a speaker or of the mean, with a title."""
    who = name if name == MEAN else f"speaker {name}"
    title = {
        "text": f"Pearson's r, {label(who, 60)}",
        "subtitle": f"dots: q < {pearson.LEVEL} (Benjamini-Hochberg)",
    }
    values = pearson.data(maps, name)
    return {**pearson.describe(maps, "note"), "title": title, "data": {"values": values}}
