"""A finished run is not replaced by another one unasked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.files.finished import check_same_run

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)


def as_json(value):
    if isinstance(value, dict):
        return {key: as_json(inner) for key, inner in value.items()}
    return list(map(as_json, value)) if isinstance(value, tuple) else value


@given(asked=st.dictionaries(st.text(max_size=5), values, max_size=4))
def test_the_same_values_are_the_same_run_after_json_too(tmp_path_factory, asked):
    folder = tmp_path_factory.getbasetemp()
    check_same_run(folder, "itself", as_json(asked), asked)


@pytest.mark.parametrize("finished, asked, words", [
    ({"config.tap": "gate"}, {"config.tap": "skip"}, "config.tap: there 'gate', now 'skip'"),
    ({"a": [1, 2]}, {"a": (2, 1)}, r"a: there \[1, 2\], now \(2, 1\)"),
    ({}, {"config.eval.layers.low": (0,)}, r"layers.low: there none, now \(0,\)"),
    ({"config.card": {"name": "x"}}, {}, "config.card: there {'name': 'x'}, now none"),
    (dict.fromkeys("abcd", 1), dict.fromkeys("abcd", 2), "c: there 1, now 2; and 1 more"),
])  # fmt: skip
def test_what_differs_is_named_with_the_remedy(tmp_path, finished, asked, words):
    remedy = "give another --workdir, or --overwrite"
    with pytest.raises(UserError, match=f"a run made from emotale; .*{words}.*{remedy}"):
        check_same_run(tmp_path, "emotale", finished, asked)
    check_same_run(tmp_path, "emotale", finished, asked, overwrite=True)
