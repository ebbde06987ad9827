"""The scripts that finish a recognizer: its language model, and its copy in the package."""

import json
import shutil

import check_predictor
import fit_language
import pandas as pd
import pytest
import robustness
import ship_recognizer
import training_texts
from absl import flags
from absl.testing import flagsaver
from made_training import settings

import emoasr
from emoasr.asr import recognizer_files, saved
from emoasr.files import places
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


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ('x | "caf\xe9"'.encode("latin-1"), "not UTF-8")]
)
@pytest.mark.parametrize("name", ["adj", "verb"])
def test_a_wordnet_that_is_not_whole_is_one_line(speech, tmp_path, name, content, why):
    for other in ("adj", "adv", "noun", "verb"):
        (tmp_path / f"data.{other}").write_text('000 a word | a gloss; "an example"\n')
    (tmp_path / f"data.{name}").unlink()
    if content:
        (tmp_path / f"data.{name}").write_bytes(content)
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with (
        flagsaver.flagsaver(wordnet=str(tmp_path)),
        pytest.raises(SystemExit, match=f"^error: no WordNet in --wordnet=.*data.{name}: {why}"),
    ):
        training_texts.main(["", str(speech)])


def _change(speech, folder, change):
    """A copy of the table beside links to its audio, changed."""
    folder.mkdir()
    for path in speech.glob("*.wav"):
        (folder / path.name).symlink_to(path)
    change(pd.read_csv(speech / "metadata.csv")).to_csv(folder / "metadata.csv", index=False)
    return folder


def _lost_audio(rows):
    return rows.assign(file=rows["file"].replace("10.wav", "gone.wav"))


ODD = {  # tables, and what scripts say of them
    "no text": (lambda rows: rows.drop(columns="text"), "lacks the column text; has file, speak"),
    "no split": (lambda rows: rows.drop(columns="split"), "lacks the column split"),
    "no file": (lambda rows: rows.rename(columns={"file": "path"}), "lacks the column file"),
    "parts of files": (lambda rows: rows.assign(start=0), "has the column start, and this takes"),
    "lost audio": (_lost_audio, r"gone\.wav: no such file"),
}


@pytest.mark.parametrize("what", ODD)
@pytest.mark.parametrize("script", [fit_language, robustness], ids=lambda script: script.__name__)
def test_an_odd_table_is_one_line_and_changes_nothing(
    trained, speech, tmp_path, script, what, monkeypatch
):
    change, message = ODD[what]
    corpus = _change(speech, tmp_path / "corpus", change)
    monkeypatch.setattr(training_texts, "_examples", lambda: pd.Series(["the cab"]))
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    before = {path.name: path.read_bytes() for path in trained.iterdir()}
    arguments = [trained, corpus] if script is fit_language else [corpus, trained]
    with pytest.raises(SystemExit, match=f"^error: .*{message}"):
        script.main(["", *map(str, arguments)])
    assert {path.name: path.read_bytes() for path in trained.iterdir()} == before


def test_a_table_without_validation_texts_is_named_by_robustness(trained, speech, tmp_path):
    corpus = _change(speech, tmp_path / "corpus", lambda rows: rows[rows["split"] != "valid"])
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with pytest.raises(SystemExit, match="no utterance of the split valid"):
        robustness.main(["", str(corpus), str(trained)])


def test_speakers_without_a_set_have_no_error_rates_of_their_own(
    trained, speech, tmp_path, monkeypatch
):
    def renamed(rows):
        return rows.assign(speaker=rows["speaker"].str.replace("valid/", "v"))

    corpus = _change(speech, tmp_path / "corpus", renamed)
    monkeypatch.setattr(training_texts, "_examples", lambda: pd.Series(["the cab"]))
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with flagsaver.flagsaver(beam_size=4):
        fit_language.main(["", str(trained), str(corpus)])
    metrics = saved.load(trained).card["language_model"]["metrics"]
    assert set(metrics["valid"]) == {"all"} and set(metrics["test"]) == {"all", "test"}


def test_utterances_of_no_split_are_not_measured(trained, speech, tmp_path, monkeypatch):
    def blanked(rows):
        return rows.assign(split=rows["split"].where(rows["split"] != "test"))

    corpus = _change(speech, tmp_path / "corpus", blanked)
    monkeypatch.setattr(training_texts, "_examples", lambda: pd.Series(["the cab"]))
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with flagsaver.flagsaver(beam_size=4):
        fit_language.main(["", str(trained), str(corpus)])
    assert set(saved.load(trained).card["language_model"]["metrics"]) == {"valid"}


@pytest.mark.parametrize("script", [fit_language, ship_recognizer], ids=lambda s: s.__name__)
@pytest.mark.parametrize("given", ["nowhere", "without a card"])
def test_a_recognizer_that_can_have_no_card_is_refused_before_anything_is_written(
    small_recognizer, speech, tmp_path, script, given
):
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    folder = small_recognizer if given == "without a card" else tmp_path / given
    other = speech if script is fit_language else tmp_path / "shipped"
    with pytest.raises(SystemExit, match=r"^error: .*(no training; give|no folder of this name)"):
        script.main(["", str(folder), str(other)])
    assert not (tmp_path / "shipped").exists()


def test_what_has_no_folder_of_its_own_gets_no_language_model(speech):
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with pytest.raises(SystemExit, match="^error: english: .*give the recognizer's folder"):
        fit_language.main(["", "english", str(speech)])


def test_a_recognizer_is_not_shipped_onto_itself(trained):
    before = (trained / "weights.safetensors").read_bytes()
    with pytest.raises(SystemExit, match="is the trained recognizer itself"):
        ship_recognizer.main(["", str(trained), str(trained)])
    assert (trained / "weights.safetensors").read_bytes() == before


def test_a_shipped_recognizer_is_not_shipped_onto_itself_by_its_name(trained, monkeypatch):
    monkeypatch.setattr(places, "_RECOGNIZERS", trained.parent)
    before = {path: path.stat().st_mtime_ns for path in trained.iterdir()}
    with pytest.raises(SystemExit, match="^error: .*is the trained recognizer itself"):
        ship_recognizer.main(["", "trained", str(trained)])
    assert {path: path.stat().st_mtime_ns for path in trained.iterdir()} == before


def test_a_recognizer_is_not_shipped_into_a_file(trained, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(SystemExit, match=r"^error: cannot write to .*file \(File exists\); give"):
        ship_recognizer.main(["", str(trained), str(tmp_path / "file")])
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize("check", ["coverage", "languages", "tracks"])
def test_a_check_of_what_is_not_there_is_one_line(tmp_path, check):
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    workdir = flagsaver.flagsaver(workdir=str(tmp_path / "nowhere"))
    with workdir, pytest.raises(SystemExit, match=r"^error: .*extract\.json"):
        check_predictor.main(["", check])
