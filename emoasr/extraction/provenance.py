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
from emoasr.corpora import Corpus, inputs_digest
from emoasr.extraction.listeners import Listener
from emoasr.files import places
from emoasr.settings.extraction import How
from emoasr.settings.feature_sets import FeatureSets

Metadata = dict[str, Any]

LABELS = "labels"  # beside the names of feature sets

_PLACES = ("path", "root")  # fields of `config.corpus` that name one
_NEWER = ("version", "inputs", "calibration")
_OUTCOME = ("environment", "skipped", "warnings", "rows", "labels")
_MOVABLE = "folder"  # of a further recognizer: where it was found, its digest says which it is


def of_corpus(config: ml_collections.ConfigDict, corpus: Corpus) -> Metadata:
    """What says which corpus a table, or the labels, are of.

    Args:
        config: `config.corpus`.
        corpus: as opened.
    """
    return {"corpus": corpus.name, "synthetic": corpus.synthetic, "source": source_of(config)}


def source_of(config: ml_collections.ConfigDict) -> Metadata:
    """The fields of `config.corpus`; paths are stored as the places that they lead to."""
    source = json.loads(config.to_json_best_effort())
    for field in _PLACES:
        if source.get(field):
            text = str(source[field])
            source[field] = text if "://" in text else str(places.local(text).resolve())
    return source


def of_run(
    of_corpus: Metadata, sets: FeatureSets, listeners: Sequence[Listener], how: How
) -> dict[str, Metadata]:
    """The corpus and the settings that each set's table depends on, and `LABELS` too.

    Args:
        of_corpus: what says which corpus it is, see there.
        sets: feature sets.
        listeners: the recognizers that give them; MFCCs are the first one's.
        how: the networks' settings.
    """
    frontend = _as_json(listeners[0].recognizer.config.frontend)
    specific: dict[str, Metadata] = {
        "mfcc": {"frontend": frontend, "pooling": "mean and std"},
        "egemaps": {"frontend": "openSMILE eGeMAPSv02 functionals"},
    }
    for listener in listeners:
        specific |= _of_networks(listener, how)
    made = {name: {"feature_set": name, **of_corpus, **specific[name]} for name in sets.built_in}
    return {**made, LABELS: of_corpus}


def _of_networks(listener: Listener, how: How) -> dict[str, Metadata]:
    """What the sets of one recognizer depend on, and of networks of its size."""
    of_network = listener.recognizer.config
    network = {
        "model": _as_json(of_network.model),
        "frontend": _as_json(of_network.frontend),
        **how._asdict(),
        "tap": listener.tap,
        **({"folder": listener.folder} if listener.folder else {}),
    }
    untrained = {name: f"untrained, seed {seed}" for name, seed in listener.seeds.items()}
    recognizers = {listener.trained: listener.recognizer.digest, **untrained}
    return {name: {**network, "recognizer": text} for name, text in recognizers.items()}


def _as_json(config: Sizes | FrontEnd) -> Metadata:
    """The fields of a configuration as JSON will have them: lists, not tuples."""
    fields = dataclasses.asdict(config)
    return {k: list(v) if isinstance(v, tuple) else v for k, v in fields.items()}


def up_to_date(
    made: Mapping[str, Metadata],
    sets: FeatureSets,
    keys: Sequence[bytes],
    calibrations: Mapping[str, Metadata],
) -> dict[str, Metadata]:
    """The expected metadata of each table: a table on disk with the same can be kept.

    Args:
        made: of the corpus and the settings, by set.
        sets: those of the run.
        keys: fingerprints of the table's utterances.
        calibrations: what says which speech gives untrained networks their statistics, by set.
    """
    newer = {"version": __version__, "inputs": inputs_digest(keys)}
    fitted = {name: {"calibration": speech} for name, speech in calibrations.items()}
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
    of_table = ("corpus", "synthetic", "source", "inputs", _MOVABLE)
    own = {name: value for name, value in expected.items() if name not in of_table}
    return {**own, "environment": environment}


def without_outcome(metadata: Metadata) -> Metadata:
    """A table's metadata but for what may differ when the same table is made again."""
    beside = {*_OUTCOME, _MOVABLE}
    return {name: value for name, value in metadata.items() if name not in beside}


def described(metadata: Metadata) -> Metadata:
    """`identity`, and what may have changed since: the fields of `_NEWER`."""
    return {**identity(metadata), **{k: metadata[k] for k in _NEWER if k in metadata}}


def identity(metadata: Metadata) -> Metadata:
    """What identifies the run that a table, or the labels, are of, as a user would name it."""
    source = {f"config.corpus.{k}": value for k, value in metadata.get("source", {}).items()}
    how = {f"config.{k}": metadata[k] for k in How._fields if k in metadata}
    known = {*How._fields, *_NEWER, *_OUTCOME, _MOVABLE, "source", "feature_set", "synthetic"}
    return {**source, **how, **{k: v for k, v in metadata.items() if k not in known}}
