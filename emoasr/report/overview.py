"""The evaluations of a run side by side: `eval/index.html`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from emoasr.report import content, page, tables, wording
from emoasr.system.output import UNDEFINED


def render(folder: Path) -> str:
    """The page: what each evaluation was, its main results, and where its report is.

    Args:
        folder: `eval/` of a run, with a folder for each evaluation.
    """
    found, unreadable = {}, []
    for path in sorted(folder.glob("*/results.json")):
        try:
            results = json.loads(path.read_text(encoding="utf-8"))
            found[path.parent.name] = _outline(results)
        except (OSError, ValueError, LookupError, TypeError, AttributeError):
            unreadable.append(path.parent.name)
    return page.render_overview(build(found, unreadable))


def build(found: Mapping[str, Mapping[str, Any]], unreadable: list[str]) -> dict[str, Any]:
    """What the page prints.

    Args:
        found: outlines of the evaluations by name.
        unreadable: names of those whose results cannot be read.
    """
    targets = dict.fromkeys(target for one in found.values() for _, target in one["metrics"])
    return {
        "corpora": list(dict.fromkeys(one["corpus"] for one in found.values())),
        "evaluations": found,
        "unreadable": unreadable,
        "beside": {target: tables.grid(_beside(found, target)) for target in targets},
    }


def _outline(results: Mapping[str, Any]) -> dict[str, Any]:
    provenance = results["provenance"]
    return {
        "corpus": provenance["corpus"]["name"],
        "setting": content.setting(provenance, results["rows"]),
        "date": provenance["date"],
        "metrics": {
            (row["feature_set"], row["target"]): (
                wording.set_name(row),
                wording.interval(row, wording.main_metric(row)),
            )
            for row in results["rows"]
        },
    }


def _beside(found: Mapping[str, Mapping[str, Any]], target: str) -> pd.DataFrame:
    """One line a feature set, one column an evaluation that has the target."""
    metrics = {
        name: {
            feature_set: shown for (feature_set, t), shown in one["metrics"].items() if t == target
        }
        for name, one in found.items()
    }
    having = {name: cells for name, cells in metrics.items() if cells}
    sets = tables.baseline_last(name for cells in having.values() for name in cells)
    names = {key: words for cells in having.values() for key, (words, _) in cells.items()}
    nothing = ("", UNDEFINED)
    return pd.DataFrame(
        {
            "feature set": names[feature_set],
            **{name: cells.get(feature_set, nothing)[1] for name, cells in having.items()},
        }
        for feature_set in sets
    )
