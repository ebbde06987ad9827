"""The page's charts.

A chart is a dict: `id`; `title`, shown above it; `variants`, its Plotly figures by the values of
its section's selectors, joined by a blank.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pandas as pd

from emoasr.report import plots, style, wording
from emoasr.report.plots import Point, Row
from emoasr.report.wording import number, plot_text

Chart = dict[str, Any]

PREDICTIONS = {"clipped": "clipped to the scale", "plain": "as predicted"}
SCORES = {"ccc": "CCC", "mse": "MSE"}
_PREFIX = {"clipped": "clipped_", "plain": ""}
_JUDGED = {
    "former is better": (style.BLUE, "circle"),
    "latter is better": (style.VERMILION, "square"),
    "the interval includes zero": (style.GREY, "circle-open"),
}


def differences(found: Sequence[Row], group: str = "differences") -> list[Chart]:
    """Forest plots: CCC and MSE of each pair, former minus latter.

    Args:
        found: pairs of feature sets, or of one set under two conditions.
        group: beginning of the charts' ids.
    """
    return [
        {
            "id": f"{group}-{i}",
            "title": target,
            "variants": {v: _forest(of_target, prefix) for v, prefix in _PREFIX.items()},
        }
        for i, (target, of_target) in enumerate(_by_target(found))
    ]


def _forest(found: Sequence[Row], prefix: str) -> dict[str, Any]:
    names = [_pair(d) for d in found]
    data = []
    for column, metric in enumerate(("ccc", "mse_mean"), start=1):
        key = prefix + metric
        for kind, (colour, symbol) in _JUDGED.items():
            points = [
                (y, d, names[y])
                for y, d in enumerate(found)
                if d.get(key) is not None and _judge(d, key) == kind
            ]
            trace = plots.dots(points, key, kind, colour, symbol)
            if not points:
                trace |= {"x": [None], "y": [0]}  # or the legend would leave the kind out
            data.append(
                trace | {"xaxis": f"x{column}", "legendgroup": kind, "showlegend": column == 1}
            )
    layout = plots.layout(plots.LINE * len(names), yaxis=plots.lines(names))
    for axis, title, domain in (
        ("xaxis", "CCC, difference<br>(right: former is better)", [0, 0.485]),
        ("xaxis2", "mean MSE, difference<br>(left: former is better)", [0.515, 1]),
    ):
        layout[axis] = plots.axis(title, domain=domain, nticks=6, zeroline=True)
    return {"data": data, "layout": layout}


def _pair(difference: Row) -> str:
    a, b = (plot_text(difference[key], 16) for key in "ab")
    return a if difference["a"] == difference["b"] else f"{a} − {b}"


def _judge(difference: Row, key: str) -> str:
    if wording.includes_zero(difference, key) is not False:
        return "the interval includes zero"
    former = (difference[key] > 0) == plots.higher_is_better(key)
    return "former is better" if former else "latter is better"


def speakers(scores: pd.DataFrame) -> list[Chart]:
    """Dot plots: a line a speaker, a sign a feature set.

    Args:
        scores: those of `scores.by_speaker`.
    """
    rows: list[Any] = scores.to_dict("records")
    return _scored(rows, "speakers", _speaker_dots, error="mse")


def _speaker_dots(rows: Sequence[Row], key: str) -> dict[str, Any]:
    names = sorted({row["speaker"] for row in rows})
    data = []
    for kind, colour, symbol in _styles(row["feature_set"] for row in rows):
        if kind == "mean" and plots.higher_is_better(key):
            continue  # a constant prediction has a CCC of 0, whatever the ratings
        points = [
            (names.index(row["speaker"]), row, _speaker_text(row))
            for row in rows
            if row["feature_set"] == kind and not math.isnan(row[key])
        ]
        data.append(plots.dots(points, key, kind, colour, symbol))
    layout = plots.layout(
        plots.LINE * len(names), yaxis=plots.lines([plot_text(name, 16) for name in names])
    )
    return {"data": data, "layout": layout | {"xaxis": plots.scaled(key, data)}}


def _speaker_text(row: Row) -> str:
    return f"{plot_text(row['feature_set'])}, speaker {plot_text(row['speaker'])}, n = {row['n']}"


def feature_sets(rows: Sequence[Row], group: str, fields: Sequence[str] = ()) -> list[Chart]:
    """Dot plots with intervals: a line a feature set.

    Args:
        rows: rows of one analysis.
        group: beginning of the charts' ids.
        fields: those whose values tell the dots on a line apart.
    """

    def draw(of_target: Sequence[Row], key: str) -> dict[str, Any]:
        return _set_dots(of_target, key, fields)

    return _scored(rows, group, draw)


def _set_dots(rows: Sequence[Row], key: str, fields: Sequence[str]) -> dict[str, Any]:
    names = list(dict.fromkeys(row["feature_set"] for row in rows))
    kinds = _styles(_kind(row, fields) for row in rows)
    data = []
    for i, (kind, colour, symbol) in enumerate(kinds):
        shift = (i - (len(kinds) - 1) / 2) * 0.8 / len(kinds)
        points = [
            (names.index(row["feature_set"]) + shift, row, _set_text(row, kind))
            for row in rows
            if _kind(row, fields) == kind and row.get(key) is not None
        ]
        data.append(plots.dots(points, key, kind, colour, symbol))
    layout = plots.layout(
        max(plots.LINE, 12 * len(kinds)) * len(names),
        yaxis=plots.lines([plot_text(name) for name in names]),
        showlegend=bool(fields),
    )
    return {"data": data, "layout": layout | {"xaxis": plots.scaled(key, data)}}


def _kind(row: Row, fields: Sequence[str]) -> str:
    words = {"n_selected": "all" if row["n_selected"] == row["n_features"] else row["n_selected"]}
    return ", ".join(str(words.get(field, row[field])) for field in fields)


def _set_text(row: Row, kind: str) -> str:
    return plot_text(", ".join(filter(None, (row["feature_set"], kind))), 60)


def selected(by_layer: pd.DataFrame) -> list[Chart]:
    """Histograms: units that a fold selects of each layer, a bar a feature set.

    Args:
        by_layer: that of `scores.selected_by_layer`.
    """
    charts = []
    styles = _styles(by_layer["feature_set"])
    for i, (target, of_target) in enumerate(by_layer.groupby("target", sort=False)):
        data = []
        for name, colour, _ in styles:
            of_set = of_target[of_target["feature_set"] == name]
            counts = list(zip(of_set["layer"], of_set["units"], strict=True))
            text = [f"{plot_text(name)}, layer {j}<br>{number(n)} units" for j, n in counts]
            data.append(plots.bars(of_set["layer"], of_set["units"], name, colour, text))
        layout = plots.layout(
            200,
            xaxis=plots.axis("layer", dtick=1, showgrid=False),
            yaxis=plots.axis("units that a fold selects"),
            bargap=0.25,
        )
        variants = {"": {"data": data, "layout": layout}}
        charts.append({"id": f"selected-{i}", "title": target, "variants": variants})
    return charts


def layers(rows: Sequence[Row]) -> list[Chart]:
    """One chart: a line a target, along the layers of `layer00`, `layer01`, ..."""

    def draw(rows: Sequence[Row], key: str) -> dict[str, Any]:
        figure = _curves(rows, key, "target", _layer)
        figure["layout"]["xaxis"] = plots.axis("layer", dtick=1, showgrid=False)
        return figure

    return [{"id": "layers", "title": "", "variants": _variants(rows, draw)}] if rows else []


def n_selected(rows: Sequence[Row]) -> list[Chart]:
    """One chart a target: a line a regressor, along the number of selected features."""

    def draw(rows: Sequence[Row], key: str) -> dict[str, Any]:
        figure = _curves(rows, key, "regressor", lambda row: row["n_selected"])
        ticks = sorted({row["n_selected"] for row in rows})
        figure["layout"]["xaxis"] = plots.axis(
            "selected features", type="log", tickvals=ticks, ticktext=[str(n) for n in ticks]
        )
        return figure

    return _scored(rows, "n_selected", draw)


def _curves(
    rows: Sequence[Row], key: str, series: str, position: Callable[[Row], int]
) -> dict[str, Any]:
    data = []
    for name, colour, symbol in _styles(row[series] for row in rows):
        of_series = [r for r in rows if r[series] == name and r.get(key) is not None]
        points: list[Point] = [
            (position(r), r, f"{plot_text(name)}, {plot_text(r['feature_set'])}, "
             f"{r['n_selected']} features") for r in sorted(of_series, key=position)
        ]  # fmt: skip
        data += plots.curve(points, key, name, colour, symbol)
    layout = plots.layout(270)
    return {"data": data, "layout": layout | {"yaxis": plots.scaled(key, data, along="y")}}


def _layer(row: Row) -> int:
    return int(row["feature_set"].removeprefix("layer"))


def _scored(
    rows: Sequence[Row], group: str, draw: Callable, error: str = "mse_mean"
) -> list[Chart]:
    return [
        {"id": f"{group}-{i}", "title": target, "variants": _variants(of_target, draw, error)}
        for i, (target, of_target) in enumerate(_by_target(rows))
    ]


def _variants(rows: Sequence[Row], draw: Callable, error: str = "mse_mean") -> dict[str, Any]:
    keys = {"ccc": "ccc", "mse": error}
    return {
        f"{score} {predictions}": draw(rows, prefix + keys[score])
        for score in SCORES
        for predictions, prefix in _PREFIX.items()
    }


def _by_target(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    targets = dict.fromkeys(row["target"] for row in rows)
    return [(target, [row for row in rows if row["target"] == target]) for target in targets]


def _styles(names: Iterable[Any]) -> list[tuple[str, str, str]]:
    """Names without repetition, each with its colour and sign."""
    unique = list(dict.fromkeys(str(name) for name in names))
    colours, signs = style.colours(unique), style.signs(unique)
    return [(name, colours[name], signs[name][0]) for name in unique]
