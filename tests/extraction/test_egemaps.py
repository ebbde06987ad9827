import importlib.util
import json
import os
import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emoasr.corpora import Corpus, table
from emoasr.errors import AudioError, UserError
from emoasr.extraction import egemaps

opensmile = pytest.importorskip("opensmile", reason="no openSMILE: pip install -e '.[egemaps]'")


def voiced(seconds, seed=0):
    """A vowel-like sound, at 16 kHz."""
    t = np.arange(round(seconds * 16000)) / 16000
    rng = np.random.default_rng(seed)
    f0 = 120 + 20 * np.sin(2 * np.pi * (1 + seed) * t)
    phase = 2 * np.pi * np.cumsum(f0) / 16000
    harmonics = sum(np.sin(k * phase) / k for k in range(1, 15))
    return (0.2 * harmonics + 0.001 * rng.standard_normal(len(t))).astype(np.float32)


def extracted(corpus, indices, workers):
    """The table of all parts, and what they left out."""
    parts = list(egemaps.extract(corpus, indices, workers))
    columns = egemaps.column_names()
    values = np.concatenate([np.empty((0, 88), np.float32), *(part.values for part in parts)])
    index = corpus.table.index[[i for part in parts for i in part.indices]]
    return pd.DataFrame(values, index, columns), [s for part in parts for s in part.skipped]


@pytest.fixture
def corpus(tmp_path) -> Corpus:
    """Five good recordings, a short, a broken and a missing one, out of order."""
    for i in range(5):
        soundfile.write(tmp_path / f"{i}.wav", voiced(0.6 + 0.1 * i, i), 16000)
    soundfile.write(tmp_path / "short.wav", voiced(0.03), 16000)
    (tmp_path / "broken.wav").write_text("no audio")
    names = ["3", "short", "1", "broken", "0", "missing", "4", "2"]
    frame = pd.DataFrame({"file": [f"{n}.wav" for n in names]})
    return table.build(frame, "test", tmp_path, tmp_path)


def test_table_and_what_is_left_out(corpus):
    features, skipped = extracted(corpus, range(8), workers=1)
    assert features.index.tolist() == ["3.wav", "1.wav", "0.wav", "4.wav", "2.wav"]
    assert features.index.names == ["file"]
    assert features.shape == (5, 88)
    assert (features.dtypes == np.float32).all()
    assert np.isfinite(features.to_numpy()).all()
    assert {s.file: s.reason for s in skipped}["short.wav"] == "too short for eGeMAPS: 0.030 s"
    assert [s.file for s in skipped] == ["short.wav", "broken.wav", "missing.wav"]
    assert [s.step for s in skipped] == ["egemaps", "audio", "audio"]


def test_rows_follow_the_indices(corpus):
    features, _ = extracted(corpus, [7, 4], workers=1)
    assert features.index.tolist() == ["2.wav", "0.wav"]


def test_nothing_to_do(corpus):
    features, skipped = extracted(corpus, [], workers=1)
    assert features.shape == (0, 88)
    assert skipped == []


def test_equals_opensmile_on_the_file(corpus):
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    features, _ = extracted(corpus, [0], workers=1)
    reference = smile.process_file(str(corpus.root / "3.wav"))
    assert features.columns.tolist() == reference.columns.tolist()
    np.testing.assert_array_equal(features.to_numpy(), reference.to_numpy())


def test_several_processes_give_the_same(corpus):
    alone, skipped_alone = extracted(corpus, range(8), workers=1)
    together, skipped_together = extracted(corpus, range(8), workers=2)
    pd.testing.assert_frame_equal(alone, together, check_exact=True)
    assert skipped_alone == skipped_together


def test_full_scale_is_clipped_not_wrapped():
    x = voiced(1.0)
    loud = 1.2 * x / np.abs(x).max()
    kept = loud.copy()
    clipped = egemaps._functionals(np.clip(loud, -1, 32767 / 32768))
    np.testing.assert_array_equal(egemaps._functionals(loud), clipped)
    np.testing.assert_array_equal(loud, kept)
    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    wrapped = smile.process_signal(loud, 16000).to_numpy()[0]
    assert np.abs(wrapped - clipped).max() > 1  # what would happen without


def test_segments_keep_their_index(tmp_path):
    soundfile.write(tmp_path / "a.wav", voiced(2.0), 16000)
    frame = pd.DataFrame({"file": ["a.wav"] * 2, "start": [0.5, 1.99], "end": [1.5, 2.0]})
    corpus = table.build(frame, "test", tmp_path, tmp_path)
    features, (skipped,) = extracted(corpus, [0, 1], workers=1)
    pd.testing.assert_index_equal(features.index, corpus.table.index[:1])
    assert (skipped.file, skipped.start, skipped.end) == ("a.wav", 1.99, 2.0)


class Deadly(Corpus):
    """A corpus whose samples kill the process that reads them."""

    def samples(self, i: int) -> np.ndarray:
        os._exit(9)


def test_a_process_that_dies_is_told(corpus):
    deadly = Deadly(corpus.name, corpus.root, corpus.table)
    with pytest.raises(UserError, match="process died.*--config.workers"):
        extracted(deadly, range(8), workers=2)


def test_a_chunk_of_which_nothing_is_left(corpus):
    features, skipped = extracted(corpus, [1, 3], workers=1)
    assert features.shape == (0, 88) and len(skipped) == 2


LARGE = {"jax", "jaxlib", "flax", "optax", "orbax", "grain", "tensorflow_datasets", "matplotlib"}


class Reporting(Corpus):
    """A corpus that reports the process that reads it, and its large modules, for samples."""

    def samples(self, i: int) -> np.ndarray:
        egemaps.column_names()  # with openSMILE at work
        output = {"process": os.getpid(), "large": sorted(LARGE & sys.modules.keys())}
        raise AudioError(json.dumps(output))


def command() -> types.ModuleType:
    """The main module of `python -m emoasr.extract`."""
    main = types.ModuleType("__main__")
    main.__spec__ = importlib.util.find_spec("emoasr.extract")
    return main


def script() -> types.ModuleType:
    """The main module of a script that uses JAX."""
    main = types.ModuleType("__main__")
    main.__file__ = str(Path(__file__).with_name("test_row_store.py"))
    return main


def notebook() -> types.ModuleType:
    """The main module of a notebook that uses JAX."""
    main = types.ModuleType("__main__")
    main.jax = importlib.import_module("jax")
    return main


@pytest.mark.parametrize("main", [command, script, notebook])
def test_workers_do_without_jax_and_what_else_takes_memory(corpus, main, monkeypatch):
    reporting = Reporting(corpus.name, corpus.root, corpus.table)
    monkeypatch.setitem(sys.modules, "__main__", main())
    (part,) = egemaps.extract(reporting, range(8), workers=2)
    for skipped in part.skipped:
        output = json.loads(skipped.reason)
        assert output["process"] != os.getpid() and output["large"] == []


SCRIPT = """
from pathlib import Path
from emoasr.corpora import table
from emoasr.extraction import egemaps

folder = Path({folder!r})
corpus = table.build(table.read_frame(folder / "table.csv"), "test", folder, folder)
print([len(part.values) for part in egemaps.extract(corpus, range(len(corpus)), 2)])
"""


def test_a_script_needs_no_main_guard(corpus, tmp_path):
    corpus.table.reset_index()[["file"]].to_csv(tmp_path / "table.csv", index=False)
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(folder=str(tmp_path)))
    done = subprocess.run([sys.executable, path], capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr, done.returncode) == ("[5]\n", "", 0)
