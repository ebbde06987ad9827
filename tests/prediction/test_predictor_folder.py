"""A predictor's folder, which may be a stranger's."""

import json
import shutil
import struct

import made_predictors
import numpy as np
import pytest
import safetensors.numpy
from fuzzing import examples, mutations, outcome
from hypothesis import given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.prediction import saved


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return made_predictors.save(tmp_path_factory.mktemp("made") / "predictor")


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "predictor")


def refused(folder, name, message):
    with pytest.raises(UserError, match=message) as error:
        saved.load(folder)
    message = str(error.value)
    assert str(folder / name) in message
    assert message.isprintable() and len(message) < 400 + len(str(folder))


def test_what_is_saved_is_what_was_fitted(made):
    model, speakers, table, _ = made_predictors.fitted()
    found = saved.load(made)
    x, index = table.to_numpy() + 0.01, table.index
    np.testing.assert_array_equal(found.model.unclipped(x), model.unclipped(x))
    assert found.model.predict(x, index).equals(model.predict(x, index))
    assert found.model.predict(table.to_numpy(), index)["fitted"].all()
    assert found.record.speakers == speakers
    assert found.digest == saved.load(made).digest


def test_the_digest_is_of_the_numbers(made, folder):
    change_record(folder, fitted={"corpus": "another name"})
    assert saved.load(folder).digest == saved.load(made).digest
    change_record(folder, scale=[1, 6])
    assert saved.load(folder).digest != saved.load(made).digest


def change_record(folder, **values):
    path = folder / "predictor.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | values))


FEATURES = {"recognizer": made_predictors.DIGEST, "tap": "gate", "pooling": "mean"}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"format": 2}, "format is 2"),
        ({"format": None}, "format is None"),
        ({"targets": []}, "0 targets"),
        ({"targets": "arousal"}, "targets='arousal'"),
        ({"targets": ["arousal", 3]}, "targets=3"),
        ({"targets": ["arousal", "arousal"]}, "two columns of one name"),
        ({"targets": ["arousal", "arousal_low"]}, "two columns of one name"),
        ({"targets": ["arousal", "beyond"]}, "two columns of one name"),
        ({"targets": ["arousal", ""]}, "without a name"),
        ({"targets": ["x" * 201]}, "more than 200"),
        ({"targets": [f"t{i}" for i in range(101)]}, "101 targets"),
        ({"classes": [[]]}, "a list for each of 2 targets"),
        ({"classes": [[], ["one"]]}, "two or more classes"),
        ({"classes": [[], "ab"]}, "classes='ab'"),
        ({"classes": [[], [1, 2]]}, "classes=1"),
        ({"classes": [[], ["a", "a"]]}, "two columns of one name"),
        ({"classes": [[], ["a", ""]]}, "without a name"),
        ({"classes": [[], ["a", "x" * 201]]}, "more than 200"),
        ({"classes": [[], [f"c{i}" for i in range(1001)]]}, "1001 classes"),
        ({"scale": [1, 2, 3]}, "scale is"),
        ({"scale": [5, 1]}, "scale is"),
        ({"scale": [1, 1e300]}, "scale="),
        ({"most_beyond": 2}, "most_beyond is 2"),
        ({"most_beyond": "0.1"}, "most_beyond='0.1'"),
        ({"speakers": {"a": 1}}, "speakers="),
        ({"features": {}}, "features is"),
        ({"features": FEATURES | {"path": "/etc/passwd"}}, "features is"),
        ({"features": FEATURES | {"tap": "../tap"}}, "features.tap='../tap'"),
        ({"features": FEATURES | {"pooling": "median"}}, "features.pooling='median'"),
        ({"features": FEATURES | {"recognizer": 7}}, "features.recognizer=7"),
    ],
)
def test_a_record_that_is_not_a_predictors_is_refused(folder, values, message):
    change_record(folder, **values)
    refused(folder, "predictor.json", message)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"format": 1', '"format": 1, "format": 1', "'format' appears twice"),
        ('"most_beyond": ', '"most_beyond": NaN, "x": ', "'most_beyond' holds NaN"),
        ('"speakers": ', '"speaker": ', "lacks the field 'speakers'"),
        ("{", "[" * 99, "nested"),
    ],
)
def test_json_that_is_none_is_refused(folder, old, new, message):
    path = folder / "predictor.json"
    path.write_text(path.read_text().replace(old, new, 1))
    refused(folder, "predictor.json", message)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("0.weights", lambda x: x * np.float32(np.nan), "NaN or infinity"),
        ("1.bias", lambda x: x + np.inf, "NaN or infinity"),
        ("0.weights", lambda x: x[:-1], r"0.weights has shape \(15,\)"),
        ("1.fold_weights", lambda x: x[:, :-1], "1.fold_weights has shape"),
        ("1.fold_biases", lambda x: x[:-1], "1.fold_biases has shape"),
        ("0.speakers", lambda x: x[:-1], "0.speakers has shape"),
        ("0.folds", lambda x: x + 1, "0.folds holds a number that is out of bounds"),
        ("0.folds", lambda x: x - 1, "0.folds holds a number that is out of bounds"),
        ("0.folds", lambda x: x.astype(np.float32), "'0.folds' has numbers of type float32"),
        ("0.errors", lambda x: x.astype(np.int32), "'0.errors' has numbers of type int32"),
        ("0.errors", lambda x: -x - 1, "0.errors holds a number that is out of bounds"),
        ("lowest", lambda x: x + 100, "highest holds a number that is out of bounds"),
        ("known", lambda x: x[:, :3], "known has shape"),
        ("known", lambda x: x[:0], "known has shape"),
        ("0.weights", lambda x: x.astype(np.float16), "of type 'F16'"),
        ("more", lambda x: np.zeros(3, np.float32), "unknown tensor 'more'"),
        ("0.bias", None, "lacks tensor '0.bias'"),
    ],
)
def test_numbers_that_cannot_be_used_are_refused(folder, name, change, message):
    change_tensor(folder, name, change)
    refused(folder, "weights.safetensors", message)


def change_tensor(folder, name, change):
    path = folder / "weights.safetensors"
    tensors = safetensors.numpy.load_file(path)
    tensor = tensors.pop(name, None)
    if change:
        tensors[name] = np.ascontiguousarray(change(tensor))
    safetensors.numpy.save_file(tensors, path)


def test_a_claim_of_any_size_takes_no_memory(folder, monkeypatch):
    """10^12 features, which the file does not have."""
    monkeypatch.setattr(safetensors.numpy, "load_file", None)
    path = folder / "weights.safetensors"
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    record = json.loads(content[8 : 8 + length])
    record["lowest"]["shape"] = [10**12]
    header = json.dumps(record).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + content[8 + length :])
    refused(folder, "weights.safetensors", r"highest has shape \(16,\)")


@pytest.mark.parametrize("name", ["predictor.json", "weights.safetensors"])
def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path, name):
    (folder / name).rename(tmp_path / "elsewhere")
    (folder / name).symlink_to(tmp_path / "elsewhere")
    refused(folder, name, "link")


@pytest.mark.parametrize("name", ["predictor.json", "weights.safetensors"])
def test_a_folder_that_lacks_a_file_is_none(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"is not a predictor's folder: it has no {name}"):
        saved.load(folder)


@examples(60)
@given(st.data())
def test_altered_files_are_refused_in_one_line_or_are_predictors(made, tmp_path, data):
    folder = shutil.copytree(made, tmp_path / "predictor", dirs_exist_ok=True)
    path = folder / data.draw(st.sampled_from(["predictor.json", "weights.safetensors"]))
    path.write_bytes(data.draw(mutations(path.read_bytes())))
    found = outcome(saved.load, folder)
    if found is not None:
        x = np.zeros((2, found.model.n_features), np.float32)
        assert len(found.model.unclipped(x)) == 2


@pytest.fixture(scope="module")
def made_of_classes(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classes") / "predictor"
    return made_predictors.save(folder, targets=("arousal", "mood"))


def test_classes_are_kept_as_they_were_fitted(made_of_classes):
    model, _, table, _ = made_predictors.fitted(targets=("arousal", "mood"))
    found = saved.load(made_of_classes)
    assert found.record.classes == ((), ("angry", "calm", "glad"))
    x, index = table.to_numpy() + 0.01, table.index
    assert found.model.predict(x, index).equals(model.predict(x, index))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("1.weights", lambda x: x * np.float32(np.nan), "NaN or infinity"),
        ("1.weights", lambda x: x[:2], "1.weights has shape"),
        ("1.weights", lambda x: x[:, :-1], "1.weights has shape"),
        ("1.biases", lambda x: x[:2], "1.biases has shape"),
        ("1.biases", lambda x: x.astype(np.int32), "numbers of type int32"),
        ("1.errors", lambda x: np.zeros(3, np.float32), "unknown tensor '1.errors'"),
        ("1.biases", None, "lacks tensor '1.biases'"),
    ],
)
def test_numbers_of_classes_that_cannot_be_used_are_refused(
    made_of_classes, tmp_path, name, change, message
):
    folder = shutil.copytree(made_of_classes, tmp_path / "predictor")
    change_tensor(folder, name, change)
    refused(folder, "weights.safetensors", message)
