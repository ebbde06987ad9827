"""Turns a TensorFlow checkpoint of the original recognizer into a recognizer's folder.

    pip install -e '.[tf]'
    python scripts/convert_tf1_checkpoint.py asset/train/model.ckpt-205919 runs/original
    python -m emoasr.transcribe --recognizer=runs/original FILE ...

CKPT is the prefix of a V2 checkpoint (or its .index file), or a V1 file such as model-020-45480, of
Kim & Park's speech-to-text-wavenet: layers with names, with sugartensor's numbers (three ways), or
copied to tf-slim. Prints the naming and the front end that belongs to it, checks names and shapes,
and compares checksums with those of the official model.ckpt-205919. An older recognizer in OUT is
replaced.

The batch norms get the original's epsilon, 1e-8. A checkpoint does not contain its own: one that
a later sugartensor trained with 1e-5 is converted as well, but gives slightly other values.
"""

import contextlib
import dataclasses
import hashlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tf1_names
from absl import app, flags, logging

import emoasr
from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.saved import weights
from emoasr.errors import UserError
from emoasr.system import extras

_CRCS = Path(__file__).with_name("official_crc32c.json")
_OFFICIAL = "model.ckpt-205919"
_OFFICIAL_DATA = (
    "VCTK, LibriSpeech train-clean-360, TED-LIUM release 2 train: 240,612 sentences of English"
)
_PARTS = re.compile(r"\.(index|meta|data-\d+-of-\d+)$")
_NO_LAYERS = ("global_step", "learning_rate")


def convert(ckpt: Path, out: Path, sample_rate: int | None, antialias: bool) -> None:
    """Reads the checkpoint `ckpt`, prints what it is, and writes the recognizer `out`.

    Args:
        ckpt: prefix or file.
        out: a folder, made if needed.
        sample_rate: of the front end, Hz; None: the one that goes with the checkpoint's naming.
        antialias: whether the front end filters what it decimates.

    Raises:
        UserError: it cannot be read, is another network's, or the extra `tf` is missing.
    """
    ckpt = Path(_PARTS.sub("", str(ckpt)))
    naming, tensors, step = _read(ckpt)
    print(f"naming: {naming.title}")
    frontend = _frontend(naming, sample_rate, antialias)
    differ = differing(tensors)
    print(f"checksums: {_judged(differ, len(tensors))}")

    model = saved.with_weights(tf1_names.SIZE, tf1_names.parameters(tensors), ckpt)
    card = _card(naming, _hashes(ckpt), step, differ)
    try:
        saved.save(out, model, frontend, card)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); give another") from None
    _tell(out)


def _tell(out: Path) -> None:
    """Opens what was written, and prints what it is."""
    written = emoasr.load_recognizer(out)
    sizes = {name: tensor.size for name, tensor in weights(written.model).items()}
    fixed = sum(n for name, n in sizes.items() if name.endswith((".mean", ".var")))
    front = ", ".join(f"{k} {v}" for k, v in dataclasses.asdict(written.config.frontend).items())
    print(f"{out}: recognizer {written.digest}")
    print(f"  {sum(sizes.values()) - fixed:,} parameters, {fixed:,} batch norm statistics")
    print(f"  front end: {front}")


def _frontend(naming: tf1_names.Naming, sample_rate: int | None, antialias: bool) -> FrontEndConfig:
    if sample_rate is None:
        rate, why = naming.sample_rate, "goes with the naming; --sample_rate changes it"
    else:
        rate, why = sample_rate, "by --sample_rate"
    print(f"front end: {rate} Hz ({why})")
    try:
        return FrontEndConfig(sample_rate=rate, antialias=antialias)
    except ValueError as error:
        raise UserError(f"--{error}") from None


def _read(ckpt: Path) -> tuple[tf1_names.Naming, dict[str, np.ndarray], int | None]:
    """The naming, the tensors by their official names, and the step if it was stored."""
    tf = _tensorflow(ckpt)
    with _reported(ckpt, tf):
        reader = tf.train.load_checkpoint(str(ckpt))
    shapes = {name: tuple(shape) for name, shape in reader.get_variable_to_shape_map().items()}
    stored = tf1_names.plain(shapes, ckpt)
    naming = tf1_names.nearest(stored)
    _check_names(ckpt, naming, {name: shapes[stored[name]] for name in stored})
    by_official = {official: stored[name] for name, official in naming.official().items()}
    _check_shapes(ckpt, by_official, shapes)
    with _reported(ckpt, tf):
        tensors = {official: reader.get_tensor(name) for official, name in by_official.items()}
        step = int(reader.get_tensor("global_step")) if "global_step" in shapes else None
    for official, tensor in tensors.items():
        if not np.isfinite(tensor).all():
            name = by_official[official]
            raise UserError(f"{ckpt}: {name} holds NaN or infinity; take an earlier checkpoint")
    return naming, tensors, step


def _tensorflow(ckpt: Path) -> Any:
    """TensorFlow's module, loaded once it is known that there is something to read."""
    if ckpt.is_dir():
        raise UserError(f"{ckpt}: is a folder; give a checkpoint in it, such as {ckpt / _OFFICIAL}")
    if not ckpt.is_file() and not ckpt.with_name(f"{ckpt.name}.index").is_file():
        raise UserError(f"{ckpt}: no such file, and no {ckpt.name}.index beside it")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")  # else it prints a notice at any level
    extras.require("tf", f"{ckpt}: reading it")
    import tensorflow as tf

    return tf


@contextlib.contextmanager
def _reported(ckpt: Path, tf: Any) -> Iterator[None]:
    """Reports in one line what TensorFlow finds wrong with a checkpoint."""
    try:
        yield
    except (tf.errors.OpError, LookupError, RuntimeError, ValueError) as error:
        why = " ".join(str(error).split())
        raise UserError(f"{ckpt}: not a whole TensorFlow checkpoint ({why})") from None


def _check_names(
    ckpt: Path, naming: tf1_names.Naming, shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuses a checkpoint that lacks variables or has others' layers; prints what it ignores."""
    wanted = naming.official()
    if not wanted.keys() & shapes.keys():
        raise UserError(
            f"{ckpt}: none of its {len(shapes)} variables ({_some(shapes)}) "
            "has a name that the original recognizer's have"
        )
    if lacking := [name for name in wanted if name not in shapes]:
        raise UserError(
            f"{ckpt}: lacks {len(lacking)} of {len(wanted)} variables: {_some(lacking)}; "
            f"the nearest naming is {naming.title}"
        )
    slots = {name for name in shapes if name.rpartition("/")[0] in wanted}
    others = sorted(shapes.keys() - wanted.keys() - slots)
    if unknown := [name for name in others if shapes[name]]:
        raise UserError(
            f"{ckpt}: has {len(unknown)} variables that the original has not: {_some(unknown)}; "
            "it is another network's"
        )
    kinds = ", ".join(sorted({f"*/{name.rpartition('/')[2]}" for name in slots}))
    print(f"{ckpt}: {len(shapes)} variables, {len(wanted)} of them the network's")
    print(f"ignored: {len(slots)} optimizer slots ({kinds or 'none'}); {', '.join(others)}")
    for name in sorted(set(others) - set(_NO_LAYERS)):
        print(f"warning: {name} is unknown; it is one number, so no layer's")


def _check_shapes(
    ckpt: Path, by_official: Mapping[str, str], shapes: Mapping[str, tuple[int, ...]]
) -> None:
    """Refuses a checkpoint of another size."""
    wanted = tf1_names.shapes()
    wrong = [official for official, name in by_official.items() if shapes[name] != wanted[official]]
    if not wrong:
        return
    name, right = by_official[wrong[0]], wanted[wrong[0]]
    why = f"it is a network of another size ({len(wrong)} shapes differ)"
    if all(official.startswith("logit/conv_2/") for official in wrong):
        why = (
            f"it was trained for {shapes[name][-1]} symbols; emoasr's are {right[-1]}: "
            "the space, a to z and the blank"
        )
    raise UserError(f"{ckpt}: {name} has shape {shapes[name]}, the original's is {right}; {why}")


def _some(names: Iterable[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:3]) + (", ..." if len(listed) > 3 else "")


def official_crcs() -> dict[str, int]:
    """Masked CRC-32C of the tensors of the official checkpoint."""
    table = json.loads(_CRCS.read_text(encoding="utf-8"))
    return {name: int(crc, 16) for name, crc in table.items()}


def differing(tensors: Mapping[str, np.ndarray]) -> list[str]:
    """Names of tensors that are not, bit by bit, the official checkpoint's."""
    known = official_crcs()
    return [name for name, tensor in tensors.items() if masked_crc32c(tensor) != known[name]]


def masked_crc32c(tensor: np.ndarray) -> int:
    """CRC-32C of a tensor's bytes, masked as TensorFlow stores it."""
    import google_crc32c

    crc = google_crc32c.value(tensor.astype(tensor.dtype.newbyteorder("<")).tobytes())
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def _judged(differ: list[str], n: int) -> str:
    if not differ:
        return f"all {n} tensors are those of the official {_OFFICIAL}"
    return (
        f"{len(differ)} of {n} differ from the official {_OFFICIAL} (first: {differ[0]}): "
        "converted, but not verified"
    )


def _hashes(ckpt: Path) -> dict[str, str]:
    both = (ckpt, ckpt.with_name(f"{ckpt.name}.index"), *ckpt.parent.glob(f"{ckpt.name}.data-*"))
    files = sorted(file for file in both if file.is_file())
    return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def _card(
    naming: tf1_names.Naming, hashes: dict[str, str], step: int | None, differ: list[str]
) -> dict[str, Any]:
    """What `recognizer.json` says of a converted network."""
    verified = not differ
    training = {
        "name": f"speech-to-text-wavenet {_OFFICIAL}" if verified else "speech-to-text-wavenet",
        "data": _OFFICIAL_DATA if verified else "not known: as the checkpoint's maker says",
        "terms": "as the checkpoint's maker says",
        "steps": step,
        "source": {
            "format": "TensorFlow checkpoint",
            "naming": naming.title,
            "verified": verified,
            "tensors unlike the official ones": len(differ),
            "batch norm epsilon": "1e-8, taken for granted",
            "sha256": hashes,
        },
        "emoasr": emoasr.__version__,
    }
    return {"training": training, "metrics": {}}


def main(argv: list[str]) -> int:
    """Converts `argv[1]` to `argv[2]`; returns the exit status."""
    if len(argv) != 3:
        raise app.UsageError("give the checkpoint, and the folder to write")
    logging.set_verbosity(logging.ERROR)
    try:
        convert(Path(argv[1]), Path(argv[2]), flags.FLAGS.sample_rate, flags.FLAGS.antialias)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    flags.DEFINE_integer(
        "sample_rate", None, "Of the front end, Hz; default: the one of the checkpoint's naming."
    )
    flags.DEFINE_bool(
        "antialias", True, "Filter audio before it is decimated to the front end's rate, as the "
        "original did to recognize; --noantialias: not, as it did to VCTK in training."
    )  # fmt: skip
    app.run(main)
