"""What the report is made of: results, predictions, selected features and maps of made-up speech.

Names are hostile wherever a user may choose them.
"""

import functools

import numpy as np
import run_folder

from emoasr.evaluation import correlation, evaluate
from emoasr.report import content, writing

SPEAKER = "<img src=x onerror=alert(1)>"
FEATURE_SET = "</script><b>x</b> $x$ & \"q\" %{x} 'a' `b` [l](u) | _i_"
TARGET = "aro<i>us</i>al $y$ &amp;"
REASON = "<a href='http://example.invalid'>is empty</a>"
COMMAND = "python -m emoasr.eval --workdir='<script>alert(2)</script>'"
HOSTILE = (SPEAKER, FEATURE_SET, TARGET, REASON, COMMAND)


@functools.cache
def _evaluated(battery: bool, neural: bool):
    table, labels = run_folder.corpus(n_speakers=4)
    labels = labels.rename(columns={"arousal": TARGET})
    labels["Sex"] = labels["speaker"].map({"s0": "f", "s1": "m", "s2": SPEAKER, "s3": "m"})
    labels["speaker"] = labels["speaker"].replace({"s0": SPEAKER})
    labels.loc[labels.speaker == "s3", "valence"] = np.float32(2.5)
    tables, maps = {FEATURE_SET: table}, []
    if neural:  # what is fitted has few units; the maps are of a network of the paper's size
        tables = {"neural": run_folder.neural_like(table.index, n_units=4), **tables}
        units = run_folder.neural_like(table.index)
        maps = [correlation.pearson_maps(units, labels, t) for t in (TARGET, "valence")]
    for of_set in tables.values():
        of_set.iloc[0] *= 30  # is predicted beyond the scale
    settings = run_folder.settings(targets=(TARGET, "valence"), battery=battery)
    return evaluate.evaluate(tables, labels, settings), maps, labels, settings.to_dict()


def _speakers():
    """Early and late layers by speaker, as `ablations.report` gives them."""
    of = {"feature_set": "neural", "target": TARGET}
    ends = {"early_late": 0.2, "early_late_low": 0.1, "early_late_high": 0.3}
    together = {"new_low": -0.1, "new_high": 0.5, "tau": 0.1, "i2": 0.8, "q": 15.0, "p": 0.001}
    trait = {"trait": f"sex {SPEAKER}", "n_speakers": 4, "rho": 0.9, "p": 0.01, "p_corrected": 0.04}
    return {
        "variation": [{**of, "n_speakers": 4, **ends, **together, "dealt_p": 0.01}],
        "each": [{**of, "speaker": who, "n": 12, **ends} for who in (SPEAKER, "s1", "s2", "s3")],
        "traits": [{**of, **trait}],
    }


def make(battery: bool = False, neural: bool = True):
    """Returns results, predictions, selected, maps and labels: what `report.write` takes."""
    found, maps, labels, settings = _evaluated(battery, neural)
    made = {"feature_set": FEATURE_SET, "recognizer": "sha256:abc", "inputs": "def"}
    results = {
        "rows": found.rows,
        "differences": found.differences,
        "battery": found.battery
        and {**found.battery, "omitted": [REASON], "speakers": _speakers()},
        "notes": found.notes,
        "provenance": {
            "seconds": 3.2,
            "corpus": {"name": "made <up>", "synthetic": False},
            "found": 50,
            "used": 48,
            "protocol": "leave-one-speaker-out",
            "regressor": "linear",
            "n_selected": 5,
            "scale": (1.0, 5.0),
            "recognizer": "sha256:abc",
            "command": COMMAND,
            "date": "2030-01-01",
            "versions": {"emoasr": "1", "numpy": "2"},
            "feature_tables": {FEATURE_SET: made},
            "config": {"eval": settings},
            "paper": [
                {
                    "feature_set": "neural",
                    "target": "valence",
                    "mse_mean": 0.66,
                    "mse_variance": 0.118,
                }
            ],
        },
        "skipped": [
            {"file": SPEAKER, "start": 0.5, "end": None, "step": "audio", "reason": REASON},
            {"file": "b.wav", "start": None, "end": None, "step": "audio", "reason": REASON},
        ],
    }
    return results, found.predictions, found.selected, maps, labels


def undefined(value):
    """The same structure, every number that could be undefined being so."""
    if isinstance(value, dict):
        return {
            key: None if isinstance(inner, float) and key != "seconds" else undefined(inner)
            for key, inner in value.items()
            if key != "speakers"  # what is undefined is not in it
        } | {key: inner for key, inner in value.items() if key == "speakers"}
    return [undefined(inner) for inner in value] if isinstance(value, list) else value


def said_and_drawn(results, predictions, selected, maps, labels):
    """What the templates print, and the charts."""
    said = content.build(results, predictions, selected, maps, labels)
    return said, writing.all_charts(results, said, predictions, labels)


def maps_of(r, target="arousal", speakers=("a", "b"), feature_set="neural") -> correlation.Maps:
    n = np.array([9] * len(speakers))
    return correlation.from_r(target, speakers, r, n, {}, feature_set)
