"""Courses of ratings as a picture."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from emoasr.report import style, vegalite, wording
from emoasr.report.vegalite import Description

_WIDTH, _HEIGHT = 640, 160  # pixels


def chart(targets: Sequence[str], recordings: Sequence[Mapping[str, Any]]) -> Description:
    """The courses of each recording, one below the other.

    Args:
        targets: names of the ratings.
        recordings: `name`, `start` (second of the file), and `first`, `step` and `courses` as of
            `prediction.recordings.course`.
    """
    names = wording.labels(targets)
    looks = style.looks(names)
    return {"vconcat": [_plot(recording, names, looks) for recording in recordings]}


def _plot(
    recording: Mapping[str, Any], names: Mapping[str, str], looks: vegalite.Looks
) -> Description:
    n_points = len(recording["courses"][0])
    times = recording["start"] + recording["first"] + recording["step"] * np.arange(n_points)
    points = [
        {"place": time, "value": value, "series": name}
        for name, values in zip(names.values(), recording["courses"], strict=True)
        for time, value in zip(times.tolist(), values, strict=True)
    ]
    return {
        **vegalite.lines(points, vegalite.axis("second"), vegalite.axis("contribution"), looks),
        "title": wording.label(recording["name"], 90),
        "width": _WIDTH,
        "height": _HEIGHT,
    }
