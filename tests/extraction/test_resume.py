"""Extraction goes on where it was: nothing twice, nothing lost, nothing stale."""

import os
import random
import shutil
import signal
import time

import faults
import ml_collections
import numpy as np
import pytest
import soundfile
from made_extraction import assert_same, record, settings, tables

import emoasr
from emoasr import eval as emoasr_eval
from emoasr import extract
from emoasr.asr import saved
from emoasr.errors import UserError
from emoasr.extraction import feature_tables, outcome, row_store, run_summary
from emoasr.files.run_lock import run_lock
from emoasr.inference import runner

SETS = ("neural", "random", "mfcc")


@pytest.fixture
def listened(monkeypatch):
    """Files of the utterances whose samples were decoded for the device, in a list."""
    heard = []
    decode = runner.decode

    def spy(source, i, longest):
        heard.append(str(source.table.index[i]))
        return decode(source, i, longest)

    monkeypatch.setattr(runner, "decode", spy)
    return heard


@pytest.fixture
def folder(speech, tmp_path):
    """A copy of the speech, with times of their own."""
    return shutil.copytree(speech, tmp_path / "speech")


def test_an_interrupted_run_goes_on(
    folder, small_recognizer, tmp_path, monkeypatch, listened, capsys
):
    c = settings(folder, small_recognizer, batch_frames=100, feature_sets=(*SETS, "egemaps"))
    soundfile.write(folder / "04.wav", np.zeros(9000), 16000)  # its warning must not be lost
    extract.main(c, tmp_path / "whole")
    assert sorted(listened) == sorted(f"{i:02d}.wav" for i in range(12))
    listened.clear()
    puts = []
    put = row_store.RowStore.put

    def failing(self, *args):
        if len(puts) == 7:
            raise KeyboardInterrupt
        puts.append(put(self, *args))
        self.flush()

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(row_store.RowStore, "put", failing)
        extract.main(c, tmp_path / "run")
    assert not (tmp_path / "run" / "features" / "neural.parquet").exists()
    listened.clear()
    extract.main(c, tmp_path / "run")
    assert 0 < len(listened) < 12
    assert_same(
        tables(tmp_path / "run", c.feature_sets), tables(tmp_path / "whole", c.feature_sets)
    )
    for name in ("found", "used", "skipped", "warnings"):
        assert record(tmp_path / "run")[name] == record(tmp_path / "whole")[name]
    silent = "04.wav: all samples are zero"
    assert record(tmp_path / "run")["warnings"] == [silent]
    assert f"warning: {silent}\n" in capsys.readouterr().out


def test_what_is_left_out_counts_once_however_the_corpus_is_named(
    folder, small_recognizer, tmp_path, capsys
):
    (folder / "bad.wav").write_text("no audio")
    soundfile.write(folder / "04.wav", np.zeros(9000), 16000)
    (tmp_path / "link").symlink_to(folder)
    for path, sets in ((folder, ("neural",)), (tmp_path / "link", ("neural", "random"))):
        c = settings(path, small_recognizer, feature_sets=sets)
        c.corpus = ml_collections.ConfigDict({"kind": "folder", "path": str(path)})
        extract.main(c, tmp_path / "run")
    found = record(tmp_path / "run")
    assert [s["file"] for s in found["skipped"]] == ["bad.wav"]
    assert found["warnings"] == ["04.wav: all samples are zero"]
    assert found["found"] == found["used"] + 1
    printed = capsys.readouterr().out
    why = "  1 x [audio] not audio that libsndfile can decode (Format not recognised): bad.wav\n"
    assert printed.count(why) == 2 and "1 skipped" in printed


def test_parts_that_a_kill_left_beside_a_finished_table_go(folder, small_recognizer, tmp_path):
    c = settings(folder, small_recognizer, feature_sets=("neural",))
    extract.main(c, tmp_path)
    (keys,) = (tmp_path / ".rows" / "neural").glob("*/keys")
    (keys.parent / "000000.rows").write_bytes(b"x" * 999)
    extract.main(c, tmp_path)
    assert [path.name for path in keys.parent.iterdir()] == ["keys"]


def test_a_changed_file_is_heard_again_and_no_other(folder, small_recognizer, tmp_path, listened):
    c = settings(folder, small_recognizer, batch_frames=1, feature_sets=("neural", "mfcc"))
    extract.main(c, tmp_path / "run")
    soundfile.write(folder / "03.wav", 0.1 * np.random.default_rng(1).normal(size=9000), 16000)
    listened.clear()
    extract.main(c, tmp_path / "run")
    assert listened == ["03.wav"]
    extract.main(c, tmp_path / "fresh")
    found, expected = (tables(tmp_path / run, c.feature_sets) for run in ("run", "fresh"))
    assert_same(found, expected, atol=1e-6)


def test_new_and_vanished_files(folder, small_recognizer, tmp_path, listened):
    c = settings(folder, small_recognizer, batch_frames=1, feature_sets=("neural",))
    metadata = folder / "metadata.csv"
    lines = metadata.read_text().splitlines(keepends=True)
    metadata.write_text("".join(lines[:9]))
    extract.main(c, tmp_path / "run")
    metadata.write_text("".join(lines[:1] + lines[4:]))
    listened.clear()
    extract.main(c, tmp_path / "run")
    assert sorted(listened) == ["08.wav", "09.wav", "10.wav", "11.wav"]
    extract.main(c, tmp_path / "fresh")
    assert_same(*(tables(tmp_path / run, ("neural",)) for run in ("run", "fresh")), atol=1e-6)


def test_another_recognizer_makes_its_own_set_anew_alone(
    folder, small_recognizer, tmp_path, listened, capsys
):
    extract.main(settings(folder, small_recognizer), tmp_path / "run")
    other, old = tmp_path / "other", emoasr.load_recognizer(small_recognizer)
    kernel = old.model.layers[0].out.conv.kernel
    kernel[...] = kernel[...] * 1.5
    saved.save(other, old.model, old.config.frontend, {})
    listened.clear()
    extract.main(settings(folder, other), tmp_path / "run", overwrite=True)
    printed = capsys.readouterr().out
    assert "random.parquet: kept" in printed and "mfcc.parquet: kept" in printed
    assert len(listened) == 12
    extract.main(settings(folder, other), tmp_path / "fresh")
    assert_same(*(tables(tmp_path / run, SETS) for run in ("run", "fresh")))


def test_back_and_forth_between_taps_is_never_stale(folder, small_recognizer, tmp_path):
    for tap in ("gate", "skip", "gate"):
        c = settings(folder, small_recognizer, tap=tap, feature_sets=("neural",))
        extract.main(c, tmp_path / "run", overwrite=True)
    extract.main(c, tmp_path / "fresh")
    assert_same(*(tables(tmp_path / run, ("neural",)) for run in ("run", "fresh")))


@pytest.mark.parametrize("name", ["neural", "egemaps"])
def test_what_can_be_read_again_is_not_left_out_for_good(folder, small_recognizer, tmp_path, name):
    c = settings(folder, small_recognizer, feature_sets=(name,))
    extract.main(c, tmp_path / "fresh")
    file, other = folder / "05.wav", folder / "06.wav"
    stat, content = file.stat(), file.read_bytes()
    file.write_bytes(bytes(len(content)))  # same size and time, as where only rights have changed
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    other.rename(folder / "away")
    extract.main(c, tmp_path / "run")
    assert [s["file"] for s in record(tmp_path / "run")["skipped"]] == ["05.wav", "06.wav"]
    file.write_bytes(content)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    extract.main(c, tmp_path / "run")
    assert [s["file"] for s in record(tmp_path / "run")["skipped"]] == ["06.wav"]
    (folder / "away").rename(other)
    extract.main(c, tmp_path / "run")
    assert record(tmp_path / "run")["used"] == 12
    assert_same(*(tables(tmp_path / run, (name,)) for run in ("run", "fresh")), atol=1e-6)


class Here(faults.Job):
    """A command that comes to its end in this process: that takes a quarter of the time."""

    def finish(self, workdir):
        arguments = [a.replace("WORKDIR", str(workdir)) for a in self.arguments]
        assert extract.command(arguments) == 0
        return self.outcome(workdir)


@pytest.mark.slow
def test_a_kill_at_a_random_moment_and_files_cut_off_change_nothing(
    speech, small_recognizer, tmp_path
):
    audio, killed, damaged = (tmp_path / name for name in ("audio", "killed", "damaged"))
    shutil.copytree(speech, audio, ignore=shutil.ignore_patterns("*.csv"))
    made = faults.jobs(audio, audio, audio, str(small_recognizer))["extract"]
    job, dice = Here(made.name, made.arguments, made.outcome), random.Random(0)
    expected = job.finish(tmp_path / "undisturbed")
    process = job.start(killed)
    while not (killed / ".rows").exists():  # it is at work
        assert process.poll() is None, faults.errors(process)
        time.sleep(0.01)
    time.sleep(dice.uniform(0, 0.5))  # openSMILE's processes take longer to start
    process.kill()
    faults.errors(process)
    assert process.returncode == -signal.SIGKILL and not faults.orphans_of(process.pid)
    shutil.copytree(killed, damaged)
    assert faults.compare(expected, job.finish(killed)) == (0, 0)
    assert faults.cut_off(damaged, dice) + faults.cut_off(killed, dice) > 0
    for workdir in (damaged, killed):
        assert faults.compare(expected, job.finish(workdir)) == (0, 0)


def test_a_second_command_in_the_same_folder_is_refused(folder, small_recognizer, tmp_path, capsys):
    arguments = [
        "--config=folder", f"--config.corpus.path={folder}", f"--workdir={tmp_path}",
        f"--config.recognizer={small_recognizer}",
    ]  # fmt: skip
    with run_lock(tmp_path):
        assert extract.command(arguments) == 1
    assert "another emoasr command is running there" in capsys.readouterr().err


def test_eval_refuses_a_table_of_an_extraction_that_was_stopped(
    folder, small_recognizer, tmp_path, monkeypatch
):
    sets = ("neural", "mfcc")
    c = settings(folder, small_recognizer, feature_sets=sets)
    extract.main(c, tmp_path)
    recorded = record(tmp_path)["tables"]
    metadata = {
        name: feature_tables.read(tmp_path / f"features/{name}.parquet")[1] for name in sets
    }
    outcome.check_same_run(metadata, recorded, tmp_path / "features")

    def stopped(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_summary, "finish", stopped)  # before its end
    other = settings(folder, small_recognizer, feature_sets=sets, tap="skip")
    with pytest.raises(KeyboardInterrupt):
        extract.main(other, tmp_path, overwrite=True)
    c.eval.n_selected = 5
    with pytest.raises(UserError, match=r"neural.parquet: its tap is 'skip', .* 'gate'; .*again"):
        emoasr_eval.main(c, tmp_path)
