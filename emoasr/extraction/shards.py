"""Parts of a corpus, each extracted by a command of its own: for job arrays, and several devices.

Shard 3/16 is an ordinary run over the third of 16 stretches of the corpus, in the workdir's folder
`shards/3-of-16`. It can be stopped and continued like any other; `merge` joins them.
"""

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import ml_collections
import numpy as np

from emoasr.errors import UserError

if TYPE_CHECKING:  # a shard's name is asked for before anything heavy is imported
    from emoasr.corpora import Corpus

_SHARD = re.compile(r"([1-9][0-9]{0,8})(?:/|-of-)([1-9][0-9]{0,8})")


@dataclasses.dataclass(frozen=True, order=True)
class Shard:
    """One of several equal parts.

    Attributes:
        count: parts in all.
        number: which one, from 1.
    """

    count: int
    number: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    @property
    def name(self) -> str:
        """A name for files."""
        return f"{self.number}-of-{self.count}"

    def folder(self, workdir: Path) -> Path:
        """Where its run is, within that of the whole."""
        return workdir / "shards" / self.name

    def of(self, corpus: "Corpus") -> "Corpus":
        """Its stretch of a corpus: in order, so that tables of all shards need but be joined.

        Raises:
            UserError: there are more shards than utterances.
        """
        if self.count > len(corpus):
            raise UserError(
                f"config.shard={self}: {corpus.name} has only {len(corpus)} utterances; "
                "ask for fewer shards"
            )
        edges = np.linspace(0, len(corpus), self.count + 1).astype(int)
        part = corpus.table.iloc[edges[self.number - 1] : edges[self.number]]
        return dataclasses.replace(corpus, table=part)


def parse(config: ml_collections.ConfigDict) -> Shard | None:
    """The shard that `config.shard` asks for; None: the whole corpus.

    Raises:
        UserError: it is no shard.
    """
    if not config.shard:
        return None
    match = _SHARD.fullmatch(str(config.shard))
    if match is None or int(match[1]) > int(match[2]):
        raise UserError(f"config.shard={config.shard}: must be 1/N to N/N, such as 3/16")
    return Shard(int(match[2]), int(match[1]))


def lock_name(config: ml_collections.ConfigDict) -> str:
    """The name of this shard's run lock: shards of one run work side by side."""
    shard = parse(config)
    return f"shard-{shard.name}" if shard else ""


def finished(workdir: Path) -> list[Shard]:
    """All shards of a run, in order, when all are finished.

    Raises:
        UserError: none, some are missing, or they are of runs with different numbers of shards.
    """
    found = []
    for path in (workdir / "shards").glob("*/extract.json"):
        if match := _SHARD.fullmatch(path.parent.name):
            found.append(Shard(int(match[2]), int(match[1])))
    if not found:
        raise UserError(
            f"{workdir}: has no finished shards; run emoasr.extract with --config.shard=1/N to N/N"
        )
    counts = sorted({shard.count for shard in found})
    if len(counts) > 1:
        raise UserError(
            f"{workdir / 'shards'}: holds shards of {counts[0]} and of {counts[1]}; remove those "
            "that are not wanted"
        )
    missing = sorted({Shard(counts[0], i + 1) for i in range(counts[0])} - set(found))
    if missing:
        first = ", ".join(map(str, missing[:5])) + ", ..." * (len(missing) > 5)
        raise UserError(
            f"{workdir / 'shards'}: {len(missing)} of {counts[0]} are not finished; run "
            f"emoasr.extract with --config.shard={first}"
        )
    return sorted(found)
