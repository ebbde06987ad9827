"""Feature sets compared: the metrics of each, and the differences of pairs."""

import functools
from collections.abc import Sequence

from emoasr.report import charts, style, vegalite, wording
from emoasr.report.charts import Chart, Palette, Row
from emoasr.report.style import Look
from emoasr.report.vegalite import Description
from emoasr.report.wording import labels
from emoasr.settings.choices import BASELINE

_JUDGED = {
    "former is better": Look(style.BLUE, "circle"),
    "latter is better": Look(style.VERMILION, "square"),
    "the interval includes zero": Look(style.GREY, "circle", filling=style.PAPER),
}


def feature_sets(
    rows: Sequence[Row], group: str, palette: Palette, fields: Sequence[str] = ()
) -> list[Chart]:
    """Dot plots with intervals: a line a feature set, in its colour.

    Args:
        rows: rows of one analysis.
        group: beginning of the charts' ids.
        palette: of the feature sets.
        fields: those in which the dots on a line differ.
    """
    draw = functools.partial(_set_dots, palette=palette, fields=fields)
    return charts.of_targets(rows, group, draw, charts.variants())


def classes(rows: Sequence[Row], palette: Palette) -> list[Chart]:
    """As `feature_sets`, of targets that have classes: UAR."""
    draw = functools.partial(_set_dots, palette=palette, fields=())
    return charts.of_targets(rows, "classes", draw, {"": "uar"})


def _set_dots(
    rows: Sequence[Row], key: str, palette: Palette, fields: Sequence[str]
) -> Description:
    rows = charts.without_baseline(rows, key)
    lines = charts.labels_of_sets(rows)
    points = []
    for row in charts.defined(rows, key):
        kind, line = _kind(row, fields), lines[row["feature_set"]]
        text = ", ".join(filter(None, (line, kind)))
        points.append(charts.point(row, key, line, kind, text))
    looks = style.kinds(_kind(row, fields) for row in rows)
    colours = [palette[name].colour for name in lines]
    axis = charts.axis(key, points, "right", interval=True)
    return vegalite.dots(points, lines.values(), axis, looks, colours=colours)


def _kind(row: Row, fields: Sequence[str]) -> str:
    words = {"n_selected": "all" if row["n_selected"] == row["n_features"] else row["n_selected"]}
    return ", ".join(str(words.get(field, row[field])) for field in fields)


def differences(found: Sequence[Row], group: str) -> list[Chart]:
    """Forest plots: each pair, former minus latter.

    Pairs with the baseline would stretch the axis; they are left out where there are others.

    Args:
        found: pairs of feature sets, or of one set under two conditions.
        group: beginning of the charts' ids.
    """
    others = [d for d in found if BASELINE not in (d["a"], d["b"])]
    return charts.of_targets(others or found, group, _forest, charts.variants())


def pairs(found: Sequence[Row], group: str) -> list[Chart]:
    """As `differences`, with one more selector: `first`, against the first set, or `all`."""
    against = differences([d for d in found if d["a"] == found[0]["a"]], group)
    for some, every in zip(against, differences(found, group), strict=True):
        both = {"first": some["variants"], "all": every["variants"]}
        some["variants"] = {f"{k} {which}": v for which, of in both.items() for k, v in of.items()}
    return against


def _forest(found: Sequence[Row], key: str) -> Description:
    names = labels((wording.set_name(d, side) for d in found for side in "ab"), 16)
    lines = {}
    for d in found:
        both = (names[wording.set_name(d, side)] for side in "ab")
        lines[d["a"], d["b"]] = " − ".join(dict.fromkeys(both))
    points = []
    for d in charts.defined(found, key):
        pair = lines[d["a"], d["b"]]
        points.append(charts.point(d, key, pair, _judge(d, key), pair))
    axis = vegalite.axis(f"{wording.metric(key)}, difference", zero=True)
    return vegalite.dots(points, lines.values(), axis, _JUDGED)


def _judge(difference: Row, key: str) -> str:
    if wording.includes_zero(difference, key) is not False:
        return "the interval includes zero"
    former = (difference[key] > 0) == wording.higher_is_better(key)
    return "former is better" if former else "latter is better"
