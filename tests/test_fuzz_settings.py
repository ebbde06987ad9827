"""Whatever stands on the command line, in a file of settings or in a recognizer's folder.

A right result, or one line for its user: anything but a `UserError` fails the test.
"""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzzing import examples, mutations, outcome
from hypothesis import given
from hypothesis import strategies as st

import emoasr
from emoasr import extract
from emoasr.asr import saved

# Settings

FIELDS = ("tap", "pooling", "seed", "batch_frames", "buckets", "compute_dtype", "workers",
          "feature_sets", "recognizer", "corpus.path", "corpus.kind", "eval.targets",
          "eval.scale", "eval", "corpus", "eval.selection.scope", "eval.layers", "nothing", "",
          "seed.x")  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(
        ("", "mean", "x", "0", "-1", "1e400", "nan", "(1,2)", "('mfcc',)", "((", "None", "True",
         "9" * 30, "{}", "[]", "~", "~nobody", "x" * 300, "\u2028",
         "\x1b[31m", "lambda: 0", "('a'*9,)")
    ),
    st.text(st.characters(exclude_characters="\0"), max_size=8),
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner),
    max_leaves=6,
)


def exit_of(arguments: list[str], capsys) -> tuple[object, str]:
    """Exit status and error stream of `emoasr.extract`."""
    capsys.readouterr()
    return extract.command(arguments), capsys.readouterr().err


@pytest.fixture
def no_corpus(tmp_path, small_recognizer) -> list[str]:
    """Arguments with which the command ends before it extracts anything."""
    (tmp_path / "empty").mkdir()
    return [
        "--config=folder", f"--workdir={tmp_path / 'run'}",
        f"--config.corpus.path={tmp_path / 'empty'}", f"--config.recognizer={small_recognizer}",
    ]  # fmt: skip


@examples(80)
@given(settings=st.lists(st.tuples(st.sampled_from(FIELDS), VALUES), min_size=1, max_size=3))
def test_settings_on_the_command_line(no_corpus, capsys, settings):
    given_twice = [f"--config.{field}={value}" for field, value in settings]
    status, output = exit_of([*no_corpus, *given_twice], capsys)
    assert status == 1
    assert output.startswith("error: ") and output[:-1].isprintable() and output.endswith("\n")


@examples(80)
@given(settings=st.dictionaries(st.sampled_from(FIELDS), JSON, min_size=1, max_size=3))
def test_settings_in_a_file(no_corpus, capsys, tmp_path, settings):
    (tmp_path / "o.json").write_text(json.dumps(settings))
    arguments = [*no_corpus, f"--overrides={tmp_path / 'o.json'}"]
    status, output = exit_of(arguments, capsys)
    assert status == 1
    assert output.startswith("error: ") and output[:-1].isprintable() and output.endswith("\n")


# Recognizers


@pytest.fixture
def recognizer(small_recognizer, tmp_path):
    return shutil.copytree(small_recognizer, tmp_path / "recognizer")


def opens(folder) -> None:
    """A recognizer that can be opened has finite weights."""
    opened = outcome(emoasr.load_recognizer, folder)
    if opened is not None:
        assert all(np.isfinite(w).all() for w in saved.weights(opened.model).values())


def places(value, path=()):
    """Paths to every value within JSON."""
    yield path
    if isinstance(value, dict | list):
        items = value.items() if isinstance(value, dict) else enumerate(value)
        for key, inner in items:
            yield from places(inner, (*path, key))


ODD = st.sampled_from((0, -1, 1, 10**9, 10**30, 0.5, True, None, "", [], {}, [0], [10**9]))


@examples(120)
@given(data=st.data())
def test_a_recognizers_record_with_another_value_somewhere(recognizer, small_recognizer, data):
    record = json.loads((small_recognizer / "recognizer.json").read_text())
    *way, last = data.draw(st.sampled_from([way for way in places(record) if way]))
    inner = record
    for key in way:
        inner = inner[key]
    inner[last] = data.draw(ODD | JSON)
    (recognizer / "recognizer.json").write_text(json.dumps(record))
    opens(recognizer)


@examples(80)
@given(data=st.data(), name=st.sampled_from(("recognizer.json", "weights.safetensors")))
def test_a_recognizers_mutated_file(recognizer, small_recognizer, data, name):
    whole = (small_recognizer / name).read_bytes()
    head = whole[:3000]  # of the weights: the header and some numbers
    (recognizer / name).write_bytes(data.draw(mutations(head)) + whole[3000:])
    opens(recognizer)


@examples(40)
@given(data=st.data(), name=st.sampled_from(("recognizer.json", "weights.safetensors")))
def test_a_recognizers_truncated_file(recognizer, small_recognizer, data, name):
    whole = (small_recognizer / name).read_bytes()
    (recognizer / name).write_bytes(whole[: data.draw(st.integers(0, len(whole) - 2))])
    assert outcome(emoasr.load_recognizer, recognizer) is None


TRANSFORMERS = Path(__file__).parent / "asr" / "of_transformers"
FAMILIES = pytest.mark.parametrize("family", ["whisper", "wav2vec2-large", "hubert", "wavlm"])


@pytest.fixture
def of_transformers(family, tmp_path):
    return shutil.copytree(TRANSFORMERS / family, tmp_path / family)


@FAMILIES
@examples(15)
@given(data=st.data(), name=st.sampled_from(("config.json", "preprocessor_config.json")))
def test_settings_of_transformers_with_another_value_somewhere(of_transformers, family, data, name):
    record = json.loads((TRANSFORMERS / family / name).read_text())
    record[data.draw(st.sampled_from(sorted(record)))] = data.draw(ODD | JSON)
    (of_transformers / name).write_text(json.dumps(record))
    opens(of_transformers)
    shutil.copy(TRANSFORMERS / family / name, of_transformers)


@FAMILIES
@examples(15)
@given(data=st.data(), name=st.sampled_from(("config.json", "model.safetensors")))
def test_a_mutated_file_of_transformers(of_transformers, family, data, name):
    whole = (TRANSFORMERS / family / name).read_bytes()
    (of_transformers / name).write_bytes(data.draw(mutations(whole[:3000])) + whole[3000:])
    opens(of_transformers)
    shutil.copy(TRANSFORMERS / family / name, of_transformers)
