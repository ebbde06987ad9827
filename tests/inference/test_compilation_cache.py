import subprocess
import sys


def extract(speech, workdir, cache):
    done = subprocess.run(
        [
            sys.executable, "-m", "emoasr.extract", "--config=folder",
            f"--config.corpus.path={speech}", f"--workdir={workdir}",
            "--config.feature_sets=('mfcc',)",
        ],
        capture_output=True, text=True, check=True,
        env={"XDG_CACHE_HOME": str(cache), "PATH": "/usr/bin:/bin", "HOME": str(cache),
             "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"},  # whatever a busy machine takes
    )  # fmt: skip
    return done.stderr


def test_a_second_run_finds_what_the_first_compiled(speech, tmp_path):
    extract(speech, tmp_path / "1", tmp_path / "cache")
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*-cache")}
    assert any("emoasr/xla" in str(path) for path in kept)
    extract(speech, tmp_path / "2", tmp_path / "cache")
    again = {path: path.stat().st_mtime_ns for path in (tmp_path / "cache").rglob("*-cache")}
    assert again == kept


def test_a_cache_that_cannot_be_written_does_no_harm(speech, tmp_path):
    (tmp_path / "cache").write_text("a file, no folder")
    extract(speech, tmp_path / "run", tmp_path / "cache")
    assert (tmp_path / "run" / "features" / "mfcc.parquet").exists()
