"""Where the processes of one training find each other (`config.distributed`), checked."""

import os
import socket

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
            f"config.distributed.n_processes={given.n_processes}: must be the number of processes, "
            "1 or more"
        )
    if not 0 <= given.process_id < given.n_processes:
        raise UserError(
            f"config.distributed.process_id={given.process_id}: must be 0 to "
            f"{given.n_processes - 1}, a different one in each process"
        )
