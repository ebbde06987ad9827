"""Scores of each speaker, and selected units of each layer, for the report."""

import audmetric
import numpy as np
import pandas as pd

from emoasr.evaluation import classification
from emoasr.report import extremes, wording
from emoasr.report.extremes import MOST
from emoasr.settings.choices import BASELINE

_FEWEST = 3  # utterances of a speaker: two points always lie on a line


def by_speaker(predictions: pd.DataFrame) -> pd.DataFrame:
    """Each speaker's own CCC and MSE, by feature set and target.

    Args:
        predictions: those of `eval/predictions.parquet`.

    Returns:
        One row a target, feature set and speaker: n (utterances), mse, ccc, clipped_mse,
        clipped_ccc; CCC is NaN where a speaker has fewer than three ratings or all are equal.
    """
    rows = []
    keys = ["target", "feature_set", "speaker"]
    rated = predictions.dropna(subset="label") if "label" in predictions else predictions[:0]
    for values, group in rated.groupby(keys, sort=False):  # leaves out unknown speakers
        truth = group["label"].to_numpy(np.float64)
        row = dict(zip(keys, values, strict=True)) | {"n": len(truth)}
        defined = len(truth) >= _FEWEST and np.ptp(truth) > 0
        for prefix, column in (("", "prediction"), ("clipped_", "clipped")):
            predicted = group[column].to_numpy(np.float64)
            row[f"{prefix}mse"] = np.mean((predicted - truth) ** 2)
            ccc = audmetric.concordance_cc(truth, predicted) if defined else np.nan
            row[f"{prefix}ccc"] = ccc
        rows.append(row)
    return pd.DataFrame(rows, columns=[*keys, "n", "mse", "ccc", "clipped_mse", "clipped_ccc"])


def confusion(predictions: pd.DataFrame) -> dict[str, dict[str, pd.DataFrame]]:
    """Confusion matrices by target and feature set, those of the baseline left out.

    Args:
        predictions: those of `eval/predictions.parquet`, with classes.
    """
    found: dict[str, dict[str, pd.DataFrame]] = {}
    classified = predictions.dropna(subset="class")
    columns = {"class": "label", "predicted_class": "prediction"}
    for target, of_target in classified.groupby("target", sort=False):
        found[str(target)] = {
            str(name): classification.confusion(frame[[*columns]].rename(columns=columns))
            for name, frame in of_target.groupby("feature_set", sort=False)
            if name != BASELINE
        }
    return found


def without_ccc(scores: pd.DataFrame) -> dict[str, list[str]]:
    """By target, the speakers whose CCC is undefined; of many, how many they are."""
    lacking = scores[scores["ccc"].isna()]
    by_target = lacking.groupby("target", sort=False)["speaker"]
    return {str(target): wording.few(sorted(set(names)), MOST) for target, names in by_target}


def shown(of_target: pd.DataFrame) -> list[str]:
    """Speakers in a chart of one target: of many, those extreme in the first set's clipped CCC.

    Args:
        of_target: rows of `by_speaker`.
    """
    first = of_target[of_target["feature_set"] == of_target["feature_set"].iloc[0]]
    first = first.set_index("speaker")
    return extremes.shown(first["clipped_ccc"], first["n"])


def selected_by_layer(selected: pd.DataFrame) -> pd.DataFrame:
    """How many units of each layer a fold selects, on average.

    Args:
        selected: that of `eval/selected.parquet`; only features named `layerLL.unitUUU` count.

    Returns:
        One row a target, feature set and layer (all from 0 to the largest): units.
    """
    columns = ["target", "feature_set", "layer", "units"]
    layer = selected["feature"].str.extract(r"^layer(\d+)\.unit\d+(?:\.\w+)?$")[0]
    found = selected.assign(layer=layer).dropna(subset="layer").astype({"layer": int})
    if found.empty:
        return pd.DataFrame(columns=columns)
    layers = range(found["layer"].max() + 1)
    rows = []
    for (target, name), group in found.groupby(["target", "feature_set"], sort=False):
        counts = group["layer"].value_counts().reindex(layers, fill_value=0)
        n_folds = group["fold"].nunique()
        rows += [(target, name, i, n / n_folds) for i, n in counts.items()]
    return pd.DataFrame(rows, columns=columns)
