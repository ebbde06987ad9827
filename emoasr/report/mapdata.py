"""The correlation maps as the page holds them: small enough for every speaker and rating."""

import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from emoasr.evaluation.correlation import MEAN, SIGNIFICANT, Maps
from emoasr.report import style
from emoasr.report.wording import number, plot_text, visible

LEVEL = f"{SIGNIFICANT:g}".lstrip("0")  # as it is written: .05

_MOST = 250  # maps on a page, of 20 kB each


def limit(maps: Sequence[Maps]) -> float:
    """Largest |r| of all maps, rounded up to a tenth: the end of their common colour scale."""
    largest = max((np.nanmax(abs(m.r), initial=0.0) for m in maps), default=0.0)
    return max(0.1, math.ceil(10 * largest) / 10)


def names(maps: Sequence[Maps]) -> list[str]:
    """What can be selected: the mean over speakers, then every speaker of any map."""
    return [MEAN, *sorted({speaker for m in maps for speaker in m.speakers})]


def shown(maps: Sequence[Maps]) -> list[str]:
    """Those of `names` for which the page has room."""
    return names(maps)[: _MOST // max(1, len(maps))]


def undefined(maps: Sequence[Maps]) -> list[str]:
    """Whose correlations are undefined, and why: a sentence each."""
    return [f"{name}, {m.target}: {why}" for m in maps for name, why in m.undefined.items()]


def get(m: Maps, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """R and q (layers, units) of a speaker or of the mean; None where there is no rating."""
    if name == MEAN:
        return m.mean_r, m.mean_q
    if name not in m.speakers:
        return None
    i = m.speakers.index(name)
    return m.r[i], m.q[i]


def note(m: Maps, name: str) -> str:
    """What is to be known of one map, in a sentence."""
    found, target = get(m, name), visible(m.target)
    if found is None:
        return f"{target}: no rating."
    r, q = found
    if name == MEAN:
        who = f"{(~np.isnan(m.r).all(axis=(1, 2))).sum()} speakers with a correlation"
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


def as_json(maps: Sequence[Maps]) -> dict[str, Any]:
    """What page.js draws from: r in thousandths, q with three digits, null where undefined."""
    return {
        "limit": limit(maps),
        "scale": style.colour_scale(),
        "grey": style.UNDEFINED,
        "significant": SIGNIFICANT,
        "units": maps[0].mean_r.shape[1],
        "targets": [plot_text(m.target) for m in maps],
        "maps": [[_one(m, name) for m in maps] for name in shown(maps)],
    }


def _one(m: Maps, name: str) -> dict[str, Any]:
    found = get(m, name)
    if found is None:
        nothing = [None] * m.mean_r.size
        return {"note": note(m, name), "r": nothing, "q": nothing}
    r, q = found
    return {
        "note": note(m, name),
        "r": [None if math.isnan(v) else round(1000 * v) for v in r.ravel().tolist()],
        "q": list(_three_digits(q.ravel().tolist())),
    }


def _three_digits(values: Sequence[float]) -> Iterator[float | None]:
    for value in values:
        yield None if math.isnan(value) else float(f"{value:.3g}")
