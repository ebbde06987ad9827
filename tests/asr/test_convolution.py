import re
from functools import partial
from types import MappingProxyType

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

from emoasr.asr.networks import convolution
from emoasr.asr.networks.gated import GatedConvNet, ModelConfig

pytestmark = pytest.mark.usefixtures("quick_compilation")
HIGHEST = jax.lax.Precision.HIGHEST
FORMS = MappingProxyType(convolution.FORMS)
CASES = [(1, 1, 5), (3, 2, 40), (7, 16, 20), (7, 4, 1)]  # taps, dilation, frames
ROUNDING = {None: 1e-6, "bfloat16": 1e-2}  # the gradients of factors in bfloat16 are in bfloat16


@pytest.fixture(params=sorted(FORMS))
def platform(request, monkeypatch):
    """The form of a kind of device, on this one."""
    monkeypatch.setitem(convolution.FORMS, jax.default_backend(), FORMS[request.param])
    return request.param


def exact(x_BTC, kernel_KIO, dilation):
    """The sum over taps, float64."""
    n_frames, side = x_BTC.shape[1], len(kernel_KIO) // 2 * dilation
    padded = np.pad(x_BTC, ((0, 0), (side, side), (0, 0)))
    shifted = [padded[:, k * dilation : k * dilation + n_frames] for k in range(len(kernel_KIO))]
    return sum(a @ w for a, w in zip(shifted, kernel_KIO, strict=True)), shifted


@pytest.mark.parametrize("dtype", ROUNDING)
@pytest.mark.parametrize(("n_taps", "dilation", "n_frames"), CASES)
def test_values_and_gradients_are_those_of_the_sum_over_taps(
    platform, n_taps, dilation, n_frames, dtype
):
    random = np.random.default_rng(0)
    shapes = (2, n_frames, 6), (n_taps, 6, 10), (2, n_frames, 10)
    given = [jnp.asarray(random.normal(size=shape), jnp.float32) for shape in shapes]
    x, kernel, dy = (np.asarray(a if dtype is None else a.astype(dtype), "d") for a in given)
    expected, shifted = exact(x, kernel, dilation)

    @jax.jit
    def convolved(x_BTC, kernel_KIO, dy_BTO):
        form = partial(convolution.over_time, dilation=dilation, precision=HIGHEST, dtype=dtype)
        y_BTO, gradient = jax.vjp(form, x_BTC, kernel_KIO)
        return y_BTO, *gradient(dy_BTO)

    found = convolved(*given)
    assert {a.dtype for a in found} == {jnp.dtype("float32")}
    dx, _ = exact(dy, kernel[::-1].swapaxes(1, 2), dilation)
    dkernel = np.array([np.einsum("bti,bto->io", a, dy) for a in shifted])
    for ours, theirs, tolerance in zip(
        found, (expected, dx, dkernel), (1e-6, *[ROUNDING[dtype]] * 2), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=tolerance * np.abs(theirs).max())


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_no_product_is_of_zeros_between_the_taps(platform, dtype):
    """Neither forward nor backward; and on GPUs there is no dilated convolution to go wrong."""
    config = ModelConfig(n_channels=8, n_blocks=1, dilations=(2, 4))
    network = nnx.eval_shape(lambda: GatedConvNet(config, rngs=nnx.Rngs(0)).computing_in(dtype))
    graph, state = nnx.split(network)

    def total(state, x_BTD):
        return nnx.merge(graph, state)(x_BTD, np.array([40])).logits_BTV.sum()

    both = jax.jit(jax.value_and_grad(total, (0, 1), allow_int=True))
    program = both.lower(state, np.zeros((1, 40, 20), np.float32)).as_text()
    convolutions = re.findall(r"stablehlo\.convolution.*", program)
    dilated = [c for c in convolutions if re.search(r"(stride|dilate) = \[[24]\]", c)]
    as_convolutions = platform == "cpu" and dtype == "float32"
    assert len(dilated) == as_convolutions * 3 * config.n_layers
    padded = re.findall(r"stablehlo\.pad.*interior = \[([^]]*)\]", program)
    assert set(padded) <= {"0, 0, 0"}
    factors = re.findall(r"stablehlo\.(?:convolution|dot_general).*: \(tensor<\w+x(\w+)>", program)
    rounded = dtype == "bfloat16"
    tap_by_tap = rounded and platform == "cpu"  # the gradient to a layer's input
    others = tap_by_tap * config.n_layers * (config.kernel_size - 1)
    assert len(factors) == 3 * (3 + 2 * config.n_layers) + others
    assert factors.count("bf16") == rounded * (len(factors) - 2)  # but the symbols' gradient
