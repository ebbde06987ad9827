"""What entries of `config.feature_sets` name: built-in sets, external tables, and sums of sets."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from emoasr.errors import UserError, did_you_mean
from emoasr.files import storage
from emoasr.settings import bounds

_SETS = ("neural", "random", "mfcc", "egemaps")
_SEEDED = re.compile("random-(0|[1-9][0-9]{0,9})")  # one spelling a seed


class FeatureSets(NamedTuple):
    """Feature sets by kind.

    Attributes:
        entries: of `config.feature_sets`.
        built_in: names of those that extract makes.
        seeds: of the built-in ones that come from untrained networks, by name.
        external: tables that are there, paths or URLs.
        sums: sets whose columns stand side by side, by name.
    """

    entries: tuple[str, ...]
    built_in: tuple[str, ...]
    seeds: dict[str, int]
    external: tuple[str, ...]
    sums: dict[str, tuple[str, ...]]


def parse(entries: Iterable[str], seed: int) -> FeatureSets:
    """The feature sets that `config.feature_sets` asks for.

    Args:
        entries: of `config.feature_sets`.
        seed: `config.seed`, of the set `random`.

    Raises:
        UserError: an entry is not a feature set, or two sets have the same name.
    """
    located = paths(entries := tuple(entries), Path())
    of_others = sums(entries)
    built_in = tuple(n for n in entries if not is_external(n) and n not in of_others)
    for name in built_in:
        if not is_built_in(name):
            raise UserError(
                f"config.feature_sets={name!r}: must be one of {', '.join(_SETS)}, random-N, the "
                "path of a table, which ends in .parquet or .csv, or a sum A+B of sets"
                f"{did_you_mean(name, _SETS)}"
            )
    seeds = {name: int(name.partition("-")[2]) for name in built_in if _SEEDED.fullmatch(name)}
    for name, number in seeds.items():
        bounds.check_number(f"config.feature_sets: the seed of {name}", number, "seed")
    if "random" in located:
        seeds["random"] = seed
    return FeatureSets(entries, built_in, seeds, tuple(filter(is_external, entries)), of_others)


def is_built_in(name: str) -> bool:
    """Whether extract makes a set of this name."""
    return name in _SETS or _SEEDED.fullmatch(name) is not None


def is_external(entry: str) -> bool:
    """Whether an entry of `config.feature_sets` is an external table: the path of a file."""
    return entry.lower().endswith((".parquet", ".csv"))


def sums(feature_sets: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The entries of `config.feature_sets` that are sums `A+B`, and the sets that each sums.

    Raises:
        UserError: a sum is there twice, or of a set that is not named, or of one twice.
    """
    feature_sets = tuple(feature_sets)
    named, found = [*paths(feature_sets, Path())], {}
    for entry in filter(_is_sum, feature_sets):
        parts, what = tuple(entry.split("+")), f"config.feature_sets={entry!r}"
        for part in parts:
            if part not in named:
                meant = did_you_mean(part, named)
                raise UserError(f"{what}: sums sets that are named too; name {part!r}{meant}")
        if len(set(parts)) < len(parts) or entry in found or entry in named:
            twice = entry if len(set(parts)) == len(parts) else max(parts, key=parts.count)
            raise UserError(f"{what}: {twice!r} is there twice; leave one out")
        found[entry] = parts
    return found


def names(feature_sets: Iterable[str]) -> list[str]:
    """The names of all sets. Raises: UserError: as `sums`."""
    feature_sets = tuple(feature_sets)
    return [*paths(feature_sets, Path()), *sums(feature_sets)]


def _is_sum(entry: str) -> bool:
    return "+" in entry and not is_external(entry)


def paths(feature_sets: Iterable[str], folder: Path) -> dict[str, storage.Place]:
    """Where the tables of `config.feature_sets` lie, by feature set; sums have none.

    Args:
        feature_sets: names of sets that extract writes, or paths or URLs, whose sets are called
            after the file, without its ending; and sums of sets.
        folder: where extract writes.

    Raises:
        UserError: two sets have the same name, or there is no such kind of URL.
    """
    found: dict[str, storage.Place] = {}
    for entry in feature_sets:
        if not isinstance(entry, str):
            raise UserError(f"config.feature_sets={entry!r}: must be the text of a name or path")
        if _is_sum(entry):
            continue
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
