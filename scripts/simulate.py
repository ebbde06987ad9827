"""Plans, shards, interrupts, continues and joins an extraction of many utterances without audio.

    python scripts/simulate.py --utterances=1000000 --shards=64

It asks what the bookkeeping alone costs: rows are random numbers, lengths are drawn (0.6 to 34 s,
mean 4.5 s), everything else is what `emoasr.extract` does with them. Prints seconds and the peak of
memory so far of each step, and what lay on disk.
"""

import resource
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd
from absl import app, flags

from emoasr.corpora import Corpus, table
from emoasr.extraction import row_store
from emoasr.extraction.shards import part_of
from emoasr.files import parquet
from emoasr.inference import bucketing
from emoasr.settings.shards import Shard

_UTTERANCES = flags.DEFINE_integer("utterances", 1_000_000, "Rows.", lower_bound=1)
_SHARDS = flags.DEFINE_integer("shards", 64, "Parts, each a run of its own.", lower_bound=1)
_COLUMNS = flags.DEFINE_integer("columns", 88, "Features a row; neural has 1920.", lower_bound=1)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder to work in. Default: a temporary one.")

_BATCH = 64  # rows that come at once
_HOPS_A_SECOND = 31.25


class _Clock:
    """Prints what each step took."""

    def __init__(self):
        self._last = time.monotonic()
        print(f"{'step':44} {'seconds':>8} {'peak MB':>8}")

    def report(self, step: str) -> None:
        now = time.monotonic()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"{step:44} {now - self._last:8.1f} {peak:8.0f}", flush=True)
        self._last = now


def main(_) -> None:
    """Runs every step once."""
    workdir = Path(_WORKDIR.value or tempfile.mkdtemp(prefix="emoasr-simulated-"))
    clock = _Clock()
    frame = pd.DataFrame({
        "file": [f"{i // 1000:06d}/{i % 1000:03d}.wav" for i in range(_UTTERANCES.value)]
    })  # fmt: skip
    corpus = table.build(frame, "simulated", workdir, workdir / "simulated.csv")
    clock.report("corpus: the table")
    parts = [Shard(_SHARDS.value, i + 1) for i in range(_SHARDS.value)]
    keys = {shard: part_of(corpus, shard).fingerprints() for shard in parts}
    clock.report("shards: fingerprints of all utterances")
    _plan(parts, corpus)
    clock.report("plan: buckets of every shard")
    for shard in parts:
        _put(shard, keys[shard], workdir, share=0.5)
    clock.report("rows: the first half of every shard")
    digests = {}
    for shard in parts:
        _put(shard, keys[shard], workdir, share=1.0)
        digests[shard.folder(workdir) / ".rows/x"] = _finish(shard, corpus, keys[shard], workdir)
    clock.report("resumed: the other half, and the tables")
    digest = row_store.join_keys(digests, workdir / ".rows")
    tables = [shard.folder(workdir) / "x.parquet" for shard in parts]
    parquet.join(tables, workdir / "x.parquet", {"rows": digest})
    clock.report("merge: one table of all")
    index, n_columns, _ = parquet.outline(workdir / "x.parquet")
    assert len(index) == len(corpus) and (index == corpus.table.index).all()
    size = (workdir / "x.parquet").stat().st_size
    print(f"{len(index)} x {n_columns}; {size / len(index):.0f} bytes a row in the table")
    if _WORKDIR.value is None:
        shutil.rmtree(workdir)


def _plan(parts: list[Shard], corpus: Corpus) -> None:
    random = np.random.default_rng(0)
    for shard in parts:
        seconds = np.clip(random.gamma(2.2, 2.05, len(part_of(corpus, shard))), 0.6, 34)
        hops = np.ceil(seconds * _HOPS_A_SECOND).astype(int)
        buckets = bucketing.plan_buckets(hops, 24, 8192, 300_000)
        assert sum(len(bucket.indices) for bucket in buckets) == len(hops)


def _put(shard: Shard, keys: list[bytes], workdir: Path, share: float) -> None:
    """Puts rows that are not there yet, as a run would that was stopped before."""
    kept, random = _rows(shard, workdir), np.random.default_rng(shard.number)
    missing = [key for key in keys[: int(len(keys) * share)] if key not in kept]
    for i in range(0, len(missing), _BATCH):
        part = missing[i : i + _BATCH]
        kept.put(part, random.standard_normal((len(part), _COLUMNS.value), np.float32))
    kept.flush()


def _finish(shard: Shard, corpus: Corpus, keys: list[bytes], workdir: Path) -> str:
    kept = _rows(shard, workdir)
    digest = kept.write_key_index(keys)
    index = part_of(corpus, shard).table.index
    path = shard.folder(workdir) / "x.parquet"
    parquet.write_numbers(kept.values(keys), index, kept.columns, path, {"rows": digest})
    kept.clear()
    return digest


def _rows(shard: Shard, workdir: Path) -> row_store.RowStore:
    columns = [f"x{i}" for i in range(_COLUMNS.value)]
    return row_store.RowStore(shard.folder(workdir) / ".rows" / "x", {"simulated": True}, columns)


if __name__ == "__main__":
    app.run(main)
