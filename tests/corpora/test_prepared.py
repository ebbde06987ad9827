"""Prepared audio is there complete, with the list of what could not be read, or not at all."""

import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from emoasr.corpora import prepared
from emoasr.corpora.base import Corpus
from emoasr.errors import UserError
from emoasr.files.run_lock import run_lock

FILES = ("a.wav", "broken.wav", "c.wav")


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    root = tmp_path_factory.mktemp("corpus")
    for name in FILES:
        soundfile.write(root / name, 0.1 * np.random.default_rng(0).normal(size=800), 16000)
    (root / "broken.wav").write_bytes(b"no audio")
    return Corpus("small", root, pd.DataFrame({"text": "abc"}, index=pd.Index(FILES, name="file")))


def prepare(corpus: Corpus, data_dir: Path) -> prepared.Builder:
    rows = {"train": np.array([0, 1]), "valid": np.array([2])}
    return prepared.prepare("small", corpus, corpus.table, lambda: rows, str(data_dir))


def found(builder: prepared.Builder) -> tuple:
    examples = [e for split in ("train", "valid") for e in builder.as_data_source(split)]
    return builder.skipped, [(e["file"], e["digest"], e["audio"].tobytes()) for e in examples]


@pytest.fixture(scope="module")
def moments(corpus, tmp_path_factory):
    """What a kill would leave at every moment of preparing: before each change on disk."""
    data_dir, copies = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("moments")
    taken: list[Path] = []
    watching = True

    def watch(event: str, arguments: tuple) -> None:
        nonlocal watching
        changes = event in ("os.rename", "os.mkdir", "os.remove", "os.rmdir") or (
            event == "open" and any(c in str(arguments[1]) for c in "wax+")
        )
        if watching and changes and str(arguments[0]).startswith(str(data_dir)):
            watching = False  # copying opens files, too
            taken.append(copies / str(len(taken)))
            shutil.copytree(data_dir, taken[-1])
            watching = True

    sys.addaudithook(watch)
    try:
        expected = found(prepare(corpus, data_dir))
    finally:
        watching = False  # a hook stays for good
    shutil.copytree(data_dir, copies / "end")
    return [*taken, copies / "end"], expected


def test_a_kill_at_any_moment_loses_nothing(corpus, moments):
    folders, expected = moments
    (skipped,) = expected[0]
    assert skipped.file == "broken.wav" and len(expected[1]) == 2
    assert len(folders) > 5
    for folder in folders:
        assert found(prepare(corpus, folder)) == expected, folder
        assert not list(folder.rglob("incomplete*")), folder
        assert found(prepare(corpus, folder)) == expected, "opened again"


@pytest.mark.parametrize(
    "damage", ["gone", "", "{", "[]", "{}", '{"skipped": [{"file": "a.wav"}]}']
)
def test_a_damaged_list_is_named_with_the_remedy(corpus, tmp_path, damage):
    path = Path(prepare(corpus, tmp_path).data_dir) / "metadata.json"
    path.unlink() if damage == "gone" else path.write_text(damage)
    with pytest.raises(UserError, match="damaged; delete the folder"):
        _ = prepare(corpus, tmp_path).skipped


def test_two_processes_do_not_prepare_the_same_audio(corpus, tmp_path):
    folder = Path(prepare(corpus, tmp_path).data_dir)
    shutil.rmtree(folder)
    with run_lock(folder.parent), pytest.raises(UserError, match="another emoasr command"):
        prepare(corpus, tmp_path)


@pytest.mark.parametrize(
    "data_dir", ["s3://bucket/x", "gs://bucket/x", "{file}", "{file}/x", "{held}"]
)
def test_a_data_dir_that_cannot_be_used_is_named_by_its_field(corpus, tmp_path, data_dir):
    held = Path(prepared.Builder("small", corpus, corpus.table, dict, str(tmp_path)).data_dir)
    (tmp_path / "file").touch()
    given = data_dir.format(file=tmp_path / "file", held=tmp_path)
    with (
        run_lock(held.parent),
        pytest.raises(UserError, match=r"config\.corpus\.data_dir") as error,
    ):
        prepare(corpus, given)
    assert "--workdir" not in str(error.value)
