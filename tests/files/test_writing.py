"""Output folders, and files that are never half written."""

import concurrent.futures

import pytest

from emoasr.files.writing import ensure_folder, replacing


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
