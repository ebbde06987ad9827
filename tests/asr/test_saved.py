import json
import shutil

import numpy as np
import pytest
import safetensors.numpy

import emoasr
from emoasr.errors import UserError


@pytest.fixture
def folder(small_recognizer, tmp_path):
    return shutil.copytree(small_recognizer, tmp_path / "recognizer")


def rewrite(folder, change) -> None:
    path = folder / "recognizer.json"
    record = json.loads(path.read_text())
    change(record)
    path.write_text(json.dumps(record))


def test_a_saved_recognizer_is_opened_as_it_was(folder):
    first, second = emoasr.load_recognizer(folder), emoasr.load_recognizer(str(folder))
    assert first.digest == second.digest
    assert first.card["name"] == "small"
    assert first.config.model.dilations == (1, 2)


def test_the_digest_changes_with_any_weight_and_with_the_front_end(folder):
    before = emoasr.load_recognizer(folder).digest
    rewrite(folder, lambda record: record["frontend"].update(top_db=70.0))
    front = emoasr.load_recognizer(folder).digest
    path = folder / "weights.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensors["symbols.bias"] = tensors["symbols.bias"] + 1e-3
    safetensors.numpy.save_file(tensors, path)
    assert len({before, front, emoasr.load_recognizer(folder).digest}) == 3


def test_a_front_end_of_before_padding_and_rate_could_be_chosen_is_opened(folder):
    before = emoasr.load_recognizer(folder)
    for field in ("pad_mode", "antialias"):
        rewrite(folder, lambda record, field=field: record["frontend"].pop(field))
    assert emoasr.load_recognizer(folder).config == before.config


def test_half_precision_weights_are_opened_as_float32(folder):
    path = folder / "weights.safetensors"
    tensors = safetensors.numpy.load_file(path)
    safetensors.numpy.save_file({k: v.astype(np.float16) for k, v in tensors.items()}, path)
    model = emoasr.load_recognizer(folder).model
    assert model.symbols.bias[...].dtype == np.float32


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda f: (f / "weights.safetensors").unlink(), "weights.safetensors"),
        (lambda f: (f / "recognizer.json").unlink(), "recognizer.json"),
        (lambda f: (f / "recognizer.json").write_text("{"), "not valid JSON"),
        (lambda f: (f / "weights.safetensors").write_bytes(b"x" * 99), "not safetensors"),
        (lambda f: rewrite(f, lambda r: r["model"].update(n_channels=9)), "shape"),
        (lambda f: rewrite(f, lambda r: r["model"].update(n_blocks=2)), "lacks tensor"),
        (lambda f: rewrite(f, lambda r: r["model"].update(nonsense=2)), "nonsense"),
        (lambda f: rewrite(f, lambda r: r.update(symbols="abc")), "symbols"),
        (lambda f: rewrite(f, lambda r: r.pop("frontend")), "frontend"),
        (lambda f: rewrite(f, lambda r: r["frontend"].update(pad_mode="edge")), "pad_mode='edge'"),
        (lambda f: rewrite(f, lambda r: r["frontend"].update(sample_rate=0)), "sample_rate=0"),
    ],
)
def test_a_spoiled_folder_is_named_with_what_is_wrong(folder, spoil, message):
    spoil(folder)
    with pytest.raises(UserError, match=message) as error:
        emoasr.load_recognizer(folder)
    assert str(folder) in str(error.value)
    assert "\n" not in str(error.value)


def test_no_such_recognizer():
    with pytest.raises(UserError, match="nowhere"):
        emoasr.load_recognizer("nowhere")
