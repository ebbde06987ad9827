from pathlib import Path

import ml_collections
import numpy as np
import pandas as pd
import pytest
from made_corpora import HEADER, ROW, emotale_folder

from emoasr.corpora import open_corpus
from emoasr.errors import UserError


def emotale(path, language=""):
    config = {"kind": "emotale", "path": str(path), "language": language}
    return open_corpus(ml_collections.ConfigDict(config), Path("unused"))


def message_of(path, **fields):
    with pytest.raises(UserError) as error:
        emotale(path, **fields)
    assert "\n" not in str(error.value)
    return str(error.value)


def error_of_training_mean(table, target):
    """Mean over the speakers of the MSE of the other speakers' mean rating."""
    y, speaker = table[target].astype(float), table["speaker"]
    return np.mean([
        ((y[speaker == s] - y[speaker != s].mean()) ** 2).mean() for s in speaker.unique()
    ])  # fmt: skip


def test_the_whole_corpus(shared_data):
    corpus = emotale(shared_data / "emotale")
    assert len(corpus) == 800
    assert corpus.skipped == ()
    assert corpus.table["session"].value_counts().to_dict() == {"DK": 450, "EN": 350}
    people = pd.read_csv(shared_data / "emotale" / "speaker_info.csv", dtype=str)["speaker"]
    assert set(corpus.table["speaker"]) == set(people)
    assert len(set(people)) == 18
    emotions = {"anger", "happiness", "boredom", "sadness", "neutral"}
    assert set(corpus.table["emotion"]) == emotions
    ratings = corpus.table[["arousal", "valence", "dominance"]]
    assert ratings.to_numpy().min() >= 1
    assert ratings.to_numpy().max() <= 5


def test_training_mean_has_the_published_error(shared_data):
    table = emotale(shared_data / "emotale").table
    assert error_of_training_mean(table, "arousal") == pytest.approx(0.803, abs=5e-4)
    assert error_of_training_mean(table, "valence") == pytest.approx(0.686, abs=5e-4)


def test_one_language(shared_data):
    corpus = emotale(shared_data / "emotale", language="EN")
    assert len(corpus) == 350
    assert set(corpus.table["session"]) == {"EN"}
    assert corpus.table["speaker"].nunique() == 14
    assert corpus.name == "EmoTale (EN)"


def test_audio_can_be_read(shared_data):
    corpus = emotale(shared_data / "emotale")
    assert corpus.table.index[0] == "wav/DK_001_A_1.flac"
    assert 0.5 < len(corpus.samples(0)) / 16000 < 20


def test_ratings_are_means_of_the_annotators(tmp_path):
    row = emotale(emotale_folder(tmp_path, HEADER + ROW, "DK_001_A_1.wav")).table.iloc[0]
    assert row["arousal"] == pytest.approx(13 / 3)
    assert row["valence"] == pytest.approx(5 / 3)
    assert row["dominance"] == pytest.approx(14 / 3)
    assert (row["speaker"], row["session"], row["emotion"]) == ("001", "DK", "anger")


def test_wav_goes_before_flac(tmp_path):
    corpus = emotale(emotale_folder(tmp_path, HEADER + ROW, "DK_001_A_1.wav", "DK_001_A_1.flac"))
    assert corpus.table.index.tolist() == ["wav/DK_001_A_1.wav"]


def test_annotated_but_missing_is_recorded(tmp_path):
    other = ROW.replace("DK_001_A_1", "EN_003_A_2")
    corpus = emotale(emotale_folder(tmp_path, HEADER + ROW + other, "EN_003_A_2.flac"))
    assert corpus.table.index.tolist() == ["wav/EN_003_A_2.flac"]
    assert corpus.table["speaker"].tolist() == ["003"]
    (skipped,) = corpus.skipped
    assert skipped.file == "wav/DK_001_A_1.wav"
    assert skipped.step == "corpus"
    assert "there" in skipped.reason


@pytest.mark.parametrize(
    ("names", "rows"), [("1 2 2", "2 and 3"), ("1 2 1 3 2", "2 and 5"), ("4 2 3 4 3", "3 and 5")]
)
@pytest.mark.parametrize("language", ["", "EN"])
def test_rows_are_counted_as_in_the_annotations(tmp_path, names, rows, language):
    there = "EN_001_A_2.wav", "EN_001_A_3.wav"
    text = "".join(ROW.replace("DK_001_A_1", f"EN_001_A_{n}") for n in names.split())
    said = message_of(emotale_folder(tmp_path, HEADER + text, *there), language=language)
    assert f"annotations.csv: rows {rows}, column file: 'wav/EN_001_A_" in said


def test_bad_folders(tmp_path):
    assert "config.corpus.path is empty" in message_of("")
    assert "config.corpus.path" in message_of(tmp_path / "missing")
    assert "has no annotations.csv" in message_of(tmp_path)
    emotale_folder(tmp_path, HEADER + ROW)
    assert "no annotated file" in message_of(tmp_path)
    assert "config.corpus.language='FR'" in message_of(tmp_path, language="FR")


@pytest.mark.parametrize(
    ("annotations", "what"),
    [
        (
            HEADER.replace("a2_V,", "") + ROW.replace("2.5,", ""),
            "lacks the column a2_V",
        ),
        (
            HEADER + ROW.replace("2.5", "low"),
            "row 1 (DK_001_A_1.wav), column a2_V: 'low'",
        ),
        (
            HEADER + ROW.replace("DK_001", "XX"),
            "not a file name and an emotion of EmoTale; use its",
        ),
        (HEADER + ROW[:-2] + "Q\n", "not a file name and an emotion of EmoTale; use its"),
    ],
)
def test_bad_annotations(tmp_path, annotations, what):
    message = message_of(emotale_folder(tmp_path, annotations, "DK_001_A_1.wav"))
    assert what in message
    assert "annotations.csv" in message
