"""Parts of Plotly figures, as the JSON objects that Plotly.js draws.

Text of a user goes in through `wording.plot_text`, and never into a template, where Plotly would
read `%{x}`.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emoasr.report import wording
from emoasr.report.wording import interval, plot_text

Row = Mapping[str, Any]
Point = tuple[float, Row, str]  # position; row with the figure and its interval; what it is

LINE = 22  # pixels that a line of a dot plot takes
_AROUND = 110  # pixels that axis and legend take
_INK, _GRID = "#1d2430", "#e3e7ec"
_WIDE = 20  # largest over smallest: from there on, a logarithmic axis


def layout(height: float, **more: Any) -> dict[str, Any]:
    """A layout without a title: the page has one above each chart."""
    font = {"family": "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', sans-serif"}
    return {
        "height": round(height + _AROUND),
        "margin": {"l": 8, "r": 14, "t": 12, "b": 46},
        "font": font | {"size": 12.5, "color": _INK},
        "hoverlabel": {"align": "left", "font": font},
        "hovermode": "closest",
        "dragmode": False,  # a finger scrolls the page
        "plot_bgcolor": "#fff",
        "paper_bgcolor": "#fff",
        "legend": {"orientation": "h", "x": 0, "y": 1.01, "yanchor": "bottom"},
        "showlegend": True,
        **more,
    }


def axis(title: str, **more: Any) -> dict[str, Any]:
    """An axis of numbers."""
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": _GRID,
        "zeroline": False,
        "automargin": True,
        **more,
    }


def scaled(key: str, data: Sequence[Mapping[str, Any]], along: str = "x") -> dict[str, Any]:
    """The axis of a metric; logarithmic where a few wild errors would hide all others."""
    values = [v for trace in data for v in trace[along] if v is not None]
    wide = values and min(values) > 0 and max(values) / min(values) > _WIDE
    name = wording.METRICS[key.removeprefix("clipped_")]
    good = ("right", "up") if higher_is_better(key) else ("left", "down")
    better = f"{name} ({good[along == 'y']}: better)"
    if wide and not higher_is_better(key):
        return axis(better, type="log", dtick="D2")
    return axis(better, nticks=8)


def higher_is_better(key: str) -> bool:
    """Whether the metric of this name grows with agreement; errors do not."""
    return key.removeprefix("clipped_") in {"ccc", "pearson", "r2", "ccc_mean", "pearson_mean"}


def lines(names: Sequence[str]) -> dict[str, Any]:
    """The vertical axis of a dot plot: named lines, the first at the top."""
    return {
        "tickvals": list(range(len(names))),
        "ticktext": list(names),
        "range": [len(names) - 0.4, -0.6],
        "gridcolor": _GRID,
        "zeroline": False,
        "automargin": True,
    }


def dots(points: Sequence[Point], key: str, name: str, colour: str, symbol: str) -> dict[str, Any]:
    """Dots with horizontal intervals, at the points' lines."""
    x = [row[key] for _, row, _ in points]
    trace = _trace(points, key, name) | {
        "mode": "markers",
        "x": [_rounded(value) for value in x],
        "y": [_rounded(line) for line, _, _ in points],
        "marker": {"color": colour, "symbol": symbol, "size": 8},
    }
    lows = [row.get(f"{key}_low") for _, row, _ in points]
    highs = [row.get(f"{key}_high") for _, row, _ in points]
    if any(low is not None for low in lows):
        trace["error_x"] = {
            "type": "data",
            "symmetric": False,
            "array": [_rounded(0 if h is None else h - v) for v, h in zip(x, highs, strict=True)],
            "arrayminus": [
                _rounded(0 if low is None else v - low) for v, low in zip(x, lows, strict=True)
            ],
            "thickness": 1.5,
            "width": 0,
        }
    return trace


def curve(
    points: Sequence[Point], key: str, name: str, colour: str, symbol: str
) -> list[dict[str, Any]]:
    """A line through the points and, below it, the band of their intervals."""
    bounded = [(x, row) for x, row, _ in points if row.get(f"{key}_low") is not None]
    x = [position for position, _ in bounded]
    low = [_rounded(row[f"{key}_low"]) for _, row in bounded]
    high = [_rounded(row[f"{key}_high"]) for _, row in bounded]
    band = {
        "type": "scatter",
        "x": x + x[::-1],
        "y": high + low[::-1],
        "fill": "toself",
        "fillcolor": f"{colour}22",  # nearly transparent
        "line": {"width": 0},
        "mode": "lines",
        "hoverinfo": "skip",
        "showlegend": False,
        "legendgroup": plot_text(name),
    }
    line = _trace(points, key, name) | {
        "mode": "lines+markers",
        "x": [position for position, _, _ in points],
        "y": [_rounded(row[key]) for _, row, _ in points],
        "line": {"color": colour, "width": 2},
        "marker": {"color": colour, "symbol": symbol, "size": 7},
        "legendgroup": plot_text(name),
    }
    return [band, line]


def bars(x: Iterable[int], y: Iterable[float], name: str, colour: str, text: Sequence[str]) -> dict:
    """Bars with a text on hovering."""
    return {
        "type": "bar",
        "name": plot_text(name),
        "x": list(x),
        "y": [_rounded(value) for value in y],
        "marker": {"color": colour},
        "hovertext": text,
        "hoverinfo": "text",
    }


def _trace(points: Sequence[Point], key: str, name: str) -> dict[str, Any]:
    metric = wording.METRICS[key.removeprefix("clipped_")]
    return {
        "type": "scatter",
        "name": plot_text(name),
        "hovertext": [f"{what}<br>{metric} {interval(row, key)}" for _, row, what in points],
        "hoverinfo": "text",
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")
