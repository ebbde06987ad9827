import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr.networks.norm import MaskedBatchNorm


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


@hypothesis.settings(max_examples=10)
@hypothesis.given(st.integers(0, 10**6), st.sampled_from([1.0, 1e-4]))
def test_equals_flax_in_value_gradient_and_running_statistics(seed, level):
    x_BTC, mask_BT1 = example(seed)
    x_BTC *= level  # at 1e-4 the variance is no larger than what is added to it
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


def test_a_new_norm_changes_nothing():
    x_BTC, mask_BT1 = example(3)
    np.testing.assert_allclose(MaskedBatchNorm(4)(x_BTC, mask_BT1, False), x_BTC, atol=1e-6)


def test_running_statistics_normalise_as_flax_has_it():
    x_BTC, mask_BT1 = example(4)
    norm = MaskedBatchNorm(4)
    flax = nnx.BatchNorm(4, epsilon=1e-8, use_running_average=True, rngs=nnx.Rngs(0))
    for each in (norm, flax):
        each.mean[...] = jnp.arange(4.0)
        each.var[...] = jnp.array([0.0, 1e-8, 0.5, 4.0])
        each.scale[...] = jnp.array([1.0, -2.0, 0.5, 3.0])
        each.bias[...] = jnp.arange(4.0) - 2
    np.testing.assert_allclose(norm(x_BTC, mask_BT1, False), flax(x_BTC), rtol=1e-5, atol=1e-5)


def test_a_batch_without_valid_frames_gives_no_nan():
    x_BTC, mask_BT1 = example(5)
    norm = MaskedBatchNorm(4)
    y_BTC = norm(x_BTC, np.zeros_like(mask_BT1), True)
    assert all(np.isfinite(z).all() for z in (y_BTC, norm.mean[...], norm.var[...]))
