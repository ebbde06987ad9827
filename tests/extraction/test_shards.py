"""Shards: every part by a command of its own, joined into what one command would have made."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st
from made_extraction import assert_same, record, settings, tables

from emoasr import extract, predict
from emoasr.corpora import table
from emoasr.errors import UserError
from emoasr.extraction import shards
from emoasr.settings.shards import Shard

SETS = ("neural", "random", "mfcc", "egemaps")


@pytest.fixture(scope="module")
def damaged(speech, tmp_path_factory):
    """A file that cannot be read, and a silent one; each in another shard of three."""
    folder = tmp_path_factory.mktemp("damaged") / "speech"
    shutil.copytree(speech, folder)
    (folder / "03.wav").write_bytes(b"RIFF")
    soundfile.write(folder / "11.wav", np.zeros(8000), 16000)
    return folder


@pytest.fixture(scope="module")
def asked(damaged, small_recognizer):
    def with_shard(shard="", **changes):
        changes = {"feature_sets": SETS} | changes
        return settings(damaged, small_recognizer, shard=shard, **changes)

    return with_shard


@pytest.fixture(scope="module")
def whole(asked, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("whole")
    extract.main(asked(), workdir)
    return workdir


@pytest.fixture(scope="module")
def joined(asked, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("joined")
    for shard in ("2/3", "3/3", "1/3"):
        extract.main(asked(shard), workdir)
    extract.merge(asked(), workdir)
    return workdir


def test_joined_shards_are_what_one_command_makes(whole, joined):
    found, expected = tables(joined, SETS), tables(whole, SETS)
    # in other batches; what deviates not at all, in a silent file, does by rounding
    assert_same(found, {"mfcc": expected.pop("mfcc")}, atol=2e-4)
    assert_same(found, expected, atol=1e-6)
    labels = [pd.read_parquet(workdir / "labels.parquet") for workdir in (joined, whole)]
    pd.testing.assert_frame_equal(*labels)
    for field in ("found", "used", "tables"):
        assert record(joined)[field] == record(whole)[field]
    for field in ("skipped", "warnings"):
        assert sorted(map(str, record(joined)[field])) == sorted(map(str, record(whole)[field]))
    assert record(joined)["skipped"] and record(joined)["warnings"]
    assert record(joined)["config"]["shard"] == ""


def test_extraction_goes_on_from_joined_shards(joined, asked, damaged, tmp_path, capsys):
    workdir = shutil.copytree(joined, tmp_path / "run")
    extract.main(asked(), workdir)
    assert capsys.readouterr().out.count("kept, made from the same files") == len(SETS)
    os.utime(damaged / "05.wav", (0, 0))
    try:
        extract.main(asked(), workdir)
    finally:
        shutil.copystat(damaged / "06.wav", damaged / "05.wav")
    # `random` is fitted to speech of all files, so that all of its rows change
    assert capsys.readouterr().out.count("10 of 12 rows are there already") == len(SETS) - 1


def test_a_shard_of_unreadable_files_alone_stops_nobody(asked, damaged, tmp_path):
    few = tmp_path / "few.csv"
    few.write_text("file\n03.wav\n04.wav\n")

    def two(shard=""):
        c = asked(shard, feature_sets=("neural", "mfcc"))
        c.corpus.update({"path": str(few), "root": str(damaged)})
        return c

    for shard in ("1/2", "2/2"):
        extract.main(two(shard), tmp_path)
    extract.merge(two(), tmp_path)
    output = record(tmp_path)
    assert (output["found"], output["used"], len(output["skipped"])) == (2, 1, 1)


@pytest.mark.parametrize("command", [extract, predict])
def test_merge_takes_no_shard(command, damaged, tmp_path, capsys):
    flags = [
        "--config=table", f"--config.corpus.path={damaged / 'metadata.csv'}",
        f"--workdir={tmp_path}", "--merge", "--config.shard=2/3",
    ]  # fmt: skip
    assert command.command(flags) == 1
    assert capsys.readouterr().err == (
        "error: config.shard=2/3: --merge joins all shards; leave it out\n"
    )


def test_what_cannot_be_joined_is_told(joined, asked, damaged, tmp_path):
    def refused(workdir, words, **changes):
        with pytest.raises(UserError, match=words):
            extract.merge(asked(**changes), workdir)

    refused(tmp_path, "has no finished shards")
    workdir = shutil.copytree(joined, tmp_path / "run")
    before = tables(workdir, SETS)
    refused(workdir, "holds a run .*config.tap: there 'gate', now 'skip'", tap="skip")
    refused(workdir, "1-of-3: has no random-7", feature_sets=("neural", "random-7"))
    os.utime(damaged / "05.wav", (0, 0))
    try:
        words = "2-of-3: neural: files have changed since; run .*--config.shard=2/3"
        refused(workdir, words, feature_sets=("neural",))
        refused(workdir, "1-of-3: random: the speech that it was fitted to changed; run .*=1/3")
    finally:
        shutil.copystat(damaged / "06.wav", damaged / "05.wav")
    shutil.move(workdir / "shards" / "2-of-3", tmp_path / "away")
    refused(workdir, "1 of 3 are not finished; run emoasr.extract with --config.shard=2/3")
    shutil.copytree(workdir / "shards" / "1-of-3", workdir / "shards" / "1-of-8")
    refused(workdir, "holds shards of 3 and of 8")
    assert_same(tables(workdir, SETS), before)


@pytest.mark.parametrize("shard", ["0/3", "4/3", "3", "a/b", "-1/3", "1/0", "1/3/5", "01/3"])
def test_a_wrong_shard_is_told(shard, asked, tmp_path):
    with pytest.raises(UserError, match=f"config.shard={shard}: must be 1/N to N/N"):
        extract.main(asked(shard), tmp_path)


def test_more_shards_than_utterances_are_refused(asked, tmp_path):
    with pytest.raises(UserError, match="config.shard=1/13: metadata has only 12 utterances"):
        extract.main(asked("1/13"), tmp_path)


@given(st.integers(1, 200), st.data())
def test_shards_are_a_partition_in_order_of_about_equal_parts(n, data):
    count = data.draw(st.integers(1, n))
    corpus = _corpus(n)
    parts = [shards.part_of(corpus, Shard(count, i + 1)).table for i in range(count)]
    assert [file for part in parts for file in part.index] == list(corpus.table.index)
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


def _corpus(n):
    frame = pd.DataFrame({"file": [f"{i}.wav" for i in range(n)]})
    return table.build(frame, "x", Path(), Path("x"))


@pytest.mark.slow
def test_the_commands_by_hand(damaged, small_recognizer, tmp_path, capsys):
    """Side by side in one workdir; the same shard twice is refused; then --merge."""
    flags = [
        "--config=table",
        f"--config.corpus.path={damaged / 'metadata.csv'}",
        f"--config.recognizer={small_recognizer}",
        "--config.feature_sets=('neural',)",
        f"--workdir={tmp_path / 'run'}",
    ]

    def start(*more):
        command = [sys.executable, "-m", "emoasr.extract", *more, flags[-1]]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    several = [start(*flags[:-1], f"--config.shard={shard}") for shard in ("2/2", "2/2")]
    assert extract.command([*flags, "--config.shard=1/2"]) == 0  # meanwhile
    outcomes = [(process.communicate(timeout=300), process.returncode) for process in several]
    codes = [code for _, code in outcomes]
    assert sorted(codes) in ([0, 0], [0, 1])  # or one after the other
    for (_, output), code in outcomes:
        assert code == 0 or "another emoasr command is running there as shard-2-of-2" in output
    capsys.readouterr()
    assert extract.command(["--merge", flags[-1]]) == 0
    assert "12 found, 11 used in all tables, 1 skipped" in capsys.readouterr().out
    assert json.loads((tmp_path / "run" / "extract.json").read_text())["shards"] == 2
