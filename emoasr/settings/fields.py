"""The fields of configurations: as flags `--config.FIELD`, and as help.

The meaning of a field is written once: in the comment of the line that sets it, in `config.py` or a
file of `configs/`, or in the docstring of the dataclass that a group is made from.
"""

import ast
import functools
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any

import ml_collections
from absl import flags

from emoasr.errors import UserError, did_you_mean
from emoasr.settings import choices
from emoasr.settings.configurations import NAMED_FREELY, Base, is_of, leaves, load, shipped

# fields that hold names; other empty ones hold numbers
_NAMES = ("eval.merged", "eval.predictions", "corpus.tables")
_SET = re.compile(r"\s*\w+\.([\w.]+) = .*?  # (.+)")
_DATACLASSES = {"model": choices.ModelConfig, "augment": choices.AugmentConfig}
_KINDS = {int: "a whole number", float: "a number", str: "text"}
_MALFORMED = (SyntaxError, ValueError, TypeError, MemoryError, RecursionError)


def check(config: ml_collections.ConfigDict, source: str, base: Base) -> None:
    """Refuses a configuration of another kind, or with an unknown field.

    Args:
        config: the configuration.
        source: where it is from, for the message.
        base: the kind of configuration that the command takes.

    Raises:
        UserError: it names the field, and known ones that are similar.
    """
    if not is_of(config, base):
        lacks = next(name for name in base("") if name not in config)
        raise UserError(
            f"{source} belongs to another command: it has no field {lacks!r}; "
            f"configurations of this command: {', '.join(shipped(base))}"
        )
    known = every(base)
    for name in leaves(config):
        if name not in known and not name.startswith(f"{NAMED_FREELY}."):
            raise UserError(f"{source}: no such field: {name}{did_you_mean(name, known)}")


@functools.cache
def every(base: Base) -> Mapping[str, Any]:
    """Fields of a kind of configuration with their defaults, also those of single files."""
    found: dict[str, Any] = {}
    for config in (base(""), *map(load, shipped(base).values())):
        found = leaves(config) | found
    groups = list(base(""))
    return {
        name: found[name] for name in sorted(found, key=lambda n: groups.index(n.split(".")[0]))
    }


def notes(base: Base) -> dict[str, str]:
    """What each field of a kind of configuration means."""
    sources = [path.read_text(encoding="utf-8") for path in shipped(base).values()]
    found: dict[str, str] = {}
    for source in (*sources, *map(inspect.getsource, _parts(base))):
        found |= {m[1]: m[2] for m in map(_SET.fullmatch, source.splitlines()) if m}
    for group, made_from in _DATACLASSES.items():
        text = (inspect.getdoc(made_from) or "").partition("Attributes:\n")[2]
        for name, note in re.findall(r"^    (\w+): ((?:.|\n      )+)", text, re.MULTILINE):
            found[f"{group}.{name}"] = " ".join(note.split()).rstrip(".")
    return found


def explained(base: Base, config: ml_collections.ConfigDict | None) -> dict[str, tuple[str, str]]:
    """Each field's value, as a flag takes it, and what it means, for the help.

    Args:
        base: the kind of configuration.
        config: whose values to show; None: the defaults, also of fields that few files have.
    """
    meanings, owners = notes(base), _owners(base)
    found = {}
    for name, value in (leaves(config) if config else every(base)).items():
        note = meanings.get(name) or meanings.get(name.rpartition(".")[0], "")
        few = f" ({', '.join(owners[name])})" if name not in leaves(base("")) else ""
        found[name] = shown(value), note + few
    if NAMED_FREELY in meanings:
        found[f"{NAMED_FREELY}.NAME"] = "", meanings[NAMED_FREELY]
    return found


def define(values: flags.FlagValues, fields: Mapping[str, Any], arguments: Iterable[str]) -> None:
    """Defines the flags of fields.

    Args:
        values: the flags to add to.
        fields: their names and defaults.
        arguments: what is to be parsed: a layer set of `NAMED_FREELY` has a flag if it is in there.
    """
    free = re.compile(rf"--?config\.({re.escape(NAMED_FREELY)}\.\w+)(?:=.*)?", re.DOTALL)
    invented = {m[1]: (0,) for m in map(free.fullmatch, arguments) if m}
    for name, default in {**fields, **invented}.items():
        flag: dict[str, Any] = {"default": None, "help": "", "flag_values": values}
        if isinstance(default, bool):
            flags.DEFINE_bool(f"config.{name}", **flag)
        elif isinstance(default, tuple):
            kind = type(default[0]) if default else str if name in _NAMES else float
            flags.DEFINE_multi(
                _TupleParser(kind), flags.ArgumentSerializer(), f"config.{name}", **flag
            )
        else:
            flags.DEFINE(_Parser(type(default)), f"config.{name}", **flag)


def given(values: flags.FlagValues) -> dict[str, Any]:
    """The fields that flags were given for, with their values."""
    found = {}
    for name in values:
        if name.startswith("config.") and (value := values[name].value) is not None:
            parts = isinstance(value, list)  # of a flag that was repeated
            found[name.removeprefix("config.")] = sum(value, ()) if parts else value
    return found


def shown(value: Any) -> str:
    """A value as a flag takes it."""
    if not isinstance(value, tuple):
        return str(value)
    return ",".join(map(str, value)) if all(map(str, value)) else repr(value)


def _parts(base: Base) -> list[Any]:
    """The function that sets a kind's defaults, and those of its module that it calls."""
    function: Any = base
    called = map(function.__globals__.get, function.__code__.co_names)
    return [function, *filter(inspect.isfunction, called)]


def _owners(base: Base) -> dict[str, list[str]]:
    """Names of the configurations that have a field, by field."""
    found: dict[str, list[str]] = {}
    for name, path in shipped(base).items():
        for field in leaves(load(path)):
            found.setdefault(field, []).append(name)
    return found


class _Parser(flags.ArgumentParser):
    """Text as a value of a type."""

    def __init__(self, kind: type):
        self._type = kind
        self.syntactic_help = ""

    def parse(self, argument: Any) -> Any:
        if argument.startswith("--"):  # the next flag
            raise ValueError("a value is missing")
        try:
            return self._type(argument)
        except (ValueError, TypeError):
            raise ValueError(f"must be {_KINDS.get(self._type, 'left unchanged')}") from None


class _TupleParser(flags.ArgumentParser):
    """Text with commas, or a tuple as Python writes it, as a tuple of elements of a type."""

    def __init__(self, kind: type):
        self._type = kind
        self.syntactic_help = ""

    def parse(self, argument: Any) -> tuple[Any, ...]:
        if argument.startswith("--"):
            raise ValueError("a value is missing")
        return tuple(map(self._element, self._parts(argument.strip())))

    def _parts(self, text: str) -> Iterable[Any]:
        if not text.startswith(("(", "[")):
            return [part for part in map(str.strip, text.split(",")) if part]
        try:
            found = ast.literal_eval(text)
        except _MALFORMED:
            raise ValueError("not a tuple; give values with commas between them") from None
        return found if isinstance(found, tuple | list) else [found]

    def _element(self, part: Any) -> Any:
        try:
            if isinstance(part, str) or (type(part), self._type) == (int, float):
                return self._type(part)
        except ValueError:
            pass
        if type(part) is not self._type:
            raise ValueError(f"{part!r} must be {_KINDS[self._type]}")
        return part
