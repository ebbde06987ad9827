"""The script that converts CTranslate2's Whisper, on a file with a small encoder."""

import struct

import convert_ctranslate2_whisper as command
import numpy as np
import pytest

import emoasr

pytestmark = pytest.mark.usefixtures("quick_compilation")

WIDTH, HEADS = 8, 2
KINDS = {np.dtype(kind): number for number, kind in command._TYPES.items()}


def _variables() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)

    def normal(*shape):
        return (0.1 * random.normal(size=shape)).astype(np.float16)

    fused = normal(3 * WIDTH)
    fused[WIDTH : 2 * WIDTH] = 0
    of_layer = {
        "self_attention/layer_norm/gamma": normal(WIDTH),
        "self_attention/layer_norm/beta": normal(WIDTH),
        "self_attention/linear_0/weight": normal(3 * WIDTH, WIDTH),
        "self_attention/linear_0/bias": fused,
        "self_attention/linear_1/weight": normal(WIDTH, WIDTH),
        "self_attention/linear_1/bias": normal(WIDTH),
        "ffn/layer_norm/gamma": normal(WIDTH),
        "ffn/layer_norm/beta": normal(WIDTH),
        "ffn/linear_0/weight": normal(4 * WIDTH, WIDTH),
        "ffn/linear_0/bias": normal(4 * WIDTH),
        "ffn/linear_1/weight": normal(WIDTH, 4 * WIDTH),
        "ffn/linear_1/bias": normal(WIDTH),
    }
    encoder = {
        "conv1/weight": normal(WIDTH, 80, 3),
        "conv1/bias": normal(WIDTH),
        "conv2/weight": normal(WIDTH, WIDTH, 3),
        "conv2/bias": normal(WIDTH),
        "position_encodings/encodings": normal(1500, WIDTH),
        "layer_norm/gamma": normal(WIDTH),
        "layer_norm/beta": normal(WIDTH),
        "num_heads": np.array(HEADS, np.int16),
        **{f"layer_0/{name}": array for name, array in of_layer.items()},
    }
    made = {f"encoder/{name}": array for name, array in encoder.items()}
    return made | {"decoder/embeddings/weight": normal(4, WIDTH), "decoder/end": normal(1)}


def _file(variables: dict[str, np.ndarray]) -> bytes:
    def text(name):
        return struct.pack("<H", len(name) + 1) + name.encode() + b"\0"

    content = struct.pack("<I", 6) + text("WhisperSpec") + struct.pack("<II", 3, len(variables))
    for name, array in variables.items():
        content += text(name) + struct.pack(f"<B{array.ndim}I", array.ndim, *array.shape)
        content += struct.pack("<BI", KINDS[array.dtype], array.nbytes) + array.tobytes()
    return content + struct.pack("<I", 0)


def test_what_is_converted_is_a_recognizer(tmp_path, speech, capsys):
    (tmp_path / "model.bin").write_bytes(_file(_variables()))
    command.main(tmp_path / "model.bin", tmp_path / "out")
    assert "numbers" in capsys.readouterr().out
    recognizer = emoasr.load_recognizer(tmp_path / "out")
    assert recognizer.features(speech / "00.wav").shape == (1, 2 * WIDTH)


WHOLE = _file(_variables())
FAULTY = {
    "empty": b"",
    "a text": b"hello there, this is no model\n" * 9,
    "cut in its head": WHOLE[:20],
    "cut in the encoder": WHOLE[: len(WHOLE) // 2],
    "cut in the decoder": WHOLE[:-20],
    "without an encoder": _file({"decoder/end": np.zeros(1, np.float32)}),
    "without heads": _file({k: v for k, v in _variables().items() if "heads" not in k}),
}


@pytest.mark.parametrize("what", FAULTY)
def test_a_file_that_is_none_is_one_line(tmp_path, what):
    (tmp_path / "model.bin").write_bytes(FAULTY[what])
    with pytest.raises(SystemExit, match=r"^error: .*model\.bin: not a whole model of Whisper"):
        command.main(tmp_path / "model.bin", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("file", "why"), [("no.bin", "No such file"), (".", "Is a directory")])
def test_a_file_that_cannot_be_opened_is_named(tmp_path, file, why):
    with pytest.raises(SystemExit, match=f"^error: .*: {why}"):
        command.main(tmp_path / file, tmp_path / "out")


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "model.bin").write_bytes(WHOLE)
    with pytest.raises(SystemExit, match=r"^error: .*model\.bin: File exists"):
        command.main(tmp_path / "model.bin", tmp_path / "model.bin")
