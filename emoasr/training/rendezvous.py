"""How the processes of a job find each other: at a port of process 0."""

import os
import socket
import threading

import jax
import ml_collections

from emoasr.errors import UserError

# Where the launchers that JAX knows put a process's number, in JAX's order of preference.
_NUMBERS = ("OMPI_COMM_WORLD_RANK", "SLURM_PROCID", "TPU_WORKER_ID", "JOB_COMPLETION_INDEX")


def lock_name(given: ml_collections.ConfigDict) -> str:
    """The name of this process's lock in a workdir that all share; empty for the first.

    Args:
        given: `config.distributed`.

    Raises:
        UserError: a field is not what it should be.
    """
    if not given.coordinator:
        return ""
    if given.coordinator == "auto":
        known = (os.environ[name] for name in _NUMBERS if name in os.environ)
        number = next(known, socket.gethostname())
    else:
        _check_fields(given)
        number = str(given.process_id)
    return "" if number == "0" else f"process-{number}"


def check_address(given: ml_collections.ConfigDict) -> None:
    """Checks that the fields name this process, and that process 0 can listen at its port.

    Args:
        given: `config.distributed`.

    Raises:
        UserError: they do not, or it cannot.
    """
    if given.coordinator == "auto":
        return
    _check_fields(given)
    if given.process_id == 0:  # JAX would crash, or share the port with another job
        try:
            socket.create_server(("", int(given.coordinator.rpartition(":")[2]))).close()
        except OSError as error:
            raise UserError(
                f"config.distributed.coordinator={given.coordinator}: cannot listen there "
                f"({os.strerror(error.errno or 0)}); give another port"
            ) from None


def connect(given: ml_collections.ConfigDict) -> None:
    """Waits until all processes are there; JAX's own timeout would abort this one.

    Args:
        given: `config.distributed`; its timeout holds for later silence, too.

    Raises:
        UserError: they are not there in time, or there is no cluster.
    """
    jax.config.update("jax_enable_preemption_service", False)  # with it SIGTERM ends nothing
    who = {
        "coordinator_address": given.coordinator,
        "num_processes": given.n_processes,
        "process_id": given.process_id,
    }
    failed: list[Exception] = []

    def initialize() -> None:
        try:
            jax.distributed.initialize(
                **({} if given.coordinator == "auto" else who),
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


def _check_fields(given: ml_collections.ConfigDict) -> None:
    """Checks the fields of processes that are given by number."""
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
