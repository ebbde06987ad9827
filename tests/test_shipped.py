"""The recognizer and the predictor in the package: they are what their cards say."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import emoasr
from emoasr.asr import saved as recognizers
from emoasr.asr import text
from emoasr.prediction import card, saved
from emoasr.training import model_card


@pytest.fixture(scope="module")
def recognizer():
    return emoasr.load_recognizer()


def test_it_has_the_papers_size(recognizer, speech):
    table = recognizer.features(str(speech / "00.wav"))
    assert table.shape == (1, 1920)
    assert list(table.columns[[0, -1]]) == ["layer00.unit000", "layer14.unit127"]
    assert emoasr.load_recognizer("english").digest == recognizer.digest


def test_its_card_names_data_terms_and_error_rates(recognizer):
    training, metrics = recognizer.card["training"], recognizer.card["metrics"]
    for field in ("data", "terms", "splits", "steps", "date", "config"):
        assert training[field]
    for name in ("lj_part1", "fotaq", "speechocean762"):
        assert 0 < metrics["test"][name]["cer"] < 1


def test_its_card_is_what_this_version_writes(tmp_path):
    folder = Path(emoasr.__file__).parent / "recognizers" / "english"
    model_card.write(tmp_path, recognizers.load(folder))
    assert (tmp_path / "README.md").read_text() == (folder / "README.md").read_text()


def test_it_recognizes_unseen_speakers_as_well_as_its_card_says(recognizer, shared_data):
    rows = pd.read_csv(shared_data / "english" / "metadata.csv")
    rows = rows[(rows["split"] == "test") & rows["speaker"].str.startswith("lj_part1")][::6]
    files = [str(shared_data / "english" / file) for file in rows["file"]]
    heard = recognizer.transcribe(files)["text"].tolist()
    true = [text.normalise(written) for written in rows["text"]]
    cer = text.error_rates(true, heard)["cer"]
    assert cer == pytest.approx(recognizer.card["metrics"]["test"]["lj_part1"]["cer"], abs=0.05)


def test_the_shipped_predictor_is_of_the_shipped_recognizer_and_has_its_card(tmp_path):
    predictor = emoasr.load_predictor()
    assert predictor.targets == ("arousal", "valence", "dominance")
    assert predictor.record.features.recognizer == emoasr.load_recognizer().digest
    fitted = predictor.record.card["fitted"]
    assert "ask to cite" in fitted["terms"] and "decisions about people" in fitted["limits"]
    folder = Path(emoasr.__file__).parent / "predictors" / "emotale"
    made = shutil.copytree(folder, tmp_path / "predictor")
    card.write(made, saved.load(made))
    assert (made / "README.md").read_text() == (folder / "README.md").read_text()


def test_the_shipped_predictor_knows_what_it_was_fitted_on_and_its_tracks_are_exact(shared_data):
    predictor = emoasr.load_predictor()
    files = [str(path) for path in sorted((shared_data / "emotale" / "wav").glob("*_S_1.*"))[:4]]
    with pytest.warns(UserWarning, match="among the speech that the predictor was fitted on"):
        predicted = predictor.predict(files)
    assert predicted["fitted"].all()
    track = predictor.track(files).groupby("file", sort=False)[list(predictor.targets)].mean()
    features = predictor.recognizer.features(files)
    expected = predictor.model.unclipped(features.to_numpy())
    np.testing.assert_allclose(track.loc[files], expected, atol=1e-5)
