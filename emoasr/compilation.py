"""XLA's programs kept on disk, so that the next run of a command starts in seconds."""

from typing import Any

import jax
import platformdirs


def keep() -> None:
    """Keeps what this process compiles in the user's cache folder, and takes what is there.

    For commands, not for libraries: it changes JAX's settings. A folder that was chosen already, as
    by the environment's `JAX_COMPILATION_CACHE_DIR`, stays.
    """
    if not jax.config.jax_compilation_cache_dir:  # type: ignore[attr-defined]
        folder = platformdirs.user_cache_path("emoasr") / "xla"
        jax.config.update("jax_compilation_cache_dir", str(folder))
    # JAX's own limits leave out programs that compile within a second: most of ours
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", 0)


def forget(*functions: Any) -> None:
    """Lets go of the programs of jitted functions that nobody else holds: each takes some 10 MB."""
    for function in functions:
        function.clear_cache()
