r"""Pre-trains the recognizer with CTC on transcribed speech.

    python -m emoasr.pretrain --config=configs/vctk.py --config.corpus.path=DIR --workdir=runs/v
    python -m emoasr.pretrain --config=configs/english.py --config.corpus.path=DIR --workdir=runs/p
    python -m emoasr.pretrain --config=configs/english.py --config.corpus.path=DIR \
        --config.train.init=english --config.train.learning_rate=5e-4 --workdir=runs/q

--config.train.init starts from a recognizer's weights. With --config.train.teacher=FOLDER (Whisper
or another recognizer) the network also learns to predict the teacher's hidden states. Without
--config, configs/vctk.py is used.

The workdir receives, under `pretrain/`: checkpoints, `metrics.jsonl`, TensorBoard events,
`curves.png`, `corpus.json` (utterances found, used, skipped and why), and at the end `recognizer/`,
the folder that `emoasr.load_recognizer` opens, with a model card. The same command continues a run
that was stopped or killed, also where the corpus has moved or --config.train.steps is higher (the
recognizer of fewer steps is kept as `recognizer-STEPS/`). Another corpus or other settings that
change the result are refused in the same workdir, unless --overwrite is given: then the training
begins anew.

All GPUs of the machine share each batch. For several machines, run the command on each, with
another process_id:

    --config.distributed.coordinator=HOST:PORT --config.distributed.n_processes=2 \
        --config.distributed.process_id=0

HOST is the machine of process 0; all see the same workdir and corpus. On Slurm
--config.distributed.coordinator=auto is enough. If one process ends, all end.
"""

from emoasr.system import interrupts

if __name__ == "__main__":  # before the other imports, which take time
    interrupts.prepare()

from collections.abc import Sequence
from pathlib import Path

import ml_collections

from emoasr import cli
from emoasr.config import pretraining
from emoasr.files import places
from emoasr.files.writing import workdir_of
from emoasr.settings import bounds, choices, distributed, fields


def main(config: ml_collections.ConfigDict, workdir: Path | str, overwrite: bool = False) -> None:
    """Trains to `config.train.steps`, continuing where the workdir's run stands, and exports.

    Args:
        config: `corpus`, `model`, `augment`, `train`, `card`.
        workdir: the run's folder.
        overwrite: whether finished work of another run in `workdir` may be replaced.

    Raises:
        UserError: of the corpus; another training in the workdir; a loss that is NaN;
            another process of the job has failed.
    """
    fields.check(config, "config", pretraining)
    bounds.check(config)
    choices.check_training(config)
    places.check(config.corpus, config.train.init, config.train.teacher)
    from emoasr.training import loop

    loop.train(config, workdir_of(workdir), overwrite)


_COMMAND = cli.Command(
    "pretrain",
    __doc__,
    main,
    pretraining,
    default_config="vctk",
    lock_name=lambda config: distributed.lock_name(config.distributed),
)


def command(arguments: Sequence[str] | None = None) -> int:
    """Runs `emoasr pretrain` with arguments, those of this process if None; gives the status."""
    return cli.run(_COMMAND, arguments)


if __name__ == "__main__":
    raise SystemExit(command())
