import json
import subprocess
import sys

import pytest


def run(*arguments: str, cwd=None) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", *arguments], cwd=cwd, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["emoasr.extract", "--config=nothing.py"], ["nothing.py", "demo", "emotale"]),
        (["emoasr.extract", "--config=emotale", "--config.corpus.pth=x"], ["pth", "path"]),
        (["emoasr.extract", "--config=emotale", "--config.seed=x"], ["config.seed"]),
        (["emoasr.extract", "--config=demo", "stray"], ["stray"]),
        (["emoasr.extract", "--config=demo", "--workdr=x"], ["workdr"]),
        (["emoasr.extract", "--config=english"], ["feature_sets"]),
        (["emoasr.pretrain", "--config=demo"], ["train"]),
        (["emoasr.pretrain"], ["config.corpus.path"]),
        (["emoasr.extract", "--config=emotale"], ["config.corpus.path"]),
        (["emoasr.extract", "--config=folder", "--config.tap=gates"], ["config.tap", "residual"]),
        (
            ["emoasr.extract", "--config=demo", "--workdir=/dev/null/x"],
            ["/dev/null/x", "--workdir"],
        ),
        (
            ["emoasr.extract", "--config=demo", "--workdir=s3://bucket/x"],
            ["--workdir=s3://bucket/x", "must be on a disk"],
        ),
        (["emoasr.eval", "--workdir=nowhere"], ["nowhere", "emoasr.extract"]),
    ],
)
def test_a_users_mistake_is_one_line_and_exit_status_1(tmp_path, arguments, words):
    done = run(*arguments, cwd=tmp_path)
    assert done.returncode == 1
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1 and lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


@pytest.mark.parametrize("command", ["extract", "eval", "pretrain"])
def test_help_helps(tmp_path, command):
    done = run(f"emoasr.{command}", "--help", cwd=tmp_path)
    assert done.returncode == 0
    for word in (f"python -m emoasr.{command}", "--config", "--overrides", "--workdir", "emotale"):
        assert word in done.stdout


def test_transcribe_prints_each_file_and_names_the_unreadable(speech, small_recognizer, tmp_path):
    (tmp_path / "bad.wav").write_text("no audio")
    files = [str(speech / "00.wav"), "bad.wav", str(speech / "01.wav")]
    options = ["--times", f"--recognizer={small_recognizer}"]
    done = run("emoasr.transcribe", *options, *files, cwd=tmp_path)
    assert done.returncode == 1
    heard = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["file"] for row in heard] == [files[0], files[2]]
    assert all(len(row["text"]) == len(row["times"]) for row in heard)
    assert "bad.wav" in done.stderr and "Traceback" not in done.stderr


def test_transcribe_without_files_or_recognizer_says_so(tmp_path):
    for arguments, word in ((["--recognizer=nowhere", "a.wav"], "nowhere"), ([], "FILE")):
        done = run("emoasr.transcribe", *arguments, cwd=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ") and word in done.stderr
