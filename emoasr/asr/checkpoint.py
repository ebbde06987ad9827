"""A recognizer on disk, and the state of a training.

A recognizer is a folder of files that are data only: `weights.safetensors`, `recognizer.json`
(model, front end, symbols, what it was trained on and how well it recognizes), and perhaps
`language.safetensors`, the language model that its transcripts can be weighed against. It may come
from a stranger: sizes, types and shapes are checked before anything is allocated, no field names a
file, and a link that leads out of the folder is not followed. From a store its files are fetched
into memory.
"""

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from flax import nnx

from emoasr.asr import language_model, manifest, text
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.gated import GatedConvNet, ModelConfig
from emoasr.errors import UserError
from emoasr.files import places, storage, untrusted
from emoasr.files.guard import write_atomically
from emoasr.inference import compilation
from emoasr.recognizer import Recognizer, RecognizerConfig, digest, variables, weights
from emoasr.system import forks, interrupts

LANGUAGE_FILE = "language.safetensors"

_RECORD, _WEIGHTS = places.RECOGNIZER_FILES
_TYPES = ("F16", "F32")  # of weights
_MOST = {  # bytes
    _RECORD: manifest.MOST_BYTES,
    _WEIGHTS: 1 << 30,  # 70 times the original's
    LANGUAGE_FILE: language_model.MOST_BYTES,
}


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
    write_atomically(folder / _WEIGHTS, safetensors.numpy.save(tensors))
    record = {
        "format": manifest.FORMAT,
        "model": dataclasses.asdict(model.config),
        "frontend": dataclasses.asdict(frontend),
        "symbols": text.SYMBOLS,
        "blank": text.BLANK,
        **card,
    }
    (folder / "README.md").unlink(missing_ok=True)  # an older recognizer's card
    write_atomically(folder / _RECORD, json.dumps(record, indent=1) + "\n")


def load_recognizer(path_or_name: Path | str | None = None) -> Recognizer:
    """Opens a recognizer.

    What it compiles is kept in the user's cache folder for the next process, as the commands do;
    settings of JAX that were chosen already stay (see `compilation.keep`).

    Args:
        path_or_name: a recognizer's folder, which may be a URL, or the name of one in the package
            (`english`); None: the one that the package ships as its best.

    Raises:
        UserError: no such recognizer, or its files are not what they should be, or too large; or
            a process that cannot use JAX, see `forks`.

    Example:
        >>> import emoasr
        >>> print(emoasr.load_recognizer("english"))  # doctest: +ELLIPSIS
        <Recognizer english, digest ...
          3,720,988 parameters, 15 layers x 128 units
          hears 16000 Hz, 20 MFCCs a frame of 32 ms
          trained on train splits of ...>
    """
    forks.check()
    path = places.of_recognizer(path_or_name)
    there = [*places.RECOGNIZER_FILES, *([LANGUAGE_FILE] * places.is_file(path / LANGUAGE_FILE))]
    files = {name: _own(path / name, _MOST[name]) for name in there}
    sizes, frontend, card = manifest.read(files[_RECORD])
    compilation.keep()
    source, model = files[_WEIGHTS], _outline(sizes)
    _check_fit(model, untrusted.tensor_shapes(source, _TYPES, _MOST[_WEIGHTS]), source)
    model = _filled(model, untrusted.read_tensors(source), source)
    return Recognizer(
        model, RecognizerConfig(sizes, frontend), card, digest(model, frontend),
        files.get(LANGUAGE_FILE),
    )  # fmt: skip


def with_weights(config: ModelConfig, tensors: dict[str, np.ndarray], source: Path) -> GatedConvNet:
    """A network of given weights.

    Args:
        config: its size.
        tensors: what `recognizer.weights` gives.
        source: the file that they are from, for complaints.

    Raises:
        UserError: tensors are missing, unknown or of another shape, or a variance is below zero.
    """
    model = _outline(config)
    _check_fit(model, {name: tensor.shape for name, tensor in tensors.items()}, source)
    return _filled(model, tensors, source)


def _own(file: storage.Place, most_bytes: int) -> untrusted.Source:
    """The file, unless a link makes it another folder's: a stranger does not choose what is read.

    Raises:
        UserError: it does; or the file is in a store, and cannot be fetched or is larger.
    """
    if isinstance(file, storage.Remote):
        return untrusted.fetched(file, most_bytes)
    if file.resolve().parent != file.parent.resolve():
        raise UserError(f"{file}: is a link that leads out of its folder; put the file there")
    return file


def _outline(config: ModelConfig) -> GatedConvNet:
    """A network whose variables have shapes and no values, whatever size it claims to be."""
    return nnx.eval_shape(lambda: GatedConvNet(config, rngs=nnx.Rngs(0)))


def _check_fit(model: GatedConvNet, shapes: Mapping[str, tuple], source: untrusted.Source) -> None:
    """Refuses tensors that are not those of the network."""
    wanted = {name: variable.shape for name, variable in variables(model).items()}
    odd = sorted(set(wanted) ^ set(shapes))
    if odd:
        kind = "lacks" if odd[0] in wanted else "has an unknown"
        raise UserError(f"{source} {kind} tensor {untrusted.quoted(odd[0])} ({len(odd)} differ)")
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise UserError(f"{source}: {name} has shape {shapes[name]}, the network's is {shape}")


def _filled(
    model: GatedConvNet, tensors: dict[str, np.ndarray], source: untrusted.Source
) -> GatedConvNet:
    """The network of `_outline` with weights that `_check_fit` has checked."""
    for name, tensor in tensors.items():
        if name.endswith("norm.var") and (tensor < 0).any():
            raise UserError(f"{source}: {name} holds a variance below zero")
    graph, state = nnx.split(model)
    for key, variable in nnx.to_flat_state(state):
        name = ".".join(map(str, key))
        variable.set_value(jax.numpy.asarray(tensors[name], np.float32))
    return nnx.merge(graph, state)


class TrainingCheckpoints:
    """Training states by step, in Orbax's format: arrays, and the data iterator's position.

    Orbax is not interrupted: its event loop would print what it swallows.
    """

    @interrupts.deferred()
    def __init__(self, folder: Path, keep: int = 2):
        """Opens the folder; a half-written checkpoint of a killed run is not seen."""
        from orbax.checkpoint import v1 as ocp  # half a second, which only a training needs

        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            folder.absolute(), preservation_policy=policies.LatestN(keep),
            cleanup_tmp_directories=True,
        )  # fmt: skip

    def __enter__(self) -> "TrainingCheckpoints":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Closes, but for an error: another process may have ended, and would be waited for."""
        if kind is None or issubclass(kind, KeyboardInterrupt):
            self.close()

    @interrupts.deferred()
    def save(self, step: int, state: Any, data: dict[str, Any]) -> None:
        """Saves in the background; the next save waits for it."""
        self._checkpointer.save_checkpointables_async(
            step, {"state": state, "data": data}, force=True
        )

    @interrupts.deferred()
    def restore(self, like: Any) -> tuple[int, Any, dict[str, Any]] | None:
        """The newest step, its state (of `like`'s structure) and data position; None: none."""
        latest = self._checkpointer.latest
        if latest is None:
            return None
        loaded = self._checkpointer.load_checkpointables(latest.step, {"state": like, "data": None})
        return latest.step, loaded["state"], loaded["data"]

    @interrupts.deferred()
    def close(self) -> None:
        """Waits for what is being written."""
        self._checkpointer.close()
