r"""Trains a recognizer end to end to predict ratings of unseen speakers.

    python -m emoasr.finetune --config=emotale --config.corpus.path=DIR --workdir=runs/f
    python -m emoasr.finetune --config=emotale --config.corpus.path=DIR --workdir=runs/a \
        --config.finetune.layers=-1 --config.finetune.pooling=attention --config.finetune.seeds=0,1
    python -m emoasr.eval --workdir=runs/emotale --config.eval.predictions=finetuned=runs/f

From the recognizer's weights (or random ones, the control: --config.finetune.init=random) through
pooling over time to the ratings of `config.eval.targets`: for each fold of `config.eval.protocol`,
a linear head on the pooled units starts as ridge regression, then it and the last layers are
trained together on the fold's training speakers. The number of epochs is chosen on some of these,
held out within the fold; then training is repeated on all of them for that number. The test speaker
is only predicted.

The workdir receives, under `finetune/`: `folds/`, a table for each fold and seed; at the end
`predictions.parquet`, which `emoasr.eval` takes beside feature sets, and, trained on all speakers,
`recognizer/` and `predictor/`, for `emoasr predict --predictor=... --recognizer=...`. The same
command goes on after the last finished fold; folds of another version of emoasr are made anew.
Other settings are refused in the same workdir, unless --overwrite is given: then all are made anew.

In parts, side by side, as on several GPUs: --config.shard=1/3 to 3/3 with the same workdir, then
once without it. To preserve speech recognition: --config.finetune.transcribed=DIR, speech with
texts, and --config.finetune.ctc=0.1, the weight of its loss.
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
from emoasr.settings import fields, finetuning, shards

_OF_EVAL = ("targets", "protocol", "partner", "scale", "terms", "limits")


def main(config: ml_collections.ConfigDict, workdir: Path | str, overwrite: bool = False) -> None:
    """Trains every fold that is not there yet, and when all are, on all speakers.

    Args:
        config: `corpus`, `recognizer`, `tap`, `workers`, `shard`, `finetune`, and of `eval`
            `targets`, `protocol`, `partner`, `scale`, `terms` and `limits`; its other fields are
            taken as the defaults.
        workdir: the run's folder.
        overwrite: whether finished work of another run in `workdir` may be replaced.

    Raises:
        UserError: a setting is wrong, the corpus or its ratings cannot be trained on, or a loss is
            not finite.
    """
    fields.check(config, "config", experiment)
    of_eval = {name: config.eval[name] for name in _OF_EVAL}
    config = config.copy_and_resolve_references()
    config.eval = experiment(config.corpus.kind).eval
    config.eval.update(of_eval)
    asked = finetuning.check(config)
    from emoasr.finetuning import run

    run.finetune(config, asked, workdir_of(workdir), overwrite)


_COMMAND = cli.Command(
    "finetune",
    __doc__,
    main,
    experiment,
    uses=(
        "corpus", "recognizer", "tap", "workers", "shard", "finetune",
        *(f"eval.{name}" for name in _OF_EVAL),
    ),
    lock_name=shards.lock_name,
)  # fmt: skip


def command(arguments: Sequence[str] | None = None) -> int:
    """Runs `emoasr finetune` with arguments, those of this process if None; gives the status."""
    return cli.run(_COMMAND, arguments)


if __name__ == "__main__":
    raise SystemExit(command())
