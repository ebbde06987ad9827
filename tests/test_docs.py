"""The documentation: its pages build, its examples and notebooks run."""

import ast
import doctest
import importlib
import json
import re
import shutil
from pathlib import Path

import audformat
import numpy as np
import pandas as pd
import pytest
import soundfile

import emoasr

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PACKAGE = Path(emoasr.__file__).parent
WITH_EXAMPLES = [
    ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts)
    for path in sorted(PACKAGE.rglob("*.py"))
    if ">>>" in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", WITH_EXAMPLES)
def test_examples_in_docstrings_are_true(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(importlib.import_module(name))
    assert results.attempted and not results.failed


BLOCKS = {
    path.name: re.findall(r"^```python\n(.*?)^```", path.read_text(encoding="utf-8"), re.M | re.S)
    for path in (ROOT / "README.md", *sorted(DOCS.glob("guides/*.md")))
}
ELSEWHERE = "your-speech.md"  # its block needs PyTorch and a model


@pytest.fixture(scope="module")
def recordings(tmp_path_factory):
    """The files that the texts name."""
    folder = tmp_path_factory.mktemp("recordings")
    noise = np.random.default_rng(0).normal(0, 0.1, 16000 * 3)
    for name in ("a.wav", "b.flac"):
        soundfile.write(folder / name, noise, 16000)
    (folder / "notes.txt").write_text("no audio")
    for kind, name in (("whisper", "whisper-tiny.en"), ("wav2vec2-large", "wav2vec2-base-960h")):
        shutil.copytree(ROOT / "tests/asr/of_transformers" / kind, folder / name)
    of_ctc = folder / "wav2vec2-base-960h"
    (of_ctc / "vocab.json").write_text('{"A": 0, "<pad>": 1, "|": 2, "<unk>": 3, "B": 4}')
    config = json.loads((of_ctc / "config.json").read_text())
    (of_ctc / "config.json").write_text(json.dumps({**config, "pad_token_id": 1}))
    (folder / "DIR").symlink_to(folder)  # a corpus, and its run
    (folder / "runs" / "i").mkdir(parents=True)
    labels = pd.DataFrame({"text": "What was said."}, audformat.filewise_index(["a.wav", "b.flac"]))
    labels.to_parquet(folder / "runs" / "i" / "labels.parquet")
    return folder


def run(source: str, name: str, names: dict[str, object]) -> object:
    """Runs the code of a cell; returns the value of its last line, which a notebook shows."""
    *lines, last = ast.parse(source, name).body
    shown = isinstance(last, ast.Expr)
    exec(compile(ast.Module(lines + [last] * (not shown), []), name, "exec"), names)
    return eval(compile(ast.Expression(last.value), name, "eval"), names) if shown else None


@pytest.mark.parametrize("name", [n for n, blocks in BLOCKS.items() if blocks and n != ELSEWHERE])
@pytest.mark.filterwarnings("ignore")  # noise is unlike speech
def test_examples_of_the_texts_run(name, recordings, monkeypatch):
    monkeypatch.chdir(recordings)
    names: dict[str, object] = {}
    for block in BLOCKS[name]:
        run(block, name, names)


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.ipynb")), ids=lambda path: path.stem)
@pytest.mark.filterwarnings("ignore")
def test_notebooks_run(path, demo_corpus, monkeypatch, capsys):
    monkeypatch.setenv("EMOASR_DEMO", str(demo_corpus))
    names: dict[str, object] = {}
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        if cell["cell_type"] == "code":
            value = run("".join(cell["source"]), path.name, names)
            shown = bool(capsys.readouterr().out) or value is not None
            assert shown == bool(cell["outputs"]), f"jupyter execute --inplace {path}"


def test_pages_build_without_a_warning(tmp_path):
    build = pytest.importorskip("sphinx.cmd.build", reason="no Sphinx: pip install -e '.[docs]'")
    assert build.main(["-q", "-W", "-b", "html", str(DOCS), str(tmp_path)]) == 0
    page = (tmp_path / "api.html").read_text(encoding="utf-8")
    assert "Recognizer.features" in page
