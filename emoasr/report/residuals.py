"""Predicted against rated, utterance by utterance; and residuals by speaker, sex or language."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emoasr.report import extremes, vegalite
from emoasr.report.charts import Chart, Palette
from emoasr.report.style import Look
from emoasr.report.vegalite import Description
from emoasr.report.wording import label, labels, visible
from emoasr.settings.choices import BASELINE
from emoasr.system.output import number

MOST = 3000  # utterances in a chart
_GROUPINGS = ("session", "language", "sex", "gender")  # besides the speaker
_MOST_GROUPS = 12
_EVERYONE, _UNKNOWN = -1, -2  # numbers of speakers


def groupings(labels_: pd.DataFrame) -> list[str]:
    """What residuals are grouped by: the speaker, and those columns of the labels that are there.

    Args:
        labels_: a run's labels; columns are compared without case.
    """
    found = [c for c in map(str, labels_) if c.casefold() in _GROUPINGS]
    return ["speaker", *(c for c in found if 2 <= labels_[c].nunique() <= _MOST_GROUPS)]


def rated(predictions: pd.DataFrame) -> pd.DataFrame:
    """The predictions of ratings from features: those of classes and of the baseline left out.

    Args:
        predictions: those of `eval/predictions.parquet`.
    """
    ratings = predictions.dropna(subset="label") if "label" in predictions else predictions[:0]
    return ratings[ratings["feature_set"] != BASELINE]


def speakers(predictions: pd.DataFrame) -> list[str]:
    """Everyone who speaks, in the order of their numbers in the charts."""
    return sorted(predictions["speaker"].dropna().unique())


def scatter(predictions: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Predicted against rated: a chart a target, a variant a feature set, by its number.

    Args:
        predictions: those of `rated`.
        palette: of the feature sets.
    """
    if predictions.empty:
        return []
    names = speakers(predictions)
    found = []
    for i, (target, of_target) in enumerate(_by(predictions, "target")):
        columns = ["label", "clipped"]
        ends = _ends(of_target[columns].to_numpy())
        first = of_target[of_target["feature_set"] == of_target["feature_set"].iloc[0]]
        shown = _drawn(len(first))
        variants = {}
        for n, (name, of_set) in enumerate(_by(of_target, "feature_set")):
            note = f"{label(name)}, predictions clipped to the scale"
            if len(shown) < len(of_set):
                note += f"; {len(shown)} of {len(of_set)} utterances, drawn at random"
            plot = _cloud(of_set.iloc[shown], ends, names, palette[name])
            variants[str(n)] = {**plot, "title": vegalite.title(label(target, 60), note)}
        found.append({"id": f"predicted-{i}", "title": target, "variants": variants})
    return found


def by_group(predictions: pd.DataFrame, labels_: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Residuals, predicted minus rated: a chart a target, a variant a feature set and grouping.

    Args:
        predictions: those of `rated`.
        labels_: a run's labels, with a row for each utterance of the predictions.
        palette: of the feature sets.
    """
    if predictions.empty:
        return []
    residual = predictions["clipped"] - predictions["label"]
    frame = predictions[["target", "feature_set", "speaker"]].assign(residual=residual)
    fields = groupings(labels_)
    for field in fields[1:]:
        frame[field] = labels_[field].reindex(frame.index)
    found = []
    for i, (target, of_target) in enumerate(_by(frame, "target")):
        variants = {}
        for n, (name, of_set) in enumerate(_by(of_target, "feature_set")):
            title = vegalite.title(
                label(target, 60), f"{label(name)}, predictions clipped to the scale"
            )
            for m, field in enumerate(fields):
                plot = _spread(of_set, field, palette[name])
                variants[f"{n} {m}"] = {**plot, "title": title}
        found.append({"id": f"residuals-{i}", "title": target, "variants": variants})
    return found


def _by(frame: pd.DataFrame, column: str) -> list[tuple[str, pd.DataFrame]]:
    return [(str(name), part) for name, part in frame.groupby(column, sort=False)]


def _ends(values: np.ndarray) -> tuple[float, float]:
    low, high = np.nanmin(values), np.nanmax(values)
    margin = 0.03 * (high - low) or 1.0
    return round(float(low - margin), 3), round(float(high + margin), 3)


def _drawn(n: int) -> np.ndarray:
    """Positions of the utterances that are drawn, the same for every feature set."""
    if n <= MOST:
        return np.arange(n)
    return np.sort(np.random.default_rng(0).choice(n, MOST, replace=False))


def _cloud(
    frame: pd.DataFrame, ends: tuple[float, float], names: Sequence[str], look: Look
) -> Description:
    """Dots; the parameter `who` is the number of the speaker who is shown, or everyone."""
    number_of = {name: i for i, name in enumerate(names)}
    values: dict[str, Any] = {
        "x": [float(f"{v:.4g}") for v in frame["label"]],
        "y": [float(f"{v:.4g}") for v in frame["clipped"]],
        "speaker": [number_of.get(name, _UNKNOWN) for name in frame["speaker"]],
    }
    known = [{"speaker": i, "name": label(name)} for i, name in enumerate(names)]
    shown = f"who === {_EVERYONE} || datum.speaker === who"
    text = (
        "'speaker ' + datum.name + '\\nrated ' + format(datum.x, '.3~f')"
        " + ', predicted ' + format(datum.y, '.2f')"
    )
    dots = {
        "mark": {"type": "circle", "color": look.colour, "size": 26, "aria": False},
        "encoding": {
            "opacity": {"condition": {"test": shown, "value": 0.5}, "value": 0.04},
            **vegalite.TEXT,
        },
    }
    plot = vegalite.scatter([values], ends, ("rated", "predicted"), [dots])
    lookup = {"data": {"values": known}, "key": "speaker", "fields": ["name"]}
    return plot | {
        "params": [{"name": "who", "value": _EVERYONE}],
        "transform": [
            {"flatten": [*values]},
            {"lookup": "speaker", "from": lookup, "default": "unknown"},
            {"calculate": text, "as": "text"},
        ],
    }


def _spread(frame: pd.DataFrame, field: str, look: Look) -> Description:
    """A line a group: the mean residual, and between which values the middle half lies.

    Of many speakers, the extremes.
    """
    by_group = frame.groupby(field)["residual"]  # leaves out the unknown
    shown = extremes.shown(by_group.mean(), by_group.size())
    lines = labels(shown, 16)
    residuals = {str(name): residual for name, residual in by_group}
    points = []
    for name in shown:
        residual = residuals[name]
        low, high = residual.quantile([0.25, 0.75]).tolist()
        mean = float(residual.mean())
        text = (
            f"{field} {visible(name)[:60]}, n = {len(residual)}\nmean {number(mean)}; the middle "
            f"half from {number(low)} to {number(high)}"
        )
        numbers = {"value": mean, "low": low, "high": high}
        rounded = {key: float(f"{value:.4g}") for key, value in numbers.items()}
        points.append({"place": lines[name], "series": "", "text": text, **rounded})
    axis = vegalite.axis("predicted − rated", zero=True)
    return vegalite.dots(
        points, lines.values(), axis, {"": look}, colours=[look.colour] * len(lines)
    )
