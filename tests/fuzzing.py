"""What the fuzzing tests share: how many examples, what may come of one, and mutations of bytes."""

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from emoasr.errors import UserError


def examples(n: int):
    return settings(
        max_examples=n,
        suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    )


def outcome(function, *args):
    """What the function gives; None where it complains, which it must do in one line."""
    try:
        return function(*args)
    except UserError as error:
        assert str(error).isprintable() and len(str(error)) > 10
        return None


def mutations(data: bytes):
    """The data with a few bytes replaced, perhaps cut."""
    places = st.tuples(st.integers(0, len(data) - 1), st.integers(0, 255))

    def mutate(changes, length):
        new = bytearray(data)
        for place, byte in changes:
            new[place] = byte
        return bytes(new[:length])

    whole = st.just(len(data))
    lengths = st.one_of(whole, whole, st.integers(0, len(data)))
    return st.builds(mutate, st.lists(places, max_size=6), lengths)
