"""No batch changes what encoders of transformers give, compiled as the commands compile them."""

import random
from pathlib import Path

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies as st
from made_transformers import WAVES, pooled, wave

import emoasr
from emoasr.inference import bucketing
from emoasr.inference.pooling import Pooler

FOLDERS = Path(__file__).parent / "of_transformers"
KINDS = sorted(path.name for path in FOLDERS.iterdir())
HOP = 320


@pytest.fixture(scope="module")
def recognizers():
    return {kind: emoasr.load_recognizer(FOLDERS / kind) for kind in KINDS}


@pytest.fixture(scope="module")
def programs(recognizers):
    """Pooled features of a padded batch, by kind; each shape is compiled once."""
    poolers = {
        kind: Pooler({"neural": r.model}, r.config.frontend, "residual", "mean")
        for kind, r in recognizers.items()
    }
    compiled = {}

    def run(kind, rows, n_rows, hops):
        shape = kind, n_rows, hops
        if shape not in compiled:
            compiled[shape] = poolers[kind].compiled(n_rows, hops * HOP)
        arrays = compiled[shape](*bucketing.pad(rows, n_rows, hops * HOP))
        return np.asarray(arrays["neural"])[: len(rows)]

    return run


@pytest.mark.parametrize("kind", KINDS)
@hypothesis.settings(max_examples=10)
@hypothesis.example(lengths=[490], order=random.Random(0))  # one frame, one rounding in it
@hypothesis.given(
    lengths=st.lists(st.integers(1, 16000), min_size=1, max_size=4),
    order=st.randoms(use_true_random=False),
)
def test_batch_order_and_padding_change_nothing(programs, kind, lengths, order):
    rows = [wave(16000)[-n:] for n in lengths]
    alone = np.concatenate([programs(kind, [row], 1, 50) for row in rows])
    places = list(range(len(rows)))
    order.shuffle(places)
    together = programs(kind, [rows[i] for i in places], 4, 64)
    assert np.isfinite(alone).all()
    # 1e-5 of the largest value: what follows a layer norm is as exact as its largest term
    atol = 1e-5 * max(1.0, float(np.abs(alone).max()))
    np.testing.assert_allclose(together, alone[places], rtol=0, atol=atol)


@pytest.mark.parametrize("kind", KINDS)
def test_pooled_states_are_pytorchs(recognizers, programs, kind):
    expected = pooled(recognizers[kind].config.frontend, FOLDERS / kind)
    np.testing.assert_allclose(programs(kind, WAVES, 4, 64), expected, atol=1e-4)
