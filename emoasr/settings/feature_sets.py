"""What entries of `config.feature_sets` name: sets that extract makes, tables, sums of sets."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from emoasr.errors import UserError, did_you_mean
from emoasr.files import storage
from emoasr.settings import bounds
from emoasr.settings.choices import BASELINE, UNTRAINED

_SETS = ("neural", "random", "mfcc", "egemaps")
_RESERVED = (*_SETS, "labels", BASELINE)  # labels: the run's own table, beside those of sets
_SEEDED = re.compile(f"{UNTRAINED}(0|[1-9][0-9]{{0,9}})")  # one spelling a seed
_NAMED = re.compile("[A-Za-z][A-Za-z0-9._-]*")  # of a further recognizer


class FeatureSets(NamedTuple):
    """Feature sets by kind.

    Attributes:
        entries: of `config.feature_sets`.
        built_in: names of those that extract makes, of further recognizers too.
        seeds: of the sets of untrained networks of `config.recognizer`'s size, by name.
        recognizers: folders of further recognizers, by set.
        twins: by set of an untrained network of such a recognizer's size, its trained set.
        external: tables that are there, paths or URLs.
        sums: sets whose columns stand side by side, by name.
    """

    entries: tuple[str, ...]
    built_in: tuple[str, ...]
    seeds: dict[str, int]
    recognizers: dict[str, str]
    twins: dict[str, str]
    external: tuple[str, ...]
    sums: dict[str, tuple[str, ...]]

    @property
    def names(self) -> tuple[str, ...]:
        """Of all sets."""
        return tuple(map(name_of, self.entries))


def parse(entries: Sequence[str], seed: int) -> FeatureSets:
    """The feature sets that `config.feature_sets` asks for.

    Args:
        entries: of `config.feature_sets`.
        seed: `config.seed`, of the set `random`.

    Raises:
        UserError: there is none, an entry is not a feature set, or two have the same name.
    """
    located, entries = paths(entries, Path()), tuple(entries)
    of_others = sums(entries, located)
    recognizers = dict(map(_named, filter(_is_recognizer, entries)))
    twins = {f"{UNTRAINED}{name}": name for name in recognizers}
    twins = {twin: name for twin, name in twins.items() if twin in entries}
    external = tuple(filter(is_external, entries))
    built_in = tuple(name_of(e) for e in entries if e not in external and e not in of_others)
    for name in built_in:
        if not (is_built_in(name) or name in recognizers or name in twins):
            raise UserError(
                f"config.feature_sets={name!r}: must be one of {', '.join(_SETS)}, random-N, "
                "NAME=FOLDER of a recognizer, random-NAME, the path of a table, which ends in "
                f".parquet or .csv, or a sum A+B of sets{did_you_mean(name, _SETS)}"
            )
    seeds = {name: int(name.partition("-")[2]) for name in built_in if _SEEDED.fullmatch(name)}
    for name, number in seeds.items():
        bounds.check_number(f"config.feature_sets: the seed of {name}", number, "seed")
    if "random" in located:
        seeds["random"] = seed
    return FeatureSets(entries, built_in, seeds, recognizers, twins, external, of_others)


def is_built_in(name: str) -> bool:
    """Whether extract makes a set of this name, with `config.recognizer` or without any."""
    return name in _SETS or _SEEDED.fullmatch(name) is not None


def is_external(entry: str) -> bool:
    """Whether an entry of `config.feature_sets` is an external table: the path of a file."""
    return entry.lower().endswith((".parquet", ".csv"))


def name_of(entry: str) -> str:
    """The name of the set that an entry of `config.feature_sets` asks for."""
    if is_external(entry):
        return storage.path(entry).stem
    return entry.partition("=")[0] if _is_recognizer(entry) else entry


def twin_of(name: str) -> str | None:
    """The set whose network's untrained twin has this name; None: there is none."""
    twin = name.startswith(UNTRAINED) and not is_built_in(name)
    return name.removeprefix(UNTRAINED) if twin else None


def sums(feature_sets: Iterable[str], named: Collection[str]) -> dict[str, tuple[str, ...]]:
    """The entries of `config.feature_sets` that are sums `A+B`, and the sets that each sums.

    Args:
        feature_sets: the entries.
        named: names of those that are no sums, see `paths`.

    Raises:
        UserError: a sum is there twice, or of a set that is not named, or of one twice.
    """
    found: dict[str, tuple[str, ...]] = {}
    for entry in filter(_is_sum, feature_sets):
        parts, what = tuple(entry.split("+")), f"config.feature_sets={entry!r}"
        for part in parts:
            if part not in named:
                meant = did_you_mean(part, named)
                raise UserError(
                    f"{what}: the sets of a sum must be listed too; add {part!r}{meant}"
                )
        if len(set(parts)) < len(parts) or entry in found or entry in named:
            twice = entry if len(set(parts)) == len(parts) else max(parts, key=parts.count)
            raise UserError(f"{what}: {twice!r} is given twice; leave one out")
        found[entry] = parts
    return found


def paths(feature_sets: Sequence[str], folder: Path) -> dict[str, storage.Place]:
    """Where the tables of `config.feature_sets` lie, by feature set; sums have none.

    Args:
        feature_sets: sets that extract writes, or paths or URLs, whose sets are called after the
            file, without its ending; and sums of sets.
        folder: where extract writes.

    Raises:
        UserError: there is no set, two have the same name, or there is no such kind of URL.
    """
    if not isinstance(feature_sets, tuple | list) or not feature_sets:
        raise UserError(
            f"config.feature_sets={feature_sets!r}: must be one or more names with commas between "
            "them, such as neural,egemaps"
        )
    found: dict[str, storage.Place] = {}
    for entry in feature_sets:
        if not isinstance(entry, str):
            raise UserError(f"config.feature_sets={entry!r}: must be the text of a name or path")
        if _is_sum(entry):
            continue
        name = name_of(entry)
        path = storage.path(entry) if is_external(entry) else folder / f"{name}.parquet"
        if name in found:
            raise UserError(
                f"config.feature_sets: two sets are called {name!r}, {found[name]} and "
                f"{path}; leave one out or rename its file"
            )
        found[name] = path
    return found


def check_there(located: Mapping[str, storage.Place], folder: Path) -> None:
    """Looks for the external tables that lie on disk.

    Args:
        located: as `paths` gives them.
        folder: see `paths`.

    Raises:
        UserError: a table does not exist.
    """
    for path in located.values():
        if isinstance(path, Path) and path.parent != folder:
            storage.check_there(path, f"config.feature_sets: {path}")


def _is_sum(entry: str) -> bool:
    return "+" in entry and not is_external(entry) and not _is_recognizer(entry)


def _is_recognizer(entry: str) -> bool:
    return "=" in entry and not is_external(entry)


def _named(entry: str) -> tuple[str, str]:
    """The name and the folder of a further recognizer."""
    name, _, folder = entry.partition("=")
    what = f"config.feature_sets={entry!r}: "
    taken = name in _RESERVED or name.startswith(UNTRAINED) or is_external(name)
    if taken or not _NAMED.fullmatch(name):
        raise UserError(
            f"{what}a recognizer's name must be a letter, then letters, digits, '.', '_', '-', "
            f"not one of {', '.join(_RESERVED)}, not begin with {UNTRAINED!r}, and not end in "
            f".parquet or .csv; such as whisper={folder}"
        )
    if not folder:
        raise UserError(f"{what}gives no folder; give {name}=FOLDER")
    return name, folder
