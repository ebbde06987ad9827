"""A recognizer on disk.

It is a folder of files that are data only: `weights.safetensors`, `recognizer.json`
(model, front end, symbols, what it was trained on and how well it recognizes), and perhaps
`language.safetensors`, the language model for beam search. It may be untrusted: sizes, types and
shapes are checked before anything is allocated, no field names a file, and a link that leads out of
the folder is not followed. From a store its files are fetched into memory.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np
import safetensors.numpy
from flax import nnx

from emoasr.asr import (
    manifest,
    recognizer_files,
    text,
    transformers_config,
    transformers_weights,
    vocabulary,
)
from emoasr.asr.frontend import FrontEnd, FrontEndConfig
from emoasr.asr.networks.base import Network, Sizes
from emoasr.asr.networks.gated import GatedConvNet, ModelConfig
from emoasr.asr.networks.wav2vec2 import Wav2Vec2Config, Wav2Vec2Encoder
from emoasr.asr.networks.whisper import WhisperConfig, WhisperEncoder
from emoasr.asr.vocabulary import Unread
from emoasr.errors import UserError
from emoasr.files import places, storage, untrusted
from emoasr.files.writing import write_atomically
from emoasr.settings.choices import check_choice
from emoasr.system import forks

_RECORD, _WEIGHTS = places.RECOGNIZER_FILES
_VOCABULARY = "vocab.json"  # of transformers
_NETWORKS: dict[type, Callable[..., Network]] = {
    ModelConfig: GatedConvNet,
    WhisperConfig: WhisperEncoder,
    Wav2Vec2Config: Wav2Vec2Encoder,
}


@dataclasses.dataclass(frozen=True)
class RecognizerConfig:
    """What a recognizer computes: its network's size and its front end."""

    model: Sizes
    frontend: FrontEnd


@dataclasses.dataclass(frozen=True, eq=False)
class SavedRecognizer:
    """What a recognizer's folder holds, ours or one of Hugging Face's transformers.

    Attributes:
        model: the network.
        config: its size and front end.
        card: the rest of `recognizer.json`: training data, terms, metrics.
        digest: SHA-256 over weights and configuration, 16 hex digits; names it in feature tables.
        language_file: its language model, for transcripts; None: it has none.
        vocabulary_file: its `vocab.json`, of transformers with a CTC head; None: of others.
    """

    model: Network
    config: RecognizerConfig
    card: dict[str, Any]
    digest: str
    language_file: untrusted.Source | None = None
    vocabulary_file: Unread | None = None

    def tap(self, asked: str | None, field: str = "tap") -> str:
        """The tap that is meant: the one asked for, or the first that the network has.

        Raises:
            UserError: the network does not have it.
        """
        meant = asked or self.model.TAPS[0]
        check_choice(field, meant, self.model.TAPS)
        return meant


def save(
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


def load(path_or_name: Path | str | None = None) -> SavedRecognizer:
    """Reads a recognizer.

    Args:
        path_or_name: as for `emoasr.load_recognizer`.

    Raises:
        UserError: likewise.
    """
    forks.check()
    files = recognizer_files.opened(places.of_recognizer(path_or_name))
    if files.folder.of_transformers:
        return _of_transformers(files)
    sizes, frontend, card = manifest.read(files.records[_RECORD])
    model, tensors = _outline(sizes), files.tensors
    where = files.folder.path / _WEIGHTS
    _check_fit(model, tensors.shapes, where)
    model = filled(model, dict(tensors.read(tensors.shapes)), where)
    config = RecognizerConfig(sizes, frontend)
    return SavedRecognizer(model, config, card, digest(model, frontend), files.language_file)


def _of_transformers(files: recognizer_files.Opened) -> SavedRecognizer:
    """A folder of Hugging Face's transformers; its card says only what it is."""
    path = files.folder.path
    kind, sizes, frontend, blank = transformers_config.read(files.records)
    transformers_weights.check_depth(sizes.n_blocks, files.tensors, str(path))
    model = transformers_weights.fill(_outline(sizes), kind, files.tensors, str(path))
    card = {"name": path.name, "architecture": kind}
    config = RecognizerConfig(sizes, frontend)
    symbols = None
    if isinstance(sizes, Wav2Vec2Config) and sizes.n_symbols:
        file = path / _VOCABULARY
        source = untrusted.own(file, vocabulary.MOST_BYTES) if places.is_file(file) else None
        symbols = Unread(str(file), untrusted.lasting(source), sizes.n_symbols, blank)
    return SavedRecognizer(model, config, card, digest(model, frontend), None, symbols)


def digest(model: Network, frontend: FrontEnd) -> str:
    """SHA-256 over the weights, the model's and the front end's configuration, 16 hex digits."""
    sha = hashlib.sha256()
    configs = [dataclasses.asdict(model.config), dataclasses.asdict(frontend)]
    sha.update(json.dumps(configs, sort_keys=True).encode())
    for name, value in sorted(weights(model).items()):
        sha.update(name.encode() + value.tobytes())
    return sha.hexdigest()[:16]


def weights(model: Network) -> dict[str, np.ndarray]:
    """Parameters and batch-norm statistics by dotted path, `layers.0.out.conv.kernel`."""
    return {name: np.asarray(value[...]) for name, value in variables(model).items()}


def variables(model: Network) -> dict[str, nnx.Variable]:
    """The variables whose values `weights` returns."""
    state = nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))
    return {".".join(map(str, path)): value for path, value in nnx.to_flat_state(state)}


def with_weights(config: ModelConfig, tensors: dict[str, np.ndarray], source: Path) -> Network:
    """A network of given weights.

    Args:
        config: its size.
        tensors: what `weights` gives.
        source: the file that holds them, for error messages.

    Raises:
        UserError: tensors are missing, unknown or of another shape, or a variance is below zero.
    """
    model = _outline(config)
    _check_fit(model, {name: tensor.shape for name, tensor in tensors.items()}, source)
    return filled(model, tensors, source)


def with_random_weights(config: Sizes, seed: int) -> Network:
    """A network of the given size, untrained."""
    return _NETWORKS[type(config)](config, rngs=nnx.Rngs(seed))


def _outline(config: Sizes) -> Network:
    """A network whose variables have shapes but no values: nothing is allocated."""
    return nnx.clone(_traced(config))


@functools.cache
def _traced(config: Sizes) -> Network:
    return nnx.eval_shape(lambda: with_random_weights(config, 0))


def _check_fit(model: Network, shapes: Mapping[str, tuple], source: storage.Place) -> None:
    """Refuses tensors that are not those of the network."""
    wanted = {name: variable.shape for name, variable in variables(model).items()}
    odd = sorted(set(wanted) ^ set(shapes))
    if odd:
        kind = "lacks" if odd[0] in wanted else "has an unknown"
        raise UserError(f"{source} {kind} tensor {untrusted.quoted(odd[0])} ({len(odd)} differ)")
    for name, shape in wanted.items():
        if shapes[name] != shape:
            raise UserError(f"{source}: {name} has shape {shapes[name]}, the network's is {shape}")


def filled(model: Network, tensors: dict[str, np.ndarray], source: storage.Place) -> Network:
    """The network of `_outline` with weights that `_check_fit` has checked."""
    for name, tensor in tensors.items():
        if name.endswith("norm.var") and (tensor < 0).any():
            raise UserError(f"{source}: {name} holds a variance below zero")
    graph, state = nnx.split(model)
    for key, variable in nnx.to_flat_state(state):
        name = ".".join(map(str, key))
        variable.set_value(jax.numpy.asarray(tensors[name], np.float32))
    return nnx.merge(graph, state)
