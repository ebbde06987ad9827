"""A workdir belongs to one training; what it has finished is not replaced unasked."""

import errno
import hashlib
import json
import shutil

import made_training
import numpy as np
import pytest
import soundfile
from orbax.checkpoint import v1 as ocp

import emoasr
from emoasr import pretrain
from emoasr.errors import UserError
from emoasr.training import loop

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def trained(speech, tmp_path_factory, quick_compilation):
    """A finished training of 6 steps, with its corpus and prepared audio."""
    folder = tmp_path_factory.mktemp("trained")
    shutil.copytree(speech, folder / "speech")
    pretrain.main(settings(folder), folder / "run")
    return folder


@pytest.fixture
def copy(trained, tmp_path):
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return tmp_path


def settings(folder, **train):
    c = made_training.settings(folder / "speech", folder / "data", **train)
    c.card.name = "small"
    return c


def content(folder) -> dict[str, str]:
    """A digest of every file but the log of checkpoints and locks."""
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def stopped(*_):
    raise KeyboardInterrupt


def change_text(folder):
    table = folder / "speech" / "metadata.csv"
    table.write_text(table.read_text().replace("abc", "cab", 1))


def change_audio(folder):
    path = folder / "speech" / "00.wav"
    samples, rate = soundfile.read(path)
    soundfile.write(path, samples[::-1], rate)


@pytest.mark.parametrize(
    ("group", "field", "value"),
    [
        ("model", "n_channels", 4), ("model", "dropout", 0.5), ("augment", "noise", 9.0),
        ("train", "learning_rate", 1.0), ("train", "optimizer", "muon"), ("train", "seed", 7),
        ("train", "batch_frames", 4096), ("train", "max_seconds", 9.0), ("train", "steps", 2),
        ("train", "init", "english"), ("train", "teacher", "english"), ("card", "name", "other"),
        ("card", "terms", "CC0"),
    ],
)  # fmt: skip
def test_other_settings_are_refused_and_named(trained, group, field, value):
    c = settings(trained)
    c[group][field] = value
    before = content(trained)
    with pytest.raises(UserError, match=rf"config\.{group}\.{field}: there .*--overwrite"):
        pretrain.main(c, trained / "run")
    assert content(trained) == before


def test_a_training_without_augmentation_is_another(trained):
    c = settings(trained)
    c.augment = {}
    with pytest.raises(UserError, match=r"config\.augment\.\w+: there .*, now none"):
        pretrain.main(c, trained / "run")


@pytest.mark.parametrize(
    ("change", "named"),
    [(change_text, "the corpus's table: there "), (change_audio, "the corpus's audio: there ")],
)
def test_another_corpus_is_refused_and_named(copy, change, named):
    change(copy)
    before = content(copy / "run")
    with pytest.raises(UserError, match=f"{named}.*--overwrite"):
        pretrain.main(settings(copy), copy / "run")
    assert content(copy / "run") == before


def test_what_changes_no_result_is_no_other_run(copy, capsys):
    (copy / "speech").rename(copy / "moved")
    c = settings(copy, log_every=2, eval_every=1, checkpoint_every=1, resident=0.0)
    c.corpus.path = str(copy / "moved")
    before = content(copy / "run" / "pretrain" / "recognizer")
    pretrain.main(c, copy / "run")
    assert "finished already" in capsys.readouterr().out
    assert content(copy / "run" / "pretrain" / "recognizer") == before


def test_settings_that_did_not_exist_yet_had_their_defaults(copy, capsys):
    path = copy / "run" / "pretrain" / "config.json"
    record = json.loads(path.read_text())
    for name in ("init_weight", "teacher", "teacher_weight", "compute_dtype"):  # after 0.2.0
        del record["made_from"][f"config.train.{name}"]
    path.write_text(json.dumps(record))
    pretrain.main(settings(copy), copy / "run")
    assert "finished already" in capsys.readouterr().out
    with pytest.raises(UserError, match=r"compute_dtype: there 'float32', now 'bfloat16'"):
        path.write_text(json.dumps(record))
        pretrain.main(settings(copy, compute_dtype="bfloat16"), copy / "run")


def test_a_training_continues_where_its_corpus_has_moved(trained, copy, monkeypatch, capsys):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        made_training.interrupt(patch, at=3)
        pretrain.main(settings(copy, resident=0.0), copy / "stopped")
    shutil.copytree(copy / "speech", copy / "copied", copy_function=shutil.copyfile)  # new times
    shutil.rmtree(copy / "speech")
    c = settings(copy)
    c.corpus.path = str(copy / "copied")
    capsys.readouterr()
    pretrain.main(c, copy / "stopped")
    assert "continuing after step 2 of 6" in capsys.readouterr().out
    expected = made_training.weights(trained / "run")
    for name, value in made_training.weights(copy / "stopped").items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_more_steps_continue_and_keep_the_recognizer_of_fewer(copy, capsys):
    run = copy / "run" / "pretrain"
    before = content(run / "recognizer")
    pretrain.main(settings(copy, steps=7), copy / "run")
    assert "continuing after step 6 of 7" in capsys.readouterr().out
    assert content(run / "recognizer-6") == before
    assert emoasr.load_recognizer(run / "recognizer").card["training"]["steps"] == 7


def test_another_card_is_written_if_asked_for(copy, monkeypatch):
    weights = made_training.weights(copy / "run")
    c = settings(copy)
    c.card.terms = "CC0"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(loop, "_export", stopped)
        pretrain.main(c, copy / "run", overwrite=True)
    with pytest.raises(UserError, match=r"config\.card\.terms: there '', now 'CC0'"):
        pretrain.main(c, copy / "run")
    pretrain.main(c, copy / "run", overwrite=True)
    recognizer = emoasr.load_recognizer(copy / "run" / "pretrain" / "recognizer")
    assert recognizer.card["training"]["terms"] == "CC0"
    np.testing.assert_equal(made_training.weights(copy / "run"), weights)


@pytest.mark.parametrize("change", [change_text, None], ids=["corpus", "settings"])
def test_another_training_begins_anew_if_asked_for(copy, capsys, change):
    (copy / "run" / "pretrain" / "recognizer-1").mkdir()
    c = settings(copy)
    if change:
        change(copy)
    else:
        c.train.max_seconds = 9.0
    pretrain.main(c, copy / "run", overwrite=True)
    assert "continuing" not in capsys.readouterr().out
    losses = [row["step"] for row in made_training.rows(copy / "run") if "loss" in row]
    assert losses == list(range(1, 7))
    assert not (copy / "run" / "pretrain" / "recognizer-1").exists()


@pytest.mark.parametrize("gone", [(), ("recognizer",)])
def test_what_is_of_unknown_origin_is_not_replaced_nor_continued(copy, gone):
    (copy / "run" / "pretrain" / "config.json").unlink()
    for name in gone:
        shutil.rmtree(copy / "run" / "pretrain" / name)
    with pytest.raises(UserError, match=r"made from an unknown corpus; .*--overwrite"):
        pretrain.main(settings(copy), copy / "run")


@pytest.mark.parametrize("field", ["init", "teacher"])
def test_a_recognizer_that_training_needs_is_not_removed(copy, field):
    c = settings(copy)
    c.train[field] = str(copy / "run" / ".." / "run" / "pretrain" / "recognizer")
    before = content(copy / "run")
    with pytest.raises(UserError, match=rf"config\.train\.{field}=.*another --workdir"):
        pretrain.main(c, copy / "run", overwrite=True)
    assert content(copy / "run") == before


def test_a_kill_while_another_training_is_removed_leaves_nothing_of_it(copy, monkeypatch, capsys):
    def killed(path, ignore_errors=False):
        if path.exists():
            (path / "config.json").unlink()  # any file may be the first
            raise SystemExit

    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        patch.setattr(shutil, "rmtree", killed)
        pretrain.main(settings(copy, max_seconds=9.0), copy / "run", overwrite=True)
    pretrain.main(settings(copy, max_seconds=9.0), copy / "run")
    assert "continuing" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "out of memory"),
        (RuntimeError("RESOURCE_EXHAUSTED: out of device memory"), "out of memory"),
        (OSError(errno.EACCES, "Permission denied", "state"), "state: access was refused"),
        (OSError(errno.EMFILE, "Too many open files"), "too many open files"),
    ],
)
def test_what_the_machine_lacks_is_not_blamed_on_a_checkpoint(copy, monkeypatch, error, message):
    def fail(*_):
        raise error

    shutil.rmtree(copy / "run" / "pretrain" / "recognizer")
    monkeypatch.setattr(ocp.training.Checkpointer, "load_checkpointables", fail)
    with pytest.raises(UserError, match=message) as caught:
        pretrain.main(settings(copy), copy / "run")
    assert "delete" not in str(caught.value)


def test_a_damaged_checkpoint_is_named_and_without_it_the_run_goes_on(copy, capsys):
    shutil.rmtree(copy / "run" / "pretrain" / "recognizer")
    newest = copy / "run" / "pretrain" / "checkpoints" / "6"
    for path in newest.rglob("_METADATA"):
        path.write_text("x")
    with pytest.raises(UserError, match=f"{newest}: this checkpoint cannot be read .*delete"):
        pretrain.main(settings(copy), copy / "run")
    shutil.rmtree(newest)
    pretrain.main(settings(copy), copy / "run")
    assert "continuing after step 4 of 6" in capsys.readouterr().out
