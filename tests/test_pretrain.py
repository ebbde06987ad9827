import json
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path

import jax
import numpy as np
import pytest
import soundfile
from made_training import rows, settings, weights
from tensorboardX.proto import event_pb2

import emoasr
from emoasr import pretrain
from emoasr.corpora import transcribed
from emoasr.errors import UserError
from emoasr.training import loop, sharding, step

pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("prepared")


@pytest.fixture(scope="module")
def unbroken(speech, data_dir, tmp_path_factory, quick_compilation):
    workdir = tmp_path_factory.mktemp("unbroken")
    pretrain.main(settings(speech, data_dir), workdir)
    return workdir


def tensorboard(folder):
    """Events: records of a length, its checksum, the event, its checksum."""
    (path,) = folder.glob("events.out.tfevents.*")
    content = path.read_bytes()
    while content:
        (n,) = struct.unpack("Q", content[:8])
        yield event_pb2.Event.FromString(content[12 : 12 + n])
        content = content[16 + n :]


def test_a_run_leaves_what_it_promises(unbroken, speech):
    folder = unbroken / "pretrain"
    assert (folder / "curves.png").stat().st_size > 1000
    losses = [row["loss"] for row in rows(unbroken) if "loss" in row]
    events = [e for e in tensorboard(folder / "events") if e.HasField("summary")]
    drawn = {(e.step, v.tag): v.simple_value for e in events for v in e.summary.value}
    np.testing.assert_allclose([drawn[i, "loss"] for i in range(1, 7)], losses, rtol=1e-6)
    assert len(losses) == 6 and np.isfinite(losses).all()
    assert any("valid_cer" in row for row in rows(unbroken))
    used = json.loads((folder / "corpus.json").read_text())["used"]
    assert used["train"]["utterances"] == 6
    card = emoasr.load_recognizer(folder / "recognizer").card
    assert set(card["metrics"]) == {"valid", "test"}
    assert card["metrics"]["test"]["test"]["cer"] > 0
    assert card["training"]["steps"] == 6 and card["training"]["init"] is None
    shown = card["samples"][0]
    assert shown["set"] == "test" and set(shown["true"]) <= set("abc")
    page = (folder / "recognizer" / "README.md").read_text()
    assert "| test | 3 | " in page and f"| test | {shown['true']} | {shown['heard']} |" in page
    assert str(speech) not in (folder / "recognizer" / "recognizer.json").read_text()


def test_training_can_start_from_a_recognizer(unbroken, speech, data_dir, tmp_path):
    trained = unbroken / "pretrain" / "recognizer"
    c = settings(speech, data_dir, init=str(trained), steps=1, learning_rate=0.0)
    c.augment = {}
    pretrain.main(c, tmp_path)
    before, after = weights(unbroken), weights(tmp_path)
    for name, value in before.items():
        if "mean" not in name and "var" not in name:
            np.testing.assert_array_equal(after[name], value, err_msg=name)
    ancestor = emoasr.load_recognizer(trained)
    card = emoasr.load_recognizer(tmp_path / "pretrain" / "recognizer").card["training"]
    assert card["init"]["digest"] == ancestor.digest and card["init"]["steps"] == 6


def test_the_result_can_lie_between_the_first_and_the_last_weights(
    unbroken, speech, data_dir, tmp_path
):
    trained = str(unbroken / "pretrain" / "recognizer")
    for weight in (0.0, 0.25):
        c = settings(speech, data_dir, init=trained, init_weight=weight, steps=2)
        pretrain.main(c, tmp_path / str(weight))
    first, last, mean = map(weights, (unbroken, tmp_path / "0.0", tmp_path / "0.25"))
    moved = {name for name in first if not np.array_equal(first[name], last[name])}
    assert any("kernel" in name for name in moved) and any("var" in name for name in moved)
    for name, value in mean.items():
        np.testing.assert_allclose(value, 0.25 * first[name] + 0.75 * last[name], atol=1e-6)
    cards = [
        (tmp_path / str(weight) / "pretrain" / "recognizer" / "README.md").read_text()
        for weight in (0.0, 0.25)
    ]
    assert ["Weights: 0.25 times those of that" in card for card in cards] == [False, True]


def test_random_first_weights_are_not_in_the_result(unbroken, speech, data_dir, tmp_path):
    pretrain.main(settings(speech, data_dir, init_weight=0.9), tmp_path)
    ours, theirs = weights(tmp_path), weights(unbroken)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-6, err_msg=name)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"init": "nowhere"}, "nowhere"),
        ({"init": "english"}, "config.train.init=english: its model has n_channels 128, .* 8"),
        ({"optimizer": "sgd"}, "config.train.optimizer='sgd'.*adamw, muon"),
    ],
)
def test_what_a_training_cannot_start_with_is_named(speech, data_dir, tmp_path, train, message):
    with pytest.raises(UserError, match=message):
        pretrain.main(settings(speech, data_dir, **train), tmp_path)


def test_the_exported_recognizer_gives_features(unbroken, speech):
    opened = emoasr.load_recognizer(unbroken / "pretrain" / "recognizer")
    table = opened.features(str(speech / "00.wav"))
    assert table.shape == (1, 16) and np.isfinite(table.to_numpy()).all()


SLOW_AFTER_FIVE = """
import sys, time
from pathlib import Path
sys.path.insert(0, {tests!r})
import made_training
from emoasr import pretrain
from emoasr.training import sharding
function, steps = sharding.spread, iter(range(5))
def spread(*arguments):
    if next(steps, None) is None:
        time.sleep(9999)
    return function(*arguments)
sharding.spread = spread
pretrain.main(made_training.settings(Path({speech!r}), {data_dir!r}), Path({workdir!r}))
"""


@pytest.mark.slow
def test_killed_and_run_again_ends_like_an_unbroken_run(
    unbroken, speech, data_dir, tmp_path, capsys
):
    code = SLOW_AFTER_FIVE.format(
        tests=str(Path(__file__).parent),
        speech=str(speech),
        data_dir=str(data_dir),
        workdir=str(tmp_path),
    )
    killed = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    metrics = tmp_path / "pretrain" / "metrics.jsonl"
    while not metrics.exists() or metrics.read_text().count("loss") < 5:
        assert killed.poll() is None, "ended before it could be killed"
        time.sleep(0.05)
    killed.kill()  # perhaps while it saves the fourth step
    assert killed.wait() == -signal.SIGKILL
    assert not (tmp_path / "pretrain" / "recognizer").exists()
    begun = tmp_path / "pretrain" / "config.json"
    begun.write_text(json.dumps({**json.loads(begun.read_text()), "version": "0.0.1"}))
    capsys.readouterr()
    pretrain.main(settings(speech, data_dir), tmp_path)
    printed = capsys.readouterr().out
    assert re.search("continuing after step [24] of 6", printed)
    assert "note: emoasr 0.0.1 has trained this so far" in printed
    ours, theirs = weights(tmp_path), weights(unbroken)
    for name, value in theirs.items():
        np.testing.assert_allclose(ours[name], value, rtol=1e-4, atol=1e-6, err_msg=name)
    steps = [row["step"] for row in rows(tmp_path) if "loss" in row]
    assert steps == list(range(1, 7))


def test_another_setting_in_the_same_folder_is_refused(unbroken, speech, data_dir):
    with pytest.raises(UserError, match=r"config\.train"):
        pretrain.main(settings(speech, data_dir, learning_rate=1.0), unbroken)


def test_a_loss_that_is_no_number_stops_the_run(speech, data_dir, tmp_path, monkeypatch):
    def diverged(*arguments):
        trainer, state = step.create(*arguments)
        return trainer, jax.tree.map(lambda x: x * np.nan if x.dtype == "float32" else x, state)

    monkeypatch.setattr(loop, "create", diverged)
    with pytest.raises(UserError, match="learning_rate"):
        pretrain.main(settings(speech, data_dir), tmp_path)


def table(folder, lines: str):
    (folder / "metadata.csv").write_text("file,speaker,split,text\n" + lines)
    return folder


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("a.wav,x,train,hello\nb.wav,y,Dev,hello\n", "'valid'.*; there are 'Dev', 'train'"),
        ("a.wav,x,train,hello\nb.wav,x,valid,hello\n", "'x' is in 2 splits .'train', 'valid'"),
        ("00.wav,x,train,ab\n01.wav,y,valid,7 b\n", "split 'valid'; left out are 1: digits.*: 01"),
        ("00.wav,x,train,ab\ngone.wav,y,valid,ab\n", "'valid' could.*; the first: .*gone.wav"),
        ("a.wav,x,train,hello\nb.wav,,valid,hello\n", "b.wav has no speaker"),
    ],
)
def test_splits_that_cannot_be_trained_on(speech, tmp_path, lines, message):
    for name in ("00.wav", "01.wav"):
        (tmp_path / name).symlink_to(speech / name)
    with pytest.raises(UserError, match=message):
        pretrain.main(settings(table(tmp_path, lines), tmp_path), tmp_path / "run")


@pytest.mark.parametrize("damage", ["gone", "cut off", "changed"])
def test_damaged_prepared_audio_is_named_with_the_remedy(speech, tmp_path, damage):
    c = settings(speech, tmp_path / "data")
    loaded = transcribed.load(c.corpus, tmp_path)
    transcribed.prepare(loaded, c.corpus.data_dir)
    (shard,) = (tmp_path / "data").rglob("*-train_0.array_record-*")
    content = shard.read_bytes()
    changed = {"cut off": content[:40000], "changed": content[:2000] + b"x" + content[2001:]}
    shard.unlink() if damage == "gone" else shard.write_bytes(changed[damage])
    with pytest.raises(UserError, match=f"{shard.parent}: .*damaged; delete the folder"):
        transcribed.prepare(loaded, c.corpus.data_dir)


def test_what_cannot_be_learnt_from_is_named_and_counted(speech, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "speech"
    folder.mkdir()
    for path in speech.glob("*.wav"):
        (folder / path.name).symlink_to(path)
    soundfile.write(folder / "silent.wav", np.zeros(16000, np.int16), 16000)
    lines = [
        ("00.wav", "ab"), ("01.wav", "..."), ("02.wav", "at 7 pm"), ("03.wav", "abc " * 99),
        ("04.wav", ""), ("gone.wav", "ab"), ("lost.wav", "ab"), ("silent.wav", "ab"),
    ]  # fmt: skip
    text = "".join(f"{file},x{file},train,{words}\n" for file, words in lines)
    table(folder, text + "05.wav,y,valid,ab\n06.wav,z,dev,ab\n07.wav,z,,ab\n")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(sharding, "replicate", stopped)  # all is found out before the first step
    with pytest.raises(KeyboardInterrupt):
        pretrain.main(settings(folder, tmp_path), tmp_path / "run")
    record = json.loads((tmp_path / "run" / "pretrain" / "corpus.json").read_text())
    reasons = {s["file"]: s["reason"] for s in record["skipped"]}
    assert set(reasons) == {
        "01.wav",
        "02.wav",
        "03.wav",
        "04.wav",
        "06.wav",
        "07.wav",
        "gone.wav",
        "lost.wav",
        "silent.wav",
    }
    assert "no letter" in reasons["01.wav"] and "digits" in reasons["02.wav"]
    assert "frames" in reasons["03.wav"] and "no text" in reasons["04.wav"]
    assert "all samples are zero" in reasons["silent.wav"]
    assert record["used"]["train"]["utterances"] == record["used"]["train"]["speakers"] == 1
    printed = capsys.readouterr().out
    assert "skipped 1: digits" in printed
    assert "skipped 2: no such file: gone.wav, lost.wav\n" in printed
