"""Colours and signs that the page and the pictures share."""

from collections.abc import Iterable, Sequence

import matplotlib
import numpy as np

# Okabe and Ito's colours, which colour-blind readers can tell apart; yellow is lost on white
BLUE, VERMILION, GREY = "#0072B2", "#D55E00", "#6B7280"
_COLOURS = (BLUE, "#E69F00", "#009E73", VERMILION, "#CC79A7", "#56B4E9", "#000000")
_SIGNS = (  # Plotly's name, matplotlib's
    ("circle", "o"), ("square", "s"), ("diamond", "D"), ("triangle-up", "^"),
    ("cross", "P"), ("x", "X"), ("star", "*"), ("triangle-down", "v"),
)  # fmt: skip

MARKERS = dict(_SIGNS)

DIVERGING = "RdBu_r"  # ColorBrewer's; safe for the colour-blind
UNDEFINED = "#B3B3B3"


def colours(names: Iterable[str]) -> dict[str, str]:
    """A colour for every name, in order; grey for the baseline `mean`."""
    others = [name for name in dict.fromkeys(names) if name != "mean"]
    return {
        **{name: _COLOURS[i % len(_COLOURS)] for i, name in enumerate(others)},
        "mean": GREY,
    }


def signs(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """A marker for every name, in order: Plotly's name and matplotlib's."""
    return {name: _SIGNS[i % len(_SIGNS)] for i, name in enumerate(dict.fromkeys(names))}


def colour_scale() -> list[list[float | str]]:
    """The diverging colour map as Plotly wants it."""
    steps: Sequence[float] = np.linspace(0, 1, 11).tolist()
    colour_map = matplotlib.colormaps[DIVERGING]
    return [[step, matplotlib.colors.to_hex(colour_map(step))] for step in steps]
