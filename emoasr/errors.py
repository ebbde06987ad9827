"""The one exception whose text is meant for the person at the keyboard."""

from collections.abc import Collection


class UserError(Exception):
    """A mistake that its user can mend.

    The text is one line that names the file, field or flag, and the remedy; commands print it
    without a traceback and exit with status 1.
    """


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raises `UserError` unless `value`, which the user knows as `name`, is one of `choices`."""
    if value not in choices:
        raise UserError(f"{name}={value!r}: must be one of {', '.join(choices)}")
