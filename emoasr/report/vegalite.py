"""Parts of Vega-Lite descriptions.

A point has a `value`, perhaps its interval from `low` to `high`, a `place` on the other axis, the
`series` that gives it colour and sign, and a `text` that is shown on hover. Text of a user is only
ever data or a label: never a field's name, nor in an expression.
"""

import textwrap
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from emoasr.report import style
from emoasr.report.style import Look

Description = dict[str, Any]
Looks = Mapping[str, Look]  # by series
Point = Mapping[str, Any]

TEXT = {"tooltip": {"field": "text"}}
_LINE, _SERIES = 22, 12  # pixels that a line of dots takes, and each of its series if set apart
_INTERVAL = {"x": "rule", "y": {"type": "area", "fillOpacity": 0.13}}
_SPARE = 8  # pixels between the outermost sign or interval and the end of its axis
_CELL, _ROW = 70, 42  # pixels that a cell of a matrix takes
_NARROW = 310  # pixels that a phone has for a legend
_SIGN, _LETTER = 30, 7  # pixels of a legend's entry
_ACROSS, _BELOW_TITLE = 30, 50  # letters of a line there on a phone


def title(text: str, note: str) -> Description:
    """What stands above a chart: what it is of, and below, smaller, what is shown of it."""
    lines = textwrap.wrap(note, _BELOW_TITLE)
    return {"text": text, **({"subtitle": lines} if note else {})}


def wrapped(text: str) -> list[str]:
    """The lines of an axis's title, so that a phone shows all of it."""
    return textwrap.wrap(text, _ACROSS)


def axis(title: str | None, log: bool = False, zero: bool = False) -> Description:
    """A channel of numbers, without its field."""
    return {
        "type": "quantitative",
        "title": title and wrapped(title),
        "scale": {"type": "log", "nice": False} if log else {"zero": zero},
        "axis": {"tickCount": 6, "format": "~g", "grid": True},
    }


def shades(colours: Sequence[str], low: float, high: float) -> Description:
    """A scale of colours, evenly from low to high."""
    domain = np.linspace(low, high, len(colours)).tolist()
    return {"range": list(colours), "domain": domain, "interpolate": "rgb"}


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
    colours: Sequence[str] | None = None,
) -> Description:
    """Signs and intervals on named lines, the first at the top.

    Args:
        points: what is drawn.
        lines: their places.
        metric: the horizontal axis.
        looks: of the series.
        colours: of the lines; the series of a line are then one below the other, and differ
            in their signs alone.
    """
    metric = {**metric, "scale": {**metric["scale"], "padding": _SPARE}}
    place = category("place", lines, axis={"grid": True})
    n_lines, apart = len(place["scale"]["domain"]), colours is not None
    colour, offset = _colour(looks), {}
    if colours is not None:
        colour = {"color": category("place", lines, legend=None)}
        colour["color"]["scale"]["range"] = list(colours)
        offset = {"yOffset": category("series", looks)} if len(looks) > 1 else {}
    return {
        **_frame(points, max(_LINE, _SERIES * len(looks) * apart) * n_lines),
        "encoding": {"y": place, **offset, **colour},
        "layer": [*_zero_line(metric), *_marks(points, "x", metric, looks, filled=apart)],
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


def lines(
    points: Sequence[Point], place: Description, metric: Description, looks: Looks
) -> Description:
    """Lines through many points; `place` is the horizontal axis."""
    value = {"y": {"field": "value", **metric}, "x": {"field": "place", **place}}
    mark = {"type": "line", "strokeWidth": 1.5, "strokeJoin": "round"}
    return {**_frame(points, 200), "mark": mark, "encoding": {**value, **_colour(looks)}}


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

    Many classes take the width that the page has, so that their names stay as large as elsewhere.

    Args:
        points: the cells, by `place` (column) and `row`.
        classes: names of rows and columns.
        titles: of the rows and of the columns.
    """
    n, names = len(classes), max(map(len, classes), default=0) * _LETTER
    fits = _CELL * n + names <= _NARROW
    slanted = names > (_CELL if fits else (_NARROW - names) / n)
    axes = {"grid": False, "labelLimit": 2 * _CELL}
    across = {"axis": {**axes, "labelAngle": -40 if slanted else 0}, "title": titles[1]}
    down = {"axis": axes, "title": titles[0]}
    test = f"datum.share > {style.HALFWAY}"
    ink = {"condition": {"test": test, "value": style.PAPER}, "value": style.INK}
    share = {"field": "share", "type": "quantitative", "title": "share of the row"}
    colour = {**share, "scale": shades(style.SHARES, 0, 1), "legend": None}
    return {
        "data": {"values": points},
        "width": _CELL * n if fits else "container",
        "height": _ROW * n,
        "encoding": {
            "x": category("place", classes, **across),
            "y": category("row", classes, **down),
        },
        "layer": [
            {"mark": "rect", "encoding": {"color": colour, **TEXT}},
            {
                "mark": {"type": "text", "tooltip": None},
                "encoding": {"text": {"field": "count"}, "color": ink},
            },
        ],
    }


def scatter(
    values: Sequence[Point], ends: tuple[float, float], titles: tuple[str, str], marks: Any
) -> Description:
    """A square of two quantities on one scale, `x` and `y`, with the line where they are equal.

    Args:
        values: what `marks` draws.
        ends: of both axes.
        titles: of the horizontal and the vertical axis.
        marks: layers over the line.
    """
    of = {
        name: {**axis(title), "field": name, "scale": {"domain": list(ends), "nice": False}}
        for name, title in zip("xy", titles, strict=True)
    }
    line = {**of["x"], "field": "low"}, {**of["y"], "field": "low"}
    equal = {
        "data": {"values": [{"low": ends[0], "high": ends[1]}]},
        "mark": {"type": "rule", "color": style.GREY, "strokeDash": [4, 3]},
        "encoding": {
            "x": line[0], "y": line[1], "x2": {"field": "high"}, "y2": {"field": "high"},
        },
    }  # fmt: skip
    drawn = [{**mark, "encoding": {**of, **mark["encoding"]}} for mark in marks]
    return {**_frame(values, 320), "layer": [equal, *drawn]}


def _frame(points: Sequence[Point], height: float) -> Description:
    return {"data": {"values": points}, "width": "container", "height": height}


def _colour(looks: Looks) -> Description:
    return {"color": _by_series(looks, [look.colour for look in looks.values()])}


def _marks(
    points: Sequence[Point], along: str, metric: Description, looks: Looks, filled: bool = False
) -> list[Description]:
    """Intervals, lines and signs; `filled`: in the colour of their line, not of their series."""
    value = {along: {"field": "value", **metric}}
    bounds = {along: {"field": "low", **metric}, f"{along}2": {"field": "high"}}
    bounded = any("low" in point for point in points)
    signs = {"shape": _by_series(looks, [look.sign for look in looks.values()])}
    if not filled:
        signs["fill"] = _by_series(looks, [look.filling or look.colour for look in looks.values()])
    mark = {"type": "point", "filled": True} if filled else {"type": "point"}
    return [
        *([{"mark": _INTERVAL[along], "encoding": bounds}] if bounded else []),
        *([{"mark": "line", "encoding": value}] if along == "y" else []),
        {"mark": mark, "encoding": {**value, **signs, **TEXT}},
    ]


def _zero_line(metric: Description) -> list[Description]:
    ends = {"y": {"value": 0}, "y2": {"value": "height"}, "color": {"value": style.INK}}
    mark = {"type": "rule", "strokeWidth": 1}
    once: Description = {"data": {"values": [{}]}}
    line = {**once, "mark": mark, "encoding": {"x": {**metric, "datum": 0}, **ends}}
    return [line] if metric["scale"].get("zero") else []


def _by_series(looks: Looks, values: Sequence[Any]) -> Description:
    """A channel; those of a plot have one legend together."""
    widest = _SIGN + _LETTER * max(map(len, looks), default=0)
    columns = {"columns": max(1, _NARROW // widest)} if len(looks) > 1 else None
    channel = category("series", looks, legend=columns)
    channel["scale"] |= {"range": list(values)}
    return channel
