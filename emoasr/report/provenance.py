"""How the results of a run were made: `provenance` in `eval/results.json`."""

import datetime
import platform
import shlex
import sys
from collections.abc import Mapping
from typing import Any

from emoasr.report import paper
from emoasr.system import extras

_PACKAGES = ("emoasr", "scikit-learn", "audmetric", "scipy", "numpy", "pandas", "vl-convert-python")


def provenance(
    config: Mapping[str, Any],
    extraction: Mapping[str, Any],
    metadata: Mapping[str, Mapping[str, Any]],
    made_from: Mapping[str, Any],
    seconds: float,
) -> dict[str, Any]:
    """Corpus, settings, command, versions, and where the features come from.

    Args:
        config: of the run.
        extraction: its summary; fields `corpus`, `found` and `used`.
        metadata: of each feature table.
        made_from: settings and digests of tables and labels that the results depend on.
        seconds: that the evaluation took.
    """
    return {
        **{key: extraction[key] for key in ("corpus", "found", "used")},
        **{key: config["eval"][key] for key in ("protocol", "regressor", "n_selected", "scale")},
        "recognizer": metadata.get("neural", {}).get("recognizer"),
        "command": shlex.join(sys.orig_argv),
        "seconds": round(seconds, 1),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "versions": {
            "python": platform.python_version(),
            **{name: version(name) for name in _PACKAGES},
        },
        "feature_tables": metadata,
        "made_from": made_from,
        "paper": paper.rows(config),
        "config": config,
    }


def version(package: str) -> str:
    """The installed version of a package; "checkout": it is not installed."""
    return extras.version_of(package) or "checkout"
