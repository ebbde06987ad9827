"""Extras of the package, which few runs need: a run without one says how to install it."""

import importlib.metadata
import importlib.util
import json
import shlex
from pathlib import Path

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
    """Raises `UserError` unless an extra is installed; imports nothing of it.

    Args:
        extra: its name, as in `pyproject.toml`.
        wanted: the feature that needs it, as the user knows it.
    """
    name, modules = _BRINGS[extra]
    if not all(map(_is_there, modules)):
        raise UserError(f"{wanted} needs {name}: {installing(extra)}")


def installing(extra: str) -> str:
    """The command that installs an extra from this package's own source, an index or a checkout."""
    if (_CHECKOUT / "pyproject.toml").is_file():
        where = "." if Path.cwd() == _CHECKOUT else str(_CHECKOUT)
        return f"pip install -e {shlex.quote(f'{where}[{extra}]')}"
    origin = json.loads(importlib.metadata.distribution("emoasr").read_text(_ORIGIN) or "{}")
    kind = f"{origin['vcs_info']['vcs']}+" if "vcs_info" in origin else ""
    place = f" @ {kind}{origin['url']}" if origin else ""
    return f"pip install {shlex.quote(f'emoasr[{extra}]{place}')}"


def _is_there(module: str) -> bool:
    try:  # of a package's module, the package is imported
        return importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):  # no such package; a module that is None or half there
        return False
