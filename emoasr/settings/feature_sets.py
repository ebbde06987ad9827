"""What entries of `config.feature_sets` name: built-in sets and external tables."""

import re
from collections.abc import Iterable
from pathlib import Path

import ml_collections

from emoasr.errors import UserError, did_you_mean
from emoasr.files import storage
from emoasr.settings import bounds

_SETS = ("neural", "random", "mfcc", "egemaps")
_SEEDED = re.compile("random-(0|[1-9][0-9]{0,9})")  # one spelling a seed


def built_in_sets(config: ml_collections.ConfigDict) -> list[str]:
    """The built-in sets among the entries of `config.feature_sets`: all but external tables.

    Raises:
        UserError: an entry is not a feature set.
    """
    built_in = [name for name in config.feature_sets if not is_external(name)]
    for name in built_in:
        if name not in _SETS and not _SEEDED.fullmatch(name):
            raise UserError(
                f"config.feature_sets={name!r}: must be one of {', '.join(_SETS)}, random-N, or "
                f"the path of a table, which ends in .parquet or .csv{did_you_mean(name, _SETS)}"
            )
    for name, seed in seeds(config, built_in).items():
        bounds.check_number(f"config.feature_sets: the seed of {name}", seed, "seed")
    return built_in


def seeds(config: ml_collections.ConfigDict, names: list[str]) -> dict[str, int]:
    """Seeds of those feature sets that come from untrained networks."""
    seeded = {name: int(m[1]) for name in names if (m := _SEEDED.fullmatch(name))}
    return seeded | ({"random": config.seed} if "random" in names else {})


def is_external(entry: str) -> bool:
    """Whether an entry of `config.feature_sets` is an external table: the path of a file."""
    return entry.lower().endswith((".parquet", ".csv"))


def paths(feature_sets: Iterable[str], folder: Path) -> dict[str, storage.Place]:
    """Where the tables of `config.feature_sets` lie, by feature set.

    Args:
        feature_sets: names of sets that extract writes, or paths or URLs, whose sets are called
            after the file, without its ending.
        folder: where extract writes.

    Raises:
        UserError: two sets have the same name, or there is no such kind of URL.
    """
    found: dict[str, storage.Place] = {}
    for entry in feature_sets:
        if not isinstance(entry, str):
            raise UserError(f"config.feature_sets={entry!r}: must be the text of a name or path")
        path = storage.path(entry) if is_external(entry) else folder / f"{entry}.parquet"
        if path.stem in found:
            raise UserError(
                f"config.feature_sets: two sets are called {path.stem!r}, {found[path.stem]} and "
                f"{path}; leave one out or rename its file"
            )
        found[path.stem] = path
    return found


def check_there(feature_sets: Iterable[str], folder: Path) -> None:
    """Looks for the external tables that lie on disk.

    Args:
        feature_sets: see `paths`.
        folder: see `paths`.

    Raises:
        UserError: as `paths`, or a table does not exist.
    """
    for path in paths(feature_sets, folder).values():
        if isinstance(path, Path) and path.parent != folder:
            storage.check_there(path, f"config.feature_sets: {path}")
