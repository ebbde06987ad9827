"""Predictors that weigh frames: pooled features and courses, which are both exact."""

import dataclasses

import made_predictors
import numpy as np
import pytest
import safetensors.numpy
from fuzzing import examples
from hypothesis import given
from hypothesis import strategies as st

from emoasr.asr.networks.base import Output
from emoasr.audio import chunks
from emoasr.errors import UserError
from emoasr.inference import attention, long_recordings
from emoasr.inference.attention import Attention, AttentivePooler
from emoasr.prediction import contributions, saved
from emoasr.predictor import Predictor
from emoasr.recognizer import load_recognizer

pytestmark = pytest.mark.usefixtures("quick_compilation")

N_UNITS = made_predictors.N_UNITS


def weighs(seed=0, scale=3.0):
    """Attention under which some frames weigh a hundred times as much as others."""
    random = np.random.default_rng(seed)
    project_XH = random.normal(0, scale, (N_UNITS, 5))
    return Attention(project_XH.astype("f4"), random.normal(0, scale, 5).astype("f4"))


def model(seed=0):
    made, speakers, _, _ = made_predictors.fitted(shift=0.3)
    return dataclasses.replace(made, attention=weighs(seed)), speakers


@pytest.fixture(scope="module")
def predictor(small_recognizer, quick_compilation):
    made, speakers = model()
    recognizer = load_recognizer(small_recognizer)
    record = made_predictors.record(made, speakers, recognizer.digest, "attention")
    return Predictor(made, record, "", recognizer)


def by_hand(x_TX, of=None):
    """The weighted mean of an utterance's frames, float64."""
    project_XH, score_H = of or weighs()
    score_T = np.tanh(x_TX.astype(float) @ project_XH) @ score_H
    weight_T = np.exp(score_T - score_T.max())
    return weight_T @ x_TX / weight_T.sum()


def waves(lengths, seed=0):
    random = np.random.default_rng(seed)
    return [(0.2 * random.normal(size=n) * random.uniform(0, 1)).astype("f4") for n in lengths]


def test_courses_of_any_length_average_to_the_prediction(predictor):
    given = waves([1, 300, 512, 513, 2000, 5000, 9000, 16000, 40000, 40001]), 16000
    frames = predictor.recognizer.frames(given, progress=False)
    track = predictor.track(given, progress=False).set_index(["input", "time"])
    assert track.index.equals(frames.index)
    pooled = np.stack([by_hand(x.to_numpy()) for _, x in frames.groupby("input")])
    expected = predictor.model.unclipped(pooled)
    np.testing.assert_allclose(track.groupby("input").mean(), expected, atol=1e-4)
    low, high = predictor.record.scale
    table = predictor.predict(given, progress=False)
    np.testing.assert_allclose(table[["arousal", "valence"]], expected.clip(low, high), atol=1e-4)
    assert track.groupby("input").std()["arousal"].max() > 0.01  # it is a course


@examples(30)
@given(st.integers(0, 999), st.integers(1, 40), st.floats(0, 3))
def test_a_courses_mean_is_the_prediction_whatever_is_heard(seed, n_frames, spread):
    made, _ = model(seed)
    x_BTX = np.random.default_rng(seed).normal(0, spread, (1, 40, N_UNITS)).astype("f4")
    mask_BT = np.arange(40)[None] < n_frames
    output = Output(None, {"gate": tuple(np.split(x_BTX, 2, axis=2))})
    values = contributions.Contributions("gate")(output, mask_BT, contributions.arrays(made, 2))
    course_TK = contributions.course(made, np.asarray(values)[0, :n_frames])
    pooled_BX = np.asarray(attention.pool(x_BTX, mask_BT, made.attention)[0])
    np.testing.assert_allclose(
        pooled_BX[0], by_hand(x_BTX[0, :n_frames], made.attention), atol=1e-5
    )
    expected = made.unclipped(pooled_BX)[0]
    np.testing.assert_allclose(course_TK.mean(axis=0, dtype=float), expected, atol=1e-4)


def test_with_equal_weights_a_course_is_that_of_the_mean(predictor):
    flat = predictor.model.attention._replace(score_H=np.zeros(5, "f4"))
    given = waves([20000]), 16000
    tracks = [
        Predictor(dataclasses.replace(predictor.model, attention=how), record, "",
                  predictor.recognizer).track(given, progress=False)["arousal"]
        for how, record in (
            (flat, predictor.record),
            (None, made_predictors.record(predictor.model, (), "", "mean")),
        )
    ]  # fmt: skip
    np.testing.assert_allclose(*tracks, atol=1e-4)


def test_chunks_of_a_long_recording_weigh_what_they_weigh_in_the_whole(predictor):
    recognizer = predictor.recognizer
    frontend, wave_N = recognizer.config.frontend, waves([90 * 512 + 7])[0]
    wave_N[: 40 * 512] *= 0.01
    pooler = AttentivePooler(recognizer.model, frontend, "gate", weighs())
    found = long_recordings.compute(
        pooler, lambda context: chunks.of_array(wave_N, 32 * 512, context, 512)
    )
    expected = by_hand(recognizer.frames((wave_N, 16000), progress=False).to_numpy())
    np.testing.assert_allclose(found["neural"][0], expected, atol=1e-5)


def test_a_frame_of_padding_weighs_nothing():
    random = np.random.default_rng(0)
    x_BTX = random.normal(size=(3, 5, N_UNITS)).astype("f4")
    mask_BT = np.arange(5) < np.array([[5], [3], [0]])
    found = np.asarray(attention.pool(x_BTX, mask_BT, weighs())[0])
    expected = [by_hand(x_BTX[0]), by_hand(x_BTX[1, :3]), np.zeros(N_UNITS)]
    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"attention.project": np.zeros((N_UNITS, 4), "f4")}, "attention.score has shape"),
        ({"attention.project": np.zeros((3, 5), "f4")}, "attention.project has shape"),
        ({"attention.score": np.zeros(5, "i4")}, "numbers of type int32"),
        ({"attention.score": np.full(5, np.nan, "f4")}, "NaN or infinity"),
        ({"attention.score": None}, "lacks tensor 'attention.score'"),
        ({}, None),
    ],
)
def test_it_is_kept_with_its_predictor_and_broken_ones_are_refused(
    predictor, tmp_path, change, message
):
    saved.save(tmp_path, predictor.model, predictor.record)
    path = tmp_path / "weights.safetensors"
    tensors = safetensors.numpy.load_file(path) | change
    safetensors.numpy.save_file({n: t for n, t in tensors.items() if t is not None}, path)
    if message:
        with pytest.raises(UserError, match=message):
            saved.load(tmp_path)
        return
    kept = saved.load(tmp_path).model.attention
    assert all(map(np.array_equal, kept, predictor.model.attention))
