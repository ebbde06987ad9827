"""Colours, signs and type of all pages and charts.

A colour stands for a feature set, the same in every chart; only `BLUE` and `VERMILION` stand for
better and worse. Colour-blind readers can distinguish all of them, on white and, as `DARK` has
them, on a dark page; no two series differ in colour alone. A scale's zero is `PAPER`, so that what
is near zero recedes into the page, light or dark.
"""

import dataclasses
import itertools
from collections.abc import Iterable, Mapping
from typing import Any

from emoasr.settings.choices import BASELINE

BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#6B7280"  # the first two are Okabe and Ito's
UNDEFINED = "#B3B3B3"
INK, PAPER, _LINE = "#1d2430", "#ffffff", "#dfe3e8"

DIVERGING = ("#3F1A78", "#8A72BE", PAPER, "#C97714", "#662E00")  # below zero, zero, above
SHARES = (PAPER, "#08306b")  # from 0 to 1
HALFWAY = 0.6  # above this share, text is PAPER, not INK

_BUILT_IN = ("neural", "random", "mfcc", "egemaps")  # the first colours are theirs in every report
_COLOURS = ("#00856A", "#C28A00", "#B0479C", INK, "#4FA3D1", "#7A3E1D", "#DB7BA6", "#5B2A9D")
_SIGNS = (
    "circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right",
    "triangle-left",
)  # fmt: skip

_PAGE = {  # of the style sheets, by their variables' names
    "ink": INK,
    "paper": PAPER,
    "line": _LINE,
    "soft": "#5b6675",
    "shade": "#f5f7f9",
    "accent": "#0067a3",
    "warn": "#a33b00",
    "warned": "#fff1e8",
    **{f"series-{i}": colour for i, colour in enumerate(_COLOURS)},
}
SERIES = tuple(f"var(--{name})" for name in _PAGE if name.startswith("series"))

DARK = {  # what a colour is on a dark page
    INK: "#e6e9ee",
    PAPER: "#14181f",
    _LINE: "#333a45",
    "#5b6675": "#a3acba",
    "#f5f7f9": "#1d232c",
    "#0067a3": "#6db8f0",
    "#a33b00": "#ffb07c",
    "#fff1e8": "#3a2416",
    UNDEFINED: "#565d69",
    "#3F1A78": "#DCCBFF",
    "#8A72BE": "#8468C9",
    "#C97714": "#C06A12",
    "#662E00": "#FFD2A0",
    "#08306b": "#7DB3E8",
    GREY: "#9aa3b2",
    BLUE: "#4DA9E8",
    VERMILION: "#FF8A3C",
    "#00856A": "#2FC79B",
    "#C28A00": "#E0AC2B",
    "#B0479C": "#D06BC0",
    "#4FA3D1": "#8FD0F5",
    "#7A3E1D": "#B5764F",
    "#DB7BA6": "#FFB0D0",
    "#5B2A9D": "#8E63E0",
}
_FONT = "system-ui, 'Segoe UI', Roboto, 'DejaVu Sans', 'Liberation Sans', sans-serif"
_TEXT = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12}

CONFIG: dict[str, Any] = {  # Vega-Lite's
    "background": PAPER,
    "font": _FONT,
    "axis": {
        **_TEXT,
        "titleFontWeight": "normal",
        "gridColor": _LINE,
        "domain": False,
        "ticks": False,
        "labelPadding": 6,
        "labelLimit": 260,
    },
    "header": {**_TEXT, "labelFontWeight": "bold", "labelAnchor": "start", "labelLimit": 900},
    "legend": {
        **_TEXT,
        "orient": "top",
        "labelLimit": 190,
        "symbolOpacity": 1,
        "symbolStrokeColor": INK,
    },
    "title": {
        "color": INK,
        "subtitleColor": GREY,
        "anchor": "start",
        "fontSize": 14,
        "subtitleFontSize": 12,
        "limit": 420,
        "offset": 10,
    },
    "view": {"stroke": None},
    "point": {"size": 60, "opacity": 1, "strokeWidth": 1.5},
    "rule": {"strokeWidth": 1.5},
}


def css() -> str:
    """The pages' colours as variables of their style sheets, such as `--ink`, light and dark."""

    def variables(scheme: str, colours: Iterable[str]) -> str:
        of = zip(_PAGE, colours, strict=True)
        named = " ".join(f"--{name}: {colour};" for name, colour in of)
        return f":root {{ color-scheme: {scheme}; {named} }}\n"

    dark = variables("dark", [DARK[colour] for colour in _PAGE.values()])
    light = variables("light", _PAGE.values())
    return f"{light}@media screen and (prefers-color-scheme: dark) {{\n{dark}}}\n"


@dataclasses.dataclass(frozen=True)
class Look:
    """How a series is drawn.

    Attributes:
        colour: of signs, lines and bars.
        sign: Vega's name of the shape.
        filling: of the sign; None: the same colour.
    """

    colour: str
    sign: str
    filling: str | None = None


def palette(names: Iterable[str]) -> dict[str, Look]:
    """A colour and a sign for every feature set of a report; grey for the baseline.

    Args:
        names: of all sets in the report; those of built-in sets have the same look in every report.
    """
    others = [name for name in dict.fromkeys(names) if name != BASELINE]
    own = {name: i for i, name in enumerate(_BUILT_IN) if name in others}
    free = [i for i in range(len(_COLOURS)) if i not in own.values()]
    laps = ((i, lap) for lap in itertools.count() for i in free)
    place = {name: (own[name], 0) if name in own else next(laps) for name in others}
    found = {
        name: Look(_COLOURS[i], _SIGNS[(i + lap) % len(_SIGNS)]) for name, (i, lap) in place.items()
    }
    return {**found, BASELINE: Look(GREY, "stroke")}


def looks(labels: Mapping[str, str]) -> dict[str, Look]:
    """The palette of feature sets, by their labels.

    Args:
        labels: by the sets' names.
    """
    own = palette(labels)
    return {text: own[name] for name, text in labels.items()}


def kinds(names: Iterable[str], colour: str = INK) -> dict[str, Look]:
    """Series of one colour that are no feature sets: they differ in their signs alone."""
    signs = itertools.cycle(_SIGNS)
    return {name: Look(colour, next(signs)) for name in dict.fromkeys(names)}
