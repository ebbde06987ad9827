"""Turns the encoder of a CTranslate2 Whisper (faster-whisper's) into a folder of transformers.

    python scripts/convert_ctranslate2_whisper.py model.bin whisper-tiny.en
    cat model.bin.part1 model.bin.part2 > model.bin   # where it is in parts

The folder holds the encoder only, which is what emoasr reads: `config.json`,
`preprocessor_config.json` and `model.safetensors`, in the precision of the file. No pickle is
involved, and nothing else than numbers is read. Files with quantised weights are refused.
"""

import argparse
import json
import re
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
import safetensors.numpy

_TYPES = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
_RENAMED = (
    (r"^layer_(\d+)/", r"layers/\1/"),
    (r"^position_encodings/encodings$", "embed_positions/weight"),
    (r"/self_attention/layer_norm/", "/self_attn_layer_norm/"),
    (r"/self_attention/linear_1/", "/self_attn/out_proj/"),
    (r"/ffn/layer_norm/", "/final_layer_norm/"),
    (r"/ffn/linear_0/", "/fc1/"),
    (r"/ffn/linear_1/", "/fc2/"),
    (r"gamma$", "weight"),
    (r"beta$", "bias"),
)
_FUSED = "/self_attention/linear_0/"  # queries, keys and values


def main(file: Path, folder: Path) -> None:
    """Converts one file; ends with a line where it cannot be read, or the folder not written."""
    try:
        with file.open("rb") as opened:
            variables = dict(encoder_variables(opened))
        tensors = as_transformers(variables)
        about = config(tensors, int(variables["num_heads"]))
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SystemExit(f"error: {error.filename}: {error.strerror}") from None
    except (ValueError, LookupError, struct.error, AssertionError):
        raise SystemExit(
            f"error: {file}: not a whole model of Whisper for CTranslate2; if it is "
            "in parts, join them"
        ) from None
    (folder / "config.json").write_text(json.dumps(about, indent=1) + "\n")
    mels = {"feature_size": tensors["encoder.conv1.weight"].shape[1], "hop_length": 160}
    processor = {**mels, "n_fft": 400, "sampling_rate": 16000, "chunk_length": 30}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor, indent=1) + "\n")
    safetensors.numpy.save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    print(f"{folder}: {len(tensors)} tensors, {sum(t.size for t in tensors.values()):,} numbers")


def encoder_variables(file: BinaryIO):
    """Names, without `encoder/`, and arrays of the encoder's variables."""
    version = _number(file, "I")
    _text(file)
    _number(file, "I")
    if version < 4:
        raise SystemExit(
            f"error: format version {version}: must be 4 or newer; convert the model anew"
        )
    for _ in range(_number(file, "I")):
        name = _text(file)
        shape = [_number(file, "I") for _ in range(_number(file, "B"))]
        dtype, content = _TYPES.get(_number(file, "B")), file.read(_number(file, "I"))
        if name.startswith("encoder/"):
            if dtype is None or name.endswith("weight_scale"):
                raise SystemExit(
                    f"error: {name}: quantised or of an unknown type; give a model of float16 or "
                    "float32"
                )
            yield name.removeprefix("encoder/"), np.frombuffer(content, dtype).reshape(shape)


def as_transformers(variables: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Tensors by their names in transformers' `WhisperModel`."""
    tensors = {}
    for name, array in variables.items():
        if array.ndim == 0:  # a setting
            continue
        for theirs, ours in _RENAMED:
            name = re.sub(theirs, ours, name)
        if _FUSED in name:
            for part, fused in zip("qkv", np.split(array, 3), strict=True):
                renamed = name.replace(_FUSED, f"/self_attn/{part}_proj/")
                if renamed.endswith("k_proj/bias"):  # zeros: Whisper's keys have none
                    assert not fused.any()
                    continue
                tensors[_dotted(renamed)] = np.ascontiguousarray(fused)
        else:
            tensors[_dotted(name)] = array
    return tensors


def config(tensors: dict[str, np.ndarray], n_heads: int) -> dict[str, object]:
    """What `config.json` says of such an encoder."""
    width, n_mels, _ = tensors["encoder.conv1.weight"].shape
    layers = {name.split(".")[2] for name in tensors if name.startswith("encoder.layers.")}
    return {
        "model_type": "whisper",
        "architectures": ["WhisperModel"],
        "num_mel_bins": n_mels,
        "d_model": width,
        "encoder_layers": len(layers),
        "encoder_attention_heads": n_heads,
        "encoder_ffn_dim": tensors["encoder.layers.0.fc1.bias"].size,
        "max_source_positions": len(tensors["encoder.embed_positions.weight"]),
        "activation_function": "gelu",
        "decoder_layers": 0,
    }


def _dotted(name: str) -> str:
    return f"encoder.{name}".replace("/", ".")


def _number(file: BinaryIO, form: str) -> int:
    return struct.unpack(f"<{form}", file.read(struct.calcsize(form)))[0]


def _text(file: BinaryIO) -> str:
    return file.read(_number(file, "H")).rstrip(b"\0").decode()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    main(arguments.file, arguments.folder)
