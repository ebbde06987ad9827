"""Confusion matrices: which class is taken for which."""

from collections.abc import Mapping

import pandas as pd

from emoasr.report import charts, vegalite
from emoasr.report.charts import Chart
from emoasr.report.vegalite import Description
from emoasr.report.wording import label, labels


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
            points.append({**where, "share": charts.rounded(share), "count": int(n)})
    return vegalite.matrix(points, list(names.values()), ("true", "predicted"))
