"""Provenance: what the tables and rows of each built-in feature set depend on."""

import dataclasses
import importlib.metadata
from typing import Any

import ml_collections

from emoasr import __version__
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.saved import SavedRecognizer, digest
from emoasr.corpora import Corpus, inputs_digest
from emoasr.extraction import untrained
from emoasr.settings.feature_sets import built_in_sets, seeds


def expected_metadata(
    config: ml_collections.ConfigDict, corpus: Corpus, recognizer: SavedRecognizer
) -> dict[str, dict[str, Any]]:
    """The provenance of each table to be made; a table on disk with the same can be kept."""
    names = built_in_sets(config)
    common = {"corpus": corpus.name, "synthetic": corpus.synthetic, "version": __version__,
              "inputs": inputs_digest(corpus)}  # fmt: skip
    sizes = dataclasses.asdict(recognizer.config.model)
    sizes["dilations"] = list(sizes["dilations"])  # as JSON will have it
    frontend = dataclasses.asdict(recognizer.config.frontend)
    network = {"model": sizes, "frontend": frontend, **_how(config)}
    calibration = {"utterances": untrained.N_CALIBRATION, "seconds": untrained.CALIBRATION_SECONDS}
    specific: dict[str, dict[str, Any]] = {
        "neural": {**network, "recognizer": recognizer.digest},
        **{
            name: {**network, "recognizer": f"untrained, seed {seed}", "calibration": calibration}
            for name, seed in seeds(config, names).items()
        },
        "mfcc": {"frontend": frontend, "pooling": "mean and std"},
        "egemaps": {"frontend": "openSMILE eGeMAPSv02 functionals"},
    }
    return {name: {"feature_set": name, **common, **specific[name]} for name in names}


def of_rows(
    config: ml_collections.ConfigDict,
    frontend: FrontEndConfig,
    networks: dict[str, GatedConvNet],
) -> dict[str, dict[str, Any]]:
    """What a row of each set depends on besides its utterance; of `mfcc` too."""
    depends_on = {
        name: {**_how(config), "network": digest(net, frontend)} for name, net in networks.items()
    }
    depends_on["mfcc"] = {"frontend": dataclasses.asdict(frontend)}
    return {name: {"version": __version__, **made_with} for name, made_with in depends_on.items()}


def _how(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """What of the settings changes every network's numbers."""
    return {name: config[name] for name in ("tap", "pooling", "compute_dtype")}


def of_egemaps_rows() -> dict[str, Any]:
    """As `of_rows`."""
    opensmile = importlib.metadata.version("opensmile")
    return {"version": __version__, "feature_set": "eGeMAPSv02", "opensmile": opensmile}
