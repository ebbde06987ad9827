"""What charts of metrics share; what each shows is in the modules that import this one.

Every chart is described once, in Vega-Lite, for the page and for the pictures. A chart of the page
is a dict: `id`; `title`, what it is of; `variants`, its descriptions by the values of its section's
selectors, joined by a blank.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from emoasr.report import vegalite, wording
from emoasr.report.style import Look
from emoasr.report.vegalite import Description
from emoasr.report.wording import label, labels
from emoasr.settings.choices import BASELINE

Chart = dict[str, Any]
Row = Mapping[str, Any]
Palette = Mapping[str, Look]  # of all feature sets of a report

PREDICTIONS = {"clipped": "clipped to the scale", "plain": "as predicted"}
SCORES = {"ccc": "CCC", "mse": "MSE"}
_PREFIX = {"clipped": "clipped_", "plain": ""}
_WIDE = 20  # largest over smallest: from there on, a logarithmic axis


def of_targets(
    rows: Sequence[Row], group: str, draw: Callable[..., Description], variants: Mapping[str, str]
) -> list[Chart]:
    """A chart a target.

    Args:
        rows: of all targets.
        group: beginning of the charts' ids.
        draw: describes a target's rows and a metric, by its key in them.
        variants: the metric's key, by the values of the section's selectors.
    """
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
        for i, (target, of_target) in enumerate(by_target(rows))
    ]


def by_target(rows: Sequence[Row]) -> list[tuple[str, list[Row]]]:
    """Each target's rows."""
    targets = dict.fromkeys(row["target"] for row in rows)
    return [(target, [row for row in rows if row["target"] == target]) for target in targets]


def variants(error: str = "mse_mean") -> dict[str, str]:
    """Keys of the metrics that are drawn, by the values of a section's selectors."""
    keys = {"ccc": "ccc", "mse": error}
    return {f"{s} {p}": prefix + keys[s] for s in SCORES for p, prefix in _PREFIX.items()}


def _note(key: str) -> str:
    """What the line below a chart's title says of the predictions."""
    if key.removeprefix("clipped_") not in ("ccc", "mse", "mse_mean"):
        return ""
    if not key.startswith("clipped_"):
        return f"{wording.metric(key)}, as predicted, not clipped"
    return f"{wording.metric(key)}, predictions clipped to the scale"


def axis(
    key: str, points: Sequence[Mapping[str, Any]], good: str, interval: bool = False
) -> Description:
    """The axis of a metric, where better agreement is to the right or up: `good`."""
    higher = wording.higher_is_better(key)
    better = good if higher else {"right": "left", "up": "down"}[good]
    log = not higher and _spans_decades([point["value"] for point in points])
    what = f"{wording.metric(key)}, 95 % interval" if interval else wording.metric(key)
    return vegalite.axis(f"{what} {wording.together(f'({better}: better)')}", log)


def _spans_decades(values: Sequence[float]) -> bool:
    """Whether a few wild values would hide all others."""
    return bool(values) and min(values) > 0 and max(values) / min(values) > _WIDE


def point(row: Row, key: str, place: str | int, series: str, text: str) -> dict[str, Any]:
    """What is drawn of a row's metric; `text` says what the row is."""
    fields = {"value": key, "low": f"{key}_low", "high": f"{key}_high"}
    return {
        "place": place,
        "series": series,
        "text": f"{text}\n{wording.metric(key)} {wording.interval(row, key)}",
        **{field: rounded(row[k]) for field, k in fields.items() if row.get(k) is not None},
    }


def defined(rows: Sequence[Row], key: str) -> list[Row]:
    """The rows in which a metric is a number."""
    return [row for row in rows if row.get(key) is not None and not math.isnan(row[key])]


def without_baseline(rows: Sequence[Row], key: str) -> list[Row]:
    """The rows; for agreement, without the baseline: a constant prediction's CCC is about 0."""
    agreement = wording.higher_is_better(key)
    return [row for row in rows if not (agreement and row["feature_set"] == BASELINE)]


def labels_of_sets(rows: Sequence[Row]) -> dict[str, str]:
    """Labels by the feature sets' names, the baseline's its words."""
    names = {row["feature_set"]: wording.set_name(row) for row in rows}
    shown = labels(names.values())
    return {name: shown[words] for name, words in names.items()}


def rounded(value: float) -> float:
    """To four digits: no eye sees more."""
    return float(f"{value:.4g}")
