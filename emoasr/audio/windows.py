"""Windows of one length, a hop apart, into which recordings are cut."""

import dataclasses
import math
import numbers

from emoasr.errors import UserError, quoted

_SHORTEST = 0.05  # seconds, of windows and hops
_ROUNDING = 1e-6  # of a number of hops


@dataclasses.dataclass(frozen=True)
class Windows:
    """How recordings are cut.

    Attributes:
        seconds: of a window.
        hop: seconds from one window's start to the next one's.
    """

    seconds: float
    hop: float

    def spans(self, seconds: float) -> list[tuple[float, float]]:
        """Start and end of each window of a recording; of one shorter than a window, all of it.

        Windows lie within the recording: what is left after the last is shorter than a hop.

        Example:
            >>> Windows(2.0, 0.5).spans(3.2)
            [(0.0, 2.0), (0.5, 2.5), (1.0, 3.0)]
            >>> Windows(2.0, 0.5).spans(1.5)
            [(0.0, 1.5)]
        """
        if self.is_longer_than(seconds):
            return [(0.0, seconds)]
        n_hops = math.floor((seconds - self.seconds) / self.hop + _ROUNDING)
        starts = [i * self.hop for i in range(n_hops + 1)]
        return [(start, start + self.seconds) for start in starts]

    def is_longer_than(self, seconds: float) -> bool:
        """Whether a recording is too short for one window."""
        return self.seconds > seconds + _ROUNDING


def parse(window: float | None, hop: float | None) -> Windows | None:
    """The windows that a user asks for.

    Args:
        window: seconds; None: recordings stay whole.
        hop: seconds; None: a window, so that they follow each other.

    Raises:
        UserError: a number is out of bounds, or there is a hop without a window.
    """
    if window is None:
        if hop is not None:
            raise UserError(f"hop={quoted(hop)}: needs a window; give its length in seconds too")
        return None
    hop = window if hop is None else hop
    for name, value, most in (("window", window, math.inf), ("hop", hop, window)):
        number = isinstance(value, numbers.Real) and not isinstance(value, bool)
        if not number or not _SHORTEST <= value <= most or value == math.inf:
            limit = "" if most == math.inf else f", at most the window, {most:g}"
            raise UserError(f"{name}={quoted(value)}: must be {_SHORTEST} s or more{limit}")
    return Windows(float(window), float(hop))
