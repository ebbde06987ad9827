"""Safetensors files from untrusted sources: their headers checked before any tensor is made."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import safetensors
from safetensors import SafetensorError

from emoasr.errors import UserError, quoted
from emoasr.files import untrusted

_HEADER_BYTES = 1 << 20  # of safetensors: some ten thousand tensors
_DIMENSIONS = 8  # of a tensor
_NUMPYS = {  # types that are read; NumPy has bfloat16 from JAX
    "BF16": "bfloat16", "F16": "float16", "F32": "float32", "F64": "float64", "I32": "int32",
    "I64": "int64",
}  # fmt: skip


def tensor_shapes(
    path: untrusted.Source,
    types: tuple[str, ...],
    most_bytes: int,
    unread: tuple[str, ...] = (),
) -> dict[str, tuple]:
    """The shapes that a safetensors file claims, by name, from its header alone.

    Args:
        path: the file.
        types: allowed types of tensors, such as `F16` and `I32`.
        most_bytes: the largest allowed size of the file.
        unread: types of tensors that may stand there, and are left out.

    Raises:
        UserError: the file cannot be read, is larger, has no safetensors header, or has tensors of
            other types.
    """
    size = untrusted.size_of(path, most_bytes)
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or length > min(_HEADER_BYTES, size - 8):
                raise UserError(f"{path}: not safetensors: no header of {length} bytes is possible")
            header = untrusted.parse_json(file.read(length), path)
    except OSError as error:
        raise untrusted.unreadable(path, error) from None
    header.pop("__metadata__", None)
    return {
        name: _shape(path, name, tensor, types)
        for name, tensor in header.items()
        if not (isinstance(tensor, Mapping) and tensor.get("dtype") in unread)
    }


def read_tensors(
    path: untrusted.Source, names: Collection[str] | None = None
) -> dict[str, np.ndarray]:
    """Reads a safetensors file that `tensor_shapes` has checked.

    Before any tensor is made, safetensors checks that their bytes fit their shapes, follow each
    other without gap or overlap, and are all that the file holds.

    Args:
        path: the file.
        names: of the tensors to read; None: all.

    Raises:
        UserError: the file cannot be read or fails that check, or a number is NaN or infinite.
    """
    try:
        if isinstance(path, untrusted.Fetched):
            held = dict(safetensors.deserialize(path.content))
            tensors = {name: _array(held[name]) for name in names or held}
        else:
            with safetensors.safe_open(path, framework="np") as file:
                tensors = {name: file.get_tensor(name) for name in names or file.keys()}
    except (OSError, ValueError, SafetensorError) as error:
        why = quoted(str(error).removeprefix("Error while deserializing header: "))
        raise UserError(
            f"{path}: not a complete safetensors file ({why}); copy or download it again"
        ) from None
    for name, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            raise UserError(f"{path}: tensor {quoted(name)} holds NaN or infinity")
    return tensors


def _array(held: Mapping[str, Any]) -> np.ndarray:
    return np.frombuffer(held["data"], _NUMPYS[held["dtype"]]).reshape(held["shape"])


def _shape(
    source: untrusted.Source, name: str, tensor: Any, types: tuple[str, ...]
) -> tuple[int, ...]:
    what = f"{source}: tensor {quoted(name)}"
    if not isinstance(tensor, Mapping) or tensor.keys() != {"dtype", "shape", "data_offsets"}:
        raise UserError(f"{what}: its record must have dtype, shape and data_offsets")
    dtype, shape = tensor["dtype"], tensor["shape"]
    if dtype not in types:
        raise UserError(f"{what} is of type {quoted(dtype)}; must be {' or '.join(types)}")
    counts = isinstance(shape, list) and all(type(n) is int and n >= 0 for n in shape)
    if not counts or len(shape) > _DIMENSIONS:
        raise UserError(
            f"{what}: shape {quoted(shape)} must be a list of up to {_DIMENSIONS} whole numbers"
        )
    return tuple(shape)
