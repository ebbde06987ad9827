"""Figures of a run, drawn without a display."""

import io
import math
from collections.abc import Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emoasr.correlation import Maps

_DIVERGING = matplotlib.colormaps["RdBu_r"].with_extremes(bad="0.7")  # safe for the colour-blind
_AS_PREDICTED, _CLIPPED = "#0072B2", "#D55E00"  # Okabe and Ito's blue and vermilion
_TEXT: dict[str, Any] = {"parse_math": False}  # names are data: a $ in one is a $


def to_png(figure: Figure, dpi: int = 130) -> bytes:
    """The figure as a PNG file's bytes."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=dpi)
    return buffer.getvalue()


def pearson_limit(maps: Sequence[Maps]) -> float:
    """Largest |r| of all maps, rounded up to a tenth: the end of their common colour scale."""
    largest = max((np.nanmax(abs(m.r), initial=0.0) for m in maps), default=0.0)
    return max(0.1, math.ceil(10 * largest) / 10)


def pearson(maps: Sequence[Maps], speaker: str, limit: float) -> Figure:
    """One speaker's maps, one below the other, as in the paper's figure 1.

    Args:
        maps: one a rating.
        speaker: one of the maps' speakers.
        limit: the colour scale's end, the same for all speakers.
    """
    figure = Figure(figsize=(9, 0.4 + 1.9 * len(maps)), layout="constrained")
    axes = figure.subplots(len(maps), squeeze=False, sharex=True)[:, 0]
    image = None
    for ax, m in zip(axes, maps, strict=True):
        if speaker not in m.speakers:
            ax.set_axis_off()
            ax.set_title(f"{m.target}: no rating", loc="left", fontsize=10, **_TEXT)
            continue
        i = m.speakers.index(speaker)
        image = ax.imshow(
            m.r[i], cmap=_DIVERGING, vmin=-limit, vmax=limit, aspect="auto", interpolation="none"
        )
        ax.set_title(
            f"{m.target}, {m.n_utterances[i]} utterances", loc="left", fontsize=10, **_TEXT
        )
        ax.set_ylabel("layer")
        ax.set_yticks(sorted({*range(0, m.r.shape[1], 5), m.r.shape[1] - 1}))
    axes[-1].set_xlabel("unit")
    figure.suptitle(f"Speaker {speaker}", fontsize=11, **_TEXT)
    if image is not None:
        figure.colorbar(image, ax=list(axes), label="Pearson's r", pad=0.01, aspect=30)
    return figure


def summary(rows: Sequence[dict[str, Any]], predictions: pd.DataFrame) -> Figure:
    """MSE of every fold and its mean, and CCC, of every feature set and target.

    Args:
        rows: those of `evaluation.Evaluation`.
        predictions: likewise.
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
                row[f"{prefix}mse_mean"], y + shift, "o", color=colour, ms=6,
                label=name if y == 0 else None,
            )  # fmt: skip
    ax.set_xlabel("MSE: mean (dot) and each fold (tick); lower is better")
    ax.grid(axis="x", alpha=0.3)


def _draw_ccc(ax: Axes, rows: Sequence[dict[str, Any]]) -> None:
    for y, row in enumerate(rows):
        for _, prefix, colour, shift in _styles():
            ccc = row[f"{prefix}ccc"]
            ax.plot(math.nan if ccc is None else ccc, y + shift, "o", color=colour, ms=6)
    ax.axvline(0, color="0.6", lw=0.8)
    ax.set_xlabel("CCC, pooled over folds; higher is better")
    ax.grid(axis="x", alpha=0.3)


def _styles() -> list[tuple[str, str, str, float]]:
    """Predictions' column, rows' prefix, colour, vertical offset."""
    return [("prediction", "", _AS_PREDICTED, -0.15), ("clipped", "clipped_", _CLIPPED, 0.15)]


def _spans_decades(axes: Sequence[Axes]) -> bool:
    values = np.concatenate([np.atleast_1d(line.get_xdata()) for ax in axes for line in ax.lines])
    return bool(values.min() > 0 and values.max() / values.min() > 20)
