"""Pre-trains the recognizer with CTC on transcribed speech.

    python -m emoasr.pretrain --config=configs/vctk.py --config.corpus.path=DIR --workdir=runs/v
    python -m emoasr.pretrain --config=configs/english.py --config.corpus.path=DIR --workdir=runs/p
    python -m emoasr.pretrain --config=configs/english.py --config.corpus.path=DIR \
        --config.train.init=english --config.train.learning_rate=5e-4 --workdir=runs/q

--config.train.init starts from a recognizer's weights. Without --config, VCTK's is taken.

The workdir receives, under `pretrain/`: checkpoints, `metrics.jsonl`, TensorBoard events,
`curves.png`, `corpus.json` (utterances found, used, skipped and why), and at the end `recognizer/`,
the folder that `emoasr.load_recognizer` opens, with a model card. The same command continues a run
that was stopped or killed.

All GPUs of the machine share each batch. For several machines, run the command on each, with
another process_id:

    --config.distributed.coordinator=HOST:PORT --config.distributed.n_processes=2 \
        --config.distributed.process_id=0

HOST is the machine of process 0; all see the same workdir and corpus. On Slurm
--config.distributed.coordinator=auto is enough. If one process ends, all end.
"""

import dataclasses
import hashlib
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import grain
import jax
import ml_collections
import numpy as np
import pandas as pd
from tqdm import tqdm

from emoasr import (
    batching,
    bounds,
    card,
    checkpoint,
    cli,
    compilation,
    distributed,
    guard,
    manifest,
    metrics,
    scoring,
    sharding,
    speechdata,
    training,
)
from emoasr.corpora import transcribed, vctk
from emoasr.errors import UserError, check_choice
from emoasr.frontend import FrontEndConfig
from emoasr.model import ModelConfig

_CORPORA = {"transcribed": transcribed, "vctk": vctk}


@distributed.job()
def main(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Trains to `config.train.steps`, continuing where the workdir's run stands, and exports.

    Args:
        config: `corpus`, `model`, `augment`, `train`, `card`.
        workdir: the run's folder.

    Raises:
        UserError: of the corpus; a run with other settings in the workdir; a loss that is NaN;
            another process of the job has failed.
    """
    _check(config)
    compilation.keep()
    folder = workdir / "pretrain"
    settings = json.loads(config.to_json_best_effort())
    settings.pop("distributed", None)  # a run continues on any machines
    with distributed.together():
        if distributed.is_first():
            _check_same_run(settings, guard.ensure_folder(folder) / "config.json")
        trainer, state = training.create(config)
    splits, counts = distributed.first_alone(lambda: _open_corpus(config, trainer, folder))
    distributed.agree("prepared speech", _digest(splits), "give all processes the same corpus")
    distributed.first_alone(lambda: _keep_settings(settings, folder / "config.json"))

    state = sharding.replicate(state, trainer.mesh)
    checkpoints = checkpoint.TrainingCheckpoints(folder / "checkpoints")
    data = splits["train"].training(config.train.steps, config.train.seed, trainer.mesh)
    step, restored = 0, checkpoints.restore(state)
    if restored:
        step, state, position = restored
        data.set_state(position)
        print(f"continuing after step {step} of {config.train.steps}")
    log = metrics.MetricsLog(folder, step) if distributed.is_first() else metrics.NoLog()
    state = _train(config.train, trainer, state, step, data, splits["valid"], checkpoints, log)
    checkpoints.close()

    heard = {name: scoring.transcripts(trainer, state, examples)
             for name, examples in splits.items() if name != "train"}  # fmt: skip
    with distributed.together():
        if distributed.is_first():
            _export(folder / "recognizer", trainer, state, card.record(settings, counts, heard))
            print(f"curves: {log.draw()}\nrecognizer: {folder / 'recognizer'}")
        log.close()


def _train(
    train: ml_collections.ConfigDict,
    trainer: training.Trainer,
    state: training.State,
    step: int,
    data: grain.DatasetIterator,
    valid: speechdata.Examples,
    checkpoints: checkpoint.TrainingCheckpoints,
    log: metrics.MetricsLog | metrics.NoLog,
) -> training.State:
    """Runs the steps that are left; only every `log_every` of them are metrics fetched."""
    silent = not distributed.is_first()
    pending: list[dict[str, jax.Array]] = []
    with tqdm(total=train.steps, initial=step, unit="step", desc="pretrain", disable=silent) as bar:
        while step < train.steps:
            batch = sharding.spread(next(data), trainer.mesh)
            state, step_metrics = trainer.step(state, np.int32(step), batch)
            step += 1
            bar.update()
            pending.append(step_metrics)
            if step % train.log_every == 0 or step == train.steps:
                means = {k: float(np.mean([m[k] for m in pending])) for k in pending[0]}
                pending.clear()
                with distributed.together():
                    _check_finite(means["loss"], step, train.log_every)
                log.write(step, **means)
                bar.set_postfix(loss=f"{means['loss']:.3f}")
            if step % train.eval_every == 0 or step == train.steps:
                rates = scoring.error_rates(scoring.transcripts(trainer, state, valid))["all"]
                log.write(step, valid_cer=rates["cer"], valid_wer=rates["wer"])
                bar.write(f"step {step}: validation CER {rates['cer']:.3f}, WER {rates['wer']:.3f}")
                log.draw()
            if step % train.checkpoint_every == 0 or step == train.steps:
                checkpoints.save(step, state, data.get_state())
    return state


def _check(config: ml_collections.ConfigDict) -> None:
    bounds.check(config)
    check_choice("config.corpus.kind", config.corpus.kind, _CORPORA)
    train, frontend = config.train, FrontEndConfig()
    manifest.check_sizes("config", ModelConfig(**config.model), frontend)
    frames = frontend.n_frames(int(train.max_seconds * frontend.sample_rate))
    if train.batch_frames < frames:
        raise UserError(
            f"config.train.batch_frames={train.batch_frames}: an utterance of "
            f"config.train.max_seconds={train.max_seconds:g} has {frames} frames, and must fit in"
        )


def _open_corpus(config, trainer, folder) -> tuple[dict[str, speechdata.Examples], dict[str, Any]]:
    """Opens the splits; prints and stores what was found, used and skipped."""
    corpus = _CORPORA[config.corpus.kind].load(config.corpus, folder)
    splits, skipped, counts = {}, list(corpus.skipped), {}
    for name, split in corpus.splits.items():
        splits[name], left_out = speechdata.usable(split, config.train, trainer.frontend)
        skipped += left_out
        samples = split.table["n_samples"].to_numpy()[splits[name].positions]
        if not len(samples):
            raise UserError(f"{config.corpus.path}: no usable utterance in split {name!r}")
        counts[name] = {
            "utterances": len(samples),
            "hours": round(float(samples.sum()) / trainer.frontend.sample_rate / 3600, 3),
            "speakers": int(split.table["speaker"].nunique()),
        }
        padded = batching.padding_share(
            splits[name].buckets, -(-samples // splits[name].hop_length)
        )
        print(f"{name}: {counts[name]}, {len(splits[name].buckets)} shapes, padding {padded:.1%}")
    for reason, n in Counter(s.reason for s in skipped).most_common():
        print(f"skipped {n}: {reason}")
    record = {"used": counts, "skipped": [dataclasses.asdict(s) for s in skipped]}
    if distributed.is_first():
        guard.write_atomically(folder / "corpus.json", json.dumps(record, indent=1))
    return splits, counts


def _digest(splits: dict[str, speechdata.Examples]) -> str:
    tables = pd.concat([examples.split.table for examples in splits.values()])
    return hashlib.sha256(tables.to_csv().encode()).hexdigest()[:16]


def _export(folder: Path, trainer, state, record: dict[str, Any]) -> None:
    checkpoint.save_recognizer(folder, trainer.network(state), trainer.frontend, record)
    card.write(folder)
    print(json.dumps(record["metrics"], indent=1))


def _check_finite(loss: float, step: int, log_every: int) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"the loss is {loss} within the {log_every} steps before {step}; "
            "lower config.train.learning_rate and use a new --workdir"
        )


def _keep_settings(settings: dict[str, Any], path: Path) -> None:
    """Stores what a continued run must have; other processes see whether they find it."""
    if distributed.is_first():
        guard.write_atomically(path, json.dumps(settings, indent=1))
    elif not path.exists():
        raise UserError(
            f"{path} is not there, though process 0 wrote it; give a --workdir that all machines "
            "share"
        )


def _check_same_run(settings: dict[str, Any], path: Path) -> None:
    """A continued run must have the settings that it began with."""
    before = json.loads(path.read_text()) if path.exists() else settings
    for part in settings:
        if settings[part] != before.get(part):
            raise UserError(
                f"{path.parent} holds a run with another config.{part}: "
                f"{before.get(part)}; give another --workdir, or those settings"
            )


if __name__ == "__main__":
    cli.run(main, needs="train", default_config="configs/vctk.py", seat=distributed.start)
