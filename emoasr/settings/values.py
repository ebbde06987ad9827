"""Values from JSON, checked to be of the type that a field has."""

from collections.abc import Mapping
from typing import Any

from emoasr.errors import UserError, quoted

_KINDS: dict[type, str] = {
    int: "a whole number", float: "a number", bool: "true or false", str: "text",
}  # fmt: skip


def like(default: Any, value: Any, what: str) -> Any:
    """A value from JSON, checked to have the type of a field's default; lists become tuples.

    Args:
        default: a number, a boolean, a text, or a tuple of these; an empty tuple takes any.
        value: the value in JSON; a whole number may stand for a float.
        what: the field, for error messages.

    Raises:
        UserError: the value has another type.
    """
    if isinstance(default, tuple):
        if not isinstance(value, list):
            raise UserError(f"{what}={quoted(value)}: must be a list")
        return tuple(like((default or (element,))[0], element, what) for element in value)
    right = type(value) is type(default) or (type(default), type(value)) == (float, int)
    if not right or type(default) not in _KINDS:
        raise UserError(
            f"{what}={quoted(value)}: must be {_KINDS.get(type(default), 'a number or text')}"
        )
    return value


def all_like(defaults: Mapping[str, Any], given: Mapping[str, Any], where: str) -> dict[str, Any]:
    """The given ones of several fields, each checked as by `like`.

    Args:
        defaults: of the fields, by name.
        given: values from JSON; each name must have a default.
        where: what stands before a field's name in an error message.

    Raises:
        UserError: a value has another type.
    """
    return {name: like(defaults[name], value, f"{where}{name}") for name, value in given.items()}
