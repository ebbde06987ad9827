"""The symbols that a recognizer's classes are written as.

Ours write a space and a..z, the original's symbols. Folders of Hugging Face's transformers say it
in `vocab.json`, which may come from strangers.
"""

import re
from typing import Any, NamedTuple

from emoasr.asr import text
from emoasr.errors import UserError, quoted
from emoasr.files import untrusted

MOST_BYTES = 1 << 20

_SPACE = "|"  # between words
_SPECIAL = re.compile(r"<.*>|\[.*\]")  # marks of begin, end and the unknown, which are not written


class Vocabulary(NamedTuple):
    """The symbols of a recognizer.

    Attributes:
        symbols: a character each, distinct; "" where a class is not written.
        classes: the network's class of each symbol; the last one is the blank's.
    """

    symbols: tuple[str, ...]
    classes: tuple[int, ...]


OURS = Vocabulary(tuple(text.SYMBOLS), tuple(range(text.BLANK + 1)))


class Unread(NamedTuple):
    """A `vocab.json`, read only when transcripts are asked for.

    Attributes:
        name: of the file.
        source: the file; None: there is none.
        n_classes: of the network.
        blank: the class of CTC's blank, the padding token's.
    """

    name: str
    source: untrusted.Source | None
    n_classes: int
    blank: int

    def read(self) -> Vocabulary:
        """Reads the file.

        Raises:
            UserError: it is missing, no such vocabulary, or not that of the network.
        """
        if self.source is None:
            raise UserError(
                f"{self.name}: no such file; it says what the symbols are: copy it from where the "
                "model is from"
            )
        record = untrusted.read_json(self.source, MOST_BYTES)
        token_of = {self._number(token, number): token for token, number in record.items()}
        if len(token_of) < len(record):
            raise UserError(f"{self.name}: two symbols have one number")
        classes = [i for i in range(self.n_classes) if i != self.blank]
        symbols = tuple(self._written(token_of.get(i, "")) for i in classes)
        written = [symbol for symbol in symbols if symbol]
        if not written or len(set(written)) < len(written):
            raise UserError(f"{self.name}: has no symbols, or one twice, as a space and '|'")
        return Vocabulary(symbols, (*classes, self.blank))

    def _number(self, token: str, number: Any) -> int:
        if isinstance(number, bool) or not isinstance(number, int):
            raise UserError(
                f"{self.name}: {quoted(token)} is {quoted(number)}; must be a number "
                "(of several languages, give one)"
            )
        if not 0 <= number < self.n_classes:
            raise UserError(
                f"{self.name}: {quoted(token)} is number {number}; config.json has "
                f"{self.n_classes} symbols"
            )
        return number

    def _written(self, token: str) -> str:
        """What a token adds to a text."""
        if token == _SPACE:
            return " "
        if not token or _SPECIAL.fullmatch(token):
            return ""
        if len(token) > 1 or not token.isprintable():
            raise UserError(
                f"{self.name}: the symbol {quoted(token)} is no single character; emoasr "
                "transcribes by characters"
            )
        return token
