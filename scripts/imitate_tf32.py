r"""Runs a command of emoasr on a CPU with the rounding of a GPU's TF32: what does it change?

    python scripts/imitate_tf32.py extract --config=folder --config.corpus.path=DIR \
        --config.compute_dtype=tensorfloat32 --workdir=NEW
    python scripts/imitate_tf32.py pretrain --config=english --config.corpus.path=DIR \
        --config.train.compute_dtype=tensorfloat32 --workdir=NEW

By itself a CPU computes tensorfloat32 as float32. Here both factors of the network's products, and
in training of their gradients' products, are first rounded to TF32's 10 bits of mantissa; sums are
float32, as in a GPU's matrix units. For our own recognizers: of transformers', convolutions alone
are rounded. The results are named as a CPU's tensorfloat32; give them a workdir of their own.
"""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import jax
from flax import nnx

from emoasr import __main__ as commands
from emoasr.asr.networks import convolution
from emoasr.asr.networks.base import Network

Product = Callable[..., jax.Array]  # of two factors, and what else it takes

_over_time, _computing_in = convolution.over_time, Network.computing_in


def tf32(x: jax.Array) -> jax.Array:
    """To the nearest number of 8 bits of exponent and 10 of mantissa."""
    return jax.lax.reduce_precision(x, exponent_bits=8, mantissa_bits=10)


def of_rounded(product: Product) -> Product:
    """The same product of rounded factors; so are the products of its gradient."""

    def rounded(x: jax.Array, kernel: jax.Array, *args: Any, **kwargs: Any) -> jax.Array:
        def exact(x, kernel):
            return product(x, kernel, *args, **kwargs)

        def forward(x, kernel):
            factors = tf32(x), tf32(kernel)
            return exact(*factors), factors

        def backward(factors, dy):
            return jax.vjp(exact, *factors)[1](tf32(dy))

        function = jax.custom_vjp(lambda *factors: forward(*factors)[0])
        function.defvjp(forward, backward)
        return function(x, kernel)

    return rounded


def _over_time_in(x_BTC, kernel_KIO, dilation, precision, dtype=None):
    """`convolution.over_time`, rounded where a GPU would be allowed to."""
    allowed = dtype is None and precision == jax.lax.Precision.DEFAULT
    function = of_rounded(_over_time) if allowed else _over_time
    return function(x_BTC, kernel_KIO, dilation, precision, dtype)


def _imitating(network: Network, dtype: str) -> Network:
    """`Network.computing_in`, whose plain convolutions round too."""
    twin = _computing_in(network, dtype)
    if dtype == "tensorfloat32":
        for _, module in nnx.iter_modules(twin):
            if isinstance(module, nnx.Conv):
                module.conv_general_dilated = of_rounded(module.conv_general_dilated)
    return twin


@contextlib.contextmanager
def imitated() -> Iterator[None]:
    """Within, networks that compute in tensorfloat32 round their factors."""
    with (
        mock.patch.object(convolution, "over_time", _over_time_in),
        mock.patch.object(Network, "computing_in", _imitating),
    ):
        yield


if __name__ == "__main__":
    with imitated():
        raise SystemExit(commands.main())
