"""How the report writes intervals and names; numbers as every command does, see `output.number`."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from emoasr.settings.choices import BASELINE, END_TO_END
from emoasr.system.output import number

# Line breaks and tabs stay: Markdown and HTML fold them. The last are surrogates.
UNSEEN = re.compile(
    "[\0-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]"
)

METRICS = {
    "mse": "MSE",
    "mse_mean": "mean MSE",
    "mse_fold": "MSE of a fold",
    "mse_variance": "var.",
    "mse_std": "std.",
    "ccc": "CCC",
    "pearson": "Pearson",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "ccc_mean": "CCC, mean of folds",
    "pearson_mean": "Pearson, mean of folds",
    "uar": "UAR",
    "accuracy": "accuracy",
    "macro_f1": "macro F1",
    "early_late": "early − late",
}

_MEANINGS = {
    "neural": "activity of the speech recognizer's hidden units, pooled over time (the paper's "
    "neural features)",
    "random": "the same network with random weights, untrained: the effect of the architecture "
    "alone",
    "mfcc": "mean and standard deviation of the network's input, without a network",
    "egemaps": "the extended Geneva minimalistic acoustic parameter set, by openSMILE",
}
# by whether the target has classes: what it is called, and what it is
_BASELINES = {
    False: (
        "baseline (training mean)",
        "the mean rating of the training fold as a constant prediction, without features. If the "
        "held-out group's own mean is high, the mean of the others is low; therefore its "
        "correlation over all folds is below zero",
    ),
    True: (
        "baseline (commonest class)",
        "the commonest class of the training fold as a constant prediction, without features",
    ),
}
BASELINES = tuple(name for name, _ in _BASELINES.values())
_ERRORS = ("mse", "rmse", "mae")


def interval(record: Mapping[str, Any], key: str) -> str:
    """A metric and its 95 % interval, as `.259 [.231, .290]`; no line break inside the bracket."""
    low, high = record.get(f"{key}_low"), record.get(f"{key}_high")
    if record.get(key) is None or low is None or high is None:
        return number(record.get(key))
    return f"{number(record[key])} {bounds(low, high)}"


def bounds(low: float, high: float) -> str:
    """Two ends, as `[.231, .290]`; no line break inside."""
    return together(f"[{number(low)}, {number(high)}]")


def together(text: str) -> str:
    """The same without a place to break a line."""
    return text.replace(" ", "\N{NO-BREAK SPACE}")


def set_name(record: Mapping[str, Any], field: str = "feature_set") -> str:
    """What a feature set is called: `mean` alone would read as the mean of the others.

    Args:
        record: a row or a difference, whose target may have classes.
        field: its field that names the set: of a difference, `a` or `b`.
    """
    name = record[field]
    return _BASELINES[of_classes(record)][0] if name == BASELINE else name


def of_classes(record: Mapping[str, Any]) -> bool:
    """Whether the target of a row or a difference has classes."""
    return "uar" in record


def higher_is_better(key: str) -> bool:
    """Whether a metric is one of agreement, not of error."""
    return not key.removeprefix("clipped_").startswith(_ERRORS)


def metric(key: str) -> str:
    """What a metric is called, clipped or not."""
    return METRICS[key.removeprefix("clipped_")]


def main_metric(record: Mapping[str, Any]) -> str:
    """The key of the metric by which a row or a difference is judged first."""
    return "uar" if of_classes(record) else "clipped_ccc"


def p_value(p: float | None, equals: str = "") -> str:
    """A p value: `< .001`, or three decimals after `equals`."""
    return "< .001" if p is not None and p < 0.001 else equals + number(p)


def includes_zero(record: Mapping[str, Any], key: str) -> bool | None:
    """Whether a metric's interval includes zero; None where it has no interval."""
    low, high = record.get(f"{key}_low"), record.get(f"{key}_high")
    return None if low is None or high is None else low <= 0 <= high


def visible(text: str) -> str:
    """A user's text whose control characters and changes of direction are seen, not obeyed."""
    return UNSEEN.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def short(name: str, most: int = 28) -> str:
    """A name that fits beside an axis."""
    return name if len(name) <= most else f"{name[: most - 1]}…"


def listed(names: Iterable[str]) -> str:
    """Names as `a, b and c`."""
    *others, last = [*names] or [""]
    return f"{', '.join(others)} and {last}" if others else last


def few(speakers: Sequence[str], most: int = 5) -> list[str]:
    """The names, or in place of more than `most` how many there are, and one of them."""
    n = len(speakers)
    return [*speakers] if n <= most else [f"{n} speakers, such as {speakers[0]}"]


def label(name: object, most: int = 28) -> str:
    """A user's text for a chart."""
    return short(visible(str(name)), most)


def labels(names: Iterable[str], most: int = 28) -> dict[str, str]:
    """A label for every name, no two alike: charts name lines and series by these."""
    found: dict[str, str] = {}
    for name in dict.fromkeys(names):
        text = unique = label(name, most)
        number = 1
        while unique in found.values():
            number += 1
            unique = f"{text} ({number})"
        found[name] = unique
    return found


def meaning(
    record: Mapping[str, Any], layers: Mapping[str, Any], entries: Iterable[str] = ()
) -> str:
    """What a feature set is, in words.

    Args:
        record: a row of it.
        layers: `config.eval.layers`: subsets of each recognizer's layers by name.
        entries: of `config.feature_sets`.
    """
    name = record["feature_set"]
    if name == BASELINE:
        return _BASELINES[of_classes(record)][1]
    if record["regressor"] == END_TO_END:
        return (
            "predictions of networks that were finetuned end to end, each without its test speakers"
        )
    if name in _MEANINGS:
        return _MEANINGS[name]
    if name in layers:
        return f"the units of neural in layers {', '.join(map(str, layers[name]))} alone"
    network, _, subset = name.rpartition(".")
    if network and subset in layers:
        numbers = ", ".join(map(str, layers[subset]))
        return f"the units of {network} in the layers as deep as {numbers} of neural"
    if twin := re.fullmatch(r"random-(\D.*)", name):
        return f"the network of {twin[1]} with random weights, untrained"
    if seed := re.fullmatch(r"random-(\d+)", name):
        return f"like random, with random weights of seed {seed[1]}"
    if any(entry.startswith(f"{name}=") for entry in entries):
        return "hidden states of another recognizer, pooled over time"
    if "+" in name and name in entries:  # a table's entry would end in .parquet or .csv
        return f"the features of {listed(name.split('+'))} side by side"
    return "a table of features given by the user"
