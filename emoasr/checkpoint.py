"""A recognizer on disk, and the state of a training.

A recognizer is a folder of files that are data only: `weights.safetensors`, `recognizer.json`
(model, front end, symbols, what it was trained on and how well it recognizes), and perhaps
`language.safetensors`, the language model that its transcripts can be weighed against.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from flax import nnx
from orbax.checkpoint import v1 as ocp
from safetensors import SafetensorError

from emoasr import text
from emoasr.cli import write_atomically
from emoasr.errors import UserError
from emoasr.frontend import FrontEndConfig
from emoasr.model import GatedConvNet, ModelConfig
from emoasr.recognizer import Recognizer, RecognizerConfig, digest, variables, weights

LANGUAGE_FILE = "language.safetensors"

_FORMAT = 1
_SHIPPED = Path(__file__).parent / "recognizers"
_DEFAULT = "english"


def save_recognizer(
    folder: Path,
    model: GatedConvNet,
    frontend: FrontEndConfig,
    card: dict[str, Any],
    half: bool = False,
) -> None:
    """Writes a recognizer folder; an older one there is replaced file by file.

    Args:
        folder: made if needed.
        model: the network.
        frontend: its front end.
        card: JSON-able: training data and terms, steps, metrics, limits.
        half: whether to store kernels as float16 (norms' statistics exceed its range).
    """
    tensors = weights(model)
    if half:
        small = {name: t.astype(np.float16) for name, t in tensors.items() if "kernel" in name}
        tensors = {**tensors, **small}
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / "weights.safetensors", safetensors.numpy.save(tensors))
    record = {
        "format": _FORMAT,
        "model": dataclasses.asdict(model.config),
        "frontend": dataclasses.asdict(frontend),
        "symbols": text.SYMBOLS,
        "blank": text.BLANK,
        **card,
    }
    (folder / "README.md").unlink(missing_ok=True)  # an older recognizer's card
    write_atomically(folder / "recognizer.json", json.dumps(record, indent=1) + "\n")


def load_recognizer(path_or_name: Path | str | None = None) -> Recognizer:
    """Opens a recognizer.

    Args:
        path_or_name: a recognizer's folder, or the name of one in the package (`english`);
            None: the one that the package ships as its best.

    Raises:
        UserError: no such recognizer, or its files do not fit together.
    """
    path = Path(path_or_name) if path_or_name else _SHIPPED / _DEFAULT
    if not path.exists() and (_SHIPPED / path).is_dir():
        path = _SHIPPED / path
    for name in ("recognizer.json", "weights.safetensors"):
        if not (path / name).is_file():
            raise UserError(f"{path} is no recognizer's folder: it has no {name}")
    try:
        record = json.loads((path / "recognizer.json").read_text(encoding="utf-8"))
        sizes = record.pop("model")
        model_config = ModelConfig(**{**sizes, "dilations": tuple(sizes["dilations"])})
        frontend = FrontEndConfig(**record.pop("frontend"))
        tensors = safetensors.numpy.load_file(path / "weights.safetensors")
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise UserError(f"{path}: not a readable recognizer ({error})") from None
    if record.get("format") != _FORMAT or record.get("symbols") != text.SYMBOLS:
        raise UserError(f"{path}: format or symbols are not those of this version of emoasr")
    model = with_weights(model_config, tensors, path / "weights.safetensors")
    config = RecognizerConfig(model_config, frontend)
    language_file = path / LANGUAGE_FILE
    return Recognizer(
        model, config, record, digest(model, frontend),
        language_file if language_file.is_file() else None,
    )  # fmt: skip


def with_weights(config: ModelConfig, tensors: dict[str, np.ndarray], source: Path) -> GatedConvNet:
    """A network of given weights.

    Args:
        config: its size.
        tensors: what `recognizer.weights` gives.
        source: the file that they are from, for complaints.

    Raises:
        UserError: tensors are missing, unknown or of another shape.
    """
    model = nnx.eval_shape(lambda: GatedConvNet(config, rngs=nnx.Rngs(0)))
    wanted = variables(model)
    odd = sorted(set(wanted) ^ set(tensors))
    if odd:
        kind = "lacks" if odd[0] in wanted else "has an unknown"
        raise UserError(f"{source} {kind} tensor {odd[0]!r} ({len(odd)} differ)")
    for name, variable in wanted.items():
        if tensors[name].shape != variable.shape:
            raise UserError(
                f"{source}: {name} has shape {tensors[name].shape}, "
                f"the network's is {variable.shape}"
            )
    graph, state = nnx.split(model)
    for key, variable in nnx.to_flat_state(state):
        name = ".".join(map(str, key))
        variable.set_value(jax.numpy.asarray(tensors[name], np.float32))
    return nnx.merge(graph, state)


class TrainingCheckpoints:
    """Training states by step, in Orbax's format: arrays, and the data iterator's position."""

    def __init__(self, folder: Path, keep: int = 2):
        """Opens the folder; a half-written checkpoint of a killed run is not seen."""
        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            folder.absolute(), preservation_policy=policies.LatestN(keep),
            cleanup_tmp_directories=True,
        )  # fmt: skip

    def save(self, step: int, state: Any, data: dict[str, Any]) -> None:
        """Saves in the background; the next save waits for it."""
        self._checkpointer.save_checkpointables_async(
            step, {"state": state, "data": data}, force=True
        )

    def restore(self, like: Any) -> tuple[int, Any, dict[str, Any]] | None:
        """The newest step, its state (of `like`'s structure) and data position; None: none."""
        latest = self._checkpointer.latest
        if latest is None:
            return None
        loaded = self._checkpointer.load_checkpointables(latest.step, {"state": like, "data": None})
        return latest.step, loaded["state"], loaded["data"]

    def close(self) -> None:
        """Waits for what is being written."""
        self._checkpointer.close()
