"""A run that needs an extra which is not installed says so, in one line, before it computes."""

import importlib.metadata
import json
import re
import shlex
import sys
import tomllib
from pathlib import Path

import convert_tf1_checkpoint
import pytest
from packaging.requirements import Requirement

from emoasr import config, extract
from emoasr.errors import UserError
from emoasr.extraction import egemaps
from emoasr.inference import planning
from emoasr.system import extras

ROOT = Path(__file__).parents[2]
OPTIONAL = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


def without(extra: str, monkeypatch) -> None:
    for module in extras._BRINGS[extra][1]:
        monkeypatch.setitem(sys.modules, module, None)


def test_every_extra_that_a_run_needs_is_one_of_the_packages():
    assert extras._BRINGS.keys() | {"cuda", "docs", "dev"} == OPTIONAL.keys()


@pytest.mark.parametrize("extra", extras._BRINGS)
def test_a_missing_extra_is_named_with_what_installs_it(extra, monkeypatch):
    without(extra, monkeypatch)
    monkeypatch.chdir(ROOT)
    with pytest.raises(UserError) as error:
        extras.require(extra, "this")
    assert re.fullmatch(rf"this needs .+: pip install -e '\.\[{extra}\]'", str(error.value))


@pytest.mark.parametrize("extra", extras._BRINGS)
def test_any_missing_part_of_an_extra_is_noticed(extra, monkeypatch):
    for module in extras._BRINGS[extra][1]:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, module, None)
            with pytest.raises(UserError):
                extras.require(extra, "this")


@pytest.mark.parametrize("extra", ["egemaps", "demo", "ray", "remote"])
def test_a_version_that_is_too_old_is_named_with_the_one_needed(extra, monkeypatch):
    extras.require(extra, "this")
    monkeypatch.setattr(importlib.metadata, "version", lambda _: "0.0.1")
    (needed, *_) = (Requirement(text) for text in OPTIONAL[extra])
    words = re.escape(f"this needs {needed.name}{needed.specifier}, and 0.0.1 is installed: pip")
    with pytest.raises(UserError, match=words):
        extras.require(extra, "this")


def test_from_another_folder_the_checkout_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shlex.split(extras.installing("ray"))[2:] == ["-e", f"{ROOT}[ray]"]


@pytest.mark.parametrize(
    ("origin", "named"),
    [
        (None, "emoasr[ray]"),
        ({"url": "file:///a%20b/emoasr-1.whl"}, "emoasr[ray] @ file:///a%20b/emoasr-1.whl"),
        (
            {"url": "https://x.org/e", "vcs_info": {"vcs": "git"}},
            "emoasr[ray] @ git+https://x.org/e",
        ),
    ],
)
def test_an_installed_package_names_where_it_is_from(tmp_path, monkeypatch, origin, named):
    monkeypatch.setattr(extras, "_CHECKOUT", tmp_path)
    folder = tmp_path / "emoasr-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text("Name: emoasr\n")
    if origin:
        (folder / "direct_url.json").write_text(json.dumps(origin))
    made = importlib.metadata.PathDistribution(folder)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: made)
    command = shlex.split(extras.installing("ray"))
    assert command == ["pip", "install", named]
    Requirement(command[2])


@pytest.mark.parametrize(
    ("extra", "settings"), [("egemaps", {"feature_sets": ("neural", "egemaps")}),
                            ("ray", {"engine": "ray"}), ("demo", {})],
)  # fmt: skip
def test_extraction_says_so_before_it_computes(extra, settings, tmp_path, monkeypatch):
    chosen = config.experiment("demo" if extra == "demo" else "folder")
    if extra == "demo":
        del chosen.corpus.path  # as its configuration has it
        chosen.corpus.seed = 0
    chosen.update({"feature_sets": ("neural",), **settings})
    without(extra, monkeypatch)
    monkeypatch.setattr(planning, "make_plan", None)
    with pytest.raises(UserError, match=rf"needs .*: pip install -e .*\[{extra}\]"):
        extract.main(chosen, tmp_path)
    assert not list(tmp_path.rglob("*.parquet"))


def test_a_table_that_names_a_store_says_so_before_it_computes(speech, tmp_path, monkeypatch):
    lines = (speech / "metadata.csv").read_text().splitlines()
    table = tmp_path / "t.csv"
    table.write_text("\n".join([*lines, lines[1].replace("00.wav", "s3://speech/00.wav")]) + "\n")
    chosen = config.experiment("table")
    chosen.update(
        {"feature_sets": ("neural",), "corpus": {"path": str(table), "root": str(speech)}}
    )
    without("remote", monkeypatch)
    monkeypatch.setattr(planning, "make_plan", None)
    with pytest.raises(UserError, match=r"s3://speech: .*pip install .*\[remote\]"):
        extract.main(chosen, tmp_path)


def test_opensmile_and_the_converter_say_so(tmp_path, monkeypatch):
    for extra in ("egemaps", "tf"):
        without(extra, monkeypatch)
    egemaps.smile.cache_clear()
    (tmp_path / "m.index").touch()
    with pytest.raises(UserError, match=r"\[egemaps\]"):
        egemaps.column_names()
    with pytest.raises(UserError, match=r"\[tf\]"):
        convert_tf1_checkpoint.convert(tmp_path / "m", tmp_path / "out", None, True)
