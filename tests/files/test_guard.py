"""One command at a time in a folder; what the machine lacks is told in a line."""

import concurrent.futures
import errno
import multiprocessing
from pathlib import Path

import pytest

from emoasr import cli, config
from emoasr.errors import UserError
from emoasr.files import guard


def _hold(workdir, held, release):
    with guard.alone(workdir):
        held.set()
        release.wait(60)


def test_a_second_process_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(60)
    with pytest.raises(UserError, match="another emoasr command is at work"), guard.alone(tmp_path):
        raise AssertionError
    other.kill()
    other.join()
    with guard.alone(tmp_path):
        pass


def test_many_can_make_sure_of_a_folder_at_once(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: guard.ensure_folder(tmp_path / "x" / "y"), range(400)))
    assert set(made) == {tmp_path / "x" / "y"} and not list(made[0].iterdir())


def test_seats_are_taken_side_by_side(tmp_path):
    with guard.alone(tmp_path, "shard-1-of-2"), guard.alone(tmp_path, "shard-2-of-2"):
        again = pytest.raises(UserError, match="at work there as shard-1-of-2")
        with again, guard.alone(tmp_path, "shard-1-of-2"):
            raise AssertionError


def test_a_folder_without_output_is_gone_again(tmp_path):
    with guard.alone(tmp_path / "empty"):
        pass
    with guard.alone(tmp_path / "full"):
        (tmp_path / "full" / "x").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot write to .*file/run"),
        guard.alone(tmp_path / "file" / "run"),
    ):
        pass


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (OSError(errno.ENOSPC, "No space left on device", "x.parquet"), "x.parquet: no space left"),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), "quota"),
        (ValueError("RESOURCE_EXHAUSTED: writing x: No space left on device"), "no space left"),
        (MemoryError(), "batch_frames"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 1 bytes"), "batch_frames"),
    ],
)
def test_what_the_machine_lacks_is_told_in_a_line(error, words):
    with pytest.raises(UserError, match=words) as told, guard.told_in_a_line():
        raise error
    assert "\n" not in str(told.value) and "same command again" in str(told.value)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "?"), RuntimeError("a fault"), ValueError()]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)), guard.told_in_a_line():
        raise error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_ends_a_command_with_one_line(tmp_path, capsys):
    def work(*_):
        Path("/dev/full").write_text("x" * 99999)

    command = cli.Command("try", "", work, config.experiment)
    assert cli.run(command, ["--config=demo", f"--workdir={tmp_path}"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("error: ") and "no space left" in told and told.count("\n") == 1
