"""`scripts/accelerator_check.py`, in tiny sizes on what there is."""

import dataclasses
import json
import math
from pathlib import Path

import accelerator_check as command
import accelerator_ctc
import numpy as np
import pytest
from absl import flags
from absl.testing import flagsaver
from accelerator_setup import SMALL, saved_reference, setup_of

from emoasr.settings import choices
from emoasr.training.metrics import MetricsLog

pytestmark = pytest.mark.usefixtures("quick_compilation")

NEEDS_TORCH = "PyTorch"


@pytest.fixture(scope="module")
def reference(speech, small_recognizer, tmp_path_factory):
    file = tmp_path_factory.mktemp("reference") / "speech.npz"
    assert "12 files" in saved_reference(speech, file, str(small_recognizer))
    return file


def trained(settings, workdir):
    """Steps in no time: a training has tests of its own, and takes half of this file's."""
    choices.check_training(settings)
    assert "train" in (Path(settings.corpus.path) / "metadata.csv").read_text()
    (workdir / "pretrain").mkdir(parents=True)
    with MetricsLog(workdir / "pretrain", settings.train, 0, []) as log:
        for step in range(1, settings.train.steps + 1):
            log.add(step, {"loss": np.float32(1 / step), "gradient_norm": np.float32(1)})


@pytest.fixture(scope="module")
def found(reference, small_recognizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("check")
    setup = setup_of(folder, SMALL, reference, str(small_recognizer))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("emoasr.pretrain.main", trained)
        return json.loads(json.dumps(command.check(setup)))


def numbers(value):
    if isinstance(value, dict):
        return [n for one in value.values() for n in numbers(one)]
    return [value] if isinstance(value, int | float) else []


def test_every_section_has_finite_figures(found):
    assert list(found) == list(command.SECTIONS)
    for name, section in found.items():
        if name == NEEDS_TORCH and "No module" in section["note"]:
            continue
        assert not section["note"], (name, section["note"])
        assert section["rows"]
        for row in section["rows"]:
            assert all(map(math.isfinite, numbers(row))), (name, row)


def test_features_are_those_of_the_reference(found):
    rows = {row["compute_dtype"]: row for row in found["features beside a CPU's"]["rows"]}
    assert rows["float32"]["neural largest"] < 1e-5
    assert rows["bfloat16"]["neural largest"] > rows["float32"]["neural largest"]
    assert "JAX" in rows["float32"]["beside"]
    for row in found["invariance"]["rows"]:
        assert row["neural"] < 1e-5, row


def test_ways_to_convolve_agree(found):
    for row in found["dilated convolutions"]["rows"]:
        assert row["max_difference"] < (0.1 if row["compute_dtype"] == "bfloat16" else 1e-4), row
    assert len(found["dilated convolutions"]["rows"]) == 4


def test_the_ctc_loss_from_both_ends_is_optaxs(found):
    rows = found["CTC loss"]["rows"]
    assert [row["loss"] for row in rows] == list(accelerator_ctc.LOSSES)
    for row in rows:
        assert max(row["largest difference"].values()) < 1e-5, row


def test_where_the_time_of_an_extraction_goes(found):
    for row in found["extract"]["rows"]:
        shares = row["seconds of stages by those of the clock"]
        assert {"decoding", "waiting for the device", "writing tables"} <= set(shares)


def test_the_table_says_all(found):
    text = command.markdown(found)
    assert all(f"## {name} (" in text for name in command.SECTIONS)
    assert "one product of shifted copies" in text


def test_the_command_writes_json_and_the_same_as_tables(found, monkeypatch, tmp_path):
    monkeypatch.setattr(command, "check", lambda setup, seconds: found)
    monkeypatch.setattr(command, "setup_of", lambda *_: None)
    flags.FLAGS.mark_as_parsed()
    with flagsaver.flagsaver(out=str(tmp_path / "new"), small=True):
        command.main(["accelerator_check.py"])
    written = tmp_path / "new"
    assert json.loads((written / "accelerator.json").read_text()) == found
    assert (written / "accelerator.md").read_text() == command.markdown(found)


def test_a_failing_section_is_reported_and_the_others_go_on(monkeypatch, found):
    def failing(_):
        yield {"what": 1.0}
        raise RuntimeError("RESOURCE_EXHAUSTED")

    monkeypatch.setattr(command, "SECTIONS", {"bad": failing, "good": lambda _: iter([{"a": 1}])})
    came = command.check(None)
    assert came["bad"]["rows"] == [{"what": 1.0}]
    assert came["bad"]["note"] == "failed: RuntimeError: RESOURCE_EXHAUSTED"
    assert came["good"]["rows"] == [{"a": 1}]
    assert "failed: RuntimeError" in command.markdown(came)


def test_sections_over_time_are_cut_short_and_say_so(monkeypatch):
    clock = iter(range(100))
    monkeypatch.setattr(command.time, "monotonic", lambda: next(clock))
    endless = {name: lambda _: ({"row": i} for i in range(1000)) for name in "ab"}
    monkeypatch.setattr(command, "SECTIONS", endless)
    came = command.check(None, seconds=5)
    assert 0 < len(came["a"]["rows"]) < 1000
    assert "cut short" in came["a"]["note"]
    assert came["b"] == {"rows": [], "seconds": 0.0, "note": "left out: no time was left"}


def test_without_a_reference_speech_is_made(small_recognizer, tmp_path):
    setup = setup_of(tmp_path, dataclasses.replace(SMALL, n_files=2), None, str(small_recognizer))
    assert len(setup.waves) == 2 and not setup.expected
    assert all(wave.dtype == np.int16 and np.ptp(wave) > 1000 for wave in setup.waves)
