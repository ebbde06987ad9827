"""Finetunings of a tiny recognizer on a few short recordings, in this process."""

import dataclasses
import json

import audmetric
import jax
import numpy as np
import pandas as pd
import pytest
from made_extraction import settings as extraction_settings
from made_training import rounded_products

import emoasr
from emoasr import eval, extract, finetune
from emoasr.asr import saved
from emoasr.errors import UserError
from emoasr.files import parquet
from emoasr.finetuning import network, recognition, run
from emoasr.inference import attention
from emoasr.training import step

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


def test_a_killed_run_goes_on_and_shards_give_the_same(finished, rated, small_recognizer, tmp_path):
    expected, _ = predictions(finished)
    c = settings(rated, small_recognizer, **LAYERS)
    for number in (1, 2):
        c.shard = f"{number}/2"
        finetune.main(c, tmp_path)
        assert len(list((tmp_path / "finetune" / "folds").glob("*.parquet"))) == 4 * number
    c.shard = ""
    kept = tmp_path / "finetune" / "folds" / "seed0-fold001.parquet"
    kept.unlink()  # as if this fold had been killed
    before = {path: path.stat().st_mtime_ns for path in kept.parent.iterdir()}
    finetune.main(c, tmp_path)
    assert {p: p.stat().st_mtime_ns for p in before} == before  # finished ones stay
    pd.testing.assert_frame_equal(predictions(tmp_path)[0], expected)


@pytest.mark.parametrize(
    "changes", [{"layers": 0}, {"loss": "ccc"}, {"learning_rate": 0.01}, {"seeds": (1,)}]
)
def test_another_run_in_the_workdir_is_refused(changes, finished, rated, small_recognizer):
    (name,) = changes
    with pytest.raises(UserError, match=rf"config\.finetune\.{name}.*--overwrite"):
        finetune.main(settings(rated, small_recognizer, **LAYERS | changes), finished)


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


def test_the_head_alone_begins_as_the_evaluations_ridge(rated, small_recognizer, tmp_path, undrawn):
    c = settings(rated, small_recognizer, epochs=0)
    c.feature_sets, c.eval.regressor, c.eval.n_selected = ("neural",), "ridge", 0
    c.eval.name, c.eval.predictions = "both", (f"head={tmp_path}",)
    extract.main(c, tmp_path)
    finetune.main(c, tmp_path)
    eval.main(c, tmp_path)
    results = json.loads((tmp_path / "eval" / "both" / "results.json").read_text())
    rows = {(row["feature_set"], row["target"]): row for row in results["rows"]}
    assert [name for name, target in rows if target == "arousal"] == ["neural", "head", "mean"]
    for target in ("arousal", "valence"):
        head, ridge = rows["head", target], rows["neural", target]
        assert head["mse_mean"] == pytest.approx(ridge["mse_mean"], rel=1e-4)
        assert head["mse_mean_low"] == pytest.approx(ridge["mse_mean_low"], rel=1e-4)
    assert {"neural", "head"} in [{d["a"], d["b"]} for d in results["differences"]]
    assert any(note.startswith("head: one training") for note in results["notes"])


def test_beside_ctc_it_goes_on_recognizing(
    rated, small_recognizer, speech, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("emoasr.finetuning.training.choose_epoch", lambda *_: [1.0] * 4 + [0.0])
    c = settings(rated, small_recognizer, **LAYERS | {"norms": "adapted", "seeds": (0,)})
    c.finetune.update({"ctc": 1.0, "transcribed": str(speech), "data_dir": str(tmp_path / "data")})
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
    assert f"{rates['before']['cer']:.3f} before, {rates['after']['cer']:.3f} after" in (
        capsys.readouterr().out
    )
    assert str(tmp_path) not in str(card)
    c.finetune.ctc = 0.5
    with pytest.raises(UserError, match=r"config\.finetune\.ctc.*--overwrite"):
        finetune.main(c, tmp_path)


BAD = {  # what is wrong with the labels: the settings, and what the message names
    "three speakers": ({}, ["3 speaker(s)", "needs 4"]),
    "a speaker without ratings": ({}, ["speaker 's1'", "no rating of arousal"]),
    "a constant target": ({}, ["arousal is 2 in every rating", "'s0'"]),
    "classes": ({"eval.targets": ("split",)}, ["split is of classes"]),
    "no such target": ({"eval.targets": ("joy",)}, ["no column 'joy'"]),
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
    table.to_csv(tmp_path / "metadata.csv", index=False)
    c = settings(tmp_path, small_recognizer)
    c.update_from_flattened_dict(changes)
    monkeypatch.setattr("emoasr.finetuning.listening.mfccs", None)
    with pytest.raises(UserError) as error:
        finetune.main(c, tmp_path / "run")
    assert "\n" not in str(error.value) and all(part in str(error.value) for part in named)


def test_a_loss_that_is_not_finite_is_named_and_its_fold_goes_on_at_another_rate(
    rated, small_recognizer, tmp_path
):
    c = settings(rated, small_recognizer, **LAYERS | {"learning_rate": 1e38, "seeds": (0,)})
    with pytest.raises(UserError, match="fold 's0', seed 0: the loss is .*learning_rate"):
        finetune.main(c, tmp_path)
    c.finetune.learning_rate = 0.01
    finetune.main(c, tmp_path)
    _, made = predictions(tmp_path)
    assert {of_fold["learning_rate"] for of_fold in made["folds"]} == {0.01}


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
