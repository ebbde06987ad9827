"""Content of the report, for the page and its Markdown twin: text and tables."""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emoasr.errors import without_file
from emoasr.evaluation.correlation import Maps
from emoasr.report import extremes, pearson, residuals, scores, tables, wording
from emoasr.report.wording import interval
from emoasr.settings.choices import END_TO_END, TRAIN
from emoasr.system.output import UNDEFINED, counted, number

_ALPHA = 0.05
_TRAITS = 12  # rows of a table; the others are in results.json
_ANALYSES = {  # by analysis and what it changed: title, how to read it
    ("selection", "all"): (
        "Selection on all utterances",
        "Here the features were selected by F scores over all utterances, including those of the "
        "test speakers: a common leak. The difference is its size.",
    ),
    ("selection", "fold"): (
        "Selection inside the training folds",
        "Here the features were selected without the test speakers; in the main table, with them.",
    ),
    ("protocol", "leave-one-session-out"): (
        "Sessions held out",
        "Here whole sessions were held out; none of their speakers was in training, whichever "
        "session they spoke in.",
    ),
    ("protocol", "leave-one-speaker-out"): (
        "Speakers held out",
        "Here single speakers were held out; others of their session stayed in training.",
    ),
    ("partner", "out"): (
        "Without the dialogue partner in training",
        "Here speakers who share a session with the test speaker were removed from training, so "
        "that no dialogue is in both the training and the test data.",
    ),
    ("partner", "in"): (
        "With the dialogue partner in training",
        "Here speakers who share a session with the test speaker stayed in training.",
    ),
}


def build(
    results: Mapping[str, Any],
    predictions: pd.DataFrame,
    selected: pd.DataFrame,
    maps: Sequence[Maps],
    labels: pd.DataFrame,
) -> dict[str, Any]:
    """Everything that the templates print.

    Args:
        results: what `eval/results.json` holds.
        predictions: `eval/predictions.parquet`.
        selected: `eval/selected.parquet`.
        maps: one a recognizer's set and rating; may be empty.
        labels: of the run.
    """
    every, provenance = results["rows"], results["provenance"]
    rows, differences = tables.of_ratings(every), tables.of_ratings(results["differences"])
    return {
        "provenance": provenance,
        "setting": setting(provenance, every),
        "penalty": _penalty(provenance["config"]["eval"]),
        "counts": {row["target"]: row for row in every},
        "notes": results["notes"],
        "in_short": in_short(every, results["differences"]),
        "classes": _classes(results, predictions),
        **_ratings(rows, differences),
        "paper": _grid(tables.beside_the_paper(rows, provenance["paper"])),
        "meanings": _meanings(provenance["config"], every),
        **_speakers(predictions, labels),
        "map_names": pearson.names(maps) if maps else [],
        "maps_shown": pearson.shown(maps) if maps else [],
        "map_sets": list(pearson.by_set(maps)),
        "maps_pictured": pearson.pictured(maps),
        "map_targets": list(dict.fromkeys(m.target for m in maps)),
        "undefined": pearson.undefined(maps),
        "by_layer": scores.selected_by_layer(_chosen(selected, rows)),
        "battery": _battery(results["battery"], rows),
        "skipped": results["skipped"],
        "n_left_out": left_out(results["skipped"]),
        "reasons": reasons(results["skipped"]),
        "tables_made": _grid(_feature_tables(provenance["feature_tables"])),
        "config": json.dumps(provenance["config"], indent=2, ensure_ascii=False),
        "details": json.dumps(provenance, indent=2, ensure_ascii=False),
    }


def _ratings(rows: tables.Rows, differences: tables.Rows) -> dict[str, Any]:
    """What is said of targets that are numbers."""
    variants = {"Clipped to the rating scale": "clipped_", "As predicted": ""}
    return {
        "main": tables.main_grid(rows, differences, "clipped_") if rows else None,
        "unclipped": tables.main_grid(rows, differences, "") if rows else None,
        "other": {
            name: _grid(tables.other_metrics(rows, prefix))
            for name, prefix in variants.items()
            if rows
        },
        "differences": {
            name: _grid(tables.differences(differences, prefix))
            for name, prefix in variants.items()
        },
        "rated_sets": list(dict.fromkeys(row["feature_set"] for row in rows if row["n_features"])),
    }


def _meanings(config: Mapping[str, Any], rows: tables.Rows) -> dict[str, str]:
    """What each feature set is, by its name in the report."""
    layers, entries = config["eval"]["layers"], config.get("feature_sets", ())
    return {wording.set_name(row): wording.meaning(row, layers, entries) for row in rows}


def _speakers(predictions: pd.DataFrame, labels: pd.DataFrame) -> dict[str, Any]:
    """What is said of single speakers, and of groups of them."""
    by_speaker = scores.by_speaker(predictions)
    return {
        "by_speaker": by_speaker,
        "without_ccc": scores.without_ccc(by_speaker),
        "n_speakers": by_speaker["speaker"].nunique(),
        "extremes": f"the {extremes.EACH} highest and the {extremes.EACH} lowest of those with "
        f"{extremes.FEWEST} utterances or more",
        "rated_speakers": residuals.speakers(residuals.rated(predictions)),
        "groupings": residuals.groupings(labels),
    }


def setting(provenance: Mapping[str, Any], rows: tables.Rows) -> str:
    """How feature sets were evaluated: protocol, model, features, in a sentence."""
    n, settings = provenance["n_selected"], provenance["config"]["eval"]
    features = f"the {counted(n, 'best feature')} by F score" if n else "all features"
    fitted = "everything fitted inside each training fold"
    standardised = next(iter(rows), {}).get("standardised", "")
    if standardised.startswith("within"):  # of test utterances too, before there are folds
        features += f", standardised {standardised}"
        fitted = fitted.replace("everything", "everything else")
    if n and settings["selection"]["scope"] == "all":
        fitted = "selected on all utterances"
    alone = settings["partner"] == "out"
    partner = ", the test speaker's dialogue partner removed from training" if alone else ""
    on_dev = settings.get("chosen_on", TRAIN) != TRAIN
    chosen = f", the penalty {_penalty(settings)}" if on_dev else ""
    models = dict.fromkeys(r["regressor"] for r in rows if r["n_features"])
    named = wording.listed(name for name in models if name != END_TO_END)
    return f"{provenance['protocol']}{partner}, {named} regression, {features}, {fitted}{chosen}."


def _penalty(settings: Mapping[str, Any]) -> str:
    """Where penalties are chosen."""
    split = settings.get("chosen_on", TRAIN)
    return "chosen within each training fold" if split == TRAIN else f"chosen on the split {split}"


def left_out(skipped: Sequence[Mapping[str, Any]]) -> int:
    """How many utterances were left out; `skipped` may list one for each target or feature set."""
    return len({(s["file"], s["start"], s["end"]) for s in skipped})


def reasons(skipped: Sequence[Mapping[str, Any]]) -> list[tuple[str, int]]:
    """Why utterances were left out, with the number of each reason, the commonest first."""
    return Counter(map(reason, skipped)).most_common()


def reason(skipped: Mapping[str, Any]) -> str:
    """Why an utterance was left out."""
    return f"{skipped['step']}: {without_file(skipped['reason'], skipped['file'])}"


def in_short(rows: tables.Rows, differences: tables.Rows) -> list[str]:
    """A sentence a target: the highest CCC or UAR, the next, and whether they differ."""
    sentences = []
    for target in dict.fromkeys(row["target"] for row in rows):
        key = wording.main_metric(next(row for row in rows if row["target"] == target))
        of_target = [r for r in rows if r["target"] == target and r[key] is not None]
        of_target.sort(key=lambda row: -row[key])
        if not of_target:
            continue
        best = [f"{wording.set_name(r)} {interval(r, key)}" for r in of_target[:2]]
        metric = wording.metric(key)
        text = f"{target}: highest {metric}, {', then '.join(best)}"
        pair = {row["feature_set"] for row in of_target[:2]}
        for d in differences:
            if d["target"] == target and {d["a"], d["b"]} == pair:
                text += _difference(d)
        sentences.append(f"{text}.")
    return sentences


def _difference(difference: Mapping[str, Any]) -> str:
    key = wording.main_metric(difference)
    a, b = (wording.set_name(difference, side) for side in "ab")
    text = f"; {a} − {b} = {interval(difference, key)}"
    unclear = wording.includes_zero(difference, key)
    if unclear is None:
        return text
    return text + (", not a significant difference" if unclear else ", a significant difference")


def _chosen(selected: pd.DataFrame, rows: tables.Rows) -> pd.DataFrame:
    """Selected features, but for sets of which every fold selects all."""
    some = {(r["target"], r["feature_set"]) for r in rows if r["n_selected"] < r["n_features"]}
    pairs = zip(selected["target"], selected["feature_set"], strict=True)
    return selected[[pair in some for pair in pairs]]


def _classes(results: Mapping[str, Any], predictions: pd.DataFrame) -> dict[str, Any] | None:
    """What is said of targets that have classes; None where there are none."""
    rows = tables.of_classes(results["rows"])
    if not rows:
        return None
    found = tables.of_classes(tables.of_analysis(results["battery"], "permuted"))
    controls = tables.of_classes(tables.of_analysis(results["battery"], "controls"))
    differences = tables.of_classes(results["differences"])
    return {
        "main": tables.classes_grid(rows, differences),
        "differences": _grid(tables.differences_of_classes(differences)),
        "controls": _grid(tables.classes(controls)),
        "permuted": _grid(tables.permuted(found, rows)),
        "confusion": scores.confusion(predictions),
        "sets": list(dict.fromkeys(r["feature_set"] for r in rows if r["n_features"])),
    }


def _battery(battery: Mapping[str, Any] | None, rows: tables.Rows) -> dict[str, Any] | None:
    if battery is None:
        return None
    of = {name: tables.of_ratings(battery[name]) for name in ("rows", "differences")}
    battery = {**battery, **of}
    beside = []
    for (analysis, changed), (title, how) in _ANALYSES.items():
        there = tables.of_analysis(battery, analysis)
        if there and there[0][analysis] == changed:
            grid = _grid(tables.against_main(battery, rows, analysis))
            beside.append((analysis, title, how, grid))
    return {
        "beside": beside,
        "refitted": _grid(
            tables.differences(
                [d for d in battery["differences"] if d["analysis"] == "refitted"], "clipped_"
            )
        ),
        "swept": wording.listed(
            dict.fromkeys(r["feature_set"] for r in tables.of_analysis(battery, "n_selected"))
        ),
        "controls": _grid(tables.analysis(battery, "controls")),
        "regressors": _grid(tables.analysis(battery, "regressors")),
        "permuted": _grid(tables.permuted(tables.of_analysis(battery, "permuted"), rows)),
        "trend": [(t["verdict"], _trend(t)) for t in battery["trend"]],
        "variation": _grid(tables.variation(battery["speakers"]["variation"])),
        "variation_sets": list(
            dict.fromkeys(v["feature_set"] for v in battery["speakers"]["variation"])
        ),
        "differing": differing(battery["speakers"]),
        "traits": _grid(tables.traits(battery["speakers"]["traits"])[:_TRAITS]),
        "omitted": battery["omitted"],
    }


def differing(speakers: Mapping[str, tables.Rows]) -> list[str]:
    """Sentences: in what speakers differ, network by network, and what that correlates with."""
    sentences = []
    for name in dict.fromkeys(row["feature_set"] for row in speakers["variation"]):
        rows = [row for row in speakers["variation"] if row["feature_set"] == name]
        asked = [trait for trait in speakers["traits"] if trait["feature_set"] == name]
        more = [row["target"] for row in rows if row["p"] < _ALPHA]
        said = f"in {wording.listed(more)}" if more else "in no rating"
        sentences.append(f"{name}: speakers differ by more than sampling gives {said}")
        clear = [
            f"{t['target']} with {t['trait']} (rho {number(t['rho'])}, "
            f"corrected p {wording.p_value(t['p_corrected'], '= ')})"
            for t in asked
            if t["p_corrected"] < _ALPHA
        ]
        found = f"{len(clear)}: {wording.listed(clear)}" if clear else "none"
        if asked:
            goes = f"early − late goes with a trait of the speakers in {found}"
            sentences.append(f"{name}: of {counted(len(asked), 'question')}, {goes}")
    return sentences


def _trend(trend: Mapping[str, Any]) -> str:
    return (
        f"{trend['target']}: Spearman's rho {interval(trend, 'rho')}, "
        f"p {wording.p_value(trend['p'], '= ')}, {trend['n_speakers']} speakers; "
        f"CCC of the last third of the layers − the first: {interval(trend, 'rise')}"
    )


def _feature_tables(made: Mapping[str, Mapping[str, Any]]) -> pd.DataFrame:
    fields = ("recognizer", "inputs", "tap", "pooling", "version")
    return pd.DataFrame(
        {
            "feature set": name,
            **{field: str(about.get(field) or UNDEFINED) for field in fields},
        }
        for name, about in made.items()
    )


def _grid(frame: pd.DataFrame) -> tables.Grid | None:
    return None if frame.empty else tables.grid(frame)
