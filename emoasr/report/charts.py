"""What the charts show, each described once, in Vega-Lite, for the page and for the pictures.

A chart of the page is a dict: `id`; `title`, shown above it; `variants`, its descriptions by the
values of its section's selectors, joined by a blank.
"""

import functools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from emoasr.evaluation.layers import network_of
from emoasr.report import style, vegalite, wording
from emoasr.report.style import Look
from emoasr.report.vegalite import Description
from emoasr.report.wording import label, labels, number

Chart = dict[str, Any]
Row = Mapping[str, Any]

PREDICTIONS = {"clipped": "clipped to the scale", "plain": "as predicted"}
SCORES = {"ccc": "CCC", "mse": "MSE"}
_PREFIX = {"clipped": "clipped_", "plain": ""}
_LOOKS = {
    PREDICTIONS["plain"]: Look(style.BLUE, "circle"),
    PREDICTIONS["clipped"]: Look(style.VERMILION, "circle"),
}
_JUDGED = {
    "former is better": Look(style.BLUE, "circle"),
    "latter is better": Look(style.VERMILION, "square"),
    "the interval includes zero": Look(style.GREY, "circle", filling="#fff"),
}
_DIFFERENCES = {
    "ccc": "CCC, difference (right: former is better)",
    "mse_mean": "mean MSE, difference (left: former is better)",
}
_WIDE = 20  # largest over smallest: from there on, a logarithmic axis


def differences(found: Sequence[Row], group: str = "differences") -> list[Chart]:
    """Forest plots: CCC and MSE of each pair, former minus latter.

    Args:
        found: pairs of feature sets, or of one set under two conditions.
        group: beginning of the charts' ids.
    """
    return _charts(found, group, _forest, _PREFIX)


def _forest(found: Sequence[Row], prefix: str) -> Description:
    names = labels((d[side] for d in found for side in "ab"), 16)
    pairs = {
        (d["a"], d["b"]): " − ".join(dict.fromkeys((names[d["a"]], names[d["b"]]))) for d in found
    }
    points = []
    for order, (metric, title) in enumerate(_DIFFERENCES.items()):
        for d in _defined(found, key := prefix + metric):
            point = _point(d, key, pair := pairs[d["a"], d["b"]], _judge(d, key), pair)
            points.append(point | {"metric": title, "order": order})
    axis = vegalite.axis(None, zero=True)
    plot = vegalite.dots(points, pairs.values(), axis, _JUDGED, legend=800)
    below = {"labelOrient": "bottom", "labelFontWeight": "normal"}
    resolve = {"resolve": {"scale": {"x": "independent"}}}
    return vegalite.beside(plot, "metric", 390, below) | resolve


def _judge(difference: Row, key: str) -> str:
    if wording.includes_zero(difference, key) is not False:
        return "the interval includes zero"
    former = (difference[key] > 0) == _higher_is_better(key)
    return "former is better" if former else "latter is better"


def speakers(scores: pd.DataFrame) -> list[Chart]:
    """Dot plots: a line a speaker, a sign a feature set.

    Args:
        scores: those of `scores.by_speaker`.
    """
    rows: list[Any] = scores.to_dict("records")
    return _charts(rows, "speakers", _speaker_dots, _variants("mse"))


def _speaker_dots(rows: Sequence[Row], key: str) -> Description:
    lines = labels(sorted({row["speaker"] for row in rows}), 16)
    if _higher_is_better(key):  # a constant prediction's CCC is 0, whatever the ratings
        rows = [row for row in rows if row["feature_set"] != "mean"]
    sets = labels(row["feature_set"] for row in rows)
    points = [
        _point(row, key, lines[row["speaker"]], sets[row["feature_set"]], _speaker_text(row))
        for row in _defined(rows, key)
    ]
    return vegalite.dots(points, lines.values(), _axis(key, points, "right"), style.looks(sets))


def _speaker_text(row: Row) -> str:
    return f"{label(row['feature_set'])}, speaker {label(row['speaker'])}, n = {row['n']}"


def feature_sets(rows: Sequence[Row], group: str, fields: Sequence[str] = ()) -> list[Chart]:
    """Dot plots with intervals: a line a feature set.

    Args:
        rows: rows of one analysis.
        group: beginning of the charts' ids.
        fields: those whose values tell the dots on a line apart.
    """
    return _charts(rows, group, functools.partial(_set_dots, fields=fields), _variants())


def _set_dots(rows: Sequence[Row], key: str, fields: Sequence[str]) -> Description:
    lines = labels(row["feature_set"] for row in rows)
    points = []
    for row in _defined(rows, key):
        kind = _kind(row, fields)
        text = label(", ".join(filter(None, (row["feature_set"], kind))), 60)
        points.append(_point(row, key, lines[row["feature_set"]], kind, text))
    looks = style.looks({_kind(row, fields): _kind(row, fields) for row in rows})
    metric = _axis(key, points, "right")
    return vegalite.dots(points, lines.values(), metric, looks, apart=True)


def _kind(row: Row, fields: Sequence[str]) -> str:
    words = {"n_selected": "all" if row["n_selected"] == row["n_features"] else row["n_selected"]}
    return ", ".join(str(words.get(field, row[field])) for field in fields)


def selected(by_layer: pd.DataFrame) -> list[Chart]:
    """Histograms: units that a fold selects of each layer, a bar a feature set.

    Args:
        by_layer: that of `scores.selected_by_layer`.
    """
    rows: list[Any] = by_layer.to_dict("records")
    bars = functools.partial(_bars, sets=labels(by_layer["feature_set"]))
    return _charts(rows, "selected", bars, {"": "units"})


def _bars(rows: Sequence[Row], key: str, sets: Mapping[str, str]) -> Description:
    points = []
    for row in rows:
        text = f"{label(row['feature_set'])}, layer {row['layer']}\n{number(row[key])} {key}"
        point = {"place": row["layer"], "series": sets[row["feature_set"]], "text": text}
        points.append(point | {"value": _rounded(row[key])})
    place = _layers(row["layer"] for row in rows)
    return vegalite.bars(points, place, "units that a fold selects", style.looks(sets))


def classes(rows: Sequence[Row]) -> list[Chart]:
    """Dot plots with intervals: UAR, a line a feature set."""

    def draw(rows: Sequence[Row], key: str) -> Description:
        lines = labels(row["feature_set"] for row in rows)
        points = [
            _point(row, key, name := lines[row["feature_set"]], "", name)
            for row in _defined(rows, key)
        ]
        axis = vegalite.axis("UAR, 95 % interval (right: better)")
        return vegalite.dots(points, lines.values(), axis, style.looks({"": ""}))

    return _charts(rows, "classes", draw, {"": "uar"})


def confusion(matrices: Mapping[str, Mapping[str, pd.DataFrame]]) -> list[Chart]:
    """Confusion matrices: a chart a target, a variant a feature set, by its number."""
    return [
        {
            "id": f"confusion-{i}",
            "title": target,
            "variants": {str(n): _matrix(counts) for n, counts in enumerate(of_target.values())},
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


def layers(rows: Sequence[Row]) -> list[Chart]:
    """One chart a network: a line a target, along its layers."""

    def draw(rows: Sequence[Row], key: str) -> Description:
        return _curves(rows, key, "target", "layer", _layers(row["layer"] for row in rows))

    by_network: dict[str, list[Row]] = {}
    for row in rows:
        numbered = {**row, "layer": int(row["feature_set"].rpartition("layer")[2])}
        by_network.setdefault(network_of(row["feature_set"]), []).append(numbered)
    return [
        {
            "id": f"layers-{i}",
            "title": network,
            "variants": {variant: draw(of, key) for variant, key in _variants().items()},
        }
        for i, (network, of) in enumerate(by_network.items())
    ]


def _layers(numbers: Iterable[int]) -> Description:
    axis = {"labelAngle": 0, "grid": False}
    return vegalite.category("place", sorted(set(numbers)), title="layer", axis=axis)


def n_selected(rows: Sequence[Row]) -> list[Chart]:
    """One chart a target: a line a regressor, along the number of selected features."""

    def draw(rows: Sequence[Row], key: str) -> Description:
        ticks = {"values": sorted({row["n_selected"] for row in rows}), "format": "d"}
        place = vegalite.axis("selected features", log=True) | {"field": "place", "axis": ticks}
        return _curves(rows, key, "regressor", "n_selected", place)

    return _charts(rows, "n_selected", draw, _variants())


def _curves(
    rows: Sequence[Row], key: str, series: str, along: str, place: Description
) -> Description:
    names = labels(row[series] for row in rows)
    points = []
    for row in _defined(rows, key):
        text = f"{names[row[series]]}, {label(row['feature_set'])}, {row['n_selected']} features"
        points.append(_point(row, key, row[along], names[row[series]], text))
    return vegalite.curves(points, place, _axis(key, points, "up"), style.looks(names))


def summary(rows: Sequence[Row], predictions: pd.DataFrame) -> Description:
    """MSE of every fold and its mean, and CCC, of every feature set and target.

    Args:
        rows: those of the main table.
        predictions: `eval/predictions.parquet`.
    """
    folds = _mse_of_folds(predictions)
    log = _spans_decades([row["mse_fold"] for row in folds])
    errors = vegalite.axis("MSE: mean (dot) and each fold (tick); lower is better", log)
    scores = vegalite.axis("CCC, pooled over folds, 95 % interval; higher is better", zero=True)
    means = [{k: v for k, v in r.items() if not k.endswith(("_low", "_high"))} for r in rows]
    above, below = _clipped_or_not(means, "mse_mean", errors), _clipped_or_not(rows, "ccc", scores)
    ticks = _clipped_or_not(folds, "mse_fold", errors)
    above["data"]["values"] += [
        {"fold": point.pop("value"), **point} for point in ticks["data"]["values"]
    ]
    mark = {"type": "tick", "opacity": 0.5, "thickness": 1.5, "size": 9}
    above["spec"]["layer"].insert(0, {"mark": mark, "encoding": {"x": {"field": "fold", **errors}}})
    return {"vconcat": [above, below]}


def _clipped_or_not(rows: Sequence[Row], key: str, metric: Description) -> Description:
    """Dots of both kinds of predictions, one below the other; a plot a target."""
    lines = labels(row["feature_set"] for row in rows)
    points = []
    for order, (target, of_target) in enumerate(_by_target(rows)):
        for kind, prefix in _PREFIX.items():
            for row in _defined(of_target, prefix + key):
                line = lines[row["feature_set"]]
                point = _point(row, prefix + key, line, PREDICTIONS[kind], line)
                points.append(point | {"target": label(target), "order": order})
    plot = vegalite.dots(points, lines.values(), metric, _LOOKS, apart=True, legend=600)
    return vegalite.beside(plot, "target", 340, {})


def _mse_of_folds(predictions: pd.DataFrame) -> list[Row]:
    errors = predictions[["target", "feature_set", "fold"]].assign(
        mse_fold=(predictions["prediction"] - predictions["label"]) ** 2,
        clipped_mse_fold=(predictions["clipped"] - predictions["label"]) ** 2,
    )
    means = errors.groupby(["target", "feature_set", "fold"], sort=False).mean().reset_index()
    rows: list[Any] = means.to_dict("records")
    return rows


def _defined(rows: Sequence[Row], key: str) -> list[Row]:
    return [row for row in rows if row.get(key) is not None and not math.isnan(row[key])]


def _point(row: Row, key: str, place: str | int, series: str, text: str) -> dict[str, Any]:
    """What is drawn of a row's metric; `text` says what the row is."""
    metric = wording.METRICS[key.removeprefix("clipped_")]
    fields = {"value": key, "low": f"{key}_low", "high": f"{key}_high"}
    return {
        "place": place,
        "series": series,
        "text": f"{text}\n{metric} {wording.interval(row, key)}",
        **{field: _rounded(row[k]) for field, k in fields.items() if row.get(k) is not None},
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")  # no eye sees more


def _axis(key: str, points: Sequence[Row], good: str) -> Description:
    """The axis of a metric, where better agreement is to the right or up: `good`."""
    higher = _higher_is_better(key)
    better = good if higher else {"right": "left", "up": "down"}[good]
    log = not higher and _spans_decades([point["value"] for point in points])
    return vegalite.axis(f"{wording.METRICS[key.removeprefix('clipped_')]} ({better}: better)", log)


def _higher_is_better(key: str) -> bool:
    return key.removeprefix("clipped_") == "ccc"  # the others are errors


def _spans_decades(values: Sequence[float]) -> bool:
    """Whether a few wild values would hide all others."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > _WIDE


def _variants(error: str = "mse_mean") -> dict[str, str]:
    """The metric that is drawn, by the values of a section's selectors."""
    keys = {"ccc": "ccc", "mse": error}
    return {f"{s} {p}": prefix + keys[s] for s in SCORES for p, prefix in _PREFIX.items()}


def _charts(
    rows: Sequence[Row], group: str, draw: Callable[..., Description], variants: Mapping[str, str]
) -> list[Chart]:
    """A chart a target."""
    return [
        {
            "id": f"{group}-{i}",
            "title": target,
            "variants": {name: draw(of_target, key) for name, key in variants.items()},
        }
        for i, (target, of_target) in enumerate(_by_target(rows))
    ]


def _by_target(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    targets = dict.fromkeys(row["target"] for row in rows)
    return [(target, [row for row in rows if row["target"] == target]) for target in targets]
