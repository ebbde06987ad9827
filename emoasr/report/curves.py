"""What changes along the layers, and with the number of selected features."""

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd

from emoasr.evaluation.layers import network_of
from emoasr.report import charts, style, vegalite
from emoasr.report.charts import Chart, Palette, Row
from emoasr.report.style import Look
from emoasr.report.vegalite import Description
from emoasr.report.wording import label, labels
from emoasr.system.output import number


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
    return charts.of_targets(numbered, "layers", draw, charts.variants())


def n_selected(rows: Sequence[Row], palette: Palette) -> list[Chart]:
    """One chart a target: a line a regressor, along the number of selected features."""

    def draw(rows: Sequence[Row], key: str) -> Description:
        ticks = {"values": sorted({row["n_selected"] for row in rows}), "format": "d"}
        place = vegalite.axis("selected features", log=True) | {"field": "place", "axis": ticks}
        colour = palette[rows[0]["feature_set"]].colour
        looks = style.kinds((row["regressor"] for row in rows), colour)
        drawn = [{**row, "series": row["regressor"]} for row in rows]
        return _curves(drawn, key, "n_selected", place, looks)

    return charts.of_targets(rows, "n_selected", draw, charts.variants())


def _curves(
    rows: Sequence[Row], key: str, along: str, place: Description, looks: Mapping[str, Look]
) -> Description:
    """Lines and bands: a line a `series` of the rows."""
    points = []
    for row in charts.defined(rows, key):
        text = f"{row['regressor']}, {label(row['feature_set'])}, {row['n_selected']} features"
        points.append(charts.point(row, key, row[along], row["series"], text))
    return vegalite.curves(points, place, charts.axis(key, points, "up", interval=True), looks)


def selected(by_layer: pd.DataFrame, palette: Palette) -> list[Chart]:
    """Histograms: units that a fold selects of each layer, a bar a feature set.

    Args:
        by_layer: that of `scores.selected_by_layer`.
        palette: of the feature sets.
    """
    rows: list[Any] = by_layer.to_dict("records")
    bars = functools.partial(_bars, sets=labels(by_layer["feature_set"]), palette=palette)
    return charts.of_targets(rows, "selected", bars, {"": "units"})


def _bars(rows: Sequence[Row], key: str, sets: Mapping[str, str], palette: Palette) -> Description:
    points = []
    for row in rows:
        text = f"{label(row['feature_set'])}, layer {row['layer']}\n{number(row[key])} {key}"
        point = {"place": row["layer"], "series": sets[row["feature_set"]], "text": text}
        points.append(point | {"value": charts.rounded(row[key])})
    place = _layers(row["layer"] for row in rows)
    looks = {text: palette[name] for name, text in sets.items()}
    return vegalite.bars(points, place, "units that a fold selects", looks)


def _layers(numbers: Iterable[int]) -> Description:
    axis = {"labelAngle": 0, "grid": False}
    return vegalite.category("place", sorted(set(numbers)), title="layer", axis=axis)
