"""What the charts show, each described once, in Vega-Lite, for the page and for the pictures.

A chart of the page is a dict: `id`; `title`, what it is of; `variants`, its descriptions by the
values of its section's selectors, joined by a blank.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emoasr.evaluation.layers import network_of
from emoasr.report import extremes, scores, style, vegalite, wording
from emoasr.report.style import Look
from emoasr.report.vegalite import Description
from emoasr.report.wording import label, labels, number
from emoasr.settings.choices import BASELINE

Chart = dict[str, Any]
Row = Mapping[str, Any]
Palette = Mapping[str, Look]  # of all feature sets of a report

PREDICTIONS = {"clipped": "clipped to the scale", "plain": "as predicted"}
SCORES = {"ccc": "CCC", "mse": "MSE"}
_PREFIX = {"clipped": "clipped_", "plain": ""}
_JUDGED = {
    "former is better": Look(style.BLUE, "circle"),
    "latter is better": Look(style.VERMILION, "square"),
    "the interval includes zero": Look(style.GREY, "circle", filling=style.PAPER),
}
_BINS = 20  # of a histogram
_WIDE = 20  # largest over smallest: from there on, a logarithmic axis


def differences(found: Sequence[Row], group: str) -> list[Chart]:
    """Forest plots: each pair, former minus latter.

    Pairs with the baseline would stretch the axis; they are left out where there are others.

    Args:
        found: pairs of feature sets, or of one set under two conditions.
        group: beginning of the charts' ids.
    """
    others = [d for d in found if BASELINE not in (d["a"], d["b"])]
    return _charts(others or found, group, _forest, _variants())


def pairs(found: Sequence[Row], group: str) -> list[Chart]:
    """As `differences`, with one more selector: `first`, against the first set, or `all`."""
    against = differences([d for d in found if d["a"] == found[0]["a"]], group)
    for some, every in zip(against, differences(found, group), strict=True):
        both = {"first": some["variants"], "all": every["variants"]}
        some["variants"] = {f"{k} {which}": v for which, of in both.items() for k, v in of.items()}
    return against


def _forest(found: Sequence[Row], key: str) -> Description:
    names = labels((wording.set_name(d[side]) for d in found for side in "ab"), 16)
    lines = {}
    for d in found:
        both = (names[wording.set_name(d[side])] for side in "ab")
        lines[d["a"], d["b"]] = " − ".join(dict.fromkeys(both))
    points = []
    for d in _defined(found, key):
        pair = lines[d["a"], d["b"]]
        points.append(_point(d, key, pair, _judge(d, key), pair))
    axis = vegalite.axis(f"{_metric(key)}, difference", zero=True)
    return vegalite.dots(points, lines.values(), axis, _JUDGED)


def _judge(difference: Row, key: str) -> str:
    if wording.includes_zero(difference, key) is not False:
        return "the interval includes zero"
    former = (difference[key] > 0) == wording.higher_is_better(key)
    return "former is better" if former else "latter is better"


def speakers(by_speaker: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Dot plots: a line a speaker, a sign a feature set; of many speakers, the extremes.

    Args:
        by_speaker: that of `scores`.
        palette: of the feature sets.
    """

    def draw(rows: Sequence[Row], key: str) -> Description:
        names = scores.shown(pd.DataFrame(rows))
        lines = labels(names, 16)
        rows = [row for row in _without_baseline(rows, key) if row["speaker"] in lines]
        sets = _labels_of_sets(rows)
        points = [
            _point(row, key, lines[row["speaker"]], sets[row["feature_set"]], _speaker_text(row))
            for row in _defined(rows, key)
        ]
        looks = {text: palette[name] for name, text in sets.items()}
        return vegalite.dots(points, lines.values(), _axis(key, points, "right"), looks)

    rows: list[Any] = by_speaker.to_dict("records")
    return _charts(rows, "speakers", draw, _variants("mse"))


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
    for i, (target, together) in enumerate(_by_target(variation)):
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
    points = [
        _point(row, key, lines[row["speaker"]], "speaker", f"{row['speaker']}, n = {row['n']}")
        for row in rows
        if row["speaker"] in lines
    ]
    of_new = {**of_all, f"{key}_low": of_all["new_low"], f"{key}_high": of_all["new_high"]}
    points += [_point(r, key, n, "together", n) for n, r in ((mean, of_all), (new, of_new))]
    axis = vegalite.axis("early − late layers, |Fisher's z|, 95 % interval", zero=True)
    return vegalite.dots(points, [*lines.values(), mean, new], axis, looks)


def distribution(by_speaker: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Histograms of speakers, a bar a feature set, where there are too many for a line each.

    Args:
        by_speaker: that of `scores`.
        palette: of the feature sets.
    """
    if by_speaker["speaker"].nunique() <= extremes.MOST:
        return []

    def draw(rows: Sequence[Row], key: str) -> Description:
        rows = _defined(_without_baseline(rows, key), key)
        sets = _labels_of_sets(rows)
        values = np.array([row[key] for row in rows])
        low, high = np.quantile(values, (0.01, 0.99)).tolist()
        ends = np.linspace(low, max(high, low + 0.1), _BINS + 1)  # apart in three decimals
        places = [number(end) for end in ends[:-1].tolist()]
        points = []
        for name, text in sets.items():
            of_set = np.array([row[key] for row in rows if row["feature_set"] == name])
            counts, _ = np.histogram(of_set.clip(ends[0], ends[-1]), ends)
            for place, n in zip(places, counts.tolist(), strict=True):
                what = f"{text}\n{n} speakers with {_metric(key)} from {place}"
                points.append({"place": place, "series": text, "value": n, "text": what})
        looks = {text: palette[name] for name, text in sets.items()}
        axis = {"grid": False, "labelAngle": 0, "labelOverlap": True}
        title = f"{_metric(key)} from … (the outermost 1 % are in the first and last bar)"
        along = vegalite.category("place", places, title=vegalite.wrapped(title), axis=axis)
        return vegalite.bars(points, along, "speakers", looks)

    rows: list[Any] = by_speaker.to_dict("records")
    return _charts(rows, "distribution", draw, _variants("mse"))


def _speaker_text(row: Row) -> str:
    who = f"speaker {label(row['speaker'])}, n = {row['n']}"
    return f"{label(wording.set_name(row['feature_set']))}, {who}"


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
    return _charts(rows, group, draw, _variants())


def classes(rows: Sequence[Row], palette: Palette) -> list[Chart]:
    """As `feature_sets`, of targets that have classes: UAR."""
    draw = functools.partial(_set_dots, palette=palette, fields=())
    return _charts(rows, "classes", draw, {"": "uar"})


def _set_dots(
    rows: Sequence[Row], key: str, palette: Palette, fields: Sequence[str]
) -> Description:
    rows = _without_baseline(rows, key)
    lines = _labels_of_sets(rows)
    points = []
    for row in _defined(rows, key):
        kind, line = _kind(row, fields), lines[row["feature_set"]]
        text = ", ".join(filter(None, (line, kind)))
        points.append(_point(row, key, line, kind, text))
    looks = style.kinds(_kind(row, fields) for row in rows)
    colours = [palette[name].colour for name in lines]
    axis = _axis(key, points, "right", interval=True)
    return vegalite.dots(points, lines.values(), axis, looks, colours=colours)


def _kind(row: Row, fields: Sequence[str]) -> str:
    words = {"n_selected": "all" if row["n_selected"] == row["n_features"] else row["n_selected"]}
    return ", ".join(str(words.get(field, row[field])) for field in fields)


def selected(by_layer: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Histograms: units that a fold selects of each layer, a bar a feature set.

    Args:
        by_layer: that of `scores.selected_by_layer`.
        palette: of the feature sets.
    """
    rows: list[Any] = by_layer.to_dict("records")
    bars = functools.partial(_bars, sets=labels(by_layer["feature_set"]), palette=palette)
    return _charts(rows, "selected", bars, {"": "units"})


def _bars(rows: Sequence[Row], key: str, sets: Mapping[str, str], palette: Palette) -> Description:
    points = []
    for row in rows:
        text = f"{label(row['feature_set'])}, layer {row['layer']}\n{number(row[key])} {key}"
        point = {"place": row["layer"], "series": sets[row["feature_set"]], "text": text}
        points.append(point | {"value": _rounded(row[key])})
    place = _layers(row["layer"] for row in rows)
    looks = {text: palette[name] for name, text in sets.items()}
    return vegalite.bars(points, place, "units that a fold selects", looks)


def confusion(matrices: Mapping[str, Mapping[str, pd.DataFrame]]) -> list[Chart]:
    """Confusion matrices: a chart a target, a variant a feature set, by its number."""
    return [
        {
            "id": f"confusion-{i}",
            "title": target,
            "variants": {
                str(n): {**_matrix(counts), "title": vegalite.title(label(target, 60), label(name))}
                for n, (name, counts) in enumerate(of_target.items())
            },
        }
        for i, (target, of_target) in enumerate(matrices.items())
    ]


def _matrix(counts: pd.DataFrame) -> Description:
    names = labels(counts.index, 16)
    points = []
    for true, row in counts.iterrows():
        for predicted, n in row.items():
            share = n / max(1, row.sum())
            here, there = names[str(true)], names[str(predicted)]
            text = f"{here} taken for {there}\n{n} of {row.sum()}"
            where = {"row": here, "place": there, "text": text}
            points.append({**where, "share": _rounded(share), "count": int(n)})
    return vegalite.matrix(points, list(names.values()), ("true", "predicted"))


def layers(rows: Sequence[Row], palette: Palette) -> list[Chart]:
    """A chart a target: along the layers, a line a network, in its feature set's colour."""

    def draw(rows: Sequence[Row], key: str) -> Description:
        names = labels(row["network"] for row in rows)
        looks = {text: palette[name] for name, text in names.items()}
        drawn = [{**row, "series": names[row["network"]]} for row in rows]
        return _curves(drawn, key, "layer", _layers(row["layer"] for row in rows), looks)

    numbered = [
        {
            **row,
            "network": network_of(row["feature_set"]),
            "layer": int(row["feature_set"].rpartition("layer")[2]),
        }
        for row in rows
    ]
    return _charts(numbered, "layers", draw, _variants())


def _layers(numbers: Iterable[int]) -> Description:
    axis = {"labelAngle": 0, "grid": False}
    return vegalite.category("place", sorted(set(numbers)), title="layer", axis=axis)


def n_selected(rows: Sequence[Row], palette: Palette) -> list[Chart]:
    """One chart a target: a line a regressor, along the number of selected features."""

    def draw(rows: Sequence[Row], key: str) -> Description:
        ticks = {"values": sorted({row["n_selected"] for row in rows}), "format": "d"}
        place = vegalite.axis("selected features", log=True) | {"field": "place", "axis": ticks}
        colour = palette[rows[0]["feature_set"]].colour
        looks = style.kinds((row["regressor"] for row in rows), colour)
        drawn = [{**row, "series": row["regressor"]} for row in rows]
        return _curves(drawn, key, "n_selected", place, looks)

    return _charts(rows, "n_selected", draw, _variants())


def _curves(
    rows: Sequence[Row], key: str, along: str, place: Description, looks: Mapping[str, Look]
) -> Description:
    """Lines and bands: a line a `series` of the rows."""
    points = []
    for row in _defined(rows, key):
        text = f"{row['regressor']}, {label(row['feature_set'])}, {row['n_selected']} features"
        points.append(_point(row, key, row[along], row["series"], text))
    return vegalite.curves(points, place, _axis(key, points, "up", interval=True), looks)


def _labels_of_sets(rows: Sequence[Row]) -> dict[str, str]:
    """Labels by the feature sets' names, the baseline's its words."""
    names = dict.fromkeys(row["feature_set"] for row in rows)
    shown = labels(wording.set_name(name) for name in names)
    return {name: shown[wording.set_name(name)] for name in names}


def _without_baseline(rows: Sequence[Row], key: str) -> list[Row]:
    """The rows; of agreement those of features alone: a constant prediction's CCC is about 0."""
    agreement = wording.higher_is_better(key)
    return [row for row in rows if not (agreement and row["feature_set"] == BASELINE)]


def _defined(rows: Sequence[Row], key: str) -> list[Row]:
    return [row for row in rows if row.get(key) is not None and not math.isnan(row[key])]


def _point(row: Row, key: str, place: str | int, series: str, text: str) -> dict[str, Any]:
    """What is drawn of a row's metric; `text` says what the row is."""
    fields = {"value": key, "low": f"{key}_low", "high": f"{key}_high"}
    return {
        "place": place,
        "series": series,
        "text": f"{text}\n{_metric(key)} {wording.interval(row, key)}",
        **{field: _rounded(row[k]) for field, k in fields.items() if row.get(k) is not None},
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")  # no eye sees more


def _metric(key: str) -> str:
    return wording.METRICS[key.removeprefix("clipped_")]


def _axis(
    key: str, points: Sequence[Mapping[str, Any]], good: str, interval: bool = False
) -> Description:
    """The axis of a metric, where better agreement is to the right or up: `good`."""
    higher = wording.higher_is_better(key)
    better = good if higher else {"right": "left", "up": "down"}[good]
    log = not higher and _spans_decades([point["value"] for point in points])
    what = f"{_metric(key)}, 95 % interval" if interval else _metric(key)
    return vegalite.axis(f"{what} ({better}: better)", log)


def _spans_decades(values: Sequence[float]) -> bool:
    """Whether a few wild values would hide all others."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > _WIDE


def _variants(error: str = "mse_mean") -> dict[str, str]:
    """The metric that is drawn, by the values of a section's selectors."""
    keys = {"ccc": "ccc", "mse": error}
    return {f"{s} {p}": prefix + keys[s] for s in SCORES for p, prefix in _PREFIX.items()}


def _note(key: str) -> str:
    """What the line below a chart's title says of the predictions."""
    if key.removeprefix("clipped_") not in ("ccc", "mse", "mse_mean"):
        return ""
    if not key.startswith("clipped_"):
        return f"{_metric(key)}, as predicted, not clipped"
    return f"{_metric(key)}, predictions clipped to the scale"


def _charts(
    rows: Sequence[Row], group: str, draw: Callable[..., Description], variants: Mapping[str, str]
) -> list[Chart]:
    """A chart a target."""
    return [
        {
            "id": f"{group}-{i}",
            "title": target,
            "variants": {
                name: draw(of_target, key)
                | {"title": vegalite.title(label(target, 60), _note(key))}
                for name, key in variants.items()
            },
        }
        for i, (target, of_target) in enumerate(_by_target(rows))
    ]


def _by_target(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    targets = dict.fromkeys(row["target"] for row in rows)
    return [(target, [row for row in rows if row["target"] == target]) for target in targets]
