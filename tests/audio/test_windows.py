import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoasr.audio.windows import Windows, parse
from emoasr.errors import UserError


@given(st.floats(0.05, 20), st.floats(0.05, 20), st.floats(0.01, 500))
def test_windows_lie_within_and_leave_less_than_a_hop(window, hop, seconds):
    windows = Windows(window, min(hop, window))
    spans = np.array(windows.spans(seconds))
    if seconds < window:
        np.testing.assert_allclose(spans, [[0, seconds]], atol=2e-6)
        return
    assert spans[0, 0] == 0
    np.testing.assert_allclose(np.diff(spans), window)
    np.testing.assert_allclose(np.diff(spans[:, 0]), windows.hop)
    assert spans[-1, 1] <= seconds + 1e-4 and seconds - spans[-1, 1] < windows.hop + 1e-9


@pytest.mark.parametrize(
    ("window", "hop", "message"),
    [
        (None, 0.5, "hop=0.5: needs a window"),
        (0, None, "window=0"),
        (-1, None, "window=-1"),
        (float("nan"), None, "window=nan"),
        (float("inf"), None, "window=inf"),
        ("2", None, "window='2'"),
        (True, None, "window=True"),
        (2, 0, "hop=0"),
        (2, 3, "at most the window, 2"),
        (2, float("nan"), "hop=nan"),
    ],
)
def test_impossible_windows_are_refused(window, hop, message):
    with pytest.raises(UserError, match=message):
        parse(window, hop)


@pytest.mark.parametrize("kind", [np.int64, np.uint8, np.float32, np.float64, np.float16])
def test_numbers_of_numpy_are_numbers(kind):
    found = parse(kind(2), kind(1))
    assert found == Windows(2.0, 1.0) and type(found.seconds) is type(found.hop) is float


def test_a_hop_is_a_window_unless_given():
    assert parse(None, None) is None
    assert parse(2, None) == Windows(2.0, 2.0)
    assert parse(2, 0.5) == Windows(2.0, 0.5)
