"""Parts of Vega-Lite descriptions.

A point has a `value`, perhaps its interval from `low` to `high`, a `place` on the other axis, the
`series` that gives it colour and sign, and a `text` for who points at it. Text of a user is only
ever data or a label: never a field's name, nor in an expression.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emoasr.report.style import Look

Description = dict[str, Any]
Looks = Mapping[str, Look]  # by series
Point = Mapping[str, Any]

TEXT = {"tooltip": {"field": "text"}}
_LINE, _SERIES = 22, 12  # pixels that a line of dots takes, and each of its series if set apart
_INTERVAL = {"x": "rule", "y": {"type": "area", "fillOpacity": 0.13}}
_CELL = 70  # pixels that a column of a matrix takes
_NARROW = 310  # pixels that a phone has for a legend
_SIGN, _LETTER = 30, 7  # pixels of a legend's entry


def axis(title: str | None, log: bool = False, zero: bool = False) -> Description:
    """A channel of numbers, but for its field."""
    return {
        "type": "quantitative",
        "title": title,
        "scale": {"type": "log", "nice": False} if log else {"zero": zero},
        "axis": {"tickCount": 6, "format": "~g", "grid": True},
    }


def category(field: str, values: Iterable[Any], **more: Any) -> Description:
    """A channel of names or whole numbers, in this order, whether they occur or not."""
    scale = {"domain": list(dict.fromkeys(values))}
    return {"field": field, "type": "nominal", "title": None, "scale": scale, **more}


def dots(
    points: Sequence[Point],
    lines: Iterable[str],
    metric: Description,
    looks: Looks,
    *,
    apart: bool = False,
    legend: int = _NARROW,
) -> Description:
    """Signs and intervals on named lines, the first at the top.

    Args:
        points: what is drawn.
        lines: their places.
        metric: the horizontal axis.
        looks: of the series.
        apart: whether the series of a line are one below the other.
        legend: pixels that the legend may be wide.
    """
    place = category("place", lines, axis={"grid": True})
    height = max(_LINE, _SERIES * len(looks) * apart) * len(place["scale"]["domain"])
    offset = {"yOffset": category("series", looks)} if apart else {}
    return {
        **_frame(points, height),
        "encoding": {"y": place, **offset, **_colour(looks, legend)},
        "layer": [*_zero_line(metric), *_marks(points, "x", metric, looks, legend)],
    }


def curves(
    points: Sequence[Point], place: Description, metric: Description, looks: Looks
) -> Description:
    """Lines through the points, and their intervals as bands; `place` is the horizontal axis."""
    return {
        **_frame(points, 270),
        "encoding": {"x": place, **_colour(looks)},
        "layer": _marks(points, "y", metric, looks),
    }


def bars(points: Sequence[Point], place: Description, title: str, looks: Looks) -> Description:
    """Bars side by side; `place` is the horizontal axis, `title` the vertical one's."""
    value = {"field": "value", **axis(title, zero=True)}
    series = {"xOffset": category("series", looks), **_colour(looks)}
    return {
        **_frame(points, 200),
        "mark": "bar",
        "encoding": {"x": place, "y": value, **series, **TEXT},
    }


def matrix(points: Sequence[Point], classes: Sequence[str], titles: tuple[str, str]) -> Description:
    """Cells coloured by their `share` of the row, from 0 to 1, with their `count` in them.

    Args:
        points: the cells, by `place` (column) and `row`.
        classes: names of rows and columns.
        titles: of the rows and of the columns.
    """
    size = _CELL * len(classes)
    axes = {"axis": {"grid": False, "labelAngle": 0, "labelLimit": 2 * _CELL}}
    ink = {"condition": {"test": "datum.share > 0.5", "value": "#fff"}, "value": "#000"}
    share = {"field": "share", "type": "quantitative", "title": "share of the row"}
    colour = {**share, "scale": {"domain": [0, 1], "scheme": "blues"}, "legend": None}
    return {
        "data": {"values": points},
        "width": size,
        "height": size * 0.6,
        "encoding": {
            "x": category("place", classes, **{**axes, "title": titles[1]}),
            "y": category("row", classes, **{**axes, "title": titles[0]}),
        },
        "layer": [
            {"mark": "rect", "encoding": {"color": colour, **TEXT}},
            {
                "mark": {"type": "text", "tooltip": None},
                "encoding": {"text": {"field": "count"}, "color": ink},
            },
        ],
    }


def beside(plot: Description, field: str, width: int, header: Description) -> Description:
    """The plot once for every value of a field of its points, which also have an `order`.

    Args:
        plot: of `dots`.
        field: what tells the copies apart.
        width: of each.
        header: where the field's values are written.
    """
    spec = {**plot, "width": width}
    column = {"field": field, "title": None, "sort": {"field": "order"}, "header": header}
    return {"data": spec.pop("data"), "facet": {"column": column}, "spec": spec}


def _frame(points: Sequence[Point], height: float) -> Description:
    return {"data": {"values": points}, "width": "container", "height": height}


def _colour(looks: Looks, legend: int = _NARROW) -> Description:
    return {"color": _by_series(looks, [look.colour for look in looks.values()], legend)}


def _marks(
    points: Sequence[Point], along: str, metric: Description, looks: Looks, legend: int = _NARROW
) -> list[Description]:
    value = {along: {"field": "value", **metric}}
    bounds = {along: {"field": "low", **metric}, f"{along}2": {"field": "high"}}
    bounded = any("low" in point for point in points)
    fillings = [look.filling or look.colour for look in looks.values()]
    signs = {
        "shape": _by_series(looks, [look.sign for look in looks.values()], legend),
        "fill": _by_series(looks, fillings, legend),
    }
    return [
        *([{"mark": _INTERVAL[along], "encoding": bounds}] if bounded else []),
        *([{"mark": "line", "encoding": value}] if along == "y" else []),
        {"mark": "point", "encoding": {**value, **signs, **TEXT}},
    ]


def _zero_line(metric: Description) -> list[Description]:
    ends = {"y": {"value": 0}, "y2": {"value": "height"}, "color": {"value": "#000"}}
    mark = {"type": "rule", "strokeWidth": 1}
    once: Description = {"data": {"values": [{}]}}
    line = {**once, "mark": mark, "encoding": {"x": {**metric, "datum": 0}, **ends}}
    return [line] if metric["scale"].get("zero") else []


def _by_series(looks: Looks, values: Sequence[str], legend: int) -> Description:
    """A channel; those of a plot have one legend together."""
    widest = _SIGN + _LETTER * max(map(len, looks), default=0)
    columns = {"columns": max(1, legend // widest)} if len(looks) > 1 else None
    channel = category("series", looks, legend=columns)
    channel["scale"] |= {"range": values}
    return channel
