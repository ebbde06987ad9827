"""A forked child of a process that uses JAX: it must say so, for it would wait forever.

A fork copies no threads, and JAX's do its work. Importing this module is all that a parent needs.
"""

import os
import sys

from emoasr.errors import UserError

_stranded = False  # forked off JAX's threads


def _after_fork() -> None:
    global _stranded
    bridge = sys.modules.get("jax._src.xla_bridge")  # no public way to ask without starting it
    _stranded = _stranded or getattr(bridge, "backends_are_initialized", bool)()


def check() -> None:
    """Raises `UserError` in a process that was forked from one that had used JAX."""
    if _stranded:
        raise UserError(
            "this process was forked from one that had used JAX, and would hang; start processes "
            "afresh: multiprocessing.get_context('spawn'), or joblib's default, 'loky'"
        )


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
