"""`recognizer.json`, checked: the sizes of network and front end must be within bounds.

msgspec's checks would be as long, and its messages give neither the value found nor its bounds.
"""

import dataclasses
from typing import Any

from emoasr.asr import text
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.recognizer_files import Record
from emoasr.errors import UserError, quoted
from emoasr.settings import bounds, values
from emoasr.settings.choices import ModelConfig

FORMAT = 1

_FIXED = {"format": FORMAT, "symbols": text.SYMBOLS, "blank": text.BLANK}
_MOST_LAYERS = 100
_MOST_FRAMES = 1 << 16  # frames
_MOST_WINDOWS = 64  # that see one sample
_QUOTED = 160  # characters of an error message that quotes a value


def read(record: Record) -> tuple[ModelConfig, FrontEndConfig, dict[str, Any]]:
    """What `recognizer.json` says.

    Returns:
        The network's size, the front end, and all other fields.

    Raises:
        UserError: a field of the first two is unknown, of another type or out of bounds; or the
            symbols are not those of this version.
    """
    where, fields = record.where, dict(record.fields)
    for name, wanted in _FIXED.items():
        if name not in fields or values.like(wanted, fields[name], f"{where}: {name}") != wanted:
            raise UserError(
                f"{where}: {name} is {quoted(fields.get(name))}; "
                f"this version of emoasr reads {wanted!r}"
            )
    for name in ("training", "metrics"):
        _group(where, name, fields.get(name, {}))
    model = ModelConfig(**_fields(where, "model", fields.pop("model", None), ModelConfig()))
    frontend = _frontend(where, fields.pop("frontend", None))
    check_sizes(where, model, frontend)
    return model, frontend, fields


def _group(where: str, name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise UserError(f"{where}: {name} is {quoted(value)}; must be an object")
    return value


def _fields(where: str, group: str, given: Any, default: Any) -> dict[str, Any]:
    """An object's fields, if they are like those of the dataclass `default`."""
    known = {field.name: getattr(default, field.name) for field in dataclasses.fields(default)}
    for name in _group(where, group, given):
        if name not in known:
            raise UserError(f"{where}: {group} has an unknown field {quoted(name)}")
    fields = values.all_like(known, given, f"{where}: {group}.")
    for name, value in given.items():
        if f"{group}.{name}" in bounds.BOUNDS:
            bounds.check_number(f"{where}: {group}.{name}", value, f"{group}.{name}")
    return fields


def _frontend(where: str, given: Any) -> FrontEndConfig:
    fields = _fields(where, "frontend", given, FrontEndConfig())
    try:
        return FrontEndConfig(**fields)
    except ValueError as error:
        raise UserError(f"{where}: frontend.{str(error)[:_QUOTED]}") from None


def check_sizes(where: str, model: ModelConfig, frontend: FrontEndConfig) -> None:
    """Checks sizes that depend on several fields.

    Args:
        where: the file that holds the fields, for error messages.
        model: the network's size, each field within its bounds.
        frontend: the front end.

    Raises:
        UserError: the two do not match, or are too large.
    """
    seen = frontend.n_fft / frontend.hop_length
    for right, what in (
        (model.kernel_size % 2, f"model.kernel_size={model.kernel_size}: must be odd"),
        (
            0 < model.n_layers <= _MOST_LAYERS,
            f"model: {model.n_layers} layers, not 1 to {_MOST_LAYERS}",
        ),
        (
            model.receptive_field <= _MOST_FRAMES,
            f"model: its receptive field (one side) is {model.receptive_field} frames, "
            f"at most {_MOST_FRAMES}",
        ),
        (
            model.n_mfcc == frontend.n_mfcc,
            f"model.n_mfcc={model.n_mfcc}: frontend.n_mfcc is {frontend.n_mfcc}",
        ),
        (
            frontend.n_mfcc <= frontend.n_mels,
            f"frontend.n_mfcc={frontend.n_mfcc}: must be at most n_mels",
        ),
        (
            seen <= _MOST_WINDOWS,
            f"frontend.n_fft={frontend.n_fft}: must be at most {_MOST_WINDOWS} hop_lengths",
        ),
    ):
        if not right:
            raise UserError(f"{where}: {what}")
