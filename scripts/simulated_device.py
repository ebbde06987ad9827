"""A device that sleeps instead of computing: shows on any machine what a fast one waits for."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from emoasr.asr.frontend import FrontEnd
from emoasr.inference.device_functions import Program


class SimulatedDevice:
    """A `DeviceFunction` whose batches take a given time, one after the other, behind the host.

    Attributes:
        events: ("dispatched" or "fetched", number of the batch) in the order in which they came.
        busy_s: seconds of all batches.
        idle_s: seconds between batches in which there was none to compute.
    """

    receptive_field = 0
    n_compilations = 0

    def __init__(
        self,
        frontend: FrontEnd,
        seconds_a_hop: float,
        width: int = 1,
        clock: Callable[[], float] = time.perf_counter,
        sleep: Callable[[float], None] = time.sleep,
    ):
        """A device that is idle.

        Args:
            frontend: of the recognizer that it stands for.
            seconds_a_hop: of a padded batch.
            width: numbers that it gives of an utterance, all zero.
            clock: seconds.
            sleep: waits so many seconds.
        """
        self.frontend, self._seconds_a_hop, self._width = frontend, seconds_a_hop, width
        self._clock, self._sleep = clock, sleep
        self.events: list[tuple[str, int]] = []
        self.busy_s = self.idle_s = self._free_at = 0.0

    def compiled(self, n_rows: int, n_samples: int) -> Program:
        """What takes the time of batches of one shape."""
        seconds = n_rows * n_samples / self.frontend.hop_length * self._seconds_a_hop

        def program(wave_BN: Any, lengths_B: Any) -> dict[str, Any]:
            number, now = sum(what == "dispatched" for what, _ in self.events), self._clock()
            self.idle_s += max(0.0, now - self._free_at) if number else 0.0
            self._free_at = max(now, self._free_at) + seconds
            self.busy_s += seconds
            self.events.append(("dispatched", number))
            return {"neural": _Later(self, self._free_at, number, (n_rows, self._width))}

        return program

    def clear(self) -> None:
        """Nothing is kept."""


class _Later:
    """An array that is there when its batch is done."""

    def __init__(self, device: SimulatedDevice, at: float, number: int, shape: tuple[int, int]):
        self._device, self._at, self._number, self._shape = device, at, number, shape

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        self._device._sleep(max(0.0, self._at - self._device._clock()))
        self._device.events.append(("fetched", self._number))
        return np.zeros(self._shape, np.float32)
