"""`scripts/imitate_tf32.py`: TF32's rounding on a CPU."""

import imitate_tf32
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from emoasr.asr.networks.gated import GatedConvNet, ModelConfig
from emoasr.settings.choices import COMPUTE_DTYPES

pytestmark = pytest.mark.usefixtures("quick_compilation")


def test_numbers_have_ten_bits_of_mantissa():
    given = jnp.asarray([1 + 2**-10, 1 + 2**-12, -3.0, 1e30, 2.0**-126], jnp.float32)
    expected = [1 + 2**-10, 1.0, -3.0, np.float32(imitate_tf32.tf32(given[3])), 2.0**-126]
    np.testing.assert_array_equal(imitate_tf32.tf32(given), np.float32(expected))
    assert 0 < abs(expected[3] / 1e30 - 1) < 2**-10


def test_a_product_and_its_gradient_have_rounded_factors():
    random = np.random.default_rng(0)
    x, w, dy = (random.normal(size=(3, 3)).astype(np.float32) for _ in range(3))
    product = imitate_tf32.of_rounded(lambda a, b: jnp.matmul(a, b, precision="highest"))
    y, gradient = jax.vjp(product, x, w)
    x, w, dy_rounded = (np.asarray(imitate_tf32.tf32(a), "d") for a in (x, w, dy))
    for found, expected in zip(
        (y, *gradient(dy)), (x @ w, dy_rounded @ w.T, x.T @ dy_rounded), strict=True
    ):
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize("dtype", COMPUTE_DTYPES)
def test_every_product_of_the_network_is_rounded_where_that_is_asked_for(dtype):
    config = ModelConfig(n_channels=8, n_blocks=1, dilations=(2,))

    def logits():
        network = GatedConvNet(config, rngs=nnx.Rngs(0)).computing_in(dtype)
        return network(jnp.zeros((1, 20, 20)), jnp.array([20])).logits_BTV

    with imitate_tf32.imitated():
        program = jax.jit(logits).lower().as_text()
    n_products = 3 + 2 * config.n_layers
    expected = 2 * n_products if dtype == "tensorfloat32" else 0
    assert program.count("stablehlo.reduce_precision") == expected
