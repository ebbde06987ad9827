"""Where the processes of a job meet: at a port of process 0."""

import os
import socket
import threading
from typing import Any

import jax
import ml_collections

from emoasr.errors import UserError


def place(given: ml_collections.ConfigDict) -> dict[str, Any]:
    """Where process 0 is, and which of how many this is.

    Args:
        given: `config.distributed`.

    Returns:
        Arguments of `jax.distributed.initialize`; none if it shall find out.

    Raises:
        UserError: a field is not what it should be, or process 0 cannot listen at the port.
    """
    if given.coordinator == "auto":
        return {}
    host, _, port = given.coordinator.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65535:
        raise UserError(
            f"config.distributed.coordinator={given.coordinator}: must be HOST:PORT of process 0, "
            "or auto on a cluster that JAX knows"
        )
    if given.n_processes < 1:
        raise UserError(
            f"config.distributed.n_processes={given.n_processes}: must be how many there are"
        )
    if not 0 <= given.process_id < given.n_processes:
        raise UserError(
            f"config.distributed.process_id={given.process_id}: must be 0 to "
            f"{given.n_processes - 1}, another in each process"
        )
    if given.process_id == 0:
        _check_free(given.coordinator, int(port))
    return {
        "coordinator_address": given.coordinator,
        "num_processes": given.n_processes,
        "process_id": given.process_id,
    }


def _check_free(coordinator: str, port: int) -> None:
    """Sees that process 0 can listen; JAX would crash, or share the port with another job."""
    try:
        socket.create_server(("", port)).close()
    except OSError as error:
        raise UserError(
            f"config.distributed.coordinator={coordinator}: cannot listen there "
            f"({os.strerror(error.errno or 0)}); give another port"
        ) from None


def meet(given: ml_collections.ConfigDict, place: dict[str, Any]) -> None:
    """Waits until all processes are there; JAX's own timeout would abort this one.

    Args:
        given: `config.distributed`; its timeout holds for later silence, too.
        place: as `place` gives it.

    Raises:
        UserError: they are not there in time, or there is no cluster.
    """
    failed: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                **place,
                initialization_timeout=10 * given.timeout,
                heartbeat_timeout_seconds=given.timeout,
                shutdown_timeout_seconds=given.timeout,
            )
        except (RuntimeError, ValueError) as error:
            failed.append(error)

    waiting = threading.Thread(target=initialize, daemon=True)
    waiting.start()
    waiting.join(given.timeout)
    at = f"config.distributed.coordinator={given.coordinator}"
    if waiting.is_alive():
        raise UserError(
            f"{at}: not all processes were there within {given.timeout} s; start them all, process "
            "0 at that address, or raise config.distributed.timeout"
        )
    if failed:
        raise UserError(f"{at}: no way to the others ({failed[0]}); give HOST:PORT of process 0")
