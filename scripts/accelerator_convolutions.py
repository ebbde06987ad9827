"""Section of `accelerator_check.py`: ways to compute the network's dilated convolutions.

Each computes one block of gated layers (one of every dilation), forward and with the gradient, by
compute dtype. Kernels and activations are random.

Shape suffixes: B utterances, T frames, C channels in, D channels out, K taps.
"""

import functools
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import timing
from accelerator_setup import Setup
from bench_device import multiplication
from jax import lax

from emoasr.settings.choices import COMPUTE_DTYPES, ModelConfig


class Rounding(NamedTuple):
    """What factors are rounded to: their type, and what the device may make of it."""

    dtype: str
    precision: lax.Precision

    def product(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """A matrix product over the last axis, float32."""
        x, y = x.astype(self.dtype), y.astype(self.dtype)
        return jnp.matmul(x, y, precision=self.precision, preferred_element_type=jnp.float32)


ROUNDINGS = {
    "float32": Rounding("float32", lax.Precision.HIGHEST),
    "tensorfloat32": Rounding("float32", lax.Precision.DEFAULT),
    "bfloat16": Rounding("bfloat16", lax.Precision.DEFAULT),
}
assert tuple(ROUNDINGS) == COMPUTE_DTYPES


def dilated(x_BTC: jax.Array, kernel_KCD: jax.Array, dilation: int, how: Rounding) -> jax.Array:
    """XLA's own convolution (cuDNN's, on a GPU, where XLA does not pad the kernel instead)."""
    half = len(kernel_KCD) // 2 * dilation
    return lax.conv_general_dilated(
        x_BTC.astype(how.dtype), kernel_KCD.astype(how.dtype), (1,), [(half, half)],
        rhs_dilation=(dilation,), dimension_numbers=("NWC", "WIO", "NWC"),
        precision=how.precision, preferred_element_type=jnp.float32,
    )  # fmt: skip


def one_product(x_BTC: jax.Array, kernel_KCD: jax.Array, dilation: int, how: Rounding) -> jax.Array:
    """The shifted copies of all taps side by side, times the kernel as one matrix."""
    shifted = jnp.concatenate(_shifted(x_BTC.astype(how.dtype), len(kernel_KCD), dilation), -1)
    return how.product(shifted, kernel_KCD.reshape(-1, kernel_KCD.shape[-1]))


def sum_of_taps(x_BTC: jax.Array, kernel_KCD: jax.Array, dilation: int, how: Rounding) -> jax.Array:
    """A product for each tap."""
    shifted = _shifted(x_BTC.astype(how.dtype), len(kernel_KCD), dilation)
    return functools.reduce(jnp.add, map(how.product, shifted, kernel_KCD))


def space_to_batch(
    x_BTC: jax.Array, kernel_KCD: jax.Array, dilation: int, how: Rounding
) -> jax.Array:
    """Every `dilation`-th frame as an utterance of its own, and a convolution without dilation."""
    n_rows, n_frames, n_channels = x_BTC.shape
    steps = -(-n_frames // dilation)
    x_BTC = jnp.pad(x_BTC, ((0, 0), (0, steps * dilation - n_frames), (0, 0)))
    folded = x_BTC.reshape(n_rows, steps, dilation, n_channels).swapaxes(1, 2)
    y = dilated(folded.reshape(-1, steps, n_channels), kernel_KCD, 1, how)
    y = y.reshape(n_rows, dilation, steps, -1).swapaxes(1, 2)
    return y.reshape(n_rows, steps * dilation, -1)[:, :n_frames]


def _shifted(x_BTC: jax.Array, n_taps: int, dilation: int) -> list[jax.Array]:
    half, n_frames = n_taps // 2 * dilation, x_BTC.shape[1]
    padded = jnp.pad(x_BTC, ((0, 0), (half, half), (0, 0)))
    return [padded[:, k * dilation : k * dilation + n_frames] for k in range(n_taps)]


WAYS: dict[str, Callable[[jax.Array, jax.Array, int, Rounding], jax.Array]] = {
    "dilated convolution": dilated,
    "one product of shifted copies": one_product,
    "sum of taps": sum_of_taps,
    "space to batch": space_to_batch,
}


def rows(setup: Setup) -> Iterator[dict[str, Any]]:
    """Seconds and speed of each way; differences are from the first of the same compute dtype."""
    sizes, model = setup.sizes, ModelConfig(**dict(setup.sizes.model))
    random = np.random.default_rng(0)
    x_BTC = random.normal(size=(sizes.utterances, sizes.frames, model.n_channels))
    shape = (len(model.dilations), model.kernel_size, model.n_channels, 2 * model.n_channels)
    kernels_LKCD = random.normal(size=shape) / np.sqrt(model.kernel_size * model.n_channels)
    block = jnp.asarray(x_BTC, jnp.float32), jnp.asarray(kernels_LKCD, jnp.float32)
    flop = 2.0 * sizes.utterances * sizes.frames * kernels_LKCD.size
    for dtype in sizes.dtypes[::-1]:
        product_s = _median(multiplication(dtype, sizes.side), sizes.repeats)
        work_s = flop / (2 * sizes.side**3) * product_s  # at a large product's speed
        expected = None
        for name, way in WAYS.items():
            computed = functools.partial(_block, way, ROUNDINGS[dtype], model.dilations)
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


def _block(way, how: Rounding, dilations, x_BTC: jax.Array, kernels_LKCD: jax.Array) -> jax.Array:
    for kernel_KCD, dilation in zip(kernels_LKCD, dilations, strict=True):
        filter_BTC, gate_BTC = jnp.split(way(x_BTC, kernel_KCD, dilation, how), 2, axis=-1)
        x_BTC = x_BTC + jnp.tanh(filter_BTC) * jax.nn.sigmoid(gate_BTC)
    return x_BTC
