"""Extracts features of every utterance of a corpus: one table a feature set.

    python -m emoasr.extract --config=configs/demo.py --workdir=runs/demo
    python -m emoasr.extract --config=configs/emotale.py --config.corpus.path=DIR --workdir=runs/e
    python -m emoasr.extract --config=configs/folder.py --config.corpus.path=DIR --workdir=runs/f

In parts, side by side, on one machine or many that share a disk (or in a job array):

    python -m emoasr.extract --config=... --workdir=runs/e --config.shard=3/16   # 1/16 to 16/16
    python -m emoasr.extract --merge --workdir=runs/e

The workdir receives `features/SET.parquet` (`neural`, `mfcc`, `egemaps`, and the untrained networks
`random` and `random-N` of seeds `config.seed` and N, as `config.feature_sets` says; `NAME` of a
further recognizer, given as NAME=FOLDER; `random-NAME` of an untrained one of its size),
`labels.parquet`, and `extract.json`: the configuration, and which utterances were found, used and
skipped, and why. The same command continues a run that was stopped: tables that were made from the
same files with the same settings are kept, and so are finished rows, unless another kind of device
computed them. The workdir belongs to one run: another corpus, or settings that change results, need
another workdir or `--overwrite`; feature sets can be added, and all are brought up to date with the
corpus's files. External tables in `config.feature_sets` are read by `python -m emoasr.eval` only.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

from collections.abc import Sequence
from pathlib import Path

import ml_collections

from emoasr import cli
from emoasr.config import experiment
from emoasr.files.writing import workdir_of
from emoasr.settings import extraction, fields, shards


def main(config: ml_collections.ConfigDict, workdir: Path | str, overwrite: bool = False) -> None:
    """Extracts `config.feature_sets` of the corpus into `workdir`.

    Args:
        config: `corpus`, `feature_sets`, `recognizer`, `tap`, `pooling`, `seed`, `batch_frames`,
            `buckets`, `compute_dtype`, `workers`, `shard`, `engine`, `ray`.
        workdir: the run's folder; a shard has its own in there.
        overwrite: whether finished work of another run in `workdir` may be replaced.

    Raises:
        UserError: a setting is wrong, the corpus or recognizer cannot be opened, or no utterance
            could be read.
    """
    fields.check(config, "config", experiment)
    asked = extraction.check(config)
    from emoasr.extraction import extract

    extract.run(config, asked, workdir_of(workdir), overwrite)


def merge(config: ml_collections.ConfigDict, workdir: Path | str, overwrite: bool = False) -> None:
    """Joins the tables of all shards (--config.shard) into those of the whole corpus."""
    shards.check_none(config)
    fields.check(config, "config", experiment)
    asked = extraction.check(config)
    from emoasr.extraction.merge import join_shards

    join_shards(config, asked, workdir_of(workdir), overwrite)


_COMMAND = cli.Command(
    "extract",
    __doc__,
    main,
    experiment,
    uses=(
        "corpus", "feature_sets", "recognizer", "tap", "pooling", "seed", "batch_frames", "buckets",
        "compute_dtype", "workers", "engine", "ray", "shard",
    ),
    keeps=True,
    lock_name=shards.lock_name,
    instead={"merge": merge},
)  # fmt: skip


def command(arguments: Sequence[str] | None = None) -> int:
    """Runs `emoasr extract` with arguments, those of this process if None; gives the status."""
    return cli.run(_COMMAND, arguments)


if __name__ == "__main__":
    raise SystemExit(command())
