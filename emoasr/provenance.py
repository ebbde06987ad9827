"""Which feature sets a configuration asks for, and where the numbers of each come from."""

import dataclasses
import importlib.metadata
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_collections

from emoasr import __version__, bounds, features
from emoasr.corpora import Corpus, inputs_digest
from emoasr.errors import UserError

if TYPE_CHECKING:  # JAX is imported within functions: openSMILE's processes do without it
    from emoasr.frontend import FrontEndConfig
    from emoasr.model import GatedConvNet
    from emoasr.recognizer import Recognizer

_SETS = ("neural", "random", "mfcc", "egemaps")
_SEEDED = re.compile("random-(0|[1-9][0-9]{0,9})")  # one spelling a seed


def own_sets(config: ml_collections.ConfigDict) -> list[str]:
    """Entries of `config.feature_sets` that are not tables made by somebody else.

    Raises:
        UserError: an entry is no feature set.
    """
    own = [name for name in config.feature_sets if not features.is_given(name)]
    for name in own:
        if name not in _SETS and not _SEEDED.fullmatch(name):
            raise UserError(
                f"config.feature_sets={name!r}: must be one of {', '.join(_SETS)}, random-N, or "
                "the path of a table, which ends in .parquet or .csv"
            )
    for name, seed in seeds(config, own).items():
        bounds.check_number(f"config.feature_sets: the seed of {name}", seed, "seed")
    return own


def seeds(config: ml_collections.ConfigDict, names: list[str]) -> dict[str, int]:
    """Seeds of those feature sets that come from untrained networks."""
    seeded = {name: int(m[1]) for name in names if (m := _SEEDED.fullmatch(name))}
    return seeded | ({"random": config.seed} if "random" in names else {})


def wanted(
    config: ml_collections.ConfigDict, corpus: Corpus, recognizer: "Recognizer"
) -> dict[str, dict[str, Any]]:
    """The provenance of each table to be; a table on disk with the same one can be kept."""
    from emoasr import control

    names = own_sets(config)
    common = {"corpus": corpus.name, "synthetic": corpus.synthetic, "version": __version__,
              "inputs": inputs_digest(corpus)}  # fmt: skip
    sizes = dataclasses.asdict(recognizer.config.model)
    sizes["dilations"] = list(sizes["dilations"])  # as JSON will have it
    frontend = dataclasses.asdict(recognizer.config.frontend)
    network = {"model": sizes, "frontend": frontend, **_how(config)}
    calibration = {"utterances": control.N_CALIBRATION, "seconds": control.CALIBRATION_SECONDS}
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


def check_same_run(
    tables: dict[str, dict[str, Any]], recorded: dict[str, dict[str, Any]], folder: Path
) -> None:
    """Refuses tables that are not those which the last extraction that came to its end left.

    Args:
        tables: metadata by feature set.
        recorded: what `extract.json` says of its tables: `wanted`'s provenance by feature set.
        folder: of the tables.

    Raises:
        UserError: a table was made otherwise, as by another recognizer.
    """
    for name in tables.keys() & recorded.keys():
        for field, value in recorded[name].items():
            if (found := tables[name].get(field)) != value:
                raise UserError(
                    f"{folder / name}.parquet: its {field} is {found!r}, that of the whole "
                    f"extraction {value!r}; an extraction was stopped: run emoasr.extract again"
                )


def of_rows(
    config: ml_collections.ConfigDict,
    frontend: "FrontEndConfig",
    networks: dict[str, "GatedConvNet"],
) -> dict[str, dict[str, Any]]:
    """What a row of each set depends on besides its utterance; of `mfcc` too."""
    from emoasr.recognizer import digest

    own = {
        name: {**_how(config), "network": digest(net, frontend)} for name, net in networks.items()
    }
    own["mfcc"] = {"frontend": dataclasses.asdict(frontend)}
    return {name: {"version": __version__, **made_with} for name, made_with in own.items()}


def _how(config: ml_collections.ConfigDict) -> dict[str, Any]:
    """What of the settings changes every network's numbers."""
    return {name: config[name] for name in ("tap", "pooling", "compute_dtype")}


def of_egemaps_rows() -> dict[str, Any]:
    """As `of_rows`."""
    opensmile = importlib.metadata.version("opensmile")
    return {"version": __version__, "feature_set": "eGeMAPSv02", "opensmile": opensmile}
