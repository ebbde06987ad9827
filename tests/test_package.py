"""The source distribution and the wheel hold all that `emoasr` needs, wherever it is called."""

import email
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
import soundfile

import emoasr

pytest.importorskip("hatchling", reason="no hatchling: pip install -r scripts/build.lock")

ROOT = Path(__file__).parents[1]
BUILD = "import sys; from hatchling import build; print(build.build_{}(sys.argv[1]))"


def build(kind: str, source: Path, folder: Path) -> Path:
    """What an installer does without isolation, so without a network."""
    command = [sys.executable, "-c", BUILD.format(kind), str(folder)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    return folder / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """The unpacked source distribution."""
    folder = tmp_path_factory.mktemp("sdist")
    path = build("sdist", ROOT, folder)
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / path.name.removesuffix(".tar.gz")


@pytest.fixture(scope="module")
def site(sdist, tmp_path_factory) -> Path:
    """A folder with the wheel in it, which was built from the source distribution."""
    folder = tmp_path_factory.mktemp("site")
    with zipfile.ZipFile(build("wheel", sdist, tmp_path_factory.mktemp("wheel"))) as wheel:
        wheel.extractall(folder)
    return folder


def test_the_wheel_says_what_it_is(site):
    (about,) = site.glob("emoasr-*.dist-info")
    metadata = email.message_from_string((about / "METADATA").read_text(encoding="utf-8"))
    assert (metadata["Name"], metadata["Version"]) == ("emoasr", emoasr.__version__)
    assert metadata["License-Expression"] == "Apache-2.0"
    assert (about / "licenses" / "LICENSE").is_file()
    assert "emoasr = emoasr.__main__:main" in (about / "entry_points.txt").read_text()
    assert {path.name for path in site.iterdir()} == {"emoasr", about.name}  # nothing else at top


def test_the_wheel_holds_every_file_of_the_package_and_the_configurations(site):
    def files(folder):
        found = (path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
        return {path for path in found if "__pycache__" not in path.parts}

    inside = files(site / "emoasr")
    assert files(ROOT / "emoasr") == {path for path in inside if path.parts[0] != "configs"}
    assert files(ROOT / "configs") == {
        path.relative_to("configs") for path in inside if path.parts[0] == "configs"
    }


def test_the_source_distribution_holds_what_its_readers_look_for(sdist):
    for name in (
        "README.md",
        "CHANGELOG.md",
        "CITATION.cff",
        "LICENSE",
        "docs",
        "tests",
        "configs",
    ):
        assert (sdist / name).exists()


def test_an_installed_wheel_finds_configuration_weights_and_predictor(site, speech, tmp_path):
    """In one command: `folder`'s configuration, the recognizer's weights, a predictor."""
    (tmp_path / "audio").mkdir()
    samples, rate = soundfile.read(speech / "00.wav")
    soundfile.write(tmp_path / "audio" / "one.wav", samples, rate)
    command = [
        sys.executable, "-P", "-m", "emoasr", "predict", "--config=folder",
        "--config.corpus.path=audio", "--workdir=run",
    ]  # fmt: skip
    there = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        command, cwd=tmp_path, env=there, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "run" / "predictions.parquet").is_file()
    place = [sys.executable, "-P", "-c", "import emoasr; print(emoasr.__file__)"]
    found = subprocess.run(
        place, cwd=tmp_path, env=there, capture_output=True, text=True, check=True
    )
    assert Path(found.stdout.strip()).is_relative_to(site)
