"""The weights in a folder of Hugging Face's transformers, put into our networks.

They are in `model.safetensors` or in its parts, as float16, bfloat16 or float32, and may be
untrusted: shapes are checked against the network's before anything is allocated. What the networks
do not have, such as Whisper's decoder, is not read.
"""

import re
from typing import Any

import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr.asr.networks.base import Network
from emoasr.asr.recognizer_files import Tensors
from emoasr.errors import UserError
from emoasr.system.output import counted

_PREFIXES = {  # of names, in networks with a head and without
    "whisper": ("model.encoder.", "encoder."),
    "wav2vec2": ("wav2vec2.", ""),
    "hubert": ("hubert.", ""),
    "wavlm": ("wavlm.", ""),
}
_HEAD = "lm_head."
_LEAVES = {"kernel": "weight", "scale": "weight"}
_RENAMED = (  # our layers have wav2vec 2.0's names; what Whisper and WavLM name otherwise
    (r"^(layers\.\d+)\.attention\.", r"\1.self_attn."),
    (r"^(layers\.\d+)\.layer_norm\.", r"\1.self_attn_layer_norm."),
    (r"^(layers\.\d+)\.feed_forward\.intermediate_dense\.", r"\1.fc1."),
    (r"^(layers\.\d+)\.feed_forward\.output_dense\.", r"\1.fc2."),
    (r"^encoder\.rel_attn_embed$", "encoder.layers.0.attention.rel_attn_embed.weight"),
)
_WEIGHT_NORM = (  # a kernel's norm and direction, as PyTorch names them, now and before
    ("parametrizations.weight.original0", "parametrizations.weight.original1"),
    ("weight_g", "weight_v"),
)


def check_depth(n_blocks: int, tensors: Tensors, where: str) -> None:
    """Refuses a folder whose weights have fewer layers than its configuration claims.

    It needs no network: an outline of hundreds of layers takes a minute to make.

    Raises:
        UserError: the last layer has no tensors.
    """
    last = f"encoder.layers.{n_blocks - 1}."
    if not any(last in name for name in tensors.shapes):
        raise UserError(
            f"{where}: its weights lack {last}*; config.json has {counted(n_blocks, 'layer')}"
        )


def fill(network: Network, kind: str, tensors: Tensors, where: str) -> Network:
    """Gives an outline of a network (shapes without values) its weights.

    Args:
        network: as `nnx.eval_shape` makes it.
        kind: `model_type` of its configuration.
        tensors: of the folder.
        where: the folder, for error messages.

    Raises:
        UserError: a tensor is missing, or is not what it should be.
    """
    graph, state = nnx.split(network)
    variables = {_path(key): variable for key, variable in nnx.to_flat_state(state)}
    wanted = _wanted(variables, kind, tensors, where)
    read = dict(tensors.read([name for names in wanted.values() for name in names]))
    for path, names in wanted.items():
        parts = [read.pop(name).astype(np.float32) for name in names]
        try:
            weight = parts[0] if len(parts) == 1 else _folded(*parts)
        except FloatingPointError as error:
            raise UserError(f"{where}: {' and '.join(names)} make no kernel ({error})") from None
        variables[path].set_value(jnp.asarray(_turned(path, weight)))
    return nnx.merge(graph, state)


def _path(key: tuple[Any, ...]) -> str:
    return ".".join(map(str, key))


def _wanted(variables, kind: str, tensors: Tensors, where: str) -> dict[str, list[str]]:
    """The tensors of each variable: one, or norm and direction of a kernel with weight norm."""
    prefix = next(
        (p for p in _PREFIXES[kind] if any(name.startswith(p) for name in tensors.shapes)), ""
    )
    found = {}
    for path, variable in variables.items():
        name = _their_name(path, prefix, kind)
        shape = variable.shape[::-1] if path.endswith("kernel") else variable.shape
        options = [[name]]
        if path.endswith("pos_conv_embed.conv.kernel"):
            stem = name.removesuffix("weight")
            options += [[stem + norm, stem + direction] for norm, direction in _WEIGHT_NORM]
        there = [names for names in options if all(n in tensors.shapes for n in names)]
        if not there:
            raise UserError(f"{where}: its weights lack the tensor {name}, of floats")
        found[path] = there[0]
        if tensors.shapes[there[0][-1]] != shape:
            raise UserError(
                f"{where}: tensor {there[0][-1]} has shape {tensors.shapes[there[0][-1]]}; "
                f"config.json makes it {shape}"
            )
    return found


def _their_name(path: str, prefix: str, kind: str) -> str:
    """What transformers calls one of our variables."""
    stem, _, leaf = path.rpartition(".")
    name = f"{stem}.{_LEAVES.get(leaf, leaf)}"
    for ours, theirs in _RENAMED:
        name = re.sub(ours, theirs, name)
    return name if name.startswith(_HEAD) else prefix + name


def _folded(norm_11K: np.ndarray, direction_OIK: np.ndarray) -> np.ndarray:
    """Folds weight norm (Salimans & Kingma 2016), one norm a position, into a kernel."""
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        lengths_11K = np.sqrt(np.square(direction_OIK).sum(axis=(0, 1), keepdims=True))
        return norm_11K * direction_OIK / lengths_11K


def _turned(path: str, weight: np.ndarray) -> np.ndarray:
    """PyTorch has outputs first and time last; Flax the other way round."""
    return weight.T if path.endswith("kernel") else weight
