"""Batch norm over the valid frames of a padded batch, with its gradient written out.

The gradient is the textbook one (Ioffe & Szegedy 2015, section 3). Written out, it
leaves nothing of the two-pass variance to automatic differentiation. Flax's masked `nnx.BatchNorm`
gives the same values (tested), but with the two-pass variance, which large means need, it is
slower, and a batch without a valid frame makes its statistics NaN.
"""

import jax
import jax.numpy as jnp
from flax import nnx

_EPSILON, _MOMENTUM = 1e-8, 0.99  # the original recognizer's


class MaskedBatchNorm(nnx.Module):
    """Batch norm whose training statistics are those of the valid frames alone."""

    def __init__(self, n_channels: int):
        """Starts as the identity: scale and variance 1, bias and mean 0."""
        self.momentum = _MOMENTUM
        self.scale = nnx.Param(jnp.ones(n_channels))
        self.bias = nnx.Param(jnp.zeros(n_channels))
        self.mean = nnx.BatchStat(jnp.zeros(n_channels))
        self.var = nnx.BatchStat(jnp.ones(n_channels))

    def __call__(self, x_BTC: jax.Array, mask_BT1: jax.Array, train: bool) -> jax.Array:
        """Normalises each channel.

        Args:
            x_BTC: activations.
            mask_BT1: True on valid frames.
            train: True: uses the batch's statistics and updates the running ones; False: uses the
                running ones.
        """
        scale_C, bias_C = self.scale[...], self.bias[...]
        if not train:
            inverse_C = jax.lax.rsqrt(self.var[...] + _EPSILON)
            return (x_BTC - self.mean[...]) * (inverse_C * scale_C) + bias_C
        weight_BT1 = mask_BT1.astype(x_BTC.dtype)
        y_BTC, mean_C, var_C = _normalise(x_BTC, scale_C, bias_C, weight_BT1)
        for running, batch_C in ((self.mean, mean_C), (self.var, var_C)):
            running[...] = self.momentum * running[...] + (1 - self.momentum) * batch_C
        return y_BTC


@jax.custom_vjp
def _normalise(x_BTC, scale_C, bias_C, weight_BT1):
    """Normalised activations, and the mean and variance (population's) of the weighted frames."""
    return _forward(x_BTC, scale_C, bias_C, weight_BT1)[0]


def _forward(x_BTC, scale_C, bias_C, weight_BT1):
    n = jnp.maximum(jnp.sum(weight_BT1), 1.0)
    mean_C = jnp.sum(x_BTC * weight_BT1, axis=(0, 1)) / n
    var_C = jnp.sum(jnp.square(x_BTC - mean_C) * weight_BT1, axis=(0, 1)) / n
    inverse_C = jax.lax.rsqrt(var_C + _EPSILON)
    y_BTC = (x_BTC - mean_C) * (inverse_C * scale_C) + bias_C
    return (y_BTC, mean_C, var_C), (x_BTC, mean_C, inverse_C, scale_C, weight_BT1 / n)


def _backward(saved, gradients):
    x_BTC, mean_C, inverse_C, scale_C, share_BT1 = saved
    dy_BTC, _, _ = gradients  # the statistics lead to running averages only
    z_BTC = (x_BTC - mean_C) * inverse_C
    dbias_C = jnp.sum(dy_BTC, axis=(0, 1))
    dscale_C = jnp.sum(dy_BTC * z_BTC, axis=(0, 1))
    dx_BTC = (scale_C * inverse_C) * (dy_BTC - share_BT1 * (dbias_C + z_BTC * dscale_C))
    return dx_BTC, dscale_C, dbias_C, None


_normalise.defvjp(_forward, _backward)
