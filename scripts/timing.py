"""Seconds of peers, run in turn: whatever else the machine does meanwhile meets all alike."""

import time
from collections.abc import Callable
from typing import Any


def alternate(
    peers: dict[str, Callable[[], Any]], repeats: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds of each peer's runs, in turn, after one of each that is not counted."""
    for run in peers.values() if warm_up else ():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(repeats):
        for name, run in peers.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds
