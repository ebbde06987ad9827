"""A forked child says at once that JAX would hang in it; one that is started afresh works."""

import multiprocessing

import jax
import joblib
import numpy as np
import pytest

import emoasr
from emoasr import config
from emoasr.errors import UserError
from emoasr.system import forks, processes
from emoasr.training import step

REMEDY = "forked from one that had used JAX.*get_context\\('spawn'\\)"
pytestmark = [
    pytest.mark.skipif(
        "fork" not in multiprocessing.get_all_start_methods(), reason="this system does not fork"
    ),
    pytest.mark.filterwarnings("ignore:.*fork.*"),
]


def in_a_fork(action) -> str:
    """What becomes of an action in a forked child."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)

    def run() -> None:
        try:
            action()
            sender.send("done")
        except UserError as error:
            sender.send(str(error))

    child = context.Process(target=run)
    child.start()
    output = receiver.recv() if receiver.poll(60) else "it hangs"
    child.kill()
    child.join()
    return output


@pytest.fixture(scope="module")
def recognizer(small_recognizer):
    return emoasr.load_recognizer(small_recognizer)


@pytest.fixture(scope="module")
def wave():
    return [np.random.default_rng(0).normal(scale=0.1, size=16000).astype(np.float32)], 16000


def test_it_says_so_whatever_it_is_asked(recognizer, wave, small_recognizer):
    for action in (
        lambda: recognizer.features(wave),
        lambda: recognizer.transcribe(wave),
        lambda: emoasr.load_recognizer(small_recognizer),
        lambda: step.create(config.pretraining("vctk")),
    ):
        output = in_a_fork(action)
        assert "\n" not in output and "forked from one that had used JAX" in output


def test_joblibs_forks_too(recognizer, wave):
    jobs = (joblib.delayed(recognizer.features)(wave) for _ in range(2))
    with pytest.raises(UserError, match=REMEDY):
        joblib.Parallel(2, backend="multiprocessing", timeout=60)(jobs)


def test_a_fork_of_a_process_that_has_not_used_jax_may(monkeypatch):
    monkeypatch.setattr(jax._src.xla_bridge, "backends_are_initialized", lambda: False)
    assert in_a_fork(forks.check) == "done"


def test_a_fresh_process_gives_the_same(recognizer, wave):
    (there,) = processes.results(recognizer.features, [wave], 1)
    np.testing.assert_allclose(there, recognizer.features(wave), rtol=1e-5, atol=1e-6)
