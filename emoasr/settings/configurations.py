"""Where configurations are from: files, those that come with emoasr among them, and extractions."""

import functools
import json
import runpy
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ml_collections

from emoasr.errors import UserError, did_you_mean
from emoasr.files.places import local

NAMED_FREELY = "eval.layers"  # a group whose fields a user invents: tuples of whole numbers

_PACKAGE = Path(__file__).parents[1]
_FOLDERS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")  # wheel, checkout

Base = Callable[[str], ml_collections.ConfigDict]  # the defaults of a kind, such as `experiment`


@functools.cache  # every file is run to see what kind it is of
def shipped(base: Base) -> Mapping[str, Path]:
    """Files of the configurations of a kind that come with emoasr, by name."""
    files = {path.stem: path for folder in _FOLDERS for path in sorted(folder.glob("*.py"))}
    return {name: path for name, path in files.items() if is_of(load(path), base)}


def load(path: Path) -> ml_collections.ConfigDict:
    """Runs a configuration's file.

    Raises:
        UserError: it fails, or returns no configuration.
    """
    try:
        return ml_collections.ConfigDict(runpy.run_path(str(path))["get_config"]())
    except UserError:
        raise
    except Exception as error:  # noqa: BLE001  the file is a program, and may raise anything
        what = f"{type(error).__name__}: {error}"
        raise UserError(f"--config={path}: not a configuration ({what})") from None


def find(text: str, base: Base) -> Path:
    """The file of a configuration.

    Args:
        text: its path, its name if it comes with emoasr, or its path within the project.
        base: the kind of configuration; others that come with emoasr are found too.

    Raises:
        UserError: there is none; it names those of this kind.
    """
    path = local(text)
    if path.is_file():
        return path
    known = {p.stem: p for folder in _FOLDERS for p in folder.glob("*.py")}
    if path.parent in (Path("configs"), Path()) and path.name.removesuffix(".py") in known:
        return known[path.name.removesuffix(".py")]
    names = shipped(base)
    raise UserError(
        f"--config={text}: no such file, and no configuration of that name"
        f"; configurations: {', '.join(names)}{did_you_mean(text, names)}"
    )


def stored(workdir: Path, base: Base) -> ml_collections.ConfigDict:
    """The configuration that an extraction stored, or else one of its shards, for all shards.

    Args:
        workdir: the run's folder.
        base: the kind of configuration.

    Raises:
        UserError: none is there, or it cannot be read.
    """
    shards = sorted(workdir.glob("shards/*/extract.json"))
    try:
        path = next(p for p in (workdir / "extract.json", *shards) if p.exists())
        found = _tuples(json.loads(path.read_text(encoding="utf-8"))["config"]) | {"shard": ""}
        config = base(found["corpus"]["kind"])  # defaults for fields newer than the run
        if "path" not in found["corpus"]:  # which is not newer: the demo has none
            del config.corpus.path
        config.update(found)
        return config
    except (OSError, ValueError, KeyError, TypeError, StopIteration):
        raise UserError(
            f"no --config given, and {workdir}/extract.json holds no configuration; "
            f"run python -m emoasr.extract --workdir={workdir} first, or give --config"
        ) from None


def leaves(
    config: Mapping[str, Any] | ml_collections.ConfigDict, group: str = ""
) -> dict[str, Any]:
    """The values of a configuration by dotted name, such as `eval.n_selected`."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        inner = isinstance(value, ml_collections.ConfigDict)
        found |= leaves(value, f"{group}{key}.") if inner else {f"{group}{key}": value}
    return found


def is_of(config: ml_collections.ConfigDict, base: Base) -> bool:
    """Whether a configuration has all groups and fields of a kind."""
    return all(name in config for name in base(""))


def _tuples(value: Any) -> Any:
    """Turns JSON's lists back into tuples."""
    if isinstance(value, dict):
        return {key: _tuples(v) for key, v in value.items()}
    return tuple(map(_tuples, value)) if isinstance(value, list) else value
