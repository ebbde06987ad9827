"""One command at a time in a run's folder."""

import multiprocessing

import pytest

from emoasr.errors import UserError
from emoasr.files.run_lock import run_lock


def _hold(workdir, held, release):
    with run_lock(workdir):
        held.set()
        release.wait(60)


def test_a_second_process_is_refused_and_a_killed_one_holds_nothing(tmp_path):
    context = multiprocessing.get_context("spawn")
    held, release = context.Event(), context.Event()
    other = context.Process(target=_hold, args=(tmp_path, held, release))
    other.start()
    assert held.wait(60)
    with pytest.raises(UserError, match="another emoasr command is running"), run_lock(tmp_path):
        raise AssertionError
    other.kill()
    other.join()
    with run_lock(tmp_path):
        pass


def test_locks_of_different_names_are_held_side_by_side(tmp_path):
    with run_lock(tmp_path, "shard-1-of-2"), run_lock(tmp_path, "shard-2-of-2"):
        again = pytest.raises(UserError, match="running there as shard-1-of-2")
        with again, run_lock(tmp_path, "shard-1-of-2"):
            raise AssertionError


def test_a_folder_without_output_is_removed_again(tmp_path):
    with run_lock(tmp_path / "empty"):
        pass
    with run_lock(tmp_path / "full"):
        (tmp_path / "full" / "x").touch()
    assert [path.name for path in tmp_path.iterdir()] == ["full"]


def test_a_folder_that_cannot_be_created_is_named(tmp_path):
    (tmp_path / "file").touch()
    with (
        pytest.raises(UserError, match="cannot write to .*file/run"),
        run_lock(tmp_path / "file" / "run"),
    ):
        pass
