"""Sections of `accelerator_check.py`: what the device is, and whether its features are right."""

import importlib.metadata
import platform
import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import jax
import joblib
import numpy as np
from accelerator_setup import SETS, Setup

from emoasr.settings.choices import COMPUTE_DTYPES

_PACKAGES = ("emoasr", "jax", "jaxlib", "flax", "optax", "numpy", "soundfile", "torch")


def device(_: Setup) -> Iterator[dict[str, Any]]:
    """The device, its driver, and versions."""
    first = jax.devices()[0]
    memory = (first.memory_stats() or {}).get("bytes_limit", 0)
    yield {"what": "device", "is": f"{len(jax.devices())} x {first.device_kind} ({first.platform})"}
    yield {"what": "memory that JAX may take, GB", "is": memory / 1e9}
    yield {"what": "cores", "is": joblib.cpu_count()}
    yield {"what": "Python", "is": platform.python_version()}
    for name in _PACKAGES:
        try:
            yield {"what": name, "is": importlib.metadata.version(name)}
        except importlib.metadata.PackageNotFoundError:
            yield {"what": name, "is": "not installed"}
    if shutil.which("nvidia-smi"):
        query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv"]
        said = subprocess.run(query, capture_output=True, text=True).stdout.strip()
        yield {"what": "nvidia-smi", "is": said}


def beside_reference(setup: Setup) -> Iterator[dict[str, Any]]:
    """Differences of features from those that another device gave, by compute dtype."""
    expected, made_on = setup.expected, setup.made_on
    for dtype in COMPUTE_DTYPES:
        found = setup.in_batches(setup.pooler(dtype), len(setup.waves))
        if not expected:
            expected, made_on = found, "this device's float32"
        row: dict[str, Any] = {"compute_dtype": dtype, "beside": made_on, "files": len(setup.waves)}
        for name in SETS:
            off = np.abs(found[name] - expected[name])
            row |= {f"{name} largest": float(off.max()), f"{name} mean": float(off.mean())}
        yield row | {"neural std": float(expected["neural"].std(axis=0).mean())}


def invariance(setup: Setup) -> Iterator[dict[str, Any]]:
    """Largest difference of features between batches, paddings and compilations; 0: equal."""
    hop = setup.recognizer.config.frontend.hop_length
    padded = (-(-max(map(len, setup.waves)) // hop) + 64) * hop
    for dtype in setup.sizes.dtypes:
        pooler = setup.pooler(dtype)
        batch = setup.in_batches(pooler, len(setup.waves))
        others = {
            "same program again": setup.in_batches(pooler, len(setup.waves)),
            "alone": setup.in_batches(pooler, 1),
            "alone, padded by 2 s more": setup.in_batches(pooler, 1, padded),
        }
        with _compiling_anew():
            setup.pooler.cache_clear()
            others["compiled again"] = setup.in_batches(setup.pooler(dtype), len(setup.waves))
        for what, other in others.items():
            off = {name: float(np.abs(other[name] - batch[name]).max()) for name in SETS}
            equal = all(np.array_equal(other[name], batch[name]) for name in SETS)
            yield {"compute_dtype": dtype, "in one batch beside": what, "bit for bit": equal, **off}


class _compiling_anew:  # noqa: N801  a context
    """Within, no compiled program is taken from disk."""

    def __enter__(self) -> None:
        self._was = jax.config.jax_enable_compilation_cache
        jax.clear_caches()
        jax.config.update("jax_enable_compilation_cache", False)

    def __exit__(self, *_: object) -> None:
        jax.config.update("jax_enable_compilation_cache", self._was)
