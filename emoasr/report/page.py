"""The report as one HTML file that needs no other: tables, and charts that inlined Vega draws."""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup

from emoasr.evaluation.correlation import Maps
from emoasr.report import charts, drawing, pearson, style, wording
from emoasr.report.charts import Chart

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
    "omitted": "What could not be done",
    "left-out": "Left out",
    "made": "How this was made",
}

_IF_DRAWN = ("differences", "predicted", "speakers", "selected", "layers")

_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.PackageLoader("emoasr.report", "."),
    autoescape=True,
    finalize=lambda value: wording.visible(value) if type(value) is str else value,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def render(
    content: Mapping[str, Any], drawn: Mapping[str, Sequence[Chart]], maps: Sequence[Maps]
) -> str:
    """Makes the page.

    Args:
        content: that of `content.build`.
        drawn: charts by group.
        maps: one a rating; may be empty.
    """
    scripts = {"vega": Markup(drawing.script()), **_scripts("charts.js", "tables.js")}
    data = {
        "config": {**style.CONFIG, "background": "transparent"},
        "dark": style.DARK,
        "charts": {c["id"]: c["variants"] for group in drawn.values() for c in group},
        "maps": _maps(maps) if maps else None,
    }
    return _ENVIRONMENT.get_template("page.html.jinja").render(
        **content,
        charts=drawn,
        sections=_sections(drawn, content),
        scores=charts.SCORES,
        predictions=charts.PREDICTIONS,
        range=_range(content["provenance"]["scale"]),
        map_options=_numbered(_speaker_options(content["maps_shown"])),
        set_options=_numbered(_sets(content)),
        rated_options=_numbered(content["rated_sets"]),
        grouping_options=_numbered(content["groupings"]),
        pair_options=_pair_options(content["rated_sets"]),
        target_options=_target_options(content["map_targets"]),
        in_words=wording.listed(content["counts"]),
        dash=wording.UNDEFINED,
        most_listed=_MOST_LISTED,
        charts_json=_in_script(data),
        css=Markup(_file("page.css")),
        **scripts,
        policy=_policy(scripts.values()),
    )


def render_overview(overview: Mapping[str, Any]) -> str:
    """Makes the page that shows the evaluations of a run side by side.

    Args:
        overview: that of `overview.build`.
    """
    scripts = _scripts("tables.js")
    return _ENVIRONMENT.get_template("index.html.jinja").render(
        **overview, css=Markup(_file("page.css")), **scripts, policy=_policy(scripts.values())
    )


def _scripts(*names: str) -> dict[str, Markup]:
    return {name.replace(".", "_"): Markup(_file(name)) for name in names}


def _policy(scripts: Iterable[str]) -> str:
    """What the browser lets the page do: run these scripts, and fetch nothing."""
    digests = [base64.b64encode(hashlib.sha256(s.encode()).digest()).decode() for s in scripts]
    ours = " ".join(f"'sha256-{digest}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {ours}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


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


def _maps(maps: Sequence[Maps]) -> dict[str, Any]:
    return {
        "description": pearson.describe(maps, "target"),
        "values": [pearson.data(maps, name) for name in pearson.shown(maps)],
    }


def _in_script(data: Any) -> Markup:
    """JSON that no text in it can end, as a script element's content."""
    text = json.dumps(data, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return Markup(text.replace("<", "\\u003c"))


def _file(name: str) -> str:
    return resources.files("emoasr.report").joinpath(name).read_text(encoding="utf-8")
