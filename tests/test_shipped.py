"""The recognizer in the package: it is what its card says."""

import pandas as pd
import pytest

import emoasr
from emoasr.asr import text


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


def test_it_recognizes_unseen_speakers_as_well_as_its_card_says(recognizer, shared_data):
    rows = pd.read_csv(shared_data / "english" / "metadata.csv")
    rows = rows[(rows["split"] == "test") & rows["speaker"].str.startswith("lj_part1")][::6]
    files = [str(shared_data / "english" / file) for file in rows["file"]]
    heard = recognizer.transcribe(files)["text"].tolist()
    true = [text.normalise(written) for written in rows["text"]]
    cer = text.error_rates(true, heard)["cer"]
    assert cer == pytest.approx(recognizer.card["metrics"]["test"]["lj_part1"]["cer"], abs=0.05)
