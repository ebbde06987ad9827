"""Tables of the report, as text: metrics with intervals."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from emoasr.report import wording
from emoasr.settings.choices import BASELINE
from emoasr.system.output import UNDEFINED, number

Rows = Sequence[Mapping[str, Any]]

_PAPER = ("mse_mean", "mse_variance", "mse_std", "ccc", "pearson")
_MAIN = ("ccc", "mse_mean", "mse_variance")  # more columns would not fit beside each other
_OF_CLASSES = ("uar", "accuracy", "macro_f1")
_OTHER = ("mse_std", "rmse", "mae", "r2", "pearson", "ccc_mean", "pearson_mean")


_WORDS = {"target", "feature set", "former", "latter", "regressor", "trait"}


class Grid(NamedTuple):
    """A table of text.

    Attributes:
        groups: titles over the columns, and how many columns each spans; may be empty.
        head: the columns' names.
        rows: the cells.
        words: how many of the first columns hold words, not numbers.
        starts: numbers of the columns that begin a group.
        apart: numbers of the rows of the baseline.
        best: row and column of each value that no other is significantly better than.
    """

    groups: list[tuple[str, int]]
    head: list[str]
    rows: list[list[str]]
    words: int
    starts: list[int]
    apart: list[int]
    best: set[tuple[int, int]]


def grid(frame: pd.DataFrame, best: Iterable[tuple[int, int]] = ()) -> Grid:
    """The cells of a frame of text; columns may be (group, name).

    Args:
        frame: the table.
        best: cells to mark.
    """
    groups: list[tuple[str, int]] = []
    head = [str(column) for column in frame.columns]
    if isinstance(frame.columns, pd.MultiIndex):
        of_column, head = (list(frame.columns.get_level_values(i)) for i in (0, 1))
        groups = [(name, of_column.count(name)) for name in dict.fromkeys(of_column)]
    rows = [[str(cell) for cell in row] for row in frame.itertuples(index=False, name=None)]
    starts = np.cumsum([span for _, span in groups])[:-1].tolist()
    words = sum(name in _WORDS for name in head)
    apart = [i for i, row in enumerate(rows) if {*wording.BASELINES} & {*row[:words]}]
    return Grid(groups, head, rows, words, starts, apart, set(best))


def paper_table(rows: Rows, prefix: str = "") -> pd.DataFrame:
    """Rows in the layout of the paper's table 1: one a feature set, targets side by side.

    Args:
        rows: those of `eval/results.json`.
        prefix: `clipped_` for the metrics of clipped predictions.
    """
    frame = pd.DataFrame(rows)
    names = {prefix + key: wording.METRICS[key] for key in _PAPER}
    table = frame.pivot(index="feature_set", columns="target", values=list(names))
    columns = [(key, target) for target in frame["target"].unique() for key in names]
    table = table.reindex(index=baseline_last(frame["feature_set"]), columns=columns).astype(float)
    table.columns = pd.MultiIndex.from_tuples([(target, names[key]) for key, target in columns])
    shown = {row["feature_set"]: wording.set_name(row) for row in rows}
    return table.rename(index=shown).rename_axis(index=None)


def as_text(table: pd.DataFrame) -> str:
    """A table of `paper_table` for a terminal."""
    return table.map(number).to_string()


def of_analysis(battery: Mapping[str, Any] | None, analysis: str) -> list[dict[str, Any]]:
    """The rows of one of the ablations and controls; none where these were not asked for."""
    rows = [] if battery is None else battery["rows"]
    return [row for row in rows if row["analysis"] == analysis]


def main(rows: Rows, prefix: str) -> pd.DataFrame:
    """As `paper_table`, with intervals: text."""
    return _beside_each_other(rows, [prefix + key for key in _MAIN])


def main_grid(rows: Rows, differences: Rows, prefix: str) -> Grid:
    """The cells of `main`, the best CCC and mean MSE of each target marked.

    Args:
        rows: of feature sets and targets.
        differences: of pairs of them.
        prefix: `clipped_` for the metrics of clipped predictions.
    """
    compared = [f"{prefix}ccc", f"{prefix}mse_mean"]
    return _marked(main(rows, prefix), rows, differences, compared)


def classes(rows: Rows) -> pd.DataFrame:
    """As `main`, of targets that have classes."""
    return _beside_each_other(rows, _OF_CLASSES)


def classes_grid(rows: Rows, differences: Rows) -> Grid:
    """The cells of `classes`, the best UAR of each target marked."""
    return _marked(classes(rows), rows, differences, ["uar"])


def _beside_each_other(rows: Rows, keys: Iterable[str]) -> pd.DataFrame:
    """One line a feature set, the metrics of the targets side by side; empty without a row."""
    by_set: dict[str, dict[tuple[str, str], str]] = {}
    for row in rows:
        name = wording.set_name(row)
        line = by_set.setdefault(row["feature_set"], {("", "feature set"): name})
        for key in keys:
            line[row["target"], wording.metric(key)] = wording.interval(row, key)
    columns = list(dict.fromkeys(column for line in by_set.values() for column in line))
    lines = (by_set[name] for name in baseline_last(by_set))
    cells = [[line.get(c, UNDEFINED) for c in columns] for line in lines]
    return pd.DataFrame(cells, columns=pd.MultiIndex.from_tuples(columns) if columns else None)


def _marked(frame: pd.DataFrame, rows: Rows, differences: Rows, keys: Iterable[str]) -> Grid:
    """The cells of `_beside_each_other`, those that are unbeaten in a metric marked."""
    lines = baseline_last(row["feature_set"] for row in rows)
    columns = [*frame.columns]
    best = (
        (lines.index(name), columns.index((target, wording.metric(key))))
        for key in keys
        for name, target in unbeaten(rows, differences, key)
    )
    return grid(frame, best)


def baseline_last(names: Iterable[str]) -> list[str]:
    """Each feature set's name once, in their order, the baseline's after all."""
    return sorted(dict.fromkeys(names), key=lambda name: name == BASELINE)


def unbeaten(rows: Rows, differences: Rows, key: str) -> list[tuple[str, str]]:
    """Feature set and target of each best value, and those not significantly different from it.

    Args:
        rows: of feature sets and targets; the baseline's are not compared.
        differences: of pairs of them, with intervals.
        key: of the metric.
    """
    having = [row for row in rows if row["n_features"] and row.get(key) is not None]
    sign = 1 if wording.higher_is_better(key) else -1
    found = []
    for target in dict.fromkeys(row["target"] for row in having):
        values = {row["feature_set"]: row[key] for row in having if row["target"] == target}
        best = max(values, key=lambda name: sign * values[name])
        alike = {
            side
            for d in differences
            if d["target"] == target and best in (d["a"], d["b"]) and wording.includes_zero(d, key)
            for side in (d["a"], d["b"])
        }
        found += [(name, target) for name in values if len(values) > 1 and name in {best, *alike}]
    return found


def other_metrics(rows: Rows, prefix: str) -> pd.DataFrame:
    """The metrics that `main` has no room for, one line a feature set and target."""
    return pd.DataFrame(
        {
            "target": row["target"],
            "feature set": wording.set_name(row),
            "features": f"{row['n_selected']} of {row['n_features']}",
            **{wording.METRICS[key]: wording.interval(row, prefix + key) for key in _OTHER},
        }
        for row in rows
    )


def beside_the_paper(rows: Rows, paper: Rows) -> pd.DataFrame:
    """Our mean MSE and its variance over folds, as predicted, and the paper's."""
    ours = {(row["feature_set"], row["target"]): row for row in rows}
    both = [(ours.get((p["feature_set"], p["target"])), p) for p in paper]
    return pd.DataFrame(
        {
            "target": theirs["target"],
            "feature set": theirs["feature_set"],
            "mean MSE, here": wording.interval(row, "mse_mean"),
            "in the paper": number(theirs["mse_mean"]),
            "variance, here": number(row["mse_variance"]),
            "paper's": number(theirs["mse_variance"]),
        }
        for row, theirs in both
        if row is not None
    )


def differences(found: Rows, prefix: str) -> pd.DataFrame:
    """One line a pair of feature sets and target: the former minus the latter."""
    return pd.DataFrame(
        {
            "target": d["target"],
            "former": wording.set_name(d, "a"),
            "latter": wording.set_name(d, "b"),
            "CCC, difference": wording.interval(d, f"{prefix}ccc"),
            "mean MSE, difference": wording.interval(d, f"{prefix}mse_mean"),
            "Wilcoxon p": wording.p_value(d.get(f"{prefix}wilcoxon_p")),
        }
        for d in found
    )


def of_ratings(rows: Rows) -> list[Mapping[str, Any]]:
    """Rows or differences whose target is a rating."""
    return [row for row in rows if not wording.of_classes(row)]


def of_classes(rows: Rows) -> list[Mapping[str, Any]]:
    """Rows or differences whose target has classes."""
    return [row for row in rows if wording.of_classes(row)]


def differences_of_classes(found: Rows) -> pd.DataFrame:
    """As `differences`, of classes."""
    return pd.DataFrame(
        {
            "target": d["target"],
            "former": wording.set_name(d, "a"),
            "latter": wording.set_name(d, "b"),
            "UAR, difference": wording.interval(d, "uar"),
            "Wilcoxon p": wording.p_value(d.get("wilcoxon_p")),
        }
        for d in found
    )


def against_main(battery: Mapping[str, Any], rows: Rows, analysis: str) -> pd.DataFrame:
    """One of the ablations and the main table, metrics of clipped predictions.

    Args:
        battery: ablations and controls in `eval/results.json`.
        rows: those of the main table.
        analysis: `selection`, `protocol` or `partner`.
    """
    main_rows = {(row["feature_set"], row["target"]): row for row in rows}
    changes = {
        (d["a"], d["target"]): d for d in battery["differences"] if d["analysis"] == analysis
    }
    lines = []
    for there in of_analysis(battery, analysis):
        which = (there["feature_set"], there["target"])
        line = {("", "target"): which[1], ("", "feature set"): wording.set_name(there)}
        for metric in ("ccc", "mse_mean"):
            name, key = wording.METRICS[metric], f"clipped_{metric}"
            line[name, "main table"] = number(main_rows.get(which, {}).get(key))
            line[name, "here"] = number(there.get(key))
            line[name, "difference"] = wording.interval(changes.get(which, {}), key)
        lines.append(line)
    return pd.DataFrame(lines)


def permuted(found: Rows, rows: Rows) -> pd.DataFrame:
    """CCC (clipped predictions) or UAR of permuted and of true labels."""
    frame = pd.DataFrame(found)
    if frame.empty:
        return frame
    lines = []
    for (name, target), repeats in frame.groupby(["feature_set", "target"], sort=False):
        of_row = [r for r in rows if (r["feature_set"], r["target"]) == (name, target)]
        key = wording.main_metric(found[0])
        true = of_row[0][key] if of_row else None
        values = repeats[key].dropna().astype(float)
        metric = wording.metric(key)
        line = {"target": target, "feature set": name}
        line[f"{metric}, true labels"] = number(true)
        if len(values):
            p = None if true is None else (1 + np.sum(values >= true)) / (1 + len(values))
            line |= {
                "permuted: repeats": str(len(values)),
                "mean": number(values.mean()),
                "lowest": number(values.min()),
                "highest": number(values.max()),
                "p": wording.p_value(p),
            }
        lines.append(line)
    return pd.DataFrame(lines).fillna(UNDEFINED)


def analysis(battery: Mapping[str, Any], name: str) -> pd.DataFrame:
    """The rows of one analysis, a line each, metrics of clipped predictions."""
    return pd.DataFrame(
        {
            "target": row["target"],
            "feature set": wording.set_name(row),
            "regressor": row["regressor"],
            "selected": str(row["n_selected"]),
            "CCC": wording.interval(row, "clipped_ccc"),
            "mean MSE": wording.interval(row, "clipped_mse_mean"),
        }
        for row in of_analysis(battery, name)
    )


def variation(found: Rows) -> pd.DataFrame:
    """How much speakers differ in where a rating shows: a line a network and rating."""
    return pd.DataFrame(
        {
            "target": row["target"],
            "feature set": row["feature_set"],
            "early − late": wording.interval(row, "early_late"),
            "a new speaker": wording.bounds(row["new_low"], row["new_high"]),
            "I²": f"{100 * row['i2']:.0f} %",
            f"Q ({row['n_speakers'] - 1} df)": f"{row['q']:.1f}",
            "p": wording.p_value(row["p"]),
            "permutation p": number(row["dealt_p"]),
        }
        for row in found
    ).fillna(UNDEFINED)


def traits(found: Rows) -> pd.DataFrame:
    """What differences correlate with: a line a network, rating and trait, the clearest first."""
    return pd.DataFrame(
        {
            "target": row["target"],
            "feature set": row["feature_set"],
            "trait": row["trait"],
            "speakers": str(row["n_speakers"]),
            "rho": number(row["rho"]),
            "p": wording.p_value(row["p"]),
            "corrected p": wording.p_value(row["p_corrected"]),
        }
        for row in sorted(found, key=lambda row: row["p"])
    )
