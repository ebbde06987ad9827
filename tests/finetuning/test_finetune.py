"""Finetunings of a tiny recognizer on a few short recordings, in this process."""

import dataclasses
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import audmetric
import jax
import numpy as np
import pandas as pd
import pytest
import soundfile
from made_extraction import settings as extraction_settings
from made_training import rounded_products

import emoasr
from emoasr import config, eval, extract, finetune
from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.errors import UserError
from emoasr.files import parquet
from emoasr.finetuning import examples, network, recognition, run, training
from emoasr.finetuning.run_folder import RunFolder, Task
from emoasr.finetuning.training import Training
from emoasr.inference import attention
from emoasr.prediction import saved as predictors
from emoasr.report import wording
from emoasr.system import output
from emoasr.training import step

HERE = Path(__file__).parent
WHISPER = HERE.parent / "asr" / "of_transformers" / "whisper"  # windows of a second
pytestmark = pytest.mark.usefixtures("quick_compilation")

LAYERS = {"layers": 1, "epochs": 2, "seeds": (0, 1), "learning_rate": 0.05, "rate_below": 1.0}


@pytest.fixture(scope="module")
def rated(speech, tmp_path_factory):
    """The recordings with four speakers, each in both sessions, who were rated differently."""
    folder = tmp_path_factory.mktemp("rated")
    table = pd.read_csv(speech / "metadata.csv")
    table["file"] = [str(speech / name) for name in table["file"]]
    table["speaker"] = [f"s{i % 4}" for i in range(len(table))]
    table["arousal"] = 1 + np.arange(len(table)) * 5 % 12 / 3
    table.to_csv(folder / "metadata.csv", index=False)
    return folder


def settings(rated, recognizer, **changes):
    c = extraction_settings(rated, recognizer)
    c.eval.targets = ("arousal", "valence")
    c.finetune.update({"epochs": 1, "buckets": 1, "layers": 0} | changes)
    return c


def predictions(workdir):
    return parquet.read(workdir / "finetune" / "predictions.parquet")


@pytest.fixture(scope="module")
def finished(rated, small_recognizer, quick_compilation, tmp_path_factory):
    """A finetuning of the last layer by two seeds."""
    workdir = tmp_path_factory.mktemp("finished")
    finetune.main(settings(rated, small_recognizer, **LAYERS), workdir)
    return workdir


def test_every_utterance_is_predicted_once_a_seed_by_the_fold_of_its_speaker(finished, rated):
    table, made = predictions(finished)
    assert table.groupby(["seed", "fold"]).size().to_dict() == {
        (seed, f"s{i}"): 3 for seed in (0, 1) for i in range(4)
    }
    assert (table["speaker"] == table["fold"]).all()
    assert np.isfinite(table[["arousal", "valence"]]).all(axis=None)
    assert len(made["folds"]) == 8
    by_seed = [of.sort_index()["arousal"].to_numpy() for _, of in table.groupby("seed")]
    assert not np.allclose(*by_seed)  # other speakers choose the epoch, in another order


def test_the_predictor_gives_what_its_recognizers_pooled_units_say(finished, speech):
    folder = finished / "finetune"
    predictor = emoasr.load_predictor(folder / "predictor", folder / "recognizer")
    file = str(speech / "03.wav")
    track = predictor.track(file, progress=False)
    x_MD = predictor.recognizer.features(file, progress=False).to_numpy()
    unclipped = predictor.model.unclipped(x_MD)[0]
    assert track[["arousal", "valence"]].mean().to_numpy() == pytest.approx(unclipped, abs=1e-4)
    with pytest.warns(UserWarning, match="fitted on"):
        table = predictor.predict(file, progress=False)
    assert table["fitted"].item()
    assert table["arousal_low"].item() <= table["arousal"].item() <= table["arousal_high"].item()


def test_the_card_claims_no_more_for_the_intervals_than_is_true(finished):
    card = (finished / "finetune" / "predictor" / "README.md").read_text()
    assert "(jackknife by speaker)" in card and "(CV+ by speaker" not in card
    assert "a linear head, trained end to end, on all features" in card


def test_a_stopped_shard_goes_on_and_shards_give_the_same(
    finished, rated, small_recognizer, tmp_path, monkeypatch
):
    c = settings(rated, small_recognizer, **LAYERS)
    c.shard = "1/2"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        strike(patch, "s2", signal.default_int_handler)
        finetune.main(c, tmp_path)
    folds = tmp_path / "finetune" / "folds"
    assert [path.name for path in folds.iterdir()] == ["seed0-fold001.parquet"]
    for number in (1, 2):
        c.shard = f"{number}/2"
        finetune.main(c, tmp_path)
        assert len(list(folds.iterdir())) == 4 * number
    c.shard = ""
    before = {path: path.stat().st_mtime_ns for path in folds.iterdir()}
    finetune.main(c, tmp_path)
    assert {p: p.stat().st_mtime_ns for p in before} == before  # finished ones stay
    pd.testing.assert_frame_equal(predictions(tmp_path)[0], predictions(finished)[0])


def test_folds_of_another_version_are_made_anew_which_is_said(
    finished, rated, small_recognizer, tmp_path, capsys
):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    folder = tmp_path / "finetune"
    first, second, *others = sorted((folder / "folds").iterdir())
    for path, version in ((first, {"version": "0.0.1"}), (second, {})):
        table, made = parquet.read(path)
        del made["version"]
        table[["arousal", "valence"]] = 9.0
        parquet.write(table, path, made | version)
    before = {path: path.stat().st_mtime_ns for path in others}
    c = settings(rated, small_recognizer, **LAYERS)
    finetune.main(c, tmp_path)
    printed = capsys.readouterr().out
    for version in ("0.0.1", "of an unknown version"):
        what = f"1 fold made with emoasr {version}; made anew, with {emoasr.__version__}"
        assert f"{folder}: {what}" in printed
    assert {p: p.stat().st_mtime_ns for p in before} == before
    pd.testing.assert_frame_equal(predictions(tmp_path)[0], predictions(finished)[0])
    table, made = predictions(tmp_path)
    assert made["version"] == emoasr.__version__
    parquet.write(table, folder / "predictions.parquet", made | {"version": "0.0.1"})
    for finished_now in (False, True):  # of the whole, too
        finetune.main(c, tmp_path)
        assert ("finished already" in capsys.readouterr().out) == finished_now


@pytest.mark.parametrize(("name", "value"), [("scale", (0.0, 7.0)), ("limits", "whispered")])
def test_what_only_the_predictor_depends_on_may_change_after_the_folds(
    name, value, finished, rated, small_recognizer, tmp_path, capsys
):
    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    folds = {path: path.stat().st_mtime_ns for path in (tmp_path / "finetune/folds").iterdir()}
    c = settings(rated, small_recognizer, **LAYERS)
    c.eval[name] = value
    finetune.main(c, tmp_path)
    assert "finished already" not in capsys.readouterr().out
    assert {path: path.stat().st_mtime_ns for path in folds} == folds
    card = (tmp_path / "finetune" / "predictor" / "README.md").read_text()
    assert {"scale": "from 0 to 7", "limits": "whispered"}[name] in card
    finetune.main(c, tmp_path)
    assert "finished already" in capsys.readouterr().out


def test_the_predictor_is_that_of_the_first_seed_when_their_order_changes(
    finished, rated, small_recognizer, tmp_path, capsys
):
    def kept(workdir):
        return predictors.load(workdir / "finetune" / "predictor").digest

    def errors_of(workdir):
        """The seeds whose folds have the errors that make the predictor's intervals."""
        (target, _) = predictors.load(workdir / "finetune" / "predictor").model.targets
        table = predictions(workdir)[0]
        rating = pd.read_csv(rated / "metadata.csv", index_col="file")["arousal"]
        rating = rating[table.index.get_level_values("file")].to_numpy()
        found = (table["arousal"] - rating).abs().groupby(table["seed"])
        errors = sorted(target.errors_N)
        return [s for s, of in found if sorted(of) == pytest.approx(errors, rel=1e-5)]

    shutil.copytree(finished, tmp_path, dirs_exist_ok=True)
    for seeds, as_before in [((1, 0), False), ((0, 1), True)]:
        finetune.main(settings(rated, small_recognizer, **{**LAYERS, "seeds": seeds}), tmp_path)
        assert "finished already" not in capsys.readouterr().out
        assert (kept(tmp_path) == kept(finished)) == as_before
        assert errors_of(tmp_path) == [seeds[0]]
        finetune.main(settings(rated, small_recognizer, **{**LAYERS, "seeds": seeds}), tmp_path)
        assert "finished already" in capsys.readouterr().out


def strike(patch, speaker, how):
    """A signal's handler is called, as the fold of a speaker is trained."""
    epoch = Training.epoch

    def struck(made, what):
        epoch(made, what)
        if f"fold {speaker!r}" in what:
            how(signal.SIGINT, None)

    patch.setattr(Training, "epoch", struck)


def die(rated, recognizer, workdir):
    """In a process with two devices: kill -9 in the second fold."""
    assert jax.device_count() == 2
    strike(pytest.MonkeyPatch(), "s1", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    finetune.main(settings(Path(rated), recognizer, **LAYERS), workdir)


def test_a_killed_run_on_two_devices_goes_on_with_one(finished, rated, small_recognizer, tmp_path):
    arguments = str(rated), str(small_recognizer), str(tmp_path)
    killed = subprocess.run(
        [sys.executable, "-u", "-c", f"import test_finetune; test_finetune.die(*{arguments})"],
        capture_output=True, text=True,
        env=os.environ | {
            "XLA_FLAGS": "--xla_force_host_platform_device_count=2",
            "PYTHONPATH": os.pathsep.join(map(str, (HERE, HERE.parent, HERE.parents[1]))),
        },
    )  # fmt: skip
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    assert "2 devices: a process trains on the first" in killed.stdout
    (kept,) = (tmp_path / "finetune" / "folds").iterdir()
    assert kept.name == "seed0-fold001.parquet"
    expected, _ = parquet.read(finished / "finetune" / "folds" / kept.name)
    pd.testing.assert_frame_equal(parquet.read(kept)[0], expected)


@pytest.mark.parametrize(
    "changes", [{"layers": 0}, {"loss": "ccc"}, {"learning_rate": 0.01}, {"seeds": (1,)}]
)
def test_another_run_in_the_workdir_is_refused(changes, finished, rated, small_recognizer):
    (name,) = changes
    with pytest.raises(UserError, match=rf"config\.finetune\.{name}.*--overwrite"):
        finetune.main(settings(rated, small_recognizer, **LAYERS | changes), finished)


def test_the_recognizer_of_the_run_that_would_be_replaced_is_not_trained(finished, rated):
    c = settings(rated, finished / "finetune" / "recognizer", **LAYERS, loss="ccc")
    with pytest.raises(UserError, match=r"config\.recognizer=.*another --workdir"):
        finetune.main(c, finished, overwrite=True)
    assert predictions(finished)


RATE = "config.finetune.learning_rate"
MADE_FROM = {"config.finetune.seeds": [0], RATE: 0.1, "config.finetune.layers": 1}
OF_A_FOLD = pd.DataFrame(
    {"speaker": ["s0"], "seed": 0, "arousal": 1.0}, pd.Index(["a"], name="file")
)


def test_folds_of_unknown_origin_are_neither_kept_nor_removed(tmp_path):
    RunFolder(tmp_path, MADE_FROM, "c", False).write_fold(Task(0, 0), OF_A_FOLD, {})
    (tmp_path / "finetune" / "config.json").unlink()
    with pytest.raises(UserError, match=r"made from an unknown corpus; .*--overwrite"):
        RunFolder(tmp_path, MADE_FROM, "c", False)
    folder = RunFolder(tmp_path, MADE_FROM, "c", True)
    assert folder.missing([Task(0, 0)]) == [Task(0, 0)]


@pytest.mark.parametrize("changed", [RATE, "config.finetune.layers"])
def test_a_run_writes_nothing_into_the_folder_of_one_that_has_replaced_it(tmp_path, changed):
    first = RunFolder(tmp_path, MADE_FROM, "c", False)
    second = RunFolder(tmp_path, MADE_FROM | {changed: 2}, "c", True)
    for write in (first.check_own, lambda: first.write_fold(Task(0, 0), OF_A_FOLD, {})):
        with pytest.raises(UserError, match="another run has replaced this one"):
            write()
    with pytest.raises(UserError, match="another run"), first.noting_failure():
        raise UserError("a loss")
    RunFolder(tmp_path, MADE_FROM | {changed: 2}, "c", True).check_own()  # a further shard
    second.write_fold(Task(0, 1), OF_A_FOLD, {})
    assert [path.name for path in second.path.glob("f*")] == ["folds"]
    assert second.missing([Task(0, 0), Task(0, 1)]) == [Task(0, 0)]


def test_shards_that_replace_a_run_together_keep_each_others_folds(tmp_path):
    def start(number):
        asked = MADE_FROM | {RATE: 0.2}
        RunFolder(tmp_path, asked, "c", True).write_fold(Task(0, number), OF_A_FOLD, {})

    RunFolder(tmp_path, MADE_FROM, "c", False)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(start, range(4)))
    assert len(list((tmp_path / "finetune" / "folds").iterdir())) == 4


@pytest.mark.parametrize(
    "changes",
    [
        {"layers": -1, "norms": "adapted", "init": "random"},
        {"layers": 0, "pooling": "mean+std", "loss": "ccc"},
        {"layers": 1, "pooling": "attention", "augment": True},
        {"layers": 0, "pooling": "attention", "learning_rate": 0.1},
    ],
    ids=lambda changes: "-".join(map(str, changes.values())),
)
def test_every_way_of_training_predicts_and_keeps_a_predictor(
    changes, rated, small_recognizer, speech, tmp_path
):
    finetune.main(settings(rated, small_recognizer, **changes), tmp_path)
    table, made = predictions(tmp_path)
    assert np.isfinite(table["arousal"]).all() and len(table) == 12
    assert all(len(of_fold["losses"]) == 2 for of_fold in made["folds"])
    folder = tmp_path / "finetune"
    recognizer = folder / "recognizer" if changes["layers"] else small_recognizer
    predictor = emoasr.load_predictor(folder / "predictor", recognizer)
    assert predictor.targets == ("arousal", "valence")
    file = str(speech / "03.wav")
    if changes.get("pooling") == "mean+std":
        with pytest.raises(UserError, match=r"mean\+std.*finetune\.pooling=mean or attention"):
            predictor.track(file, progress=False)
        return
    unclipped = dataclasses.replace(predictor.model, scale=())
    predictor = dataclasses.replace(predictor, model=unclipped)
    track = predictor.track(file, progress=False)["arousal"]
    with pytest.warns(UserWarning, match="fitted on"):
        table = predictor.page(file, tmp_path / "page.html", progress=False)
    assert track.mean() == pytest.approx(table["arousal"].item(), abs=1e-4)


def test_fields_of_other_commands_change_nothing(rated, small_recognizer, tmp_path):
    c = settings(rated, small_recognizer, epochs=0)
    c.eval.update({"merged": ("a+b",), "within_speaker": True, "chosen_on": "dev"})
    finetune.main(c, tmp_path)
    assert len(predictions(tmp_path)[0]) == 12 and c.eval.merged


def test_a_rating_may_be_called_self(rated, small_recognizer, tmp_path):
    table = pd.read_csv(rated / "metadata.csv").rename(columns={"arousal": "self"})
    table.to_csv(tmp_path / "metadata.csv", index=False)
    c = settings(tmp_path, small_recognizer, epochs=0)
    c.eval.targets = ("self", "valence")
    finetune.main(c, tmp_path)
    found = predictions(tmp_path)[0]
    assert np.isfinite(found[["self", "valence"]]).all(axis=None) and len(found) == 12


def test_the_head_alone_begins_as_the_evaluations_ridge(
    rated, small_recognizer, tmp_path, undrawn, capsys
):
    c = settings(rated, small_recognizer, epochs=0)
    c.feature_sets, c.eval.regressor, c.eval.n_selected = ("neural",), "ridge", 0
    c.eval.name, c.eval.predictions = "both", (f"head={tmp_path}",)
    extract.main(c, tmp_path)
    capsys.readouterr()
    finetune.main(c, tmp_path)
    ccc = dict(re.findall(r"^(\w+): CCC (.*)$", capsys.readouterr().out, re.MULTILINE))
    eval.main(c, tmp_path)
    results = json.loads((tmp_path / "eval" / "both" / "results.json").read_text())
    rows = {(row["feature_set"], row["target"]): row for row in results["rows"]}
    assert [name for name, target in rows if target == "arousal"] == ["neural", "head", "mean"]
    for target in ("arousal", "valence"):
        head, ridge = rows["head", target], rows["neural", target]
        assert head["mse_mean"] == pytest.approx(ridge["mse_mean"], rel=1e-4)
        assert head["mse_mean_low"] == pytest.approx(ridge["mse_mean_low"], rel=1e-4)
        assert ccc[target] == wording.interval(head, "clipped_ccc")  # as the evaluation writes it
    assert {"neural", "head"} in [{d["a"], d["b"]} for d in results["differences"]]
    assert any(note.startswith("head: one training") for note in results["notes"])


def test_beside_ctc_it_goes_on_recognizing(
    rated, small_recognizer, speech, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(training, "choose_epoch", lambda *_: [1.0] * 4 + [0.0])
    c = settings(rated, small_recognizer, **LAYERS | {"norms": "adapted", "seeds": (0,)})
    c.finetune.update(
        {"ctc": 1.0, "transcribed": str(tmp_path / "spoken"), "data_dir": str(tmp_path)}
    )
    shutil.copytree(speech, tmp_path / "spoken")
    finetune.main(c, tmp_path)
    frontend = saved.load(small_recognizer).config.frontend
    spoken = recognition.open_transcribed(c.finetune, tmp_path, frontend).batches(0)(0)

    def loss(folder):
        logits_BTV = saved.load(folder).model(spoken.mfcc_BFD, spoken.frames_B).logits_BTV
        return step.ctc_loss(logits_BTV, spoken.frames_B, spoken.labels_BL, spoken.n_labels_B)

    folder = tmp_path / "finetune" / "recognizer"
    assert loss(folder) < 0.9 * loss(small_recognizer)
    card = saved.load(folder).card
    rates = card["recognition"]
    cer = [output.number(rates[when]["cer"]) for when in ("before", "after")]
    assert f"{cer[0]} before, {cer[1]} after" in capsys.readouterr().out
    assert str(tmp_path) not in str(card)
    c.finetune.ctc = 0.5
    with pytest.raises(UserError, match=r"config\.finetune\.ctc.*--overwrite"):
        finetune.main(c, tmp_path)
    c.finetune.ctc = 1.0
    path = tmp_path / "finetune" / "config.json"
    record = json.loads(path.read_text())
    del record["made_from"]["the transcribed speech's audio"]  # as of older versions
    path.write_text(json.dumps(record))
    finetune.main(c, tmp_path)
    assert "finished already" in capsys.readouterr().out
    samples, rate = soundfile.read(tmp_path / "spoken" / "00.wav")
    soundfile.write(tmp_path / "spoken" / "00.wav", samples[::-1], rate)
    with pytest.raises(UserError, match=r"the transcribed speech's audio: there .*--overwrite"):
        finetune.main(c, tmp_path)


BAD = {  # what is wrong with the labels: the settings, and what the message names
    "three speakers": ({}, ["3 speakers", "needs 4"]),
    "a speaker without ratings": ({}, ["speaker 's1'", "no rating of arousal"]),
    "a constant target": ({}, ["arousal is 2 in every rating", "'s0'"]),
    "classes": ({"eval.targets": ("split",)}, ["split holds classes"]),
    "no such target": ({"eval.targets": ("joy",)}, ["no column 'joy'"]),
    **{
        f"a target called {name}": ({"eval.targets": (name,)}, ["config.eval.targets", says])
        for name, says in [
            *[(name, "the folds' predictions; rename") for name in ("speaker", "seed", "fold")],
            *[(name, "two columns of one name") for name in ("time", "fitted", "beyond")],
            ("x" * 201, "more than 200 characters"),
        ]
    },
    "two targets with one column": (
        {"eval.targets": ("arousal", "arousal_low")},
        ["two columns of one name, 'arousal_low'; rename"],
    ),
    "a protocol without turns": ({"eval.protocol": "predefined-test"}, ["config.eval.protocol"]),
    "too many layers": ({"finetune.layers": 3}, ["config.finetune.layers=3", "has 2"]),
    "one seed twice": ({"finetune.seeds": (1, 1)}, ["config.finetune.seeds"]),
    "CTC of nothing": ({"finetune.ctc": 1.0}, ["config.finetune.ctc=1", "finetune.transcribed"]),
    "CTC of nothing that is trained": ({"finetune.transcribed": "x"}, ["layers=0", "leave it out"]),
    "transcribed speech that is not there": (
        {"finetune.transcribed": "/no/such/folder", "finetune.layers": 1},
        ["config.finetune.transcribed=/no/such/folder"],
    ),
    "a folder without transcribed speech": (
        {"finetune.transcribed": "/", "finetune.layers": 1},
        ["config.finetune.transcribed=/metadata.csv"],
    ),
    "a folder for audio of no transcribed speech": (
        {"finetune.data_dir": "x"},
        ["config.finetune.data_dir=x", "finetune.transcribed, which is empty"],
    ),
    "an unknown pooling": ({"finetune.pooling": "max"}, ["config.finetune.pooling", "attention"]),
}


@pytest.mark.parametrize("what", BAD)
def test_what_cannot_be_trained_on_is_one_line_before_any_audio_is_heard(
    what, rated, small_recognizer, tmp_path, monkeypatch
):
    changes, named = BAD[what]
    table = pd.read_csv(rated / "metadata.csv")
    if what == "three speakers":
        table = table[table["speaker"] != "s3"]
    elif what == "a speaker without ratings":
        table.loc[table["speaker"] == "s1", "arousal"] = np.nan
    elif what == "a constant target":
        table.loc[table["speaker"] != "s0", "arousal"] = 2.0
    others = set(changes.get("eval.targets", ())) - {*table, "joy"}
    table = table.assign(**dict.fromkeys(others, table["arousal"]))
    table.to_csv(tmp_path / "metadata.csv", index=False)
    c = settings(tmp_path, small_recognizer)
    c.update_from_flattened_dict(changes)
    monkeypatch.setattr("emoasr.finetuning.listening.mfccs", None)
    with pytest.raises(UserError) as error:
        finetune.main(c, tmp_path / "run")
    assert "\n" not in str(error.value) and all(part in str(error.value) for part in named)


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("epoch", "fold 's0', seed 0: the loss in epoch 2 is "),
        ("loss", "fold 's0', seed 0: the loss on speakers held out after epoch 1 is "),
        ("train", "fold 's0', seed 0: a prediction is "),
        ("keep", "all speakers: a prediction is "),
    ],
)
def test_what_is_not_finite_is_named_and_goes_on_at_another_rate(
    function, what, rated, small_recognizer, tmp_path, monkeypatch
):
    c = settings(rated, small_recognizer, layers=1, learning_rate=3e38)
    if function == "epoch":  # the second, of what the first one made
        c.finetune.epochs = 2
        monkeypatch.setattr(Training, "loss", lambda *_: 1.0)
    if function in ("train", "keep"):
        monkeypatch.setattr(training, "choose_epoch", lambda *_: [1.0, 0.0])
    if function == "keep":
        monkeypatch.setattr(run, "_train_fold", trained_at_another_rate(run._train_fold))
    with pytest.raises(UserError, match=f"{what}.*lower config.finetune.learning_rate, here 3e.38"):
        finetune.main(c, tmp_path)
    c.finetune.learning_rate = 0.01
    if function != "keep":
        c.shard = "1/4"
        finetune.main(c, tmp_path)
        (fold,) = (tmp_path / "finetune" / "folds").iterdir()
        assert parquet.read(fold)[1]["learning_rate"] == 0.01
        return
    finetune.main(c, tmp_path)
    c.finetune.learning_rate = 0.02  # the failure is over
    with pytest.raises(UserError, match=r"config\.finetune\.learning_rate.*--overwrite"):
        finetune.main(c, tmp_path)


def trained_at_another_rate(train_fold):
    def function(task, settings, *arguments):
        settings = settings.copy_and_resolve_references()
        settings.learning_rate = 0.01
        train_fold(task, settings, *arguments)

    return function


def with_silence(rated, folder):
    """The table of the rated recordings, in `folder`, and of a silent one; and where that lies."""
    silent = str(folder / "silent.wav")
    soundfile.write(silent, np.zeros(9000), 16000)
    table = pd.read_csv(rated / "metadata.csv")
    table = pd.concat([table, table.iloc[[-1]].assign(file=silent)], ignore_index=True)
    table.to_csv(folder / "metadata.csv", index=False)
    return table, silent


def test_who_is_left_out_and_what_is_silent_is_said(rated, small_recognizer, tmp_path, capsys):
    table, silent = with_silence(rated, tmp_path)
    table.loc[0, "speaker"], table.loc[[1, 2], "valence"] = None, np.nan
    missing = str(tmp_path / "missing.wav")
    table = pd.concat([table, table.iloc[[-1]].assign(file=missing)])
    table.to_csv(tmp_path / "metadata.csv", index=False)
    c = settings(tmp_path, small_recognizer)
    c.shard = "5/5"  # of four folds
    finetune.main(c, tmp_path / "run")
    assert "shard 5/5: has no fold" in capsys.readouterr().out
    c.shard = ""
    finetune.main(c, tmp_path / "run")
    lines = capsys.readouterr().out.splitlines()
    assert [line for line in lines if line.startswith(("left out", "warning"))] == [
        f"left out: {missing}: no such file",
        f"warning: {silent}: all samples are zero",
        "left out: 1 utterance: no speaker; needed for arousal",
        "left out: 2 utterances: no rating of valence",
        "left out: 1 utterance: no speaker; needed for valence",
    ]
    assert len(predictions(tmp_path / "run")[0]) == 12


def test_folds_are_made_anew_where_other_utterances_can_be_read(
    finished, rated, small_recognizer, tmp_path, monkeypatch, capsys
):
    def unread(*arguments):
        heard = hear(*arguments)
        del heard.rows[0]
        heard.failed[0] = "cannot be read"
        return heard

    hear, c = run._hear, settings(rated, small_recognizer, **LAYERS)
    with monkeypatch.context() as patch:
        patch.setattr(run, "_hear", unread)
        c.shard = "1/4"
        finetune.main(c, tmp_path)
    c.shard = ""
    capsys.readouterr()
    finetune.main(c, tmp_path)
    what = "2 folds made when other utterances could be read; made anew"
    assert f"{tmp_path / 'finetune'}: {what}" in capsys.readouterr().out
    pd.testing.assert_frame_equal(predictions(tmp_path)[0], predictions(finished)[0])


def test_of_several_devices_one_is_used_which_is_said():
    assert run.devices_note(1) == ""
    assert "--config.shard=1/2" in run.devices_note(2)


def test_no_product_of_a_step_is_left_to_what_a_device_rounds_to(small_recognizer):
    """Those of augmentation, attention and CTC's loss neither: GPUs default to TF32."""
    opened = saved.load(small_recognizer)
    model, frontend = opened.model, opened.config.frontend
    graph, layers, statistics, below = network.partition(model, 0, recognizes=True)
    tuner = network.Tuner(
        graph, 2, "gate", "attention", "ccc", 0, 0, True, 0.1, 0.01, 1.0, 0.1, frontend
    )
    head = {"weights_DT": np.zeros((16, 1)), "bias_T": np.zeros(1)}
    state = tuner.start(head | network.first_attention(16, 0)._asdict(), layers, statistics)
    fixed = network.Fixed(below, np.zeros(16), np.ones(16), np.zeros(1))
    rated = np.ones((1, 1), np.float32)
    batch = network.Batch(
        np.zeros((1, 20 * 512), np.int16),
        np.array([20 * 512]),
        np.zeros((1, 1, 0, 8)),
        rated,
        rated,
    )
    spoken = recognition.Spoken(
        np.zeros((1, 20, 20)), np.array([20]), np.ones((1, 2), int), np.array([2])
    )
    key = jax.random.key(0)
    programs = [
        network.Tuner.step.trace(tuner, fixed, state, batch, 0.1, key),
        network.Tuner.recognize.trace(tuner, fixed, state, spoken, key),
        network.Tuner.predict.trace(tuner, fixed, state, batch),
    ]
    assert list(map(rounded_products, programs)) == [0, 0, 0]


def test_a_recognizer_of_another_kind_trains_a_head_alone(rated, small_recognizer):
    opened = saved.load(small_recognizer)
    other = saved.SavedRecognizer(object(), opened.config, {"architecture": "whisper"}, "")
    for wrong in ({"layers": 1}, {"pooling": "attention"}, {"init": "random"}, {"augment": True}):
        with pytest.raises(UserError, match="whisper.*layers=0"):
            run.check_recognizer(other, settings(rated, small_recognizer, **wrong).finetune)
    run.check_recognizer(other, settings(rated, small_recognizer).finetune)


def test_a_head_is_trained_on_a_recognizer_of_another_kind(rated, speech, tmp_path, capsys):
    _, silent = with_silence(rated, tmp_path)
    finetune.main(settings(tmp_path, WHISPER, learning_rate=0.05), tmp_path)
    assert f"warning: {silent}: all samples are zero\n" in capsys.readouterr().out
    assert not (tmp_path / "finetune" / "recognizer").exists()
    assert np.isfinite(predictions(tmp_path)[0]["arousal"]).all()
    predictor = emoasr.load_predictor(tmp_path / "finetune" / "predictor", WHISPER)
    with pytest.warns(UserWarning, match="fitted on"):
        table = predictor.predict(str(speech / "03.wav"), progress=False)
    assert table["arousal_low"].item() <= table["arousal"].item() <= table["arousal_high"].item()


@pytest.mark.parametrize("column", ["take", "valence"])
@pytest.mark.parametrize("values", [(1, 2), (0, 1), (1, 5), (1, 2, 3), (1, 1, 2)])
def test_no_pattern_of_labels_is_taken_for_a_leak(column, values):
    n = 24
    index = pd.Index([f"{i:02d}.wav" for i in range(n)], name="file", dtype="string")
    labels = {"speaker": [f"s{i // 6}" for i in range(n)], "arousal": np.arange(n) * 5 % 12 / 3}
    labels |= {column: np.resize(values, n).astype(float)}
    c = config.experiment("table").eval
    c.targets, c.scale = ("arousal", *({column} & {"valence"})), ()
    found = examples.gather(pd.DataFrame(labels, index), c)
    assert len(found.ratings) == n and len(found.folds) == 4


@pytest.mark.parametrize("unused", [{"merged": ("a+b",)}, {"within_speaker": True}])
def test_settings_of_eval_that_it_does_not_use_change_nothing(rated, unused):
    c = config.experiment("table").eval
    c.targets, c.scale = ("arousal",), ()
    table = pd.read_csv(rated / "metadata.csv", index_col="file")
    table = table.set_axis(table.index.astype("string"))
    table.loc[table.index[:2], "speaker"] = None
    expected = examples.gather(table, c)
    c.update(unused)
    found = examples.gather(table, c)
    pd.testing.assert_frame_equal(found.ratings, expected.ratings)
    assert found.left_out == expected.left_out and len(found.left_out) == 2


def test_a_fold_that_cannot_be_read_is_named(rated, small_recognizer, tmp_path):
    table = pd.read_csv(rated / "metadata.csv")
    missing = str(tmp_path / "missing.wav")
    table = pd.concat([table, table.iloc[[-1]].assign(file=missing, speaker="s4")])
    table.to_csv(tmp_path / "metadata.csv", index=False)
    with pytest.raises(UserError, match="fold 's4': none of its utterances can be read"):
        finetune.main(settings(tmp_path, small_recognizer), tmp_path / "run")


def test_attention_begins_as_the_mean():
    x_BFX = np.random.default_rng(0).normal(size=(1, 5, 6)).astype("f4")
    mask_BF = np.ones((1, 5), bool)
    found, _, _ = attention.pool(x_BFX, mask_BF, network.first_attention(6, seed=0))
    assert found == pytest.approx(x_BFX.mean(axis=1), abs=1e-6)


def test_the_ccc_loss_is_one_minus_the_ccc_of_what_is_rated():
    random = np.random.default_rng(0)
    y_BT, p_BT = random.normal(size=(2, 20, 2))
    weight_BT = np.ones((20, 2))
    weight_BT[15:, 1] = 0
    expected = [audmetric.concordance_cc(y_BT[:n, t], p_BT[:n, t]) for t, n in ((0, 20), (1, 15))]
    assert network.ccc_loss(p_BT, y_BT, weight_BT) == pytest.approx(1 - np.mean(expected), abs=1e-4)


def test_a_store_for_the_audio_of_transcribed_speech_is_refused_by_name(speech, tmp_path):
    c = config.experiment("table").finetune
    c.update({"transcribed": str(speech), "data_dir": "s3://b/x"})
    with pytest.raises(UserError, match=r"config\.finetune\.data_dir=s3://b/x: must be on a disk"):
        recognition.open_transcribed(c, tmp_path, FrontEndConfig())
