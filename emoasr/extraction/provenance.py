"""Provenance: what the tables and rows of each built-in feature set depend on.

A table's metadata says it in four parts: the corpus; the settings; what may be newer than when the
table was made (files, the version of emoasr); and beside them, what came out. A table of another
corpus or of other settings is another run's; one that is only older is brought up to date.
"""

import dataclasses
import importlib.metadata
import json
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import ml_collections

from emoasr import __version__
from emoasr.asr.frontend import FrontEnd
from emoasr.asr.networks.base import Sizes
from emoasr.asr.saved import SavedRecognizer
from emoasr.corpora import Corpus, inputs_digest
from emoasr.files import places
from emoasr.settings.feature_sets import FeatureSets

Metadata = dict[str, Any]

LABELS = "labels"  # beside the names of feature sets

_HOW = ("tap", "pooling", "compute_dtype")  # settings that change every network's numbers
_PLACES = ("path", "root")  # fields of `config.corpus` that name one
_NEWER = ("version", "inputs", "calibration")
_OUTCOME = ("environment", "skipped", "warnings", "rows", "labels")


def of_corpus(config: ml_collections.ConfigDict, corpus: Corpus) -> Metadata:
    """What says which corpus a table, or the labels, are of.

    Args:
        config: `config.corpus`; paths are stored as the places that they lead to.
        corpus: as opened.
    """
    source = json.loads(config.to_json_best_effort())
    for field in _PLACES:
        if source.get(field):
            text = str(source[field])
            source[field] = text if "://" in text else str(places.local(text).resolve())
    return {"corpus": corpus.name, "synthetic": corpus.synthetic, "source": source}


def of_run(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    sets: FeatureSets,
    recognizer: SavedRecognizer,
) -> dict[str, Metadata]:
    """The corpus and the settings that each set's table depends on, and `LABELS` too."""
    common = of_corpus(config.corpus, corpus)
    sizes, frontend = _as_json(recognizer.config.model), _as_json(recognizer.config.frontend)
    network = {"model": sizes, "frontend": frontend, **{name: config[name] for name in _HOW}}
    specific: dict[str, Metadata] = {
        "neural": {**network, "recognizer": recognizer.digest},
        **{
            name: {**network, "recognizer": f"untrained, seed {seed}"}
            for name, seed in sets.seeds.items()
        },
        "mfcc": {"frontend": frontend, "pooling": "mean and std"},
        "egemaps": {"frontend": "openSMILE eGeMAPSv02 functionals"},
    }
    made = {name: {"feature_set": name, **common, **specific[name]} for name in sets.built_in}
    return {**made, LABELS: common}


def _as_json(config: Sizes | FrontEnd) -> Metadata:
    """The fields of a configuration as JSON will have them: lists, not tuples."""
    fields = dataclasses.asdict(config)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def up_to_date(
    made: Mapping[str, Metadata],
    sets: FeatureSets,
    keys: Sequence[bytes],
    calibration: Metadata,
) -> dict[str, Metadata]:
    """The expected metadata of each table: a table on disk with the same can be kept.

    Args:
        made: of the corpus and the settings, by set.
        sets: which of them come from untrained networks.
        keys: fingerprints of the table's utterances.
        calibration: what says which speech gives untrained networks their statistics.
    """
    newer = {"version": __version__, "inputs": inputs_digest(keys)}
    fitted = {name: {"calibration": calibration} for name in sets.seeds}
    return {name: {**made[name], **newer, **fitted.get(name, {})} for name in sets.built_in}


def environment(name: str, platform: str | None = None) -> Metadata:
    """What else a set's numbers depend on, in their last bits: the device's kind and libraries.

    Args:
        name: of the set.
        platform: what computes it, as JAX calls it; None: what JAX uses here.
    """
    if name == "egemaps":
        return {"opensmile": importlib.metadata.version("opensmile")}
    return {"platform": platform or jax.default_backend(), "jax": jax.__version__}


def of_rows(expected: Metadata, environment: Metadata) -> Metadata:
    """All that a row depends on besides its utterance, which its fingerprint stands for."""
    of_table = ("corpus", "synthetic", "source", "inputs")
    own = {name: value for name, value in expected.items() if name not in of_table}
    return {**own, "environment": environment}


def without_outcome(metadata: Metadata) -> Metadata:
    """A table's metadata but for what is known only when the table is made."""
    return {name: value for name, value in metadata.items() if name not in _OUTCOME}


def described(metadata: Metadata) -> Metadata:
    """`identity`, and what may only be older."""
    return {**identity(metadata), **{k: metadata[k] for k in _NEWER if k in metadata}}


def identity(metadata: Metadata) -> Metadata:
    """What makes a table, or the labels, one run's and no other's, as a user would name it."""
    source = {f"config.corpus.{k}": value for k, value in metadata.get("source", {}).items()}
    how = {f"config.{k}": metadata[k] for k in _HOW if k in metadata}
    known = {*_HOW, *_NEWER, *_OUTCOME, "source", "feature_set", "synthetic"}
    return {**source, **how, **{k: v for k, v in metadata.items() if k not in known}}
