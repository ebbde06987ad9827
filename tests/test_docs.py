"""The documentation: its pages build, its examples and notebooks run."""

import doctest
import importlib
from pathlib import Path

import pytest

import emoasr

DOCS = Path(__file__).parents[1] / "docs"
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


@pytest.mark.parametrize("path", sorted(DOCS.rglob("*.ipynb")), ids=lambda path: path.stem)
def test_notebooks_run(path, demo_corpus, monkeypatch):
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    monkeypatch.setenv("EMOASR_DEMO", str(demo_corpus))
    notebook = nbformat.read(path, as_version=4)
    before = [cell.get("outputs") for cell in notebook.cells]
    nbclient.NotebookClient(notebook, timeout=300).execute()
    after = [cell.get("outputs") for cell in notebook.cells]
    assert [bool(outputs) for outputs in before] == [bool(outputs) for outputs in after], (
        f"run {path.name} again and save it: its outputs are not those of its cells"
    )


def test_pages_build_without_a_warning(tmp_path):
    build = pytest.importorskip("sphinx.cmd.build", reason="no Sphinx: pip install -e '.[docs]'")
    assert build.main(["-q", "-W", "-b", "html", str(DOCS), str(tmp_path)]) == 0
    page = (tmp_path / "api.html").read_text(encoding="utf-8")
    assert "Recognizer.features" in page
