import os
from pathlib import Path

import hypothesis
import jax
import ml_collections
import numpy as np
import pytest
import soundfile
from flax import nnx

from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.gated import GatedConvNet, ModelConfig
from emoasr.corpora import demo

hypothesis.settings.register_profile(  # compilation and busy machines
    "emoasr", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("emoasr")


def pytest_collection_modifyitems(items):
    """Files with slow tests first, and many quick ones last, so that two processes end together.

    openSMILE crashes where TensorFlow was loaded before it: after TensorFlow's tests come those
    alone that never load openSMILE.
    """
    slow = {item.path for item in items if item.get_closest_marker("slow")}

    def place(item):
        after = item.path.parent.name == "evaluation"
        return after, item.path.name == "test_convert.py", item.path not in slow

    items.sort(key=place)


@pytest.fixture(scope="session", autouse=True)
def compilation_cache(tmp_path_factory):
    """Many tests run the same small network: compile it once, for all processes of the tests."""
    base = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent
    folder = str(base / "compiled")
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_COMPILATION_CACHE_DIR", folder)
        patch.setenv("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
        yield


@pytest.fixture(scope="module")
def quick_compilation():
    """XLA optimizes little, in started processes too: small trainings compile longer than they run.

    Programs of both kinds differ in their last bits: a file of tests has one kind.
    """
    jax.config.update("jax_disable_most_optimizations", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
        yield
    jax.config.update("jax_disable_most_optimizations", False)


@pytest.fixture
def undrawn(monkeypatch):
    """Pictures in reports are empty files: drawing takes most of a small evaluation's time."""
    nothing = dict.fromkeys(("png", "svg", "pdf"), b"")
    monkeypatch.setattr("emoasr.report.drawing.pictures", lambda description: nothing)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real speech beside the repository; tests that need it are skipped without."""
    path = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not path.is_dir():
        pytest.skip("no real speech: ../shared/data is not there")
    return path


@pytest.fixture(scope="session")
def demo_corpus(tmp_path_factory) -> Path:
    """The folder of the synthetic demo corpus."""
    pytest.importorskip("espeakng_loader", reason="no eSpeak NG: pip install -e '.[demo]'")
    folder = tmp_path_factory.mktemp("demo")
    demo.load(ml_collections.ConfigDict({"seed": 0}), folder)
    return folder / "corpus"


@pytest.fixture(scope="session")
def small_recognizer(tmp_path_factory) -> Path:
    """A recognizer folder: untrained, 2 layers of 8 units, quick to compile."""
    folder = tmp_path_factory.mktemp("recognizer")
    config = ModelConfig(n_channels=8, n_blocks=1, dilations=(1, 2))
    model = GatedConvNet(config, rngs=nnx.Rngs(0))
    saved.save(folder, model, FrontEndConfig(), {"name": "small"})
    return folder


@pytest.fixture(scope="session")
def speech(tmp_path_factory) -> Path:
    """A folder of 12 short WAV files at 16 kHz, of different lengths, and a table of labels."""
    folder = tmp_path_factory.mktemp("speech")
    random = np.random.default_rng(0)
    lines = ["file,speaker,session,arousal,valence,split,text"]
    for i in range(12):
        n = int(random.integers(4000, 30000))
        envelope = np.abs(np.sin(np.arange(n) / (500 + 300 * i)))
        soundfile.write(folder / f"{i:02d}.wav", 0.2 * envelope * random.normal(size=n), 16000)
        split = ("train", "train", "valid", "test")[i % 4]
        lines.append(
            f"{i:02d}.wav,{split}/{i % 4},{i % 2},{1 + i % 5},{1 + i * i % 5},{split},"
            f"{'abc'[: 1 + i % 3]}"
        )
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")
    return folder
