"""Training speech that is kept on the devices: batches are gathered there by row index.

Else every batch's samples are transferred from the host. The batches are the same to the last bit.
"""

import dataclasses
import os
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, PartitionSpec

from emoasr.inference.bucketing import Bucket
from emoasr.training import multihost, sharding
from emoasr.training.step import Batch


@dataclasses.dataclass(frozen=True)
class Resident:
    """All utterances of a split, as one padded array a bucket on every device.

    Attributes:
        speech: each bucket's rows, in the order of its indices, by its padded length.
        mesh: the devices.
    """

    speech: dict[int, Batch]
    mesh: Mesh

    @classmethod
    def load(
        cls, buckets: Sequence[Bucket], read: Callable[[Bucket], Batch], mesh: Mesh
    ) -> "Resident":
        """Reads all utterances and puts them on the devices, bucket by bucket.

        Args:
            buckets: of the split.
            read: gives all utterances of a bucket, as int16 samples.
            mesh: the devices.
        """
        return cls({b.n_hops: sharding.everywhere(read(b), mesh) for b in buckets}, mesh)

    def rows(self, bucket: Bucket, indices: np.ndarray) -> tuple[int, np.ndarray]:
        """This process's part of a batch: the bucket's length, and rows (past the end: none).

        Args:
            bucket: one of those that were loaded.
            indices: of the utterances, in the order of the batch.
        """
        own = sharding.own_rows(bucket.batch_size, self.mesh)
        row_B = np.full(len(own), len(bucket.indices), np.int32)
        mine = np.searchsorted(bucket.indices, indices[own.start : own.stop])
        row_B[: len(mine)] = mine
        return bucket.n_hops, row_B

    def batch(self, rows: tuple[int, np.ndarray]) -> Batch:
        """Gathers the batch of what `rows` gave, each device its part."""
        n_hops, row_B = rows
        return _gather(self.speech[n_hops], sharding.spread(row_B, self.mesh), self.mesh)


@partial(jax.jit, static_argnums=2)
def _gather(speech: Batch, row_B: jax.Array, mesh: Mesh) -> Batch:
    def own(speech, row_B):  # rows beyond the last are of zeros, as empty rows are
        return jax.tree.map(lambda x: jnp.take(x, row_B, 0, mode="fill", fill_value=0), speech)

    specs = (PartitionSpec(), sharding.ROWS)
    return jax.shard_map(own, mesh=mesh, in_specs=specs, out_specs=sharding.ROWS)(speech, row_B)


def fits(n_bytes: int, share: float, mesh: Mesh) -> bool:
    """Whether speech takes at most a share of the devices' memory, in every process.

    Args:
        n_bytes: of the speech, padded.
        share: `config.train.resident`.
        mesh: the devices.
    """
    room = share * min(map(_memory, mesh.local_devices))
    return not multihost.any_process(n_bytes > room)


def _memory(device: jax.Device) -> float:
    """Bytes that JAX may use of a device; CPU devices share those of the machine."""
    limit = (device.memory_stats() or {}).get("bytes_limit")
    if limit is None:
        limit = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / jax.local_device_count()
    return float(limit)
