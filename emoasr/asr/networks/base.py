"""The interface of every network: an output with taps, and the type that it multiplies in."""

import dataclasses
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import jax
import jax.numpy as jnp
from flax import nnx


class Output(NamedTuple):
    """What a network gives for a batch.

    Attributes:
        logits_BTV: unnormalised symbol scores; meaningless beyond an utterance's end; None: the
            network has none.
        taps: for each of the network's `TAPS` the activations (B, T, C) of every layer, in
            processing order, zero beyond an utterance's end. Under `jax.jit`, taps that nobody uses
            cost nothing.
    """

    logits_BTV: jax.Array | None
    taps: dict[str, tuple[jax.Array, ...]]


class Sizes(Protocol):
    """The size of a network: a frozen dataclass, and part of its digest."""

    __dataclass_fields__: ClassVar[dict[str, dataclasses.Field[Any]]]

    def __hash__(self) -> int: ...

    @property
    def n_layers(self) -> int:
        """Layers of a tap."""
        ...

    @property
    def n_channels(self) -> int:
        """Units of a layer."""
        ...

    @property
    def receptive_field(self) -> int:
        """Frames at either side that an activation depends on; 0: all of its window."""
        ...


class Network(nnx.Module):
    """Maps what the front end gives to logits and taps.

    Attributes:
        TAPS: kinds of activations, the default first.
        config: its size.
    """

    TAPS: ClassVar[tuple[str, ...]]
    config: Sizes

    def __call__(self, x: jax.Array, valid_B: jax.Array) -> Output:
        """Runs the network on what its front end gives."""
        raise NotImplementedError

    def computing_in(self, dtype: str) -> Self:
        """This network, or a copy that multiplies in another type.

        Args:
            dtype: one of `settings.COMPUTE_DTYPES`. With "bfloat16" the factors of convolutions and
                linear maps are rounded to it; sums, norms and everything else stay float32. With
                "tensorfloat32" the device may round these factors to the 10 bits of a mantissa that
                its matrix units take; a CPU has none, and computes as with "float32".
        """
        if dtype == "float32":
            return self
        twin = nnx.clone(self)
        for _, module in nnx.iter_modules(twin):
            if not isinstance(module, nnx.Conv | nnx.Linear):
                continue
            if dtype == "tensorfloat32":
                module.precision = jax.lax.Precision.DEFAULT
            else:
                module.dtype, module.preferred_element_type = jnp.dtype(dtype), jnp.float32
        return twin
