"""A model card says what the recognizer was trained on, or that this is not stated."""

import json
import re
import sys

import pytest
from made_training import settings

from emoasr import config, pretrain
from emoasr.asr import saved
from emoasr.errors import UserError
from emoasr.settings import configurations
from emoasr.training import model_card

CONFIGS = configurations.shipped(config.pretraining)
SPLITS = {"train": {"utterances": 6, "hours": 0.1, "speakers": 2}}


def written(folder, recognizer, **changes) -> str:
    """The card of the small recognizer, trained with these settings."""
    c = json.loads(settings("speech", "data").to_json_best_effort())
    c["card"] |= changes.pop("card", {})
    c["train"] |= changes
    trained = saved.load(recognizer)
    init = saved.load(c["train"]["init"]) if c["train"]["init"] else None
    teacher = saved.load(c["train"]["teacher"]) if c["train"]["teacher"] else None
    record = model_card.record(c, init, teacher, SPLITS, {})
    saved.save(folder, trained.model, trained.config.frontend, record)
    model_card.write(folder, saved.load(folder))
    return (folder / "README.md").read_text()


def test_what_is_not_known_is_not_stated(small_recognizer, tmp_path):
    page = written(tmp_path, small_recognizer)
    assert "# Recognizer (name not stated)" in page
    for line in ("Training data", "Terms of the data", "Limits"):
        assert f"- {line}: not stated" in page


def test_speech_without_a_text_is_told_apart(small_recognizer, tmp_path, monkeypatch):
    assert "no usable text" not in written(tmp_path / "all", small_recognizer)
    monkeypatch.setitem(SPLITS, "train", SPLITS["train"] | {"untranscribed": 4})
    page = written(tmp_path / "some", small_recognizer)
    assert "| 2 |\n\nOf split train, 4 utterances have no usable text" in page


def test_what_was_said_is_in_the_card(small_recognizer, tmp_path):
    said = {"name": "mine", "data": "84 clips", "terms": "CC0", "limits": "whispers"}
    page = written(tmp_path, small_recognizer, card=said)
    assert all(text in page for text in said.values()) and "not stated" not in page


def test_data_and_terms_of_all_recognizers_before_it_are_in_the_card(small_recognizer, tmp_path):
    first, second, third = (tmp_path / str(i) for i in range(3))
    written(first, small_recognizer, card={"data": "84 clips", "terms": "CC0"})
    written(second, small_recognizer, init=str(first))
    page = written(third, small_recognizer, init=str(second), card={"data": "songs"})
    assert "- Training data: songs" in page
    trained = re.search("- Trained: .*", page)[0]
    assert re.search("; data: not stated; terms: not stated.*; data: 84 clips; terms: CC0", trained)


@pytest.mark.parametrize("name", sorted(set(CONFIGS) - {"shipped"}))
def test_no_configuration_for_ones_own_data_says_what_they_are(name):
    c = configurations.load(CONFIGS[name])
    assert c.corpus.kind == "vctk" or not any(c.card.values())


@pytest.mark.parametrize("name", sorted(CONFIGS))
def test_a_configurations_card_is_not_for_another_kind_of_corpus(speech, tmp_path, name):
    c = configurations.load(CONFIGS[name])
    c.corpus.kind = "vctk" if c.corpus.kind == "transcribed" else "transcribed"
    c.corpus.path = str(speech)
    with pytest.raises(UserError, match=r"config\.corpus\.kind=.*--config=english"):
        pretrain.main(c, tmp_path)


def test_a_training_names_what_its_card_will_not_state(tmp_path, capsys):
    (tmp_path / "metadata.csv").write_text("file,speaker\na.wav,x\n")
    c = settings(tmp_path, tmp_path)
    c.card.data = "noise"
    with pytest.raises(UserError, match="no column 'split'.*'speaker'"):
        pretrain.main(c, tmp_path / "run")
    note = 'will say "not stated" of limits, name, terms; give --config.card.limits=TEXT'
    assert note in capsys.readouterr().out


def test_the_shipped_card_is_its_configurations(tmp_path):
    shipped = saved.load("english").card["training"]
    c = configurations.load(CONFIGS["shipped"])
    assert {name: shipped[name] for name in c.card} == dict(c.card)


def test_the_steps_of_a_recognizer_that_does_not_say_them_are_unknown(small_recognizer, tmp_path):
    page = written(tmp_path, small_recognizer, init=str(small_recognizer))
    assert "(unknown number of steps; data: not stated" in page and "None" not in page


GIVEN = [  # what is typed, and what the card shows
    (["--workdir=/home/me/x"], "--workdir=..."),
    (["--workdir", "/home/me/x"], "--workdir=..."),
    (["-workdir", "/home/me/x"], "--workdir=..."),
    (["--config", "/home/me/x.py"], "--config=x.py"),
    (["--config.corpus.path", "/home/me/x", "--overwrite"], "--config.corpus.path=... --overwrite"),
    (["--config.train.init", "/home/me/x"], "--config.train.init=..."),
    (["--flagfile", "/home/me/x"], "--flagfile=..."),
    (["--config.train.init", "english"], "--config.train.init=english"),
    (["--config.distributed.process_id=-1", "--help"], "--config.distributed.process_id=-1 --help"),
    (["--config.card.data=84 clips"], "'--config.card.data=84 clips'"),
]


@pytest.mark.parametrize(("typed", "shown"), GIVEN, ids=[" ".join(typed) for typed, _ in GIVEN])
@pytest.mark.parametrize("program", [["bin/emoasr", "pretrain"], ["/home/me/emoasr/pretrain.py"]])
def test_the_card_has_the_command_without_paths(
    small_recognizer, tmp_path, monkeypatch, program, typed, shown
):
    monkeypatch.setattr(sys, "argv", [*program, *typed])
    page = written(tmp_path, small_recognizer)
    assert f"- Command: `python -m emoasr.pretrain {shown}`\n" in page and "/home/me" not in page


def test_the_card_has_nothing_of_another_program(small_recognizer, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["/home/me/train.py", "/home/me/secret", "--token=x"])
    page = written(tmp_path, small_recognizer)
    assert "- Command: `emoasr.pretrain.main(config, workdir)`\n" in page
    assert "/home/me" not in page and "token" not in page
