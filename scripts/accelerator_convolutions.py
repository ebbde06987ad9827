"""Section of `accelerator_check.py`: ways to compute the network's dilated convolutions.

Each computes one block of gated layers (one of every dilation), forward and with the gradient, by
compute dtype, in place of what `convolution.over_time` does here. Kernels and activations are
random.

Shape suffixes: B utterances, T frames, C channels in, O channels out, K taps.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
import jax.numpy as jnp
import numpy as np
import timing
from accelerator_setup import Setup
from bench_device import multiplication
from jax import lax

from emoasr.asr.networks import convolution
from emoasr.settings.choices import ModelConfig

_XLAS_OWN, _ONE_PRODUCT = (convolution.FORMS[kind].convolve for kind in ("cpu", "gpu"))


def sum_of_taps(x_BTC, kernel_KCO, dilation, precision, result):
    """A product for each tap."""
    side, n_frames = len(kernel_KCO) // 2 * dilation, x_BTC.shape[1]
    padded_BTC = jnp.pad(x_BTC, ((0, 0), (side, side), (0, 0)))
    products = [
        jnp.matmul(padded_BTC[:, k * dilation : k * dilation + n_frames], kernel_CO,
                   precision=precision, preferred_element_type=result)
        for k, kernel_CO in enumerate(kernel_KCO)
    ]  # fmt: skip
    return functools.reduce(jnp.add, products)


def space_to_batch(x_BTC, kernel_KCO, dilation, precision, result):
    """Every `dilation`-th frame as an utterance of its own, and a convolution without dilation."""
    n_rows, n_frames, n_channels = x_BTC.shape
    steps = -(-n_frames // dilation)
    x_BTC = jnp.pad(x_BTC, ((0, 0), (0, steps * dilation - n_frames), (0, 0)))
    folded = x_BTC.reshape(n_rows, steps, dilation, n_channels).swapaxes(1, 2)
    y = _XLAS_OWN(folded.reshape(-1, steps, n_channels), kernel_KCO, 1, precision, result)
    y = y.reshape(n_rows, dilation, steps, -1).swapaxes(1, 2)
    return y.reshape(n_rows, steps * dilation, -1)[:, :n_frames]


WAYS = {
    "dilated convolution": _XLAS_OWN,
    "one product of shifted copies": _ONE_PRODUCT,
    "sum of taps": sum_of_taps,
    "space to batch": space_to_batch,
}


def rows(setup: Setup) -> Iterator[dict[str, Any]]:
    """Seconds and speed of each way; differences are from the first of the same compute dtype."""
    sizes, model = setup.sizes, ModelConfig(**dict(setup.sizes.model))
    random = np.random.default_rng(0)
    x_BTC = random.normal(size=(sizes.utterances, sizes.frames, model.n_channels))
    shape = (len(model.dilations), model.kernel_size, model.n_channels, 2 * model.n_channels)
    kernels_LKCO = random.normal(size=shape) / np.sqrt(model.kernel_size * model.n_channels)
    block = jnp.asarray(x_BTC, jnp.float32), jnp.asarray(kernels_LKCO, jnp.float32)
    flop = 2.0 * sizes.utterances * sizes.frames * kernels_LKCO.size
    for dtype in sizes.dtypes[::-1]:
        product_s = _median(multiplication(dtype, sizes.side), sizes.repeats)
        work_s = flop / (2 * sizes.side**3) * product_s  # at a large product's speed
        expected = None
        for name, way in WAYS.items():
            jax.clear_caches()  # of the way before
            form = convolution.Form(way)
            with mock.patch.dict(convolution.FORMS, {jax.default_backend(): form}):
                computed = functools.partial(_block, dtype, model.dilations)
                y_BTC, row = _timed(computed, block, sizes.repeats, work_s)
            expected = y_BTC if expected is None else expected
            off = float(np.abs(y_BTC - expected).max())
            yield {"compute_dtype": dtype, "way": name, **row, "max_difference": off}


def _timed(
    computed: Callable[..., jax.Array], block: tuple[jax.Array, ...], repeats: int, work_s: float
) -> tuple[np.ndarray, dict[str, Any]]:
    """What a way gives, and its row; `work_s` are the forward pass's seconds at best."""
    forward = jax.jit(computed).lower(*block).compile()
    gradient = jax.jit(jax.grad(lambda *z: computed(*z).sum(), argnums=(0, 1)))
    row: dict[str, Any] = {"dilation in the program": "rhs_dilate" in forward.as_text()}
    for what, run, share in (("forward", forward, 1), ("gradient", gradient, 3)):
        seconds = _median(lambda run=run: jax.block_until_ready(run(*block)), repeats)
        row |= {f"{what} s": seconds, f"{what} of product": share * work_s / seconds}
    return np.asarray(forward(*block)), row


def _median(run: Callable[[], Any], repeats: int) -> float:
    return timing.summary(timing.alternate({"": run}, repeats)[""])["median_s"]


def _block(dtype: str, dilations: tuple[int, ...], x_BTC, kernels_LKCO) -> jax.Array:
    precision = lax.Precision.HIGHEST if dtype == "float32" else lax.Precision.DEFAULT
    rounded = "bfloat16" if dtype == "bfloat16" else None
    for kernel_KCO, dilation in zip(kernels_LKCO, dilations, strict=True):
        y_BTO = convolution.over_time(x_BTC, kernel_KCO, dilation, precision, rounded)
        filter_BTC, gate_BTC = jnp.split(y_BTO, 2, axis=-1)
        x_BTC = x_BTC + jnp.tanh(filter_BTC) * jax.nn.sigmoid(gate_BTC)
    return x_BTC
