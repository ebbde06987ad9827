"""The grammar of times in tables; any other text is no time.

    1.5   .5   1e-3                      seconds
    1.5 s   500ms   2 min   0.5h         a number and its unit: ns, us, ms, s, min, h, d
    01:30   01:30.25   1:01:30.25        [hours:]minutes:seconds, as ffmpeg and Audacity write them
    0 days   0 days 00:00:01.5           what pandas and audformat write

Times count from the beginning of the file, so none is negative.
"""

import re
from decimal import Decimal

NUMBER = r"(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?"

_UNITS = {  # in nanoseconds
    **dict.fromkeys(("ns", "nanosecond", "nanoseconds"), 1),
    **dict.fromkeys(("us", "µs", "μs", "microsecond", "microseconds"), 10**3),
    **dict.fromkeys(("ms", "millisecond", "milliseconds"), 10**6),
    **dict.fromkeys(("s", "sec", "second", "seconds"), 10**9),
    **dict.fromkeys(("min", "minute", "minutes"), 60 * 10**9),
    **dict.fromkeys(("h", "hour", "hours"), 3600 * 10**9),
    **dict.fromkeys(("d", "day", "days"), 24 * 3600 * 10**9),
}
_AMOUNT = re.compile(rf"({NUMBER})(?: ?([a-zµμ]+))?")
_CLOCK = re.compile(
    r"(?:(?:(?P<days>[0-9]+) days? )?(?P<hours>[0-9]{1,3}):)?"
    r"(?P<minutes>[0-5]?[0-9]):(?P<seconds>[0-5][0-9](?:\.[0-9]{1,9})?)"
)
_LONGEST = 2**63 - 1  # ns, 292 years: what pandas holds


def nanoseconds(text: str) -> int | None:
    """The time that a text says; None: it says none.

    >>> nanoseconds("1:30.5")
    90500000000
    >>> nanoseconds("1,5")
    """
    text = text.strip()
    if match := _AMOUNT.fullmatch(text):
        number, unit = match.groups()
        size = _UNITS.get(unit or "s")
        amount = None if size is None else Decimal(number) * size
    elif match := _CLOCK.fullmatch(text):
        days, hours, minutes = (int(match[part] or 0) for part in ("days", "hours", "minutes"))
        seconds = Decimal(match["seconds"]) + 60 * (minutes + 60 * (hours + 24 * days))
        amount = seconds * 10**9
    else:
        return None
    return None if amount is None or amount > _LONGEST else round(amount)
