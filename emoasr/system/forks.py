"""Forked children of a process that uses JAX: they raise an error, as JAX would wait forever.

A fork does not copy threads, and JAX works in threads. It is enough that the parent imports this
module.
"""

import os
import sys

from emoasr.errors import UserError

_stranded = False  # forked from a process with JAX's threads


def _after_fork() -> None:
    global _stranded
    bridge = sys.modules.get("jax._src.xla_bridge")  # no public way to ask without starting it
    _stranded = _stranded or getattr(bridge, "backends_are_initialized", bool)()


def check() -> None:
    """Raises `UserError` in a process that was forked from one that had used JAX."""
    if _stranded:
        raise UserError(
            "this process was forked from one that had used JAX, and would hang; start new "
            "processes: multiprocessing.get_context('spawn'), or joblib's default, 'loky'"
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
