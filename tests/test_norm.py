import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.norm import MaskedBatchNorm


def example(seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    x_BTC = random.normal(2.0, 3.0, (3, 7, 4)).astype(np.float32)
    return x_BTC, random.random((3, 7, 1)) < 0.7


def outcome(norm_class, x_BTC, mask_BT1, **options):
    """A training call's output, gradients of a function of all frames, and running statistics."""
    norm = norm_class(4, **options)
    norm.scale[...] = jnp.array([1.0, -2.0, 0.5, 3.0])
    norm.bias[...] = jnp.arange(4.0)
    graph, params, rest = nnx.split(norm, nnx.Param, ...)

    def f(params, x_BTC):
        norm = nnx.merge(graph, params, rest, copy=True)
        if norm_class is MaskedBatchNorm:
            y_BTC = norm(x_BTC, mask_BT1, True)
        else:
            y_BTC = norm(x_BTC, use_running_average=False, mask=mask_BT1)
        running = norm.mean[...], norm.var[...]
        return jnp.sum(jnp.sin(y_BTC) * jnp.arange(7.0)[:, None]), (y_BTC, running)

    gradients, values = jax.jit(jax.grad(f, argnums=(0, 1), has_aux=True))(params, x_BTC)
    return jax.tree.leaves((gradients, values))


@hypothesis.settings(max_examples=10, deadline=None)
@hypothesis.given(st.integers(0, 10**6))
def test_equals_flax_in_value_gradient_and_running_statistics(seed):
    x_BTC, mask_BT1 = example(seed)
    hypothesis.assume(mask_BT1.sum() > 2)
    ours = outcome(MaskedBatchNorm, x_BTC, mask_BT1)
    options = {"rngs": nnx.Rngs(0), "momentum": 0.99, "epsilon": 1e-8, "use_fast_variance": False}
    flax = outcome(nnx.BatchNorm, x_BTC, mask_BT1, **options)
    for a, b in zip(ours, flax, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-3, atol=2e-4)


def test_what_is_masked_changes_no_valid_frame_and_no_statistic():
    x_BTC, mask_BT1 = example(1)
    other_BTC = np.where(mask_BT1, x_BTC, 1e4)
    norms = [MaskedBatchNorm(4) for _ in range(2)]
    y, other = (
        np.asarray(norm(x, mask_BT1, True))
        for norm, x in zip(norms, (x_BTC, other_BTC), strict=True)
    )
    np.testing.assert_array_equal(y * mask_BT1, other * mask_BT1)
    np.testing.assert_array_equal(norms[0].mean[...], norms[1].mean[...])


def test_a_large_mean_does_not_spoil_the_variance():
    x_BTC, mask_BT1 = example(2)
    y = MaskedBatchNorm(4)(x_BTC + 3000.0, mask_BT1, True)
    expected = MaskedBatchNorm(4)(x_BTC, mask_BT1, True)
    np.testing.assert_allclose(y, expected, atol=1e-3)
