"""Colours, signs and type that all charts share."""

import dataclasses
from collections.abc import Mapping
from typing import Any

# Okabe and Ito's colours, which colour-blind readers can tell apart; yellow is lost on white
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#6B7280"
UNDEFINED = "#B3B3B3"

_COLOURS = (BLUE, "#E69F00", "#009E73", VERMILION, "#CC79A7", "#56B4E9", "#000000")
_SIGNS = (
    "circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right",
    "triangle-left",
)  # fmt: skip

_INK, _GRID = "#1d2430", "#e3e7ec"
_FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', 'Liberation Sans', sans-serif"
_TEXT = {"labelColor": _INK, "titleColor": _INK, "labelFontSize": 12, "titleFontSize": 12}

CONFIG: dict[str, Any] = {  # Vega-Lite's
    "background": "#fff",
    "font": _FONT,
    "axis": {
        **_TEXT,
        "titleFontWeight": "normal",
        "gridColor": _GRID,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "labelLimit": 260,
    },
    "header": {**_TEXT, "labelFontWeight": "bold", "labelAnchor": "start", "labelLimit": 900},
    "legend": {**_TEXT, "orient": "top", "labelLimit": 190, "symbolOpacity": 1},
    "title": {"color": _INK, "subtitleColor": _INK, "anchor": "start", "fontSize": 14},
    "view": {"stroke": None},
    "point": {"size": 60, "opacity": 1, "strokeWidth": 1.5},
    "rule": {"strokeWidth": 1.5},
}


@dataclasses.dataclass(frozen=True)
class Look:
    """How a series is drawn; `filling` is its signs', the same colour where None."""

    colour: str
    sign: str
    filling: str | None = None


def looks(labels: Mapping[str, str]) -> dict[str, Look]:
    """By label, a colour and a sign for every series, in order; grey for the baseline `mean`.

    Args:
        labels: by the series' names.
    """
    others = [name for name in labels if name != "mean"]
    return {
        text: Look(
            GREY if name == "mean" else _COLOURS[others.index(name) % len(_COLOURS)],
            _SIGNS[i % len(_SIGNS)],
        )
        for i, (name, text) in enumerate(labels.items())
    }
