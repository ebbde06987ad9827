"""Progress bars of long work, on stderr."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm

_LOG_SECONDS = 30.0


def bar(iterable: Iterable | None = None, **options: Any) -> tqdm:
    """A bar of tqdm, which takes `options`; in a file or pipe, it says where it is twice a minute.

    A terminal draws a bar over itself; in a log every state of it would stay.
    """
    if not sys.stderr.isatty():
        seldom = {"mininterval": _LOG_SECONDS, "maxinterval": _LOG_SECONDS}
        options = {**seldom, **options, "leave": True}  # what comes next begins a line
    return tqdm(iterable, **options)
