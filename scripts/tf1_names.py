"""How checkpoints of the original recognizer name its variables, and what emoasr calls them.

The original's layer library renamed its layers again and again, and there are copies in tf-slim's
names; all hold one network. Names of the official checkpoint, such as `block_0_1/conv_filter/W`,
stand between: every naming leads to them, and they lead to emoasr's.
"""

import dataclasses
import re
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np

from emoasr.errors import UserError
from emoasr.settings.choices import ModelConfig

SIZE = ModelConfig()  # the original's

_BLOCKS = [f"block_{b}_{rate}" for b in range(SIZE.n_blocks) for rate in SIZE.dilations]
_GATED = [
    f"{block}/{part}" for block in _BLOCKS for part in ("conv_filter", "conv_gate", "conv_out")
]
_LAYERS = ["front/conv_in", *_GATED, "logit/conv_1", "logit/conv_2"]  # as they are created

# What a layer's variables are called, and what emoasr's module calls them.
_NORMED = {"W": "conv.kernel", "beta": "norm.bias", "gamma": "norm.scale", "mean": "norm.mean",
           "variance": "norm.var"}  # fmt: skip
_LAST = {"W": "kernel", "b": "bias"}
_SLIM = {"W": "weights", "b": "biases", "beta": "BatchNorm/beta", "gamma": "BatchNorm/gamma",
         "mean": "BatchNorm/moving_mean", "variance": "BatchNorm/moving_variance"}  # fmt: skip
_COUNTED_MEAN = re.compile(r"/mean_\d+(?=/|$)")  # newer TensorFlow 1.x: not the op Mean


@dataclasses.dataclass(frozen=True)
class Naming:
    """One way to name the network's variables.

    Attributes:
        title: what the naming is called in messages.
        sample_rate: of the front end that networks so named were trained with, Hz.
        layers: in the order of their creation.
        suffixes: of a layer's variables, by the official ones.
    """

    title: str
    sample_rate: int
    layers: tuple[str, ...]
    suffixes: Mapping[str, str] = dataclasses.field(default_factory=dict)

    def official(self) -> dict[str, str]:
        """The official name of every variable, by this naming's."""
        return {
            f"{scope}/{self.suffixes.get(suffix, suffix)}": f"{layer}/{suffix}"
            for scope, layer in zip(self.layers, _LAYERS, strict=True)
            for suffix in _suffixes(layer)
        }


def _suffixes(layer: str) -> dict[str, str]:
    return _LAST if layer == _LAYERS[-1] else _NORMED


def _numbered(form: str, outs: range, head: int) -> tuple[str, ...]:
    """Layers of a network whose layers were named by their kind and a number."""
    layers = [form.format("conv1d", 1)]
    for k, out in enumerate(outs, start=1):
        layers += [form.format("aconv1d", 2 * k - 1), form.format("aconv1d", 2 * k)]
        layers.append(form.format("conv1d", out))
    return (*layers, form.format("conv1d", head), form.format("conv1d", head + 1))


_N = len(_BLOCKS)
_SLIM_GATED = (f"wavenet/resnet/{b}/{part}" for b in _BLOCKS for part in ("filter", "gate", "conv"))
_SLIM_LAYERS = ("wavenet/input/conv", *_SLIM_GATED, "wavenet/output/conv", "wavenet/output/logit")
NAMINGS = (
    Naming("named layers (second generation)", 16000, tuple(_LAYERS)),
    Naming("layers/conv1d_N (first generation, sugartensor 0.0.1.9 to 0.0.2.1)", 22050,
           _numbered("layers/{}_{}", range(2, _N + 2), _N + 2)),
    Naming("lyr-conv1d_N (first generation, sugartensor 0.0.2.2 and 0.0.2.3)", 22050,
           _numbered("lyr-{}_{}", range(2, _N + 2), _N + 2)),
    # here the numbers of conv1d go on from those of aconv1d, whose name holds theirs
    Naming("conv1d_N (first generation, sugartensor 0.0.2.4 and later)", 22050,
           _numbered("{}_{}", range(3, 2 * _N + 2, 2), 2 * _N + 2)),
    Naming("tf-slim copy (second generation)", 16000, _SLIM_LAYERS, _SLIM),
)  # fmt: skip


def nearest(names: Collection[str]) -> Naming:
    """The naming of which most names are there."""
    return max(NAMINGS, key=lambda naming: len(naming.official().keys() & names))


def plain(names: Collection[str], source: Path) -> dict[str, str]:
    """The checkpoint's names, by the same names without a number after `mean`.

    Raises:
        UserError: two names come out as one.
    """
    found: dict[str, str] = {}
    for name in sorted(names):
        bare = _COUNTED_MEAN.sub("/mean", name)
        if bare in found:
            raise UserError(f"{source}: holds both {found[bare]} and {name}; one is too many")
        found[bare] = name
    return found


def shapes() -> dict[str, tuple[int, ...]]:
    """The shape of every variable, by its official name."""
    width = SIZE.n_channels
    found: dict[str, tuple[int, ...]] = {}
    for layer in _LAYERS:
        n_in = SIZE.n_mfcc if layer == _LAYERS[0] else width
        n_out = SIZE.n_symbols if layer == _LAYERS[-1] else width
        dilated = layer.endswith(("conv_filter", "conv_gate"))
        found |= {f"{layer}/{suffix}": (n_out,) for suffix in _suffixes(layer)}
        found[f"{layer}/W"] = (1, SIZE.kernel_size, n_in, n_out) if dilated else (1, n_in, n_out)
    return found


def parameters(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The network's parameters by emoasr's names, from the official ones.

    Kernels lose the axis of height that the original's dilated convolutions have; filter and gate
    become one convolution, filter first.
    """
    modules = {"front": _LAYERS[:1], "head": _LAYERS[-2:-1], "symbols": _LAYERS[-1:]}
    for i, block in enumerate(_BLOCKS):
        modules[f"layers.{i}.filter_gate"] = [f"{block}/conv_filter", f"{block}/conv_gate"]
        modules[f"layers.{i}.out"] = [f"{block}/conv_out"]
    found = {}
    for module, layers in modules.items():
        for suffix, name in _suffixes(layers[0]).items():
            parts = [tensors[f"{layer}/{suffix}"] for layer in layers]
            joined = np.concatenate(parts, axis=-1).astype(np.float32)
            found[f"{module}.{name}"] = joined.reshape(joined.shape[-3:])
    return found
