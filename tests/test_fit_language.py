"""The scripts that finish a recognizer: its language model, and its copy in the package."""

import json
import shutil

import fit_language
import pandas as pd
import pytest
import ship_recognizer
import training_texts
from absl import flags
from absl.testing import flagsaver
from made_training import settings

import emoasr
from emoasr.asr import recognizer_files, saved
from emoasr.training import model_card

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture
def trained(speech, small_recognizer, tmp_path):
    """The folder of a recognizer with what a training says of it."""
    c = json.loads(settings(speech, tmp_path).to_json_best_effort())
    splits = {"train": {"utterances": 6, "hours": 0.1, "speakers": 2}}
    record = model_card.record(c, None, None, splits, {})
    small = saved.load(small_recognizer)
    saved.save(tmp_path / "trained", small.model, small.config.frontend, record)
    return tmp_path / "trained"


@pytest.fixture
def loads(monkeypatch):
    """The folders of recognizers that are loaded, each time."""
    found, opened = [], recognizer_files.opened

    def opens(folder):
        found.append(str(folder.path))
        return opened(folder)

    monkeypatch.setattr(recognizer_files, "opened", opens)
    return found


def test_a_language_model_is_fitted_and_measured_with_one_loading(
    trained, speech, tmp_path, loads, monkeypatch
):
    examples = pd.Series([*(f"the cab and the {what}" for what in "bcdefg"), "No. 5", "ab"])
    monkeypatch.setattr(training_texts, "_examples", lambda: examples)
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with flagsaver.flagsaver(beam_size=4):
        fit_language.main(["", str(trained), str(speech)])
    assert loads == [str(trained)]
    said = saved.load(trained).card["language_model"]
    assert said["texts"].startswith("6: ")  # without digits and without what is held out
    valid = pd.read_csv(speech / "metadata.csv").query("split == 'valid'")
    heard = emoasr.load_recognizer(trained).transcribe([speech / f for f in valid["file"]], 4)
    rates = fit_language.text.error_rates(valid["text"].tolist(), heard["text"].tolist())
    assert said["metrics"]["valid"]["all"] == rates
    again = tmp_path / "again"
    shutil.copytree(trained, again)
    model_card.write(again, saved.load(again))
    assert (again / "README.md").read_text() == (trained / "README.md").read_text()


def test_each_recognizer_is_loaded_once_to_be_shipped(trained, tmp_path, loads):
    shipped = str(tmp_path / "shipped")
    ship_recognizer.main(["", str(trained), shipped])
    assert loads == [str(trained), shipped]
    assert (tmp_path / "shipped" / "README.md").exists()


def test_texts_are_those_of_training_and_wordnets_examples(tmp_path, capsys):
    for name in ("adj", "adv", "noun", "verb"):
        (tmp_path / f"data.{name}").write_text('000 a word | a gloss; "an example of it"; "2 of"\n')
    rows = [("train", "I CAN'T"), ("train", "Oh, no!"), ("train", "oh no"), ("train", "Room 5")]
    rows += [("valid", "a secret"), ("train", "A secret!"), ("test", "a test"), ("train", "...")]
    frame = pd.DataFrame(rows, columns=["split", "text"]).assign(file="a.wav", speaker="s")
    frame.to_csv(tmp_path / "metadata.csv", index=False)
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with flagsaver.flagsaver(wordnet=str(tmp_path)):
        training_texts.main(["", str(tmp_path)])
    assert capsys.readouterr().out.splitlines() == ["i can't", "Oh, no!", "an example of it"]
    with flagsaver.flagsaver(wordnet="nowhere"), pytest.raises(SystemExit, match="--wordnet=nowh"):
        training_texts.main(["", str(tmp_path)])
