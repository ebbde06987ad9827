"""Extras of the package, which few runs need: a run without one says how to install it."""

import importlib.metadata
import importlib.util
import json
import shlex
from pathlib import Path

from packaging.requirements import Requirement

from emoasr.errors import UserError

_CHECKOUT = Path(__file__).resolve().parents[2]
_ORIGIN = "direct_url.json"  # pip's note of a package that came from no index, PEP 610

# The software of each extra, and the modules that must be importable.
_BRINGS = {
    "egemaps": ("openSMILE", ("opensmile",)),
    "demo": ("eSpeak NG", ("espeakng_loader",)),
    "ray": ("Ray", ("ray",)),
    "remote": ("fsspec and s3fs", ("fsspec", "s3fs")),
    "tf": ("TensorFlow", ("tensorflow", "google_crc32c")),
    "bench": ("PyTorch and librosa", ("torch", "librosa")),
}


def require(extra: str, wanted: str) -> None:
    """Raises `UserError` unless an extra is installed, new enough; imports nothing of it.

    Args:
        extra: its name, as in `pyproject.toml`.
        wanted: the feature that needs it, as the user knows it.
    """
    name, modules = _BRINGS[extra]
    if not all(map(_is_there, modules)):
        raise UserError(f"{wanted} needs {name}: {installing(extra)}")
    for package in _packages(extra):
        version = version_of(package.name)
        if version is None or not package.specifier.contains(version, prereleases=True):
            there = f"{package.name}{package.specifier}, and {version or 'none'} is installed"
            raise UserError(f"{wanted} needs {there}: {installing(extra)}")


def installing(extra: str) -> str:
    """The command that installs an extra from this package's own source, an index or a checkout."""
    if (_CHECKOUT / "pyproject.toml").is_file():
        where = "." if Path.cwd() == _CHECKOUT else str(_CHECKOUT)
        return f"pip install -e {shlex.quote(f'{where}[{extra}]')}"
    origin = json.loads(importlib.metadata.distribution("emoasr").read_text(_ORIGIN) or "{}")
    kind = f"{origin['vcs_info']['vcs']}+" if "vcs_info" in origin else ""
    place = f" @ {kind}{origin['url']}" if origin else ""
    return f"pip install {shlex.quote(f'emoasr[{extra}]{place}')}"


def _packages(extra: str) -> list[Requirement]:
    """The packages that an extra requires on this machine, as the installed emoasr says."""
    try:
        required = map(Requirement, importlib.metadata.requires("emoasr") or ())
    except importlib.metadata.PackageNotFoundError:  # not installed itself: run from its source
        return []
    named = (r for r in required if r.marker is not None and f'"{extra}"' in str(r.marker))
    return [r for r in named if r.marker is not None and r.marker.evaluate({"extra": extra})]


def version_of(package: str) -> str | None:
    """The installed version of a package; None: it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _is_there(module: str) -> bool:
    try:  # of a package's module, the package is imported
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # no such package; a module that is None or half there
        return False
