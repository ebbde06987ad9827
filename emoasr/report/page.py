"""The report as one HTML file that needs no other: tables, and charts that inlined Vega draws."""

from collections.abc import Mapping, Sequence
from typing import Any

from emoasr.evaluation.correlation import Maps
from emoasr.report import charts, drawing, html, pearson, style, wording
from emoasr.report.charts import Chart
from emoasr.system.output import UNDEFINED

_MOST_LISTED = 2000  # utterances left out
_SECTIONS = {
    "results": "Results",
    "differences": "Differences between feature sets",
    "predicted": "Predicted against rated",
    "speakers": "Every speaker",
    "maps": "Where the ratings show: correlation per unit",
    "selected": "Where the selected units lie",
    "controls": "Controls",
    "refitted": "Differences, everything fitted again",
    "protocols": "Other protocols",
    "regressors": "Other regressors and numbers of features",
    "layers": "Layer by layer",
    "early-late": "Differences between speakers",
    "omitted": "What could not be done",
    "left-out": "Left out",
    "made": "How this was made",
}

_IF_DRAWN = ("differences", "predicted", "speakers", "selected", "layers", "early-late")


def render(
    content: Mapping[str, Any], drawn: Mapping[str, Sequence[Chart]], maps: Sequence[Maps]
) -> str:
    """Makes the page.

    Args:
        content: that of `content.build`.
        drawn: charts by group.
        maps: one a recognizer's set and rating; may be empty.
    """
    scripts = {"vega": drawing.script(), **_scripts("charts.js", "tables.js")}
    data = {
        "config": style.CONFIG,
        "dark": style.DARK,
        "charts": {c["id"]: c["variants"] for group in drawn.values() for c in group},
        "maps": _maps(maps),
    }
    values = {
        **content,
        "charts": drawn,
        "sections": _sections(drawn, content),
        "scores": charts.SCORES,
        "predictions": charts.PREDICTIONS,
        "range": _range(content["provenance"]["scale"]),
        "map_options": _numbered(_speaker_options(content["maps_shown"])),
        "map_set_options": _numbered(content["map_sets"]),
        "set_options": _numbered(_sets(content)),
        "rated_options": _numbered(content["rated_sets"]),
        "grouping_options": _numbered(content["groupings"]),
        "network_options": _numbered((content["battery"] or {}).get("variation_sets", [])),
        "pair_options": _pair_options(content["rated_sets"]),
        "target_options": _target_options(content["map_targets"]),
        "in_words": wording.listed(content["counts"]),
        "dash": UNDEFINED,
        "most_listed": _MOST_LISTED,
        "charts_json": html.in_script(data),
    }
    return html.render("page.html.jinja", values, scripts=scripts)


def render_overview(overview: Mapping[str, Any]) -> str:
    """Makes the page that shows the evaluations of a run side by side.

    Args:
        overview: that of `overview.build`.
    """
    return html.render("index.html.jinja", overview, scripts=_scripts("tables.js"))


def _scripts(*names: str) -> dict[str, str]:
    return {name.replace(".", "_"): html.file(name) for name in names}


def _sections(drawn: Mapping[str, Any], content: Mapping[str, Any]) -> dict[str, str]:
    battery = content["battery"]
    there = {
        **{name: bool(drawn[name]) for name in _IF_DRAWN},
        "maps": bool(content["map_names"]),
        "controls": battery is not None and bool(battery["controls"]),
        "refitted": bool(drawn["refitted"]),
        "protocols": battery is not None and bool(battery["beside"]),
        "regressors": bool(drawn["regressors"] or drawn["n_selected"]),
        "omitted": battery is not None and bool(battery["omitted"]),
    }
    return {name: title for name, title in _SECTIONS.items() if there.get(name, True)}


def _range(scale: Sequence[float]) -> str:
    return (
        "the rating scale, {:g} to {:g}".format(*scale)
        if scale
        else ("the range of the training fold's ratings")
    )


def _numbered(names: Sequence[str]) -> dict[str, str]:
    return {str(i): name for i, name in enumerate(names)}


def _pair_options(sets: Sequence[str]) -> dict[str, str]:
    every = {"all": "all"} if len(sets) > 2 else {}
    return {"first": f"against {sets[0]}" if sets else "", **every}


def _speaker_options(names: Sequence[str]) -> list[str]:
    return [*names[:1], *(f"speaker {name}" for name in names[1:])]


def _sets(content: Mapping[str, Any]) -> list[str]:
    """Feature sets that have a confusion matrix."""
    return content["classes"]["sets"] if content["classes"] else []


def _target_options(targets: Sequence[str]) -> dict[str, str]:
    every = {"all": "all"} if len(targets) > 1 else {}
    return {**every, **{str(i): target for i, target in enumerate(targets)}}


def _maps(maps: Sequence[Maps]) -> list[dict[str, Any]]:
    return [
        {
            "description": pearson.describe(of_set, "target", pearson.limit(maps)),
            "values": [pearson.data(of_set, name) for name in pearson.shown(maps)],
        }
        for of_set in pearson.by_set(maps).values()
    ]
