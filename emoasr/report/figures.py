"""Figures of a run as PNG files, drawn without a display; the charts are those of the page."""

import html
import io
import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emoasr.evaluation.correlation import MEAN, SIGNIFICANT, Maps
from emoasr.report import mapdata, style
from emoasr.report.charts import Chart

_DIVERGING = matplotlib.colormaps[style.DIVERGING].with_extremes(bad=style.UNDEFINED)
_TEXT: dict[str, Any] = {"parse_math": False}  # names are data: a $ in one is a $
_VARIANTS = {  # all others: CCC
    **dict.fromkeys(("differences", "refitted", "selection", "protocol", "partner"), "clipped"),
    "selected": "",
}
_PIXELS = 100  # of a chart on the page, in an inch


def draw(
    rows: Sequence[dict[str, Any]],
    predictions: pd.DataFrame,
    charts: Mapping[str, Sequence[Chart]],
    maps: Sequence[Maps],
) -> dict[str, bytes]:
    """All pictures of a run, PNG, by file name.

    Args:
        rows: those of the main table.
        predictions: `eval/predictions.parquet`.
        charts: the page's, by group.
        maps: one a rating; may be empty.
    """
    drawn = {"summary.png": to_png(summary(rows, predictions))}
    for group, of_group in charts.items():
        if of_group:
            drawn[f"{group}.png"] = to_png(panels(of_group, _VARIANTS.get(group, "ccc clipped")))
    limit = mapdata.limit(maps)
    for number, name in enumerate(mapdata.names(maps) if maps else []):
        safe = "mean" if name == MEAN else re.sub(r"[^\w-]+", "_", name)[:40]
        drawn[f"pearson-{number:02d}-{safe}.png"] = to_png(pearson(maps, name, limit))
    return drawn


def to_png(figure: Figure, dpi: int = 130) -> bytes:
    """The figure as a PNG file's bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def pearson(maps: Sequence[Maps], name: str, limit: float) -> Figure:
    """The maps of a speaker or of the mean, one below the other, as in the paper's figure 1.

    Args:
        maps: one a rating.
        name: one of `mapdata.names`.
        limit: the colour scale's end, the same for all.
    """
    figure = Figure(figsize=(11, 0.5 + 2.1 * len(maps)), layout="constrained")
    axes = figure.subplots(len(maps), squeeze=False, sharex=True)[:, 0]
    image = None
    for ax, m in zip(axes, maps, strict=True):
        ax.set_title(mapdata.note(m, name), loc="left", fontsize=9, **_TEXT)
        found = mapdata.get(m, name)
        if found is None:
            ax.set_axis_off()
            continue
        r, q = found
        image = ax.imshow(
            r, cmap=_DIVERGING, vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
        )
        layers, units = np.nonzero(q < SIGNIFICANT)
        dark = abs(r[layers, units]) > 0.55 * limit
        ax.scatter(units, layers, s=2.5, c=np.where(dark, "w", "k"), linewidths=0)
        ax.set_ylabel("layer")
        ax.set_yticks(range(0, len(r), 2))
    axes[-1].set_xlabel(f"unit; dots: q < {mapdata.LEVEL} (Benjamini-Hochberg)")
    who = name if name == MEAN else f"speaker {name}"
    figure.suptitle(f"Pearson's r, {who}", fontsize=11, **_TEXT)
    if image is not None:
        figure.colorbar(image, ax=list(axes), label="r", pad=0.01, aspect=30)
    return figure


def panels(charts: Sequence[Chart], variant: str) -> Figure:
    """The page's charts of one group, beside each other, or with two axes below each other.

    Args:
        charts: those of `charts`.
        variant: which of their variants.
    """
    drawn = [chart["variants"][variant] for chart in charts]
    double = "xaxis2" in drawn[0]["layout"]
    shape = (len(drawn), 2) if double else (1, len(drawn))
    heights = [figure["layout"]["height"] / _PIXELS for figure in drawn]
    width = 10 if double else 1.2 + 5 * len(drawn)
    figure = Figure((width, sum(heights) if double else max(heights)), layout="constrained")
    axes = figure.subplots(*shape, squeeze=False)
    for chart, one, of_chart in zip(charts, drawn, axes if double else axes.T, strict=True):
        for column, ax in enumerate(of_chart, start=1):
            name = "" if column == 1 else str(column)
            _draw_traces(ax, [t for t in one["data"] if t.get("xaxis", "x1") in (f"x{column}",)])
            _set_axes(ax, one["layout"], name)
        of_chart[0].set_title(chart["title"], loc="left", fontsize=11, **_TEXT)
    handles, names = axes[0, 0].get_legend_handles_labels()
    legend = figure.legend(handles, names, loc="outside lower center", ncols=5, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _draw_traces(ax: Axes, traces: Sequence[dict[str, Any]]) -> None:
    for i, trace in enumerate(traces):
        x = np.array(trace["x"], np.float64)
        if trace["type"] == "bar":
            width = 0.8 / len(traces)
            x = x + (i - (len(traces) - 1) / 2) * width
            ax.margins(x=0.01)
            ax.bar(x, trace["y"], width, color=trace["marker"]["color"], label=_plain(trace))
        elif trace.get("fill"):
            ax.fill(x, trace["y"], facecolor=trace["fillcolor"], linewidth=0)
        else:
            _draw_dots(ax, x, trace)


def _draw_dots(ax: Axes, x: np.ndarray, trace: Mapping[str, Any]) -> None:
    symbol, colour = trace["marker"]["symbol"], trace["marker"]["color"]
    errors = trace.get("error_x")
    ax.errorbar(
        x, trace["y"],
        xerr=None if errors is None else [errors["arrayminus"], errors["array"]],
        marker=style.MARKERS[symbol.removesuffix("-open")], color=colour, markersize=5.5,
        linestyle="-" if "lines" in trace["mode"] else "none", elinewidth=1.3,
        markerfacecolor="none" if symbol.endswith("-open") else colour, label=_plain(trace),
    )  # fmt: skip


def _set_axes(ax: Axes, layout: Mapping[str, Any], name: str) -> None:
    horizontal, vertical = layout[f"xaxis{name}"], layout["yaxis"]
    ax.set_xlabel(horizontal["title"]["text"].replace("<br>", "\n"))
    if "title" in vertical:
        ax.set_ylabel(vertical["title"]["text"])
    for axis, told in ((ax.xaxis, horizontal), (ax.yaxis, vertical)):
        if told.get("type") == "log":
            axis.axes.set(**{f"{axis.axis_name}scale": "log"})
            axis.set_major_formatter("{x:g}")
            axis.set_minor_locator(matplotlib.ticker.NullLocator())
        if "tickvals" in told:
            texts = [html.unescape(text) for text in told["ticktext"]]
            axis.set_ticks(told["tickvals"], texts, **_TEXT)
        elif "dtick" in told and told.get("type") != "log":
            axis.set_major_locator(matplotlib.ticker.MultipleLocator(told["dtick"]))
    if "range" in vertical:
        ax.set_ylim(*vertical["range"])
    if horizontal.get("zeroline"):
        ax.axvline(0, color="k", lw=0.8)
    ax.grid(alpha=0.3)
    ax.set_axisbelow(True)


def _plain(trace: Mapping[str, Any]) -> str:
    return html.unescape(trace["name"])


def summary(rows: Sequence[dict[str, Any]], predictions: pd.DataFrame) -> Figure:
    """MSE of every fold and its mean, and CCC, of every feature set and target.

    Args:
        rows: those of the main table.
        predictions: `eval/predictions.parquet`.
    """
    targets = list(dict.fromkeys(row["target"] for row in rows))
    sets = list(dict.fromkeys(row["feature_set"] for row in rows))
    figure = Figure(figsize=(1.2 + 4.2 * len(targets), 2.2 + 0.7 * len(sets)), layout="constrained")
    axes = figure.subplots(2, len(targets), squeeze=False, sharey=True, sharex="row")
    for column, target in zip(axes.T, targets, strict=True):
        of_target = [row for row in rows if row["target"] == target]
        _draw_mse(column[0], of_target, predictions[predictions["target"] == target])
        _draw_ccc(column[1], of_target)
        column[0].set_title(target, **_TEXT)
    axes[0, 0].set_yticks(range(len(sets)), sets, **_TEXT)
    axes[0, 0].set_ylim(len(sets) - 0.5, -0.5)
    if _spans_decades(axes[0]):
        axes[0, 0].set_xscale("log")
        axes[0, 0].xaxis.set_major_formatter("{x:g}")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _draw_mse(ax: Axes, rows: Sequence[dict[str, Any]], predictions: pd.DataFrame) -> None:
    for y, row in enumerate(rows):
        of_set = predictions[predictions["feature_set"] == row["feature_set"]]
        for column, prefix, colour, shift in _styles():
            errors = (of_set[column] - of_set["label"]) ** 2
            folds = errors.groupby(of_set["fold"].to_numpy()).mean()
            ax.plot(folds, [y + shift] * len(folds), "|", color=colour, alpha=0.5, ms=9)
            name = "clipped to the scale" if prefix else "as predicted"
            ax.plot(
                _number(row[f"{prefix}mse_mean"]), y + shift, "o", color=colour, ms=6,
                label=name if y == 0 else None,
            )  # fmt: skip
    ax.set_xlabel("MSE: mean (dot) and each fold (tick); lower is better")
    ax.grid(axis="x", alpha=0.3)


def _draw_ccc(ax: Axes, rows: Sequence[dict[str, Any]]) -> None:
    for y, row in enumerate(rows):
        for _, prefix, colour, shift in _styles():
            values = [row.get(f"{prefix}ccc{end}") for end in ("_low", "", "_high")]
            low, ccc, high = map(_number, values)
            ax.plot([low, high], [y + shift] * 2, color=colour, lw=1.5)
            ax.plot(ccc, y + shift, "o", color=colour, ms=6)
    ax.axvline(0, color="0.6", lw=0.8)
    ax.set_xlabel("CCC, pooled over folds, 95 % interval; higher is better")
    ax.grid(axis="x", alpha=0.3)


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _styles() -> list[tuple[str, str, str, float]]:
    """Predictions' column, rows' prefix, colour, vertical offset."""
    return [
        ("prediction", "", style.BLUE, -0.15),
        ("clipped", "clipped_", style.VERMILION, 0.15),
    ]


def _spans_decades(axes: Sequence[Axes]) -> bool:
    values = np.concatenate([np.atleast_1d(line.get_xdata()) for ax in axes for line in ax.lines])
    return bool(values.min() > 0 and values.max() / values.min() > 20)
