"""A predictor on disk: a folder of `weights.safetensors` and `predictor.json`, data only.

It may be untrusted: as with a recognizer, sizes, types and shapes are checked before anything is
allocated, no field names a file, and a link that leads out of the folder is not followed.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import safetensors.numpy

from emoasr.asr.saved import SavedRecognizer
from emoasr.errors import UserError, one_line, quoted
from emoasr.files import places, untrusted
from emoasr.files.tensors import read_tensors, tensor_shapes
from emoasr.files.writing import write_atomically
from emoasr.inference.attention import Attention
from emoasr.prediction import manifest
from emoasr.prediction.manifest import Record
from emoasr.prediction.model import KNOWN_BY, ClassTarget, Fitted, Model, Target
from emoasr.settings.choices import ATTENTION, POOLINGS
from emoasr.system.output import counted

_RECORD, _WEIGHTS = places.PREDICTOR_FILES
_MOST = {_RECORD: manifest.MOST_BYTES, _WEIGHTS: 1 << 28}  # bytes
_TYPES = ("F32", "F64", "I32")

# Sizes of each tensor: D features, U fitted utterances; of each rating F folds, N utterances; of
# each target of classes C classes.
# The first tensor that has a size says what it is.
_SHAPES: dict[str, tuple[str | int, ...]] = {
    "lowest": ("D",),
    "highest": ("D",),
    "mean": ("D",),
    "known": ("U", KNOWN_BY),
}
_SHAPES_OF_RATING: dict[str, tuple[str | int, ...]] = {
    "weights": ("D",),
    "bias": (1,),
    "fold_weights": ("F", "D"),
    "fold_biases": ("F",),
    "errors": ("N",),
    "folds": ("N",),
    "speakers": ("N",),
}
_SHAPES_OF_CLASSES: dict[str, tuple[str | int, ...]] = {"weights": ("C", "D"), "biases": ("C",)}
_SHAPES_OF_ATTENTION: dict[str, tuple[str | int, ...]] = {  # H hidden units
    "attention.project": ("D", "H"),
    "attention.score": ("H",),
}
_WHOLE = ("folds", "speakers")  # tensors of whole numbers


@dataclasses.dataclass(frozen=True, eq=False)
class SavedPredictor:
    """What a predictor's folder holds.

    Attributes:
        model: weights, errors, and what the fitted features were like.
        record: what else `predictor.json` says.
        digest: SHA-256 over both, 16 hex digits.
    """

    model: Model
    record: Record
    digest: str


def save(folder: Path, model: Model, record: Record) -> SavedPredictor:
    """Writes a predictor's folder; an older one there is replaced file by file.

    Raises:
        UserError: the predictor could not be read again.
    """
    manifest.check(folder / _RECORD, record)
    tensors = _tensors(model)
    text = json.dumps(record.to_json(), indent=1, ensure_ascii=False, allow_nan=False)
    saved = SavedPredictor(model, record, _digest(tensors, record))
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(folder / _WEIGHTS, safetensors.numpy.save(tensors))
    write_atomically(folder / _RECORD, text + "\n")
    return saved


def load(path_or_name: Path | str | None = None) -> SavedPredictor:
    """Reads a predictor.

    Args:
        path_or_name: as for `emoasr.load_predictor`.

    Raises:
        UserError: no such predictor, or its files are not what they should be, or too large.
    """
    path = places.of_predictor(path_or_name)
    files = {name: untrusted.own(path / name, _MOST[name]) for name in places.PREDICTOR_FILES}
    record = manifest.read(files[_RECORD])
    source = files[_WEIGHTS]
    shapes = tensor_shapes(source, _TYPES, _MOST[_WEIGHTS])
    _check_shapes(shapes, record, source)
    tensors = read_tensors(source)
    _check_values(tensors, record.classes, source)
    return SavedPredictor(_model(tensors, record), record, _digest(tensors, record))


def check_recognizer(predictor: SavedPredictor, recognizer: SavedRecognizer) -> None:
    """Raises a UserError unless the predictor was fitted on this recognizer's features."""
    expected, sizes = predictor.record.features.recognizer, recognizer.config.model
    if recognizer.digest != expected:
        raise UserError(
            f"the predictor was fitted on features of recognizer {quoted(expected)}, this one is "
            f"{recognizer.digest}; give its folder as the recognizer"
        )
    n_statistics = len(POOLINGS.get(predictor.record.features.pooling, (ATTENTION,)))
    tap = predictor.record.features.tap
    if tap not in recognizer.model.TAPS:
        raise UserError(
            f"the predictor was fitted on tap {tap!r}; the recognizer has "
            f"{', '.join(recognizer.model.TAPS)}"
        )
    n_units = sizes.n_layers * sizes.n_channels * n_statistics
    if predictor.model.n_features != n_units:
        raise UserError(
            f"the predictor takes {predictor.model.n_features} features; the recognizer gives "
            f"{n_units}"
        )


def known_speakers(predictor: SavedPredictor, labels: pd.DataFrame) -> list[str]:
    """A line if speakers of a corpus have the names of fitted ones."""
    there = set(labels["speaker"].dropna().astype(str)) if "speaker" in labels else set()
    known = sorted(there & set(predictor.record.speakers))
    if not known:
        return []
    some = ", ".join(map(one_line, known[:5])) + ", ..." * (len(known) > 5)
    return [
        f"{len(known)} of {counted(len(there), 'speaker')} are called like some that the predictor "
        f"was fitted on ({some}): if they are the same, its intervals and error figures do not hold"
    ]


def _tensors(model: Model) -> dict[str, np.ndarray]:
    fitted = model.fitted
    tensors = {
        "lowest": fitted.lowest_D,
        "highest": fitted.highest_D,
        "mean": fitted.mean_D,
        "known": fitted.known_UP,
    }
    if model.attention:
        weighs = map(np.asarray, model.attention)
        tensors |= dict(zip(_SHAPES_OF_ATTENTION, weighs, strict=True))
    for t, target in enumerate(model.targets):
        of_target = _of_classes(target) if isinstance(target, ClassTarget) else _of_rating(target)
        tensors |= {f"{t}.{name}": tensor for name, tensor in of_target.items()}
    # safetensors writes the memory of an array as it lies
    return {name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}


def _of_rating(target: Target) -> dict[str, np.ndarray]:
    return {
        "weights": target.weights_D,
        "bias": np.array([target.bias]),
        "fold_weights": target.fold_weights_FD,
        "fold_biases": target.fold_biases_F,
        "errors": target.errors_N,
        "folds": target.folds_N,
        "speakers": target.speakers_N,
    }


def _of_classes(target: ClassTarget) -> dict[str, np.ndarray]:
    return {"weights": target.weights_CD, "biases": target.biases_C}


def _model(tensors: Mapping[str, np.ndarray], record: Record) -> Model:
    targets = []
    for t, (name, classes) in enumerate(zip(record.targets, record.classes, strict=True)):
        own = {kind: tensors[f"{t}.{kind}"] for kind in _shapes_of(classes)}
        targets.append(_class_target(name, classes, own) if classes else _target(name, own))
    low_D, high_D, mean_D = (tensors[name] for name in ("lowest", "highest", "mean"))
    fitted = Fitted(low_D, high_D, mean_D, record.most_beyond, tensors["known"])
    attentive = record.features.pooling == ATTENTION
    weighs = Attention(*(tensors[n] for n in _SHAPES_OF_ATTENTION)) if attentive else None
    return Model(tuple(targets), fitted, record.scale, weighs)


def _target(name: str, tensors: Mapping[str, np.ndarray]) -> Target:
    return Target(
        name,
        weights_D=tensors["weights"],
        bias=float(tensors["bias"][0]),
        fold_weights_FD=tensors["fold_weights"],
        fold_biases_F=tensors["fold_biases"],
        errors_N=tensors["errors"],
        folds_N=tensors["folds"],
        speakers_N=tensors["speakers"],
    )


def _class_target(
    name: str, classes: tuple[str, ...], tensors: Mapping[str, np.ndarray]
) -> ClassTarget:
    return ClassTarget(name, classes, tensors["weights"], tensors["biases"])


def _shapes_of(classes: tuple[str, ...]) -> dict[str, tuple[str | int, ...]]:
    return _SHAPES_OF_CLASSES if classes else _SHAPES_OF_RATING


def _digest(tensors: Mapping[str, np.ndarray], record: Record) -> str:
    fields = dataclasses.asdict(dataclasses.replace(record, card={}))
    sha = hashlib.sha256(json.dumps(fields, sort_keys=True).encode())
    for name in sorted(tensors):
        sha.update(name.encode() + tensors[name].tobytes())
    return sha.hexdigest()[:16]


def _check_shapes(
    shapes: Mapping[str, tuple[int, ...]], record: Record, source: untrusted.Source
) -> None:
    """Refuses tensors that are not those of a predictor of such features and targets."""
    attentive = record.features.pooling == ATTENTION
    wanted = _SHAPES | (_SHAPES_OF_ATTENTION if attentive else {})
    for t, of_target in enumerate(record.classes):
        for name, sizes in _shapes_of(of_target).items():
            own: dict[str, str | int] = {"F": f"{t}.F", "N": f"{t}.N", "C": len(of_target)}
            wanted[f"{t}.{name}"] = tuple(own.get(str(size), size) for size in sizes)
    odd = sorted(set(wanted) ^ set(shapes))
    if odd:
        kind = "lacks" if odd[0] in wanted else "has an unknown"
        raise UserError(f"{source} {kind} tensor {quoted(odd[0])} ({len(odd)} differ)")
    sizes_of: dict[str | int, int] = {}
    for name, sizes in wanted.items():
        shape = shapes[name]
        right = len(shape) == len(sizes) and all(
            n > 0 and n == (size if isinstance(size, int) else sizes_of.setdefault(size, n))
            for n, size in zip(shape, sizes, strict=True)
        )
        if not right:
            expected = tuple(sizes_of.get(size, size) for size in sizes)
            raise UserError(f"{source}: {name} has shape {shape}, not {quoted(expected)}")


def _check_values(
    tensors: Mapping[str, np.ndarray],
    classes: Sequence[tuple[str, ...]],
    source: untrusted.Source,
) -> None:
    """Refuses numbers of a wrong type, or out of bounds."""
    for name, tensor in tensors.items():
        if (tensor.dtype.kind == "i") != (name.partition(".")[2] in _WHOLE):
            raise UserError(f"{source}: tensor {quoted(name)} has numbers of type {tensor.dtype}")
    ratings = [t for t, of_target in enumerate(classes) if not of_target]
    problems = {
        "highest": tensors["highest"] < tensors["lowest"],
        **{f"{t}.errors": tensors[f"{t}.errors"] < 0 for t in ratings},
        **{
            f"{t}.folds": (folds < 0) | (folds >= len(tensors[f"{t}.fold_biases"]))
            for t in ratings
            for folds in [tensors[f"{t}.folds"]]
        },
    }
    for name, wrong in problems.items():
        if wrong.any():
            raise UserError(f"{source}: {name} holds a number that is out of bounds")
