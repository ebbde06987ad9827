"""What the machine lacks becomes an error of one line."""

import errno
import platform
import resource
from pathlib import Path

import pytest

from emoasr import cli, config
from emoasr.errors import UserError
from emoasr.system import limits

_SIZE = 64 << 20  # bytes of a large block


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
def test_what_the_machine_lacks_is_an_error_of_one_line(error, words):
    with pytest.raises(UserError, match=words) as raised, limits.errors_in_one_line():
        raise error
    assert "\n" not in str(raised.value) and "same command again" in str(raised.value)


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOENT, "?"), RuntimeError("a fault"), ValueError()]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)), limits.errors_in_one_line():
        raise error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_a_full_disk_ends_a_command_with_one_line(tmp_path, capsys):
    def work(*_):
        Path("/dev/full").write_text("x" * 99999)

    command = cli.Command("try", "", work, config.experiment)
    assert cli.run(command, ["--config=demo", f"--workdir={tmp_path}"]) == 1
    line = capsys.readouterr().err
    assert line.startswith("error: ") and "no space left" in line and line.count("\n") == 1


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other libraries have no mallopt")
def test_memory_is_kept_for_the_next_step_and_given_back_at_the_end():
    with limits.freed_memory_kept():
        _new_pages()
        assert _new_pages() < 100
        within = _resident()
        _new_pages()
        assert _resident() == pytest.approx(within, abs=8 << 20)
    assert _resident() < within - _SIZE / 2
    _new_pages()
    assert _new_pages() > 1000


def _new_pages() -> int:
    """How often a large block, taken and freed, meets a page that was not there."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    assert len(b"x" * _SIZE) == _SIZE
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def _resident() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
