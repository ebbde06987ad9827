"""Dilated convolution over time, as each kind of device computes it well.

On a CPU it is XLA's own where factors are float32. One product of shifted copies takes 1.4 times as
long there and 1.2 times with its gradient, a sum over taps 1.5 and 1.2, folding time into the batch
1.1 and 1.0 to 1.1 (the network's layers in a row, on two cores of an Intel Xeon). Where factors are
bfloat16 it is products of shifted copies: XLA has fast products for them there, if the processor
has, but no fast convolution.

Elsewhere it is one product of shifted copies: it does not depend on what XLA makes of a dilated
kernel. Before JAX 0.8.1 XLA filled it with zeros on GPUs (openxla/xla#32231 measured 15 to 23
times cuDNN's time), and the fix is for forward convolutions, not for gradients. No GPU was
available to compare the two.

Shape suffixes: B utterances, T frames, C or I channels in, O channels out, K taps.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.typing import DTypeLike


def over_time(
    x_BTC: jax.Array,
    kernel_KIO: jax.Array,
    dilation: int,
    precision: lax.Precision,
    dtype: DTypeLike | None = None,
) -> jax.Array:
    """Convolves over time, without bias; the result has as many frames, float32.

    Args:
        x_BTC: activations, zero where there is no speech.
        kernel_KIO: an odd number of taps.
        dilation: frames from one tap to the next.
        precision: of the products, on devices that have several.
        dtype: the factors are rounded to it, in the gradient's products too; None: they are not.
    """
    if dtype is None:
        return _convolve(x_BTC, kernel_KIO, dilation, precision, jnp.dtype("float32"))
    return _rounded(x_BTC, kernel_KIO, dilation, precision, dtype)


def _convolve(x_BTC, kernel_KIO, dilation, precision, result):
    convolve = _form().convolve
    if len(kernel_KIO) == 1:  # XLA's gradient of a 2-D product is the faster one on CPUs too
        convolve = _shifted_product
    return convolve(x_BTC, kernel_KIO, dilation, precision, result)


def _convolution(x_BTC, kernel_KIO, dilation, precision, result):
    return lax.conv_general_dilated(
        x_BTC, kernel_KIO, (1,), "SAME", rhs_dilation=(dilation,),
        dimension_numbers=("NHC", "HIO", "NHC"), precision=precision,
        preferred_element_type=result,
    )  # fmt: skip


def _shifted_product(x_BTC, kernel_KIO, dilation, precision, result):
    flat_XC, flat_CO = _as_product(x_BTC, kernel_KIO, dilation)
    y_XO = jnp.matmul(flat_XC, flat_CO, precision=precision, preferred_element_type=result)
    return y_XO.reshape(*x_BTC.shape[:2], -1)


def _as_product(x_BTC, kernel_KIO, dilation):
    """The two factors, matrices, whose product is the convolution."""
    n_taps, n_in, n_out = kernel_KIO.shape
    copies = _shifted(x_BTC, n_taps, dilation, axis=1)
    flat_XC = jnp.concatenate(copies, axis=-1).reshape(-1, n_taps * n_in)
    return flat_XC, kernel_KIO.reshape(-1, n_out)


def _shifted(x, n_taps, dilation, axis):
    """A copy of `x` for each tap: what that tap hears, zeros beyond the ends."""
    side, n_frames = n_taps // 2 * dilation, x.shape[axis]
    padded = jnp.pad(x, [(side, side) if i == axis else (0, 0) for i in range(x.ndim)])
    starts = range(0, n_taps * dilation, dilation)
    return [lax.slice_in_dim(padded, start, start + n_frames, axis=axis) for start in starts]


class Form(NamedTuple):
    """How a kind of device convolves.

    Attributes:
        convolve: takes activations, kernel, dilation, precision, and the result's type.
        bits: whether bfloat16 factors are instead shifted as integers, then multiplied.
    """

    convolve: Callable[..., jax.Array]
    bits: bool = False


FORMS = {"cpu": Form(_convolution, bits=True), "gpu": Form(_shifted_product)}


def _form() -> Form:
    return FORMS.get(jax.default_backend(), FORMS["gpu"])


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def _rounded(x_BTC, kernel_KIO, dilation, precision, dtype):
    return _forward(x_BTC, kernel_KIO, dilation, precision, dtype)[0]


def _forward(x_BTC, kernel_KIO, dilation, precision, dtype):
    factors = x_BTC.astype(dtype), kernel_KIO.astype(dtype)
    if _by_bits(dtype):
        return _bit_product(*factors, dilation), factors
    return _convolve(*factors, dilation, precision, jnp.dtype("float32")), factors


def _backward(dilation, precision, dtype, factors, dy_BTO):
    """Rounds the gradient; JAX itself would multiply in float32, by factors cast back to it."""
    dy_BTO = dy_BTO.astype(dtype)
    if _by_bits(dtype):
        return _bit_gradients(*factors, dy_BTO, dilation)
    _, gradients = jax.vjp(lambda *f: _convolve(*f, dilation, precision, dtype), *factors)
    return tuple(d.astype(jnp.float32) for d in gradients(dy_BTO))


_rounded.defvjp(_forward, _backward)


def _by_bits(dtype):
    return dtype == "bfloat16" and _form().bits


def _bit_product(x_BTC, kernel_KIO, dilation):
    """The product of shifted copies, moved as integers.

    XLA multiplies bfloat16 as such on a CPU, but turns it into float32 to copy it.
    """
    y_XO = _product(*_as_product(_bits(x_BTC), _bits(kernel_KIO), dilation))
    return y_XO.reshape(*x_BTC.shape[:2], -1)


def _bit_gradients(x_BTC, kernel_KIO, dy_BTO, dilation):
    """Gradients of `_bit_product`, by products without transposes, which are slow on a CPU."""
    n_taps, n_in, n_out = kernel_KIO.shape
    dy_BTO = _bits(dy_BTO)
    back_KOI = _bits(kernel_KIO)[::-1].swapaxes(1, 2)
    copies = _shifted(dy_BTO, n_taps, dilation, axis=1)
    dx_XI = sum(
        _product(copy.reshape(-1, n_out), tap) for copy, tap in zip(copies, back_KOI, strict=True)
    )
    x_CBT = jnp.transpose(_bits(x_BTC), (2, 0, 1))
    x_CX = jnp.concatenate(_shifted(x_CBT, n_taps, dilation, axis=2)).reshape(n_taps * n_in, -1)
    dkernel_CO = _product(x_CX, dy_BTO.reshape(-1, n_out))
    return dx_XI.reshape(x_BTC.shape), dkernel_CO.reshape(kernel_KIO.shape)


def _bits(x):
    return lax.bitcast_convert_type(x, jnp.uint16)


def _product(a_XY, b_YZ):
    a_XY, b_YZ = (lax.bitcast_convert_type(bits, jnp.bfloat16) for bits in (a_XY, b_YZ))
    return jnp.matmul(a_XY, b_YZ, preferred_element_type=jnp.float32)
