import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from made_training import batch, copied, rounded_products, trainer

from emoasr.asr import frontend as fe
from emoasr.inference.frames import FrameFunction
from emoasr.inference.symbol_scores import SymbolScores
from emoasr.settings.choices import OPTIMIZERS
from emoasr.training import augment, checkpoints
from emoasr.training.step import to_float

FRONTEND = fe.FrontEndConfig()
pytestmark = pytest.mark.usefixtures("quick_compilation")
augmented_spectra = jax.jit(augment.spectra, static_argnames="config")


def test_a_checkpoint_is_of_its_step_though_the_next_steps_take_the_states_memory(tmp_path):
    fixed, state = trainer(optimizer="muon")  # whose state has more parts
    for number in range(3):
        state, _ = fixed.step(state, jnp.int32(number), batch())
        expected = jax.tree.map(np.array, state)
        with checkpoints.TrainingCheckpoints(tmp_path) as folder:
            folder.save(number, state, {"next_index": number})
            for _ in range(5):
                state, _ = fixed.step(state, jnp.int32(number), batch())
        found = checkpoints.TrainingCheckpoints(tmp_path).restore(state)
        assert found is not None and found[0] == number
        jax.tree.map(np.testing.assert_array_equal, found[1], expected)


def test_symbols_of_a_validation_are_those_of_the_exported_recognizer():
    fixed, state = trainer()
    for number in range(3):
        state, _ = fixed.step(state, jnp.int32(number), batch())
    scorer = FrameFunction(fixed.network(state), fixed.frontend, SymbolScores())
    noise = batch(empty=1)
    wave_BN = np.asarray(to_float(noise.wave_BN))
    scores_BTV = scorer.compiled(*wave_BN.shape)(wave_BN, noise.lengths_B)["values"]
    np.testing.assert_array_equal(fixed.classes(state, noise), scores_BTV.argmax(-1))


@pytest.mark.parametrize(
    "train", [*({"optimizer": name} for name in OPTIMIZERS), {"compute_dtype": "bfloat16"}]
)
def test_the_loss_falls_where_the_network_can_overfit(train):
    fixed, state = trainer(**train)
    losses = []
    for number in range(60):
        state, metrics = fixed.step(state, jnp.int32(number), batch())
        losses.append(float(metrics["loss"]))
    assert losses[-1] < losses[0] / 3


def test_no_product_of_a_step_is_left_to_what_a_device_rounds_to():
    """Those of loss and augmentation neither: GPUs default to TF32."""
    fixed, state = trainer(augmented=True, optimizer="muon")
    program = type(fixed).step.trace(fixed, state, jnp.int32(0), batch())
    assert not rounded_products(program)


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices may round")
def test_a_cpu_trains_in_tensorfloat32_as_in_float32():
    steps = [
        fixed.step(state, jnp.int32(0), batch())
        for fixed, state in (trainer(), trainer(compute_dtype="tensorfloat32"))
    ]
    jax.tree.map(np.testing.assert_array_equal, *steps)


@pytest.mark.parametrize("augmented", [False, True])
def test_empty_rows_change_nothing(augmented):
    fixed, state = trainer(augmented=augmented)
    _, tight = fixed.step(copied(state), jnp.int32(0), batch())
    new, loose = fixed.step(state, jnp.int32(0), batch(empty=2))
    np.testing.assert_allclose(tight["loss"], loose["loss"], rtol=1e-5)
    np.testing.assert_allclose(tight["gradient_norm"], loose["gradient_norm"], rtol=1e-3)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(new))


def test_a_step_follows_from_its_number():
    fixed, state = trainer(augmented=True)
    losses = [float(fixed.step(copied(state), jnp.int32(n), batch())[1]["loss"]) for n in (3, 3, 4)]
    assert losses[0] == losses[1] != losses[2]


def test_trainers_share_compiled_steps_where_all_is_the_same():
    fixed, _ = trainer()
    same, other = dataclasses.replace(fixed), dataclasses.replace(fixed, compute_dtype="bfloat16")
    assert same == fixed and hash(same) == hash(fixed)
    assert other != fixed and hash(other) != hash(fixed)


@pytest.fixture(scope="module")
def spectra():
    wave_BN = np.random.default_rng(0).normal(size=(3, 40 * 512)).astype(np.float32)
    return fe.log_mel(wave_BN, np.array([40 * 512, 9000, 0]), FRONTEND)


def test_augmentation_switched_off_changes_nothing(spectra):
    mel_BTM, frames_B = spectra
    off = augment.AugmentConfig(1.0, 1.0, 0.0, 80, 0, 0, 0, 0, 0.0, 0.0)
    found, frames, _ = augmented_spectra(
        mel_BTM, frames_B, frames_B * 0, jax.random.key(0), config=off
    )
    assert frames.tolist() == frames_B.tolist()
    for i, n in enumerate(frames_B):
        np.testing.assert_allclose(found[i, :n], mel_BTM[i, :n], atol=1e-3)
    mfcc_BTD = jnp.ones((3, 5, 20))
    assert (augment.coefficients(mfcc_BTD, jax.random.key(0), off) == 1).all()


@pytest.mark.parametrize("seed", range(8))
def test_augmented_spectra_are_finite_fit_and_leave_room_for_the_text(spectra, seed):
    mel_BTM, frames_B = spectra
    least_B = frames_B - 1
    found, frames, _ = augmented_spectra(
        mel_BTM, frames_B, least_B, jax.random.key(seed), config=augment.AugmentConfig()
    )
    assert found.shape == mel_BTM.shape and np.isfinite(found).all()
    assert (frames >= least_B).all() and (frames <= mel_BTM.shape[1]).all()
    assert frames[2] == 0
    assert not np.allclose(found[0], mel_BTM[0])


def test_stretching_changes_durations_both_ways(spectra):
    mel_BTM, frames_B = spectra
    frames_B = jnp.array([20, 20, 20])
    seen = [
        augmented_spectra(
            mel_BTM, frames_B, frames_B * 0, jax.random.key(k), config=augment.AugmentConfig()
        )[1]
        for k in range(10)
    ]
    assert np.min(seen) < 20 < np.max(seen)
