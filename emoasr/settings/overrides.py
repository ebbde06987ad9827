"""Settings as a JSON file, which is data; a configuration in Python is a program.

    {"tap": "skip", "eval": {"n_selected": 0, "regressor": "ridge"}}

It does the same as the flags `--config.tap=skip --config.eval.n_selected=0` and so on, and no more.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from emoasr.errors import UserError, did_you_mean
from emoasr.files import untrusted
from emoasr.files.untrusted import quoted
from emoasr.settings import values
from emoasr.settings.configurations import NAMED_FREELY, leaves

_MOST_BYTES = 1 << 18
# only the user, not a file from elsewhere, chooses where a run writes
_NOT_HERE = ("corpus.data_dir", "finetune.data_dir")


def apply(config: ml_collections.ConfigDict, path: Path, flags: Mapping[str, Any]) -> None:
    """Changes a configuration.

    Args:
        config: changed in place.
        path: the JSON file: fields nested as in the configuration, tuples as lists.
        flags: fields given as flags, `eval.n_selected` and so on, with their values; these win.

    Raises:
        UserError: as `untrusted.read_json`, or a field is unknown, of another type, or says where
            to write.
    """
    _update(config, untrusted.read_json(path, _MOST_BYTES), path, "", list(leaves(config)))
    config.update_from_flattened_dict(dict(flags))


def _update(
    config: ml_collections.ConfigDict, given: Any, path: Path, group: str, known: list[str]
) -> None:
    if not isinstance(given, dict):
        raise UserError(f"{path}: {group}={quoted(given)}: must be an object")
    for name, value in given.items():
        field = f"{group}.{name}" if group else name
        if field in _NOT_HERE:
            raise UserError(f"{path}: {field} says where to write; give it as --config.{field}")
        if group == NAMED_FREELY:
            with config.unlocked():
                config[name] = values.like((0,), value, f"{path}: {quoted(field)}")
        elif name not in config:
            meant = did_you_mean(".".join([field, *_first(value)]), known)
            raise UserError(f"{path}: no such config field: {quoted(field)}{meant}")
        elif isinstance(config[name], ml_collections.ConfigDict):
            _update(config[name], value, path, field, known)
        else:
            config[name] = values.like(config[name], value, f"{path}: {field}")


def _first(value: Any) -> list[str]:
    """The names that lead to the first field within a value: of a misspelt group."""
    name, inner = next(iter(value.items()), ("", None)) if isinstance(value, dict) else ("", None)
    return [name, *_first(inner)] if name else []
