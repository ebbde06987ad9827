"""What `emoasr.extract` is asked for, checked as a whole before anything heavy is imported."""

from typing import NamedTuple

import ml_collections

from emoasr.files import places
from emoasr.settings import bounds, choices, feature_sets, shards
from emoasr.system import extras, processes


class How(NamedTuple):
    """The settings that change every network's numbers; see `config.experiment`.

    Attributes:
        tap: of `config.recognizer`; empty: the first that it has.
        pooling: over time.
        compute_dtype: what networks multiply in.
    """

    tap: str
    pooling: str
    compute_dtype: str


class Cluster(NamedTuple):
    """A Ray cluster, and what each of its actors takes; see `config.experiment`."""

    address: str
    actors: int
    cpus: float
    gpus: float
    gpu_memory: float


class Work(NamedTuple):
    """How the work is divided.

    Attributes:
        batch_frames: padded frames a batch, about; 0: as many as suit the device.
        buckets: lengths compiled for, at most.
        workers: decoding threads, or openSMILE's processes.
        cluster: that computes what the device computes; None: this machine does.
    """

    batch_frames: int
    buckets: int
    workers: int
    cluster: Cluster | None

    @property
    def platform(self) -> str | None:
        """What computes, as JAX calls it; None: what JAX uses here."""
        if self.cluster is None:
            return None
        return "gpu" if self.cluster.gpus else "cpu"


class Asked(NamedTuple):
    """The settings of an extraction, but for the corpus and the recognizer.

    Attributes:
        sets: feature sets.
        shard: the part of the corpus; None: all of it.
        seed: of the set `random`, and of further recognizers' untrained twins.
        how: what changes the networks' numbers.
        work: what does not.
    """

    sets: feature_sets.FeatureSets
    shard: shards.Shard | None
    seed: int
    how: How
    work: Work


def check(config: ml_collections.ConfigDict) -> Asked:
    """Checks every setting of an extraction, and that what it names is there.

    Raises:
        UserError: a setting is wrong, a file or folder is missing, or an extra is.
    """
    bounds.check(config)
    sets, shard = feature_sets.parse(config.feature_sets, config.seed), shards.asked(config)
    choices.check_extraction(config)
    cluster = Cluster(**config.ray) if config.engine == "ray" else None
    if cluster:
        extras.require("ray", "config.engine=ray")
    if "egemaps" in sets.built_in:
        extras.require("egemaps", "config.feature_sets: egemaps")
    places.check(config.corpus, config.recognizer, *sets.recognizers.values())
    workers = processes.count(config.workers)
    how = How(config.tap, config.pooling, config.compute_dtype)
    work = Work(config.batch_frames, config.buckets, workers, cluster)
    return Asked(sets, shard, config.seed, how, work)
