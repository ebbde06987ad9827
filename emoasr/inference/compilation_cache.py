"""The cache of compiled programs on disk, with which the next process starts in seconds."""

import os
from typing import Any

import jax
import platformdirs

_LEAST_SECONDS = "jax_persistent_cache_min_compile_time_secs"


def enable_cache() -> None:
    """Stores what this process compiles in the user's cache folder, and uses what is there.

    What was chosen already stays: a folder (`JAX_COMPILATION_CACHE_DIR`), the shortest compilation
    kept, or no cache at all (`JAX_ENABLE_COMPILATION_CACHE=0`). Without a folder that can be
    written nothing is kept.
    """
    if not jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        folder = platformdirs.user_cache_path("emoasr") / "xla"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError:
            return
        if not os.access(folder, os.W_OK):
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    # JAX's own limit leaves out programs that compile within a second: most of ours
    if getattr(jax.config, _LEAST_SECONDS) == 1.0 and _LEAST_SECONDS.upper() not in os.environ:
        jax.config.update(_LEAST_SECONDS, 0.1)


def clear(*functions: Any) -> None:
    """Frees the programs of jitted functions that nobody else holds: each takes some 10 MB."""
    for function in functions:
        function.clear_cache()
