"""Feature tables of recognizers that are folders of transformers."""

import shutil
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_extraction import assert_same, record, settings, tables

import emoasr
from emoasr import eval as evaluate
from emoasr import extract as command
from emoasr.errors import UserError
from emoasr.extraction import feature_tables

FOLDERS = Path(__file__).parents[1] / "asr" / "of_transformers"
SETS = ("neural", "random")
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.mark.parametrize(("kind", "tap"), [("whisper", ""), ("wav2vec2", "residual")])
def test_tables_are_those_of_the_recognizer_and_of_an_untrained_twin(speech, tmp_path, kind, tap):
    c = settings(speech, FOLDERS / kind, feature_sets=SETS, tap=tap)
    command.main(c, tmp_path)
    neural, random = (
        feature_tables.read(tmp_path / "features" / f"{name}.parquet") for name in SETS
    )
    files = [str(speech / name) for name in neural[0].index]
    recognizer = emoasr.load_recognizer(FOLDERS / kind)
    np.testing.assert_allclose(neural[0], recognizer.features(files), atol=1e-4)
    assert neural[1]["recognizer"] == recognizer.digest and neural[1]["tap"] == "residual"
    assert record(tmp_path)["config"]["tap"] == "residual"
    assert random[0].shape == neural[0].shape == (12, 24)
    assert np.isfinite(random[0].to_numpy()).all() and not np.allclose(random[0], neural[0])
    before = neural[0]
    command.main(c, tmp_path)  # kept: what was asked for is what is there
    again, _ = feature_tables.read(tmp_path / "features" / "neural.parquet")
    pd.testing.assert_frame_equal(again, before)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tap": "gate"}, "config.tap='gate': must be one of residual"),
        ({"feature_sets": ("mfcc",)}, "'mfcc': .*whisper hears no MFCCs"),
    ],
)
def test_what_it_does_not_have_is_refused_before_anything_is_computed(
    speech, tmp_path, changes, message
):
    with pytest.raises(UserError, match=message):
        command.main(settings(speech, FOLDERS / "whisper", **changes), tmp_path)
    assert not list(tmp_path.glob("features/*"))


ENTRIES = (
    "neural",
    f"whisper={FOLDERS / 'whisper'}",
    "random-whisper",
    f"w2v={FOLDERS / 'hubert'}",
)
NAMES = ("neural", "whisper", "random-whisper", "w2v")


@pytest.fixture(scope="module")
def several(speech, small_recognizer, tmp_path_factory, quick_compilation):
    workdir = tmp_path_factory.mktemp("several")
    command.main(settings(speech, small_recognizer, feature_sets=ENTRIES), workdir)
    return workdir


def test_further_recognizers_stand_beside_the_first(speech, small_recognizer, several):
    found = tables(several, NAMES)
    folders = {
        "neural": small_recognizer,
        "whisper": FOLDERS / "whisper",
        "w2v": FOLDERS / "hubert",
    }
    files = [str(speech / file) for file in found["neural"][0].index]
    for name, folder in folders.items():
        recognizer = emoasr.load_recognizer(folder)
        table, metadata = found[name]
        expected = recognizer.features(files)
        np.testing.assert_allclose(table, expected, atol=1e-4)
        assert list(table) == list(expected) and metadata["recognizer"] == recognizer.digest
        assert metadata["tap"] == ("gate" if name == "neural" else "residual")
    assert found["random-whisper"][1]["recognizer"] == "untrained, seed 0"
    assert found["random-whisper"][0].shape == found["whisper"][0].shape
    took = record(several)["computed"]
    assert took.keys() == set(NAMES) and took["random-whisper"] == took["whisper"]
    ((_, n_frames),) = took["whisper"]["shapes"]  # always a window of 1 s
    assert n_frames == 51 and took["w2v"]["shapes"] != took["whisper"]["shapes"]
    assert record(several)["config"]["feature_sets"] == list(ENTRIES)


def test_further_recognizers_stay_when_sets_are_added(speech, small_recognizer, several, capsys):
    before = tables(several, NAMES)
    changed = settings(speech, small_recognizer, feature_sets=("random-whisper", "neural", "mfcc"))
    with pytest.raises(UserError, match="'random-whisper': must be one of"):
        command.main(changed, several)
    command.main(settings(speech, small_recognizer, feature_sets=("mfcc",)), several)
    assert capsys.readouterr().out.count("kept, made from the same files") == len(NAMES)
    assert_same(tables(several, NAMES), before)
    assert set(ENTRIES) < set(record(several)["config"]["feature_sets"])
    other = settings(speech, small_recognizer, feature_sets=(f"whisper={FOLDERS / 'wavlm'}",))
    with pytest.raises(UserError, match="recognizer"):
        command.main(other, several)


def test_a_recognizer_that_has_moved_is_asked_for(speech, small_recognizer, tmp_path, capsys):
    folder = shutil.copytree(FOLDERS / "whisper", tmp_path / "here")
    entry = f"whisper={folder}"
    command.main(settings(speech, small_recognizer, feature_sets=(entry,)), tmp_path / "run")
    folder.rename(tmp_path / "there")
    with pytest.raises(UserError, match=r"whisper.parquet: its recognizer, .*here, is no longer"):
        command.main(settings(speech, small_recognizer, feature_sets=("mfcc",)), tmp_path / "run")
    moved = settings(speech, small_recognizer, feature_sets=(f"whisper={tmp_path / 'there'}",))
    command.main(moved, tmp_path / "run")
    assert "kept, made from the same files" in capsys.readouterr().out


def test_shards_of_further_recognizers_are_joined(speech, small_recognizer, several, tmp_path):
    for shard in ("1/2", "2/2"):
        c = settings(speech, small_recognizer, feature_sets=ENTRIES, shard=shard)
        command.main(c, tmp_path)
    command.merge(settings(speech, small_recognizer, feature_sets=ENTRIES), tmp_path)
    found, whole = tables(tmp_path, NAMES), tables(several, NAMES)
    for name in NAMES:
        pd.testing.assert_frame_equal(found[name][0], whole[name][0], atol=1e-4)


def test_their_predictors_predict(speech, small_recognizer, several):
    c = settings(speech, small_recognizer, feature_sets=("neural", "whisper", "neural+whisper"))
    c.eval.update({"regressor": "ridge", "n_selected": 0, "targets": ("arousal",), "battery": True})
    c.eval.name = "all"
    evaluate.main(c, several)
    folder = several / "eval" / "all" / "predictors" / "whisper"
    predictor = emoasr.load_predictor(folder, FOLDERS / "whisper")
    with warnings.catch_warnings(action="ignore"):
        table = predictor.predict(str(speech / "03.wav"))
    features = predictor.recognizer.features(str(speech / "03.wav"))
    expected = predictor.model.unclipped(features.to_numpy()).clip(1, 5)
    np.testing.assert_allclose(table[["arousal"]], expected, atol=1e-4)
    track = predictor.track(str(speech / "03.wav"))
    unclipped = predictor.model.unclipped(features.to_numpy())
    np.testing.assert_allclose(track["arousal"].mean(), unclipped[0, 0], atol=1e-4)


def test_a_folder_that_is_none_is_named_before_anything_is_computed(
    speech, small_recognizer, tmp_path
):
    c = settings(speech, small_recognizer, feature_sets=("neural", f"w={tmp_path / 'none'}"))
    with pytest.raises(UserError, match="none is not a recognizer's folder"):
        command.main(c, tmp_path / "run")
    assert not (tmp_path / "run").exists()
