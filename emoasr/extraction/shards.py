"""Parts of a corpus, each extracted by a command of its own: for job arrays, and several devices.

Shard 3/16 is an ordinary run over the third of 16 stretches of the corpus, in the workdir's folder
`shards/3-of-16`. It can be stopped and continued like any other; `merge` joins them.
"""

import dataclasses
from pathlib import Path

import numpy as np

from emoasr.corpora import Corpus
from emoasr.errors import UserError
from emoasr.settings.shards import Shard, parse
from emoasr.system.output import counted


def part_of(corpus: Corpus, shard: Shard) -> Corpus:
    """A shard's stretch of a corpus: in order, so that the shards' tables need only be joined.

    Raises:
        UserError: there are more shards than utterances.
    """
    if shard.count > len(corpus):
        raise UserError(
            f"config.shard={shard}: {corpus.name} has only "
            f"{counted(len(corpus), 'utterance')}; ask for fewer shards"
        )
    edges = np.linspace(0, len(corpus), shard.count + 1).astype(int)
    part = corpus.table.iloc[edges[shard.number - 1] : edges[shard.number]]
    return dataclasses.replace(corpus, table=part)


def finished(workdir: Path) -> list[Shard]:
    """All shards of a run, in order, when all are finished.

    Raises:
        UserError: none, some are missing, or they are of runs with different numbers of shards.
    """
    there = (workdir / "shards").glob("*/extract.json")
    found = sorted(shard for path in there if (shard := parse(path.parent.name)))
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
    return found
