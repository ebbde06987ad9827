"""The correlation maps: what is known of them, their data and how they are drawn."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emoasr.evaluation.correlation import MEAN, SIGNIFICANT, Maps
from emoasr.report import extremes, style, vegalite
from emoasr.report.vegalite import Description
from emoasr.report.wording import few, visible
from emoasr.system.output import counted, number

LEVEL = f"{SIGNIFICANT:g}".lstrip("0")  # as it is written: .05

_MOST = 480_000  # cells on a page, of 13 bytes each
_WIDTH = 900  # pixels
_SMALL = 0.5  # of a cell's width and height, where r is not significant
_ABOVE = {"header": {"labelOrient": "top", "labelAngle": 0, "labelPadding": 2}}
_TEXT = (  # shown on hover; an expression of Vega's
    "'layer' + format(datum.layer, '02') + '.unit' + format(datum.unit, '03') + '\\n'"
    " + (datum.r === null ? 'undefined' : 'r = ' + format(datum.r, '.3f') + '\\nq = '"
    " + (datum.q === null ? 'undefined' : format(datum.q, datum.q < 0.001 ? '.1e' : '.3f')))"
)


def limit(maps: Sequence[Maps]) -> float:
    """Largest |r| of all maps, rounded up to a tenth: the end of their common colour scale."""
    largest = max((np.nanmax(abs(m.r), initial=0.0) for m in maps), default=0.0)
    return max(0.1, math.ceil(10 * largest) / 10)


def by_set(maps: Sequence[Maps]) -> dict[str, list[Maps]]:
    """The maps of each recognizer's feature set, which have one shape."""
    sets = dict.fromkeys(m.feature_set for m in maps)
    return {name: [m for m in maps if m.feature_set == name] for name in sets}


def names(maps: Sequence[Maps]) -> list[str]:
    """What can be selected: the mean over speakers, then every speaker of any map."""
    return [MEAN, *sorted({speaker for m in maps for speaker in m.speakers})]


def shown(maps: Sequence[Maps]) -> list[str]:
    """Those of `names` for which there is room: of many speakers the strongest and the weakest.

    For networks with too many units, the mean alone. A speaker is strong who has many significant
    units, over all ratings; of equals, the weaker is who has more utterances.
    """
    who = names(maps)[1:]
    significant, n_utterances = (pd.Series(0, who) for _ in range(2))
    for m in maps:
        speakers = list(m.speakers)
        significant[speakers] += (m.q < SIGNIFICANT).sum(axis=(1, 2))
        n_utterances[speakers] = np.maximum(n_utterances[speakers], m.n_utterances)
    ties = n_utterances / (n_utterances.max() + 1)
    found = extremes.shown(significant - ties, n_utterances)
    n_cells = sum(m.mean_r.size for m in maps)
    return [MEAN, *found] if len(found) * n_cells <= _MOST else [MEAN]


def pictured(maps: Sequence[Maps]) -> list[tuple[str, str]]:
    """Feature sets and names of which there are figures: of all but the first set, the mean."""
    first, *others = by_set(maps) or [""]
    return [*((first, name) for name in shown(maps) if maps), *((name, MEAN) for name in others)]


def undefined(maps: Sequence[Maps]) -> list[str]:
    """Whose correlations are undefined, and why: a sentence each, or one for many with a reason."""
    sentences, several = [], len(by_set(maps)) > 1
    for m in maps:
        whose = f"{m.feature_set}, " if several else ""
        speakers: dict[str, list[str]] = {}
        for name, why in m.undefined.items():
            speakers.setdefault(why, []).append(name)
        for why, alike in speakers.items():
            sentences += [f"{whose}{who}, {m.target}: {why}" for who in few(alike)]
    return sentences


def get(m: Maps, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """R and q (layers, units) of a speaker or of the mean; None where there is no rating."""
    if name == MEAN:
        return m.mean_r, m.mean_q
    if name not in m.speakers:
        return None
    i = m.speakers.index(name)
    return m.r[i], m.q[i]


def note(m: Maps, name: str) -> str:
    """A sentence about one map: of how much it is, the range of r, significant units."""
    found, target = get(m, name), visible(m.target)
    if found is None:
        return f"{target}: no rating."
    r, q = found
    if name == MEAN:
        who = counted((~np.isnan(m.r).all(axis=(1, 2))).sum(), "speaker") + " with a correlation"
    else:
        who = f"{m.n_utterances[m.speakers.index(name)]} utterances"
    if np.isnan(r).all():
        why = m.undefined.get(name, "no speaker has a correlation")
        return f"{target}: {who}; undefined (grey): {why}."
    text = (
        f"{target}: {who}; r from {number(float(np.nanmin(r)))} to "
        f"{number(float(np.nanmax(r)))}; {(q < SIGNIFICANT).sum()} of {r.size} units have "
        f"q < {LEVEL}."
    )
    return f"{text} Undefined (grey): {m.undefined[name]}." if name in m.undefined else text


def data(maps: Sequence[Maps], name: str) -> list[dict[str, Any]]:
    """What `describe` draws of a speaker or of the mean: three digits, None where undefined."""
    undefined = np.full_like(maps[0].mean_r, np.nan)
    return [
        {
            "order": i,
            "target": visible(m.target),
            "note": note(m, name),
            "r": [_or_none(v, f"{v:.3f}") for v in r.ravel().tolist()],
            "q": [_or_none(v, f"{v:.3g}") for v in q.ravel().tolist()],
        }
        for i, m in enumerate(maps)
        for r, q in (get(m, name) or (undefined, undefined),)
    ]


def _or_none(value: float, written: str) -> float | None:
    return None if math.isnan(value) else float(written)


def describe(maps: Sequence[Maps], title: str, end: float) -> Description:
    """The maps of one speaker or of the mean, one below the other, as in the paper's figure 1.

    Args:
        maps: one a rating, of one feature set.
        title: what is written above each: its `target` or `note`.
        end: of the colour scale, see `limit`.

    Returns:
        A description without data. Its parameter `marks` says whether units that are not
        significant are drawn small.
    """
    n_layers, n_units = maps[0].mean_r.shape
    colour = {
        "field": "r",
        "type": "quantitative",
        "scale": vegalite.shades(style.DIVERGING, -end, end),
        "legend": {"orient": "right", "title": "r"},
        "condition": {"test": "datum.r === null", "value": style.UNDEFINED},
    }
    cell = {"type": "rect", "invalid": None, "aria": False}
    small = {"width": {"band": _SMALL}, "height": {"band": _SMALL}}
    full = f"!marks || datum.q !== null && datum.q < {SIGNIFICANT}"
    encoding = {"color": colour, **vegalite.TEXT}
    unit = vegalite.category("unit", range(n_units), title="unit", axis=_every(10, n_units))
    layer = vegalite.category("layer", range(n_layers), title="layer", axis=_every(2, n_layers))
    return {
        "params": [{"name": "marks", "value": True}],
        "transform": [
            {"flatten": ["r", "q"]},
            {"window": [{"op": "row_number", "as": "number"}], "groupby": ["target"]},
            {"calculate": f"floor((datum.number - 1) / {n_units})", "as": "layer"},
            {"calculate": f"(datum.number - 1) % {n_units}", "as": "unit"},
            {"calculate": _TEXT, "as": "text"},
        ],
        "facet": {"row": {"field": title, "title": None, "sort": {"field": "order"}, **_ABOVE}},
        "spec": {
            "width": {"step": max(1, _WIDTH // n_units)},
            "height": {"step": 13},
            "encoding": {"x": unit, "y": layer},
            "layer": [
                {"transform": [{"filter": test}], "mark": {**cell, **size}, "encoding": encoding}
                for test, size in ((full, {}), (f"!({full})", small))
            ],
        },
    }


def _every(step: int, length: int) -> Description:
    return {"values": list(range(0, length, step)), "labelAngle": 0, "grid": False}
