"""Progress bars of commands, on stderr.

The Python interface has bars of its own: a notebook is no terminal, but shows them.
"""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

_LOG_SECONDS = 30.0


def bar(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """A bar of tqdm, which takes `options`; seldom drawn where it goes to a file or pipe.

    A terminal draws a bar over itself; in a log every state of it would stay. There, work that
    takes longer than half a minute says twice a minute where it is.
    """
    if not sys.stderr.isatty():
        seldom = dict.fromkeys(("delay", "mininterval", "maxinterval"), _LOG_SECONDS)
        options = {**seldom, **options, "leave": True}  # what comes next begins a line
    return tqdm(iterable, **options)
