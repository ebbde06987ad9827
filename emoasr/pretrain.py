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
"""

import dataclasses
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import grain
import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from tqdm import tqdm

from emoasr import (
    batching,
    card,
    checkpoint,
    cli,
    compilation,
    guard,
    metrics,
    scoring,
    speechdata,
    training,
)
from emoasr.corpora import transcribed, vctk
from emoasr.errors import UserError, check_choice

_CORPORA = {"transcribed": transcribed, "vctk": vctk}


def main(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Trains to `config.train.steps`, continuing where the workdir's run stands, and exports.

    Args:
        config: `corpus`, `model`, `augment`, `train`, `card`.
        workdir: the run's folder.

    Raises:
        UserError: of the corpus; a run with other settings in the workdir; a loss that is NaN.
    """
    compilation.keep()
    folder = guard.ensure_folder(workdir / "pretrain")
    settings = json.loads(config.to_json_best_effort())
    _check_same_run(settings, folder / "config.json")
    trainer, state = training.create(config)
    splits, counts = _open_corpus(config, trainer, folder)
    cli.write_atomically(folder / "config.json", json.dumps(settings, indent=1))
    checkpoints = checkpoint.TrainingCheckpoints(folder / "checkpoints")
    data = splits["train"].training(config.train.steps, config.train.seed)

    step, restored = 0, checkpoints.restore(state)
    if restored:
        step, state, position = restored
        data.set_state(position)
        print(f"continuing after step {step} of {config.train.steps}")
    log = metrics.MetricsLog(folder, step)
    state = _train(config.train, trainer, state, step, data, splits["valid"], checkpoints, log)
    checkpoints.close()

    heard = {name: scoring.transcripts(trainer, state, examples)
             for name, examples in splits.items() if name != "train"}  # fmt: skip
    record = card.record(settings, counts, heard)
    checkpoint.save_recognizer(
        folder / "recognizer", trainer.network(state), trainer.frontend, record
    )
    card.write(folder / "recognizer")
    print(json.dumps(record["metrics"], indent=1))
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
    log: metrics.MetricsLog,
) -> training.State:
    """Runs the steps that are left; only every `log_every` of them are metrics fetched."""
    bar = tqdm(total=train.steps, initial=step, unit="step", desc="pretrain")
    pending: list[dict[str, jax.Array]] = []
    while step < train.steps:
        state, step_metrics = trainer.step(state, jnp.int32(step), next(data))
        step += 1
        bar.update()
        pending.append(step_metrics)
        if step % train.log_every == 0 or step == train.steps:
            means = {k: float(np.mean([m[k] for m in pending])) for k in pending[0]}
            pending.clear()
            if not math.isfinite(means["loss"]):
                raise UserError(
                    f"the loss is {means['loss']} within the {train.log_every} steps before "
                    f"{step}; lower config.train.learning_rate and use a new --workdir"
                )
            log.write(step, **means)
            bar.set_postfix(loss=f"{means['loss']:.3f}")
        if step % train.eval_every == 0 or step == train.steps:
            rates = scoring.error_rates(scoring.transcripts(trainer, state, valid))["all"]
            log.write(step, valid_cer=rates["cer"], valid_wer=rates["wer"])
            bar.write(f"step {step}: validation CER {rates['cer']:.3f}, WER {rates['wer']:.3f}")
            log.draw()
        if step % train.checkpoint_every == 0 or step == train.steps:
            checkpoints.save(step, state, data.get_state())
    bar.close()
    return state


def _open_corpus(config, trainer, folder) -> tuple[dict[str, speechdata.Examples], dict[str, Any]]:
    """Opens the splits; prints and stores what was found, used and skipped."""
    check_choice("config.corpus.kind", config.corpus.kind, _CORPORA)
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
    cli.write_atomically(folder / "corpus.json", json.dumps(record, indent=1))
    return splits, counts


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
    cli.run(main, needs="train", default_config="configs/vctk.py")
