"""The report as one HTML file that needs no other, and the paper's table."""

import base64
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2
import pandas as pd
from markupsafe import Markup

_COLUMNS = {
    "mse_mean": "mean MSE",
    "mse_variance": "var.",
    "mse_std": "std.",
    "ccc": "CCC",
    "pearson": "Pearson",
}
_FORMAT: dict[str, Any] = {"float_format": "{:.3f}".format, "na_rep": "–"}

_MEANINGS = {
    "neural": "activity of the speech recognizer's hidden units, pooled over time (the paper's "
    "neural features)",
    "random": "the same network with untrained, random weights: what the architecture alone gives",
    "mfcc": "mean and standard deviation of the network's input, with no network",
    "egemaps": "the extended Geneva minimalistic acoustic parameter set, by openSMILE",
    "mean": "no features: the mean rating of the training fold. It moves against the held-out "
    "group's own mean, so that its pooled Pearson correlation comes out below zero",
}

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("emoasr.report", "."),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def paper_table(rows: Sequence[Mapping[str, Any]], prefix: str = "") -> pd.DataFrame:
    """Rows in the layout of the paper's table 1: one a feature set, targets side by side.

    Args:
        rows: those of `evaluation.Evaluation`.
        prefix: `clipped_` for the figures of clipped predictions.
    """
    frame = pd.DataFrame(rows)
    names = {prefix + key: name for key, name in _COLUMNS.items()}
    table = frame.pivot(index="feature_set", columns="target", values=list(names))
    columns = [(key, target) for target in frame["target"].unique() for key in names]
    table = table.reindex(index=frame["feature_set"].unique(), columns=columns).astype(float)
    table.columns = pd.MultiIndex.from_tuples([(target, names[key]) for key, target in columns])
    return table.rename_axis(index=None)


def as_text(table: pd.DataFrame) -> str:
    """A table of `paper_table` for a terminal."""
    return table.to_string(**_FORMAT)


def reasons(skipped: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Why utterances were left out, with the number of each reason, the commonest first."""
    return Counter(f"{s['step']}: {s['reason']}" for s in skipped).most_common()


def render(
    results: Mapping[str, Any],
    summary: bytes,
    maps: Mapping[str, bytes],
    undefined: Mapping[str, Sequence[str]],
) -> str:
    """Makes the page.

    Args:
        results: what `eval/results.json` holds.
        summary: the summary figure, PNG.
        maps: by speaker, the Pearson maps, PNG.
        undefined: by speaker, why correlations are undefined.
    """
    rows = results["rows"]
    return _ENVIRONMENT.get_template("page.html.jinja").render(
        rows=rows,
        provenance=results["provenance"],
        skipped=results["skipped"],
        reasons=reasons(results["skipped"]),
        tables=[
            ("As predicted", _as_html(paper_table(rows))),
            ("Clipped to the rating scale", _as_html(paper_table(rows, "clipped_"))),
        ],
        meanings={
            name: _MEANINGS.get(name, "a table of features given by the user")
            for name in dict.fromkeys(row["feature_set"] for row in rows)
        },
        counts={row["target"]: row for row in rows},
        summary=_data_uri(summary),
        maps={speaker: _data_uri(png) for speaker, png in maps.items()},
        undefined=undefined,
        details=json.dumps(results["provenance"], indent=2, ensure_ascii=False),
    )


def _as_html(table: pd.DataFrame) -> Markup:
    return Markup(table.to_html(border=0, escape=True, **_FORMAT))  # pandas has escaped it


def _data_uri(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
