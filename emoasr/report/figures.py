"""Figures of a run as files: PNG, SVG and PDF; the charts are those of the page."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from emoasr.evaluation.correlation import MEAN, Maps
from emoasr.evaluation.layers import NEURAL
from emoasr.report import drawing, pearson, tables
from emoasr.report.charts import Chart
from emoasr.report.vegalite import Description
from emoasr.report.wording import label

_VARIANTS = {  # the page's first choices; all others: CCC of clipped predictions
    **dict.fromkeys(("differences", "refitted"), "ccc clipped first"),
    **dict.fromkeys(("selected", "classes"), ""),
    **dict.fromkeys(("predicted", "early-late"), "0"),
    "residuals": "0 0",
}
_WIDTH = 420  # of a chart that takes what the page has


def draw(
    rows: Sequence[dict[str, Any]], of_page: Mapping[str, Sequence[Chart]], maps: Sequence[Maps]
) -> dict[str, bytes]:
    """All pictures of a run by file name, each as PNG, SVG and PDF.

    Args:
        rows: those of the main table.
        of_page: the page's charts, by group.
        maps: one a recognizer and rating; may be empty.
    """
    described = {}
    for group, of_group in of_page.items():
        if of_group:
            variant = _best(rows) if group == "confusion" else _VARIANTS.get(group, "ccc clipped")
            described[group] = together(of_group, variant)
    of_sets = pearson.by_set(maps)
    for i, (feature_set, name) in enumerate(pearson.pictured(maps)):
        safe = re.sub(r"[^\w-]+", "_", "mean" if name == MEAN else name)[:40]
        if feature_set != maps[0].feature_set:
            safe += "-" + re.sub(r"[^\w.-]+", "_", feature_set)[:40]
        described[f"pearson-{i:02d}-{safe}"] = maps_of(
            of_sets[feature_set], name, pearson.limit(maps)
        )
    return {
        f"{name}.{kind}": picture
        for name, chart in described.items()
        for kind, picture in drawing.pictures(chart).items()
    }


def _best(rows: Sequence[dict[str, Any]]) -> str:
    """The number of the feature set with the highest UAR of the first target of classes."""
    having = [row for row in tables.of_classes(rows) if row["n_features"]]
    first = [row for row in having if row["target"] == having[0]["target"]]
    return str(max(range(len(first)), key=lambda i: first[i]["uar"]))


def together(of_group: Sequence[Chart], variant: str) -> Description:
    """A group's charts in a row.

    Args:
        of_group: charts of one kind.
        variant: which of their variants.
    """
    plots: list[Description] = []
    params: list[Description] = []
    for chart in of_group:
        plot = dict(chart["variants"][variant])
        params = plot.pop("params", params)  # at the top alone; those of a group are the same
        if plot.get("width") == "container":
            plot["width"] = _WIDTH
        plots.append(plot)
    return {"params": params, "hconcat": plots}


def maps_of(maps: Sequence[Maps], name: str, end: float) -> Description:
    """One feature set's maps of a speaker or of the mean, with a title.

    Args:
        maps: one a rating.
        name: of the speaker, or `MEAN`.
        end: of the colour scale.
    """
    who = name if name == MEAN else f"speaker {name}"
    whose = "" if maps[0].feature_set == NEURAL else f", {label(maps[0].feature_set)}"
    title = {
        "text": f"Pearson's r{whose}, {label(who, 60)}",
        "subtitle": f"full cells: q < {pearson.LEVEL} (Benjamini-Hochberg); small cells: others",
    }
    values = pearson.data(maps, name)
    return {**pearson.describe(maps, "note", end), "title": title, "data": {"values": values}}
