"""One array over many devices: a mesh of one axis, weights on all of it, a batch's rows split.

Computations on such arrays under `jax.jit` are over the whole batch: XLA adds the communication.
"""

from typing import TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

AXIS = "data"
ROWS = PartitionSpec(AXIS)  # the first axis of an array is split over the devices

_ALL = PartitionSpec()

T = TypeVar("T")


def all_devices() -> Mesh:
    """Every device of every process, those of a process side by side."""
    devices = sorted(jax.devices(), key=lambda device: (device.process_index, device.id))
    return Mesh(np.array(devices), (AXIS,))


def own_rows(n_rows: int, mesh: Mesh) -> range:
    """Rows of a batch that are this process's part.

    Args:
        n_rows: of the whole batch; it is filled up with empty rows to a multiple of the devices.
        mesh: the devices.
    """
    each = -(-n_rows // mesh.size)
    own = [i for i, d in enumerate(mesh.devices.flat) if d.process_index == jax.process_index()]
    return range(own[0] * each, (own[-1] + 1) * each)


def spread(batch: T, mesh: Mesh) -> T:
    """The whole batch on the devices, of each process's `own_rows` of its arrays."""
    sharding = NamedSharding(mesh, ROWS)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), batch)


def replicate(tree: T, mesh: Mesh) -> T:
    """Arrays on every device; where processes have different ones, the first process's."""
    return everywhere(multihost_utils.broadcast_one_to_all(tree), mesh)


def everywhere(tree: T, mesh: Mesh) -> T:
    """Arrays on every device, which all processes have alike."""
    sharding = NamedSharding(mesh, _ALL)
    return jax.tree.map(lambda x: jax.make_array_from_process_local_data(sharding, x), tree)


def replicated(tree: T, mesh: Mesh) -> T:
    """Within `jax.jit`: results that every device shall have."""
    return jax.lax.with_sharding_constraint(tree, NamedSharding(mesh, _ALL))


def local(tree: T) -> T:
    """This process's own copy of what is on every device: for what it computes alone."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)
