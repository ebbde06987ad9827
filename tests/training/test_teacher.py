"""Hidden states of a teacher beside CTC: what is learned from them, and how they are kept."""

import dataclasses
import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import made_training
import numpy as np
import pytest
from made_training import batch, copied
from made_transformers import wave

from emoasr import pretrain
from emoasr.asr import frontend as fe
from emoasr.asr import log_mel, saved
from emoasr.audio import encoding
from emoasr.errors import UserError
from emoasr.settings.choices import AugmentConfig, ModelConfig
from emoasr.system import limits
from emoasr.training import augment, loop, step, targets

pytestmark = pytest.mark.usefixtures("quick_compilation")
OURS = fe.FrontEndConfig()
WHISPER = Path(__file__).parents[1] / "asr" / "of_transformers" / "whisper"  # windows of a second
N_FRAMES, N_UNITS = 21, 4  # of `batch`
STRETCHED = AugmentConfig(1.0, 2.0, 0.0, 80, 0, 0, 0, 0, 0.0, 0.0)  # and nothing else
augmented_spectra = jax.jit(augment.spectra, static_argnames="config")


def recognizer(rate=16000) -> saved.SavedRecognizer:
    """A small one of ours, with random weights."""
    model = saved.with_random_weights(ModelConfig(n_channels=N_UNITS, n_blocks=1), 0)
    config = saved.RecognizerConfig(model.config, dataclasses.replace(OURS, sample_rate=rate))
    return saved.SavedRecognizer(model, config, {}, "0")


TEACHER = recognizer()


def trainer():
    return made_training.trainer(teacher=TEACHER, teacher_weight=0.5)


def stretching():
    """One that stretches, and to which the teacher is all."""
    return made_training.trainer(STRETCHED, teacher=TEACHER, teacher_weight=1.0, weight_decay=0.0)


def taught(empty=0, beyond=0.0, states_TD=None):
    """The batch of noise with standardised hidden states, which a teacher made of its loudness."""
    noise = batch(empty=empty)
    heard_BT = np.abs(noise.wave_BN.astype(np.float32)).reshape(4 + empty, 20, 512).mean(-1)
    states_BTD = np.repeat(np.pad(heard_BT, ((0, 0), (0, 1)), "edge")[..., None], N_UNITS, 2)
    states_BTD = (states_BTD - states_BTD[:4].mean()) / states_BTD[:4].std()
    if states_TD is not None:
        states_BTD[:4] = states_TD
    frames_B = OURS.n_frames(noise.lengths_B)
    states_BTD[np.arange(N_FRAMES) >= frames_B[:, None]] = beyond
    return noise._replace(states_BTD=states_BTD.astype(np.float16))


def test_the_losses_of_the_teacher_and_of_ctc_fall():
    fixed, state = trainer()
    rows = []
    for number in range(60):
        state, metrics = fixed.step(state, jnp.int32(number), taught())
        rows.append({name: float(value) for name, value in metrics.items()})
    assert rows[0]["teacher_loss"] == pytest.approx(1, rel=0.01)  # nothing is predicted yet
    assert rows[-1]["teacher_loss"] < 0.5 and rows[-1]["loss"] < rows[0]["loss"] / 3


def test_by_itself_the_teacher_leaves_what_writes_as_it_was():
    fixed, state = stretching()

    def weights():
        return {name: w.copy() for name, w in saved.weights(fixed.network(state)).items()}

    before, losses = weights(), []
    for _ in range(7):
        state, metrics = fixed.step(state, jnp.int32(0), taught())
        losses.append(float(metrics["teacher_loss"]))
    after, layer = weights(), "layers.0.out.conv.kernel"
    np.testing.assert_array_equal(after["symbols.kernel"], before["symbols.kernel"])
    assert not np.allclose(after[layer], before[layer]) and losses[-1] < losses[0]


def test_the_exported_network_is_the_one_without_a_head():
    fixed, state = trainer()
    plain, plain_state = made_training.trainer()
    ours, theirs = fixed.network(state), plain.network(plain_state)
    jax.tree.map(np.testing.assert_array_equal, saved.weights(ours), saved.weights(theirs))


def test_empty_rows_and_what_stands_beyond_an_end_change_nothing():
    fixed, state = stretching()
    shorter = batch().lengths_B - np.array([0, 512, 2048, 4096])

    def stepped(**made):
        found = taught(**made)
        lengths_B = np.pad(shorter, (0, len(found.lengths_B) - 4)).astype(np.int32)
        frames_B = np.asarray(OURS.n_frames(lengths_B))
        beyond_BT = np.arange(N_FRAMES) >= frames_B[:, None]
        states_BTD = np.where(beyond_BT[..., None], made.get("beyond", 0), found.states_BTD)
        found = found._replace(lengths_B=lengths_B, states_BTD=states_BTD.astype(np.float16))
        return fixed.step(copied(state), jnp.int32(0), found)

    _, tight = stepped()
    for made in ({"empty": 2}, {"beyond": 1e4}):
        new, loose = stepped(**made)
        for name in ("loss", "teacher_loss"):
            np.testing.assert_allclose(loose[name], tight[name], rtol=1e-5)
        np.testing.assert_allclose(loose["gradient_norm"], tight["gradient_norm"], rtol=1e-3)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(new))


def test_speech_without_a_text_is_heard_by_the_teacher_alone():
    fixed, state = trainer()
    found = taught()
    none = found._replace(n_labels_B=found.n_labels_B * np.array([1, 1, 1, 0], np.int32))
    _, all_four = fixed.step(copied(state), jnp.int32(0), found)
    _, three = fixed.step(copied(state), jnp.int32(0), none)
    new, nothing = fixed.step(state, jnp.int32(0), found._replace(n_labels_B=0 * found.n_labels_B))
    assert all_four["teacher_loss"] == three["teacher_loss"] == nothing["teacher_loss"]
    assert nothing["loss"] == 0 < three["loss"] != all_four["loss"]
    assert nothing["gradient_norm"] > 0
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(new))


# Stretched speech


@pytest.mark.parametrize("seed", range(4))
def test_hidden_states_are_stretched_as_the_speech_is(seed):
    random = np.random.default_rng(seed)
    mel_BTM = random.normal(size=(3, 30, 4)).astype(np.float32)
    frames_B = np.array([30, 20, 7])
    found, _, source_BT = augmented_spectra(
        mel_BTM, frames_B, 0 * frames_B, jax.random.key(seed), config=STRETCHED
    )
    np.testing.assert_allclose(augment.taken_from(mel_BTM, source_BT), found, atol=1e-5)
    assert (source_BT <= frames_B[:, None] - 1).all() and not np.allclose(source_BT, np.arange(30))


@pytest.mark.parametrize("number", range(4))
def test_a_step_compares_stretched_speech_with_stretched_states(number):
    fixed, state = stretching()
    ramp_T = np.arange(float(N_FRAMES))
    states = taught(states_TD=np.repeat(ramp_T[:, None], N_UNITS, 1))
    _, metrics = fixed.step(state, jnp.int32(number), states)
    # the mean square of a ramp does not depend on how fast it is gone through to its end; cut off
    # where the speech becomes shorter, it would fall to a quarter
    assert float(metrics["teacher_loss"]) == pytest.approx(np.mean(ramp_T**2), rel=0.1)


# The teacher's frames and ours


@pytest.mark.parametrize("theirs", [OURS, log_mel.LogMelConfig(), log_mel.LogMelConfig(window=50)])
def test_hidden_states_at_our_frames(theirs):
    n_samples = 40_000
    n_frames, n_theirs = OURS.n_frames(n_samples), theirs.n_frames(n_samples)
    seconds_K = np.arange(n_theirs) * theirs.hop_length / 16000
    states_KD = np.stack([np.ones(n_theirs), seconds_K], axis=1).astype(np.float32)
    found_TD = targets.at_frames(states_KD, theirs, n_frames, OURS)
    assert found_TD.shape == (n_frames, 2)
    np.testing.assert_allclose(found_TD[:, 0], 1, rtol=1e-6)
    seconds_T = np.arange(n_frames) * 512 / 16000
    inner = slice(1, -1) if theirs != OURS else slice(None)
    np.testing.assert_allclose(found_TD[inner, 1], seconds_T[inner], atol=0.011)


@pytest.mark.parametrize("n_theirs", [1, 2, 3])
def test_our_frames_beyond_a_teachers_last_one_have_its_hidden_state(n_theirs):
    states_KD = np.arange(1.0, n_theirs + 1, dtype=np.float32)[:, None]
    found_TD = targets.at_frames(states_KD, log_mel.LogMelConfig(), 9, OURS)
    np.testing.assert_allclose(found_TD[3:, 0], found_TD[3, 0])
    assert np.isfinite(found_TD).all() and found_TD[8] >= states_KD.mean()


# What is kept on disk


@pytest.fixture(scope="module")
def whisper():
    return saved.load(WHISPER)


def made_speech():
    waves = [encoding.int16(wave(n)) for n in (6400, 3333, 9000, 20_000, 33_000)]  # as `WAVES`
    lengths = np.array([len(wave) for wave in waves])
    return targets.Speech(waves.__getitem__, lengths, [f"digest {i}" for i in range(5)])


@pytest.fixture(scope="module")
def kept(whisper, tmp_path_factory):
    """A folder with the hidden states of five utterances, the longest over windows of a second."""
    folder = tmp_path_factory.mktemp("kept")
    return folder, targets.made(folder, whisper, made_speech(), OURS)


@pytest.fixture
def heard(monkeypatch):
    """Numbers of the utterances that the teacher heard."""
    numbers, function = [], targets._heard

    def recorded(*arguments):
        for i, states in function(*arguments):
            numbers.append(i)
            yield i, states

    monkeypatch.setattr(targets, "_heard", recorded)
    return numbers


def all_of(found):
    return np.concatenate([found.of(i) for i in range(len(found.starts) - 1)])


def test_hidden_states_are_the_middle_layers_and_standardised(kept, whisper):
    _, found = kept
    speech, theirs = made_speech(), whisper.config.frontend
    expected = np.load(WHISPER / "expected.npz")  # PyTorch's
    for i in range(3):
        n_samples = speech.n_samples(i)
        states_KD = expected[f"states{i}"][1, : theirs.n_frames(n_samples)]
        ours_TD = targets.at_frames(states_KD, theirs, OURS.n_frames(n_samples), OURS)
        found_TD = found.states_FD[found.starts[i] : found.starts[i + 1]]
        np.testing.assert_allclose(found_TD, ours_TD, atol=1e-2)
    lengths = [OURS.n_frames(int(n)) for n in speech.n_samples_of]
    assert np.diff(found.starts).tolist() == lengths == [len(found.of(i)) for i in range(5)]
    everything = all_of(found).astype(np.float64)
    np.testing.assert_allclose(everything.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(everything.std(axis=0), 1, rtol=1e-2)


def test_they_are_made_once(kept, whisper, heard):
    folder, found = kept
    again = targets.made(folder, whisper, made_speech(), OURS)
    np.testing.assert_array_equal(all_of(again), all_of(found))
    assert not heard


@pytest.mark.parametrize("harm", ["stopped", "altered", "cut off", "no checksums"])
def test_what_is_missing_or_altered_is_made_again(kept, whisper, heard, tmp_path, harm):
    folder, found = kept
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    (states,), (checksums,) = tmp_path.glob("*/states.f16"), tmp_path.glob("*/checksums.u32")
    content = bytearray(states.read_bytes())
    if harm == "stopped":  # after three utterances
        known = np.fromfile(checksums, "<u4")
        known[3:] = 0
        checksums.write_bytes(known.tobytes())
        content[2 * 8 * found.starts[3] :] = bytes(len(content) - 2 * 8 * found.starts[3])
    elif harm == "altered":
        content[2 * 8 * found.starts[4] + 5] ^= 1
    states.write_bytes(content[: -5 if harm == "cut off" else None])
    if harm == "no checksums":
        checksums.unlink()
    again = targets.made(tmp_path, whisper, made_speech(), OURS)
    np.testing.assert_array_equal(all_of(again), all_of(found))
    missing = {"stopped": {3, 4}, "altered": {4}, "cut off": {4}, "no checksums": set(range(5))}
    assert set(heard) >= missing[harm]


def test_those_of_other_speech_or_another_teacher_are_not_taken(kept, whisper, heard, tmp_path):
    folder, _ = kept
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    other = dataclasses.replace(made_speech(), digests=["another", *made_speech().digests[1:]])
    targets.made(tmp_path, whisper, other, OURS)
    assert sorted(heard) == [0, 1, 2, 3, 4]
    targets.made(tmp_path, dataclasses.replace(whisper, digest="another"), made_speech(), OURS)
    assert len(heard) == 10 and len(list(tmp_path.iterdir())) == 3


def test_a_full_disk_is_found_out_before_the_teacher_hears_anything(
    whisper, heard, tmp_path, monkeypatch
):
    usage = type("Usage", (), {"free": 100})
    monkeypatch.setattr(limits.shutil, "disk_usage", lambda folder: usage)
    with pytest.raises(UserError, match=r"hidden states take about .*--config\.corpus\.data_dir"):
        targets.made(tmp_path, whisper, made_speech(), OURS)
    assert not heard


def test_hidden_states_too_large_for_float16_are_refused(whisper, tmp_path, monkeypatch):
    monkeypatch.setattr(targets, "at_frames", lambda *_: np.full((10, 8), 1e5, np.float32))
    with pytest.raises(UserError, match=r"config\.train\.teacher.* reach 1e\+05"):
        targets.made(tmp_path, whisper, made_speech(), OURS)


# Whole trainings


@pytest.fixture(scope="module")
def corpus(speech, tmp_path_factory):
    """The speech, one of whose training utterances has no text; and room for what is prepared."""
    folder = tmp_path_factory.mktemp("corpus")
    shutil.copytree(speech, folder / "speech")
    table = folder / "speech" / "metadata.csv"
    rows = table.read_text().splitlines()
    rows[1] = rows[1].rsplit(",", 1)[0] + ","
    table.write_text("\n".join(rows) + "\n")
    return folder


def settings(corpus, **train):
    return made_training.settings(corpus / "speech", corpus / "data", **train)


@pytest.fixture(scope="module")
def trained(corpus, tmp_path_factory, quick_compilation):
    workdir = tmp_path_factory.mktemp("trained")
    pretrain.main(settings(corpus, teacher=str(WHISPER)), workdir)
    return workdir


def test_a_training_with_a_teacher(trained, corpus, whisper):
    losses = [row["teacher_loss"] for row in made_training.rows(trained) if "loss" in row]
    assert len(losses) == 6 and np.isfinite(losses).all() and losses[0] == pytest.approx(1, abs=0.3)
    (folder,) = (corpus / "data" / "emoasr_teacher").iterdir()
    assert (folder / "states.f16").stat().st_size > 1000
    record = json.loads((trained / "pretrain" / "corpus.json").read_text())
    assert record["used"]["train"]["untranscribed"] == 1
    exported = saved.load(trained / "pretrain" / "recognizer")
    about = exported.card["training"]["teacher"]
    assert about["digest"] == whisper.digest and about["name"] == "whisper"
    page = (trained / "pretrain" / "recognizer" / "README.md").read_text()
    assert "(weight 0.5, CTC 0.5): whisper (" in page and whisper.digest in page
    assert str(WHISPER) not in (trained / "pretrain/recognizer/recognizer.json").read_text()
    names = saved.weights(saved.with_random_weights(exported.config.model, 0)).keys()
    assert made_training.weights(trained).keys() == names


def test_it_continues_as_if_it_had_not_been_stopped(trained, corpus, tmp_path, monkeypatch, capsys):
    c = settings(corpus, teacher=str(WHISPER), resident=0.0)  # read from disk, batch by batch
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        made_training.interrupt(patch, at=4)
        pretrain.main(c, tmp_path)
    capsys.readouterr()
    pretrain.main(c, tmp_path)
    assert "continuing after step 2 of 6" in capsys.readouterr().out
    expected = made_training.weights(trained)
    for name, value in made_training.weights(tmp_path).items():
        np.testing.assert_array_equal(value, expected[name], err_msg=name)


def test_weight_zero_is_no_teacher(corpus, tmp_path, monkeypatch):
    made = []

    def stopped(*arguments):
        made.append(step.create(*arguments))
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "create", stopped)
    for train in ({}, {"teacher": str(WHISPER), "teacher_weight": 0.0}):
        with pytest.raises(KeyboardInterrupt):
            pretrain.main(settings(corpus, **train), tmp_path)
    (plain, plain_state), (zero, zero_state) = made
    assert zero == plain  # and so their steps are one program
    jax.tree.map(np.testing.assert_array_equal, zero_state, plain_state)


@pytest.mark.parametrize(
    ("train", "named"),
    [({}, "teacher: there '.*', now ''"), ({"teacher": "english"}, "config.train.teacher: there"),
     ({"teacher": str(WHISPER), "teacher_weight": 0.4}, "teacher_weight: there 0.5, now 0.4")],
)  # fmt: skip
def test_another_teacher_in_the_same_folder_is_refused(trained, corpus, train, named):
    with pytest.raises(UserError, match=named):
        pretrain.main(settings(corpus, **train), trained)


@pytest.mark.parametrize(
    ("train", "message"),
    [
        ({"teacher": "nowhere"}, "nowhere is not a recognizer's folder"),
        ({"teacher": "{speech}"}, "is not a recognizer's folder: it has no recognizer.json"),
        ({"teacher": "{8000}"}, "config.train.teacher=.*: hears 8000 Hz, .* has 16000 Hz"),
        ({"teacher_weight": -0.1}, "config.train.teacher_weight=-0.1: must be 0 to 1"),
        ({"teacher_weight": 1.1}, "config.train.teacher_weight=1.1: must be 0 to 1"),
        ({"teacher_weight": float("nan")}, "config.train.teacher_weight=nan: must be 0 to 1"),
    ],
)
def test_what_cannot_teach_is_refused_before_anything_is_prepared(speech, tmp_path, train, message):
    slow = recognizer(rate=8000)
    saved.save(tmp_path / "slow", slow.model, slow.config.frontend, {})
    places = {"{speech}": str(speech), "{8000}": str(tmp_path / "slow")}
    c = made_training.settings(speech, tmp_path / "data", **train)
    c.train.teacher = places.get(c.train.teacher, c.train.teacher)
    with pytest.raises(UserError, match=message):
        pretrain.main(c, tmp_path / "run")
    assert not (tmp_path / "data").exists()
