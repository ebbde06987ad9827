r"""Compares feature sets: how well does each predict the ratings of speakers never met?

    python -m emoasr.eval --workdir=runs/emotale
    python -m emoasr.eval --config=configs/emotale.py --workdir=runs/emotale
    python -m emoasr.eval --workdir=runs/emotale --config.eval.n_selected=50
    python -m emoasr.eval --workdir=runs/emotale --config.eval.regressor=ridge \
        --config.eval.n_selected=0
    python -m emoasr.eval --workdir=runs/emotale --config.eval.battery=True
    python -m emoasr.eval --workdir=runs/emotale \
        --config.feature_sets=neural,egemaps,elsewhere/whisper.parquet

`--workdir` is a folder that `python -m emoasr.extract` has filled; without `--config` the
configuration that it stored there is taken. A feature set may also be the path of a table that
another program made: Parquet or CSV, indexed as audformat does. The battery asks what a reviewer
would: controls, leaky selection, other protocols and regressors, numbers of features, layers.

Prints the paper's table 1, with 95 % intervals by bootstrap over speakers, and writes
`eval/report.html`, `eval/report.md`, `eval/results.json`, `eval/predictions.parquet`,
`eval/selected.parquet`, `eval/correlations.parquet` and `eval/figures/` into the workdir.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

from collections.abc import Sequence
from pathlib import Path

import ml_collections

from emoasr import cli, config
from emoasr.files import places
from emoasr.settings import bounds, choices, feature_sets


def main(config: ml_collections.ConfigDict, workdir: Path | str) -> None:
    """Evaluates the feature tables in `workdir`, and writes and prints what it finds.

    Args:
        config: `feature_sets` and `eval`.
        workdir: folder that `emoasr.extract` has filled.

    Raises:
        UserError: a table is missing or cannot be evaluated, or a setting is wrong.
    """
    bounds.check(config)
    choices.check_evaluation(config.eval)
    places.check_extracted(places.local(workdir))
    feature_sets.check_there(config.feature_sets, places.local(workdir) / "features")
    from emoasr.jobs import eval as evaluation

    evaluation.run(config, places.local(workdir))


_COMMAND = cli.Command(
    "eval", __doc__, main, config.experiment, uses=("feature_sets", "workers", "eval")
)


def command(arguments: Sequence[str] | None = None) -> int:
    """Runs `emoasr eval` with arguments, those of this process if None; gives the status."""
    return cli.run(_COMMAND, arguments)


if __name__ == "__main__":
    raise SystemExit(command())
