"""`scripts/setup.sh` with an installer that only notes what it is asked."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
UV = """#!/bin/sh
echo "$*" >> "$NOTES"
if [ "$1" = venv ]; then mkdir -p .venv/bin && ln -sf "$3" .venv/bin/python; fi
case "$*" in *"$FAILS"*) echo why it failed; exit 2;; esac
"""


@pytest.fixture
def clone(tmp_path) -> Path:
    """A checkout in a folder with spaces, and the installer beside it."""
    folder = tmp_path / "a b" / "emo asr"
    (folder / "scripts").mkdir(parents=True)
    for file in ("pyproject.toml", "requirements.lock", *(ROOT / "scripts").glob("*.lock")):
        shutil.copy(ROOT / file, folder / (ROOT / file).relative_to(ROOT))
    shutil.copy(ROOT / "scripts" / "setup.sh", folder / "scripts")
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)
    return folder


def setup(clone: Path, *arguments: str, fails="never", command="bash scripts/setup.sh", **more):
    """Runs it; gives what it did and what the installer was asked."""
    notes = clone.parents[1] / "notes"
    notes.write_text("")
    environment = {
        "PATH": f"{clone.parents[1]}:{os.environ['PATH']}", "PYTHON": sys.executable,
        "NOTES": str(notes), "FAILS": fails, **more,
    }  # fmt: skip
    done = subprocess.run(
        ["bash", "-c", f'{command} "$@"', "bash", *arguments],
        cwd=clone, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    return done, notes.read_text().splitlines()


def test_it_says_a_line_a_step_and_the_second_time_does_nothing(clone):
    done, asked = setup(clone)
    assert done.returncode == 0 and not done.stderr
    assert len(done.stdout.splitlines()) == len(asked) == 5
    assert all("--no-deps" in line for line in asked if "pip install" in line)
    done, asked = setup(clone)
    assert (done.returncode, done.stdout, asked) == (0, "", [])


@pytest.mark.parametrize(
    ("fails", "step"),
    [("venv", "making .venv"), ("build.lock", "what builds"), ("requirements.lock", "lock"),
     ("-e .", "installing emoasr"), ("pip check", "checking")],
)  # fmt: skip
@pytest.mark.parametrize("command", ["bash scripts/setup.sh", "source scripts/setup.sh"])
def test_a_failed_step_is_named_with_its_remedy_and_tried_again(clone, fails, step, command):
    done, _ = setup(clone, fails=fails, command=command)
    assert done.returncode == 1
    why, error = done.stderr.splitlines()
    assert why == "why it failed"
    assert error.startswith("error: ") and step in error and "failed; " in error
    done, asked = setup(clone)
    assert done.returncode == 0 and any(fails in line for line in asked)


def test_the_larger_lock_serves_who_asks_for_the_smaller(clone):
    setup(clone, "scripts/dev.lock")
    assert setup(clone)[1] == []
    setup(clone, "requirements.lock")
    assert setup(clone, "scripts/dev.lock")[1] == []


def test_a_changed_lock_is_installed_and_a_failure_of_that_forgets_what_was_there(clone):
    setup(clone)
    old = (clone / "requirements.lock").read_text()
    (clone / "requirements.lock").write_text(old + "more==1\n")
    assert setup(clone, fails="requirements.lock")[0].returncode == 1
    (clone / "requirements.lock").write_text(old)
    assert len(setup(clone)[1]) == 4  # all but the environment


def test_a_moved_folder_and_another_python_get_an_environment_anew(clone):
    setup(clone)
    moved = clone.rename(clone.with_name("moved"))
    assert any(line.startswith("venv") for line in setup(moved)[1])
    (moved / ".venv" / ".emoasr-made").write_text(f"Python 3.10 in {moved}\n")
    assert any(line.startswith("venv") for line in setup(moved)[1])
    (moved / ".venv" / "bin" / "python").unlink()
    assert any(line.startswith("venv") for line in setup(moved)[1])


def test_sourcing_changes_nothing_of_the_shell(clone):
    sourced = f"cd /; source '{clone}/scripts/setup.sh' >/dev/null"
    done, _ = setup(clone, command=f"{sourced}; echo $- $PWD; false; echo on; true")
    flags, folder = done.stdout.splitlines()[0].split()
    assert "e" not in flags and folder == "/" and done.stdout.endswith("on\n")


def test_a_python_that_it_cannot_use_is_told(clone):
    done, asked = setup(clone, PYTHON="/bin/false")
    assert done.returncode == 1 and not asked
    assert done.stderr.startswith("error: /bin/false is not Python 3.11, 3.12 or 3.13; set PYTHON")
