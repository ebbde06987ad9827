"""The exceptions whose texts are meant for the person at the keyboard."""

from collections.abc import Collection

_QUOTED = 60  # characters of a value in a message


class UserError(Exception):
    """A mistake that its user can mend.

    The text is one line that names the file, field or flag, and the remedy; commands print it
    without a traceback and exit with status 1.
    """

    def __init__(self, text: str):
        """Takes the text, which may quote anything: see `one_line`."""
        super().__init__(one_line(text))


class AudioError(Exception):
    """Audio that cannot be used; the text is one line, with the path where there is one."""

    def __init__(self, text: str):
        """Takes the text, which may quote any name: see `one_line`."""
        super().__init__(one_line(text))


def one_line(text: object) -> str:
    """A text that any stream can print, on one line; names may hold newlines, or not be UTF-8."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text))


def quoted(value: object) -> str:
    """A value for a message, which may be a stranger's: short, without control characters."""
    text = repr(value)
    return text if len(text) <= _QUOTED else f"{text[:_QUOTED]}..."


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raises `UserError` unless `value`, which the user knows as `name`, is one of `choices`."""
    if value not in choices:
        raise UserError(f"{name}={value!r}: must be one of {', '.join(choices)}")
