"""Single speakers: their scores, and where in a network their ratings show."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emoasr.report import charts, extremes, scores, style, vegalite, wording
from emoasr.report.charts import Chart, Palette, Row
from emoasr.report.style import Look
from emoasr.report.vegalite import Description
from emoasr.report.wording import label, labels
from emoasr.system.output import counted, number

_BINS = 20  # of a histogram


def speakers(by_speaker: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Dot plots: a line a speaker, a marker a feature set; of many speakers, the extremes.

    Args:
        by_speaker: that of `scores`.
        palette: of the feature sets.
    """

    def draw(rows: Sequence[Row], key: str) -> Description:
        names = scores.shown(pd.DataFrame(rows))
        lines = labels(names, 16)
        rows = [row for row in charts.without_baseline(rows, key) if row["speaker"] in lines]
        sets = charts.labels_of_sets(rows)
        points = []
        for row in charts.defined(rows, key):
            line, series = lines[row["speaker"]], sets[row["feature_set"]]
            points.append(charts.point(row, key, line, series, _speaker_text(row)))
        looks = {text: palette[name] for name, text in sets.items()}
        return vegalite.dots(points, lines.values(), charts.axis(key, points, "right"), looks)

    rows: list[Any] = by_speaker.to_dict("records")
    return charts.of_targets(rows, "speakers", draw, charts.variants("mse"))


def _speaker_text(row: Row) -> str:
    who = f"speaker {label(row['speaker'])}, n = {row['n']}"
    return f"{label(wording.set_name(row))}, {who}"


def distribution(by_speaker: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Histograms of speakers, a bar a feature set, where there are too many for a line each.

    Args:
        by_speaker: that of `scores`.
        palette: of the feature sets.
    """
    if by_speaker["speaker"].nunique() <= extremes.MOST:
        return []

    def draw(rows: Sequence[Row], key: str) -> Description:
        rows = charts.defined(charts.without_baseline(rows, key), key)
        sets = charts.labels_of_sets(rows)
        values = np.array([row[key] for row in rows])
        low, high = np.quantile(values, (0.01, 0.99)).tolist()
        ends = np.linspace(low, max(high, low + 0.1), _BINS + 1)  # apart in three decimals
        places = [number(end) for end in ends[:-1].tolist()]
        points = []
        for name, text in sets.items():
            of_set = np.array([row[key] for row in rows if row["feature_set"] == name])
            counts, _ = np.histogram(of_set.clip(ends[0], ends[-1]), ends)
            for place, n in zip(places, counts.tolist(), strict=True):
                what = f"{text}\n{counted(n, 'speaker')} with {wording.metric(key)} from {place}"
                points.append({"place": place, "series": text, "value": n, "text": what})
        looks = {text: palette[name] for name, text in sets.items()}
        axis = {"grid": False, "labelAngle": 0, "labelOverlap": True}
        title = f"{wording.metric(key)} from … (the outermost 1 % are in the first and last bar)"
        along = vegalite.category("place", places, title=vegalite.wrapped(title), axis=axis)
        return vegalite.bars(points, along, "speakers", looks)

    rows: list[Any] = by_speaker.to_dict("records")
    return charts.of_targets(rows, "distribution", draw, charts.variants("mse"))


def early_late(each: Sequence[Row], variation: Sequence[Row], palette: Palette) -> list[Chart]:
    """Forest plots: early minus late of every speaker, their mean, and where a new one's may lie.

    Args:
        each: a record a speaker, network and rating; of many speakers, the extremes are drawn.
        variation: what they say together.
        palette: of the feature sets.

    Returns:
        A chart a rating or pair of ratings, a variant a network, by its number.
    """
    sets = dict.fromkeys(row["feature_set"] for row in variation)
    looks = {"speaker": Look(style.GREY, "circle"), "together": Look(style.INK, "diamond")}
    found = []
    for i, (target, together) in enumerate(charts.by_target(variation)):
        variants = {}
        for of_all in together:
            name = of_all["feature_set"]
            rows = [r for r in each if (r["target"], r["feature_set"]) == (target, name)]
            looks["speaker"] = Look(palette[name].colour, palette[name].sign)
            variants[str([*sets].index(name))] = {
                **_each_and_all(rows, of_all, dict(looks)),
                "title": vegalite.title(label(target, 60), label(name)),
            }
        found.append({"id": f"early-late-{i}", "title": target, "variants": variants})
    return found


def _each_and_all(rows: Sequence[Row], of_all: Row, looks: Mapping[str, Look]) -> Description:
    frame, key = pd.DataFrame(rows).set_index("speaker"), "early_late"
    lines = labels(extremes.shown(frame[key], frame["n"]), 16)
    mean, new = "mean of the speakers", "a new speaker"
    points = []
    for row in (row for row in rows if row["speaker"] in lines):
        text = f"{row['speaker']}, n = {row['n']}"
        points.append(charts.point(row, key, lines[row["speaker"]], "speaker", text))
    of_new = {**of_all, f"{key}_low": of_all["new_low"], f"{key}_high": of_all["new_high"]}
    points += [charts.point(r, key, n, "together", n) for n, r in ((mean, of_all), (new, of_new))]
    text = wording.together("|Fisher's z|, 95 % interval")
    axis = vegalite.axis(f"early − late layers, {text}", zero=True)
    return vegalite.dots(points, [*lines.values(), mean, new], axis, looks)
