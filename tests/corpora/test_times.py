"""Times in tables: each accepted form comes out exact, anything else is refused."""

from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from emoasr.corpora.times import nanoseconds

NS = 10**9
WHOLE_NS = st.integers(0, 10**6 * NS)


def fraction(ns: int) -> str:
    """`.5` for half a second, nothing for none."""
    return f".{ns:09}".rstrip("0").rstrip(".")


def clock(ns: int) -> tuple[int, int, int, str]:
    seconds, rest = divmod(ns, NS)
    minutes, seconds = divmod(seconds, 60)
    return minutes // 60, minutes % 60, seconds, fraction(rest)


def as_clock(ns):
    hours, minutes, seconds, rest = clock(ns)
    return f"{hours}:{minutes:02}:{seconds:02}{rest}"


def as_short_clock(ns):
    _, minutes, seconds, rest = clock(ns % (3600 * NS))
    return f"{minutes:02}:{seconds:02}{rest}"


def as_days(ns):
    hours, minutes, seconds, rest = clock(ns)
    return f"{hours // 24} days {hours % 24:02}:{minutes:02}:{seconds:02}{rest}"


FORMS = {
    "seconds": lambda ns: f"{ns // NS}{fraction(ns % NS)}",
    "clock": as_clock,
    "clock of two digits": lambda ns: as_clock(ns % (99 * 3600 * NS)).rjust(8, "0"),
    "days": as_days,
    "ns": lambda ns: f"{ns}ns",
    "us": lambda ns: f"{ns // 1000}{fraction(ns % 1000 * 10**6)} us",
    "ms": lambda ns: f"{ns // 10**6}{fraction(ns % 10**6 * 1000)}ms",
    "s": lambda ns: f"{ns // NS}{fraction(ns % NS)} s",
}


@pytest.mark.parametrize("form", FORMS)
@given(ns=WHOLE_NS)
@example(ns=0)
def test_a_time_comes_out_of_its_text_to_the_nanosecond(form, ns):
    expected = ns % (99 * 3600 * NS) if form == "clock of two digits" else ns
    assert nanoseconds(FORMS[form](ns)) == expected


@given(ns=WHOLE_NS)
def test_minutes_and_seconds(ns):
    assert nanoseconds(as_short_clock(ns)) == ns % (3600 * NS)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("1.5", 1.5), (".5", 0.5), ("2.", 2), ("1e-3", 0.001), ("1e-05", 1e-5), (" 1.5 ", 1.5),
        ("1.5 s", 1.5), ("1.5s", 1.5), ("500ms", 0.5), ("500 ms", 0.5), ("2 min", 120),
        ("0.5h", 1800), ("1 second", 1), ("7 seconds", 7), ("20µs", 2e-5), ("20μs", 2e-5),
        ("01:30", 90), ("1:30.5", 90.5), ("1:01:30.25", 3690.25), ("100:00:00", 360000),
        ("0 days", 0), ("1 day", 86400), ("0 days 00:00:01.5", 1.5), ("1 days 01:00:00", 90000),
    ],
)  # fmt: skip
def test_what_is_a_time(text, seconds):
    assert nanoseconds(text) == round(Fraction(str(seconds)) * NS)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "soon", "nan", "inf", "-1", "+1", "1,25", "0,5s", "00:00:01,100", "1;5", "1 5",
        "1_000", "0x10", "1M", "1m", "1 Y", "1w", "1.5S", "1:5", "1:60", "60:00", "1:60:00",
        "1:2:3:4", ":30", "1:", "00:00:01.1234567890", "1:30 s", "0 days 01:30", "0 days 1.5",
        "-1 days +23:59:59", "PT1.5S", "1min 30s", "12:30 PM", "2021-03-04", "2021-03-04 00:00:01",
        "1e999", "1e20", "9" * 400, "１.５", "½", "1.5.2", "1..5", "5%", "1'30", "1\x00", "1.5\n2",
    ],
)  # fmt: skip
def test_what_is_no_time(text):
    assert nanoseconds(text) is None


@given(text=st.one_of(
    st.text(max_size=12),
    st.text("0123456789.,:;-+ eEsmhdayn_\t'\"", max_size=14),
    st.from_regex(r"[0-9]{1,2}([:.,][0-9]{1,4}){0,4} ?(s|ms|min|m|h|days?)?", fullmatch=True),
))  # fmt: skip
def test_any_text_is_a_time_that_a_second_reading_confirms_or_none(text):
    """The second reading knows nothing of the first's expressions."""
    found, expected = nanoseconds(text), read_again(text.strip())
    assert found == expected


def read_again(text: str) -> int | None:
    units = {"ns": 1, "us": 1000, "ms": 10**6, "s": NS, "min": 60 * NS, "h": 3600 * NS}
    units |= {"sec": NS, "day": 86400 * NS, "days": 86400 * NS, "d": 86400 * NS, "": NS}
    number = text.rstrip("abcdefghijklmnopqrstuvwxyz")
    unit = text[len(number) :]
    number = number.removesuffix(" ") if unit else number
    if ":" in number:
        days, _, rest = number.rpartition(" days " if " days " in number else " day ")
        parts = rest.split(":")
        plain = [p for p in (days or "0", *parts[:-1]) if not (p.isascii() and p.isdigit())]
        whole, _, rest = parts[-1].partition(".")
        if unit or plain or len(parts) > 3 or (days and len(parts) < 3) or parts[-1][-1:] == ".":
            return None
        if not (whole + rest).isascii() or not (whole + "0" + rest).isdigit() or len(rest) > 9:
            return None
        minutes, hours = parts[-2], parts[-3] if len(parts) == 3 else "0"
        sizes = len(whole) == 2 and len(minutes) <= 2 and len(hours) <= 3
        if not sizes or int(whole) > 59 or int(minutes) > 59:
            return None
        total = int(days or 0) * 86400 + int(hours) * 3600 + int(minutes) * 60 + int(whole)
        total = total * NS + int(rest.ljust(9, "0"))
        return total if total < 2**63 else None
    if unit not in units or not set(number) <= set("0123456789.eE+-") or number[:1] in "+-":
        return None
    try:
        total = Fraction(number) * units[unit]
    except ValueError:
        return None
    return round(total) if total < 2**63 else None
