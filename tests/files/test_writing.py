"""Output folders, and files that are never half written."""

import concurrent.futures

import pytest

from emoasr.errors import UserError
from emoasr.files.writing import ensure_folder, file_of, replacing


def test_many_threads_can_ensure_one_folder_at_once(tmp_path):
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda _: ensure_folder(tmp_path / "x" / "y"), range(400)))
    assert set(made) == {tmp_path / "x" / "y"} and not list(made[0].iterdir())


def test_a_file_keeps_its_old_content_where_writing_the_new_one_fails(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("old")
    with pytest.raises(KeyboardInterrupt), replacing(path) as file:
        file.write(b"ne")
        raise KeyboardInterrupt
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ("s3://bucket/x.csv", "object stores are only read from"),
        ("file:///tmp/x.csv", "must be on a disk"),
        ("taken", "is a folder"),
        ("", "is a folder"),
        ("x" * 300, "too long"),
        ("new/" + "x" * 252, "too long"),  # but not without `.part`
        ("x" * 300 + "/x", "too long"),
        ("x\0", "zero byte"),
        ("x\0/x", "zero byte"),
        ("file/x", "File exists"),
    ],
)
def test_where_no_file_can_be_written_is_said_before_one_is(tmp_path, monkeypatch, given, why):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "taken").mkdir()
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=why) as error:
        file_of(given, "--output")
    assert "\n" not in str(error.value)
    assert {p.name for p in tmp_path.iterdir()} <= {"taken", "file", "new"}
