"""What a predictor says of itself: corpus, terms, limits, and how well it predicts new speakers."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import ml_collections

from emoasr.evaluation import classification
from emoasr.files import cards
from emoasr.prediction.model import Fitted
from emoasr.prediction.saved import SavedPredictor
from emoasr.system import output

VERSIONS = ("emoasr", "scikit-learn", "numpy")
_METRICS = ("ccc", "mse_mean", "clipped_ccc", "clipped_mse_mean", *classification.METRICS)


def card(
    settings: ml_collections.ConfigDict,
    fitted: Fitted,
    rows: Iterable[Mapping[str, Any]],
    provenance: Mapping[str, Any],
) -> dict[str, Any]:
    """What goes into `predictor.json` besides what is read, without any path of this machine.

    Args:
        settings: `config.eval`.
        fitted: what the predictor was fitted on.
        rows: of the feature set, one a target, as in `results.json`.
        provenance: as in `results.json`.
    """
    return {
        "fitted": {
            "corpus": provenance["corpus"]["name"],
            "synthetic": provenance["corpus"]["synthetic"],
            "utterances": len(fitted.known_UP),
            "terms": settings.terms,
            "limits": settings.limits,
            "regressor": settings.regressor,
            "n_selected": settings.n_selected,
            "selection": settings.selection.scope if settings.n_selected else "fold",
            "protocol": settings.protocol,
            "partner": settings.partner,
            "date": provenance["date"],
            "versions": {name: provenance["versions"][name] for name in VERSIONS},
        },
        "metrics": {
            row["target"]: {
                name: [row[name], row[f"{name}_low"], row[f"{name}_high"]]
                for name in _METRICS
                if name in row
            }
            for row in rows
        },
    }


def write(folder: Path, predictor: SavedPredictor) -> None:
    """Writes the card of a predictor, as `README.md` beside it."""
    record = predictor.record
    values = record.to_json() | {"digest": predictor.digest, "statistic": record.features.statistic}
    cards.write(folder, "emoasr.prediction", values, interval=_interval)


def _interval(found: list[float | None]) -> str:
    value, low, high = map(output.number, found)
    return f"{value} [{low}, {high}]"
