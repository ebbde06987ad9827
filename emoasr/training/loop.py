"""The training, from a configuration to an exported recognizer, read from top to bottom."""

import json
import math
from pathlib import Path
from typing import Any

import grain
import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from emoasr.asr import manifest, saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.errors import UserError, check_choice
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.inference import compilation_cache
from emoasr.settings.choices import ModelConfig
from emoasr.system import interrupts
from emoasr.training import data, metrics, model_card, multihost, scoring, sharding
from emoasr.training.checkpoints import TrainingCheckpoints
from emoasr.training.step import State, Trainer, create

Log = metrics.MetricsLog | metrics.NoLog


def train(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Trains as `emoasr.pretrain.main` says; every process of a job calls it."""
    _check_sizes(config)
    with multihost.connected(config):
        compilation_cache.enable_cache()
        folder = workdir / "pretrain"
        settings = json.loads(config.to_json_best_effort())
        settings.pop("distributed", None)  # a run continues on any machines
        with multihost.barrier():
            _check_same_run(settings, folder / "config.json")
            trainer, state = create(config)
        with multihost.process_0_first():
            splits, counts = data.open_splits(config, trainer.frontend, folder)
        multihost.agree({"prepared speech": data.digest(splits)}, "give all the same corpus")
        with multihost.process_0_first():
            _store_settings(settings, folder / "config.json")

        checkpoints = TrainingCheckpoints(folder / "checkpoints")
        state = sharding.replicate(state, trainer.mesh)
        batches = splits["train"].training(config.train.steps, config.train.seed, trainer.mesh)
        step, pending = 0, []
        if restored := checkpoints.restore(state):
            step, state, position = restored
            pending = position.pop("pending", [])  # older checkpoints have none
            batches.set_state(position)
            print(f"continuing after step {step} of {config.train.steps}")
        log = metrics.MetricsLog(folder, step) if multihost.is_first() else metrics.NoLog()
        with checkpoints:
            state = _loop(
                config.train, trainer, state, step, batches, splits["valid"], pending, log,
                checkpoints,
            )  # fmt: skip

        held_out = {name: split for name, split in splits.items() if name != "train"}
        heard = {
            name: scoring.transcripts(trainer, state, split) for name, split in held_out.items()
        }
        with multihost.barrier():
            if multihost.is_first():
                record = model_card.record(settings, counts, heard)
                _export(folder / "recognizer", trainer, state, record)
                print(f"curves: {log.draw()}\nrecognizer: {folder / 'recognizer'}")
            log.close()


def _loop(
    train: ml_collections.ConfigDict, trainer: Trainer, state: State, step: int,
    batches: grain.DatasetIterator, valid: data.Examples, pending: list[dict[str, Any]],
    log: Log, checkpoints: TrainingCheckpoints,
) -> State:  # fmt: skip
    """Trains and validates in turn from `step` to the last one, and returns the last state.

    Only every `log_every` steps are metrics fetched from the device: `pending` are those of the
    steps since then.

    Raises:
        KeyboardInterrupt: a signal came; all steps that were done are in a checkpoint.
    """
    bar = tqdm(
        total=train.steps, initial=step, unit="step", desc="pretrain",
        disable=not multihost.is_first(),
    )  # fmt: skip
    with bar:
        # a run that was stopped in a validation has saved the step before it
        validates = _is_due(step, train.eval_every, train.steps) and step > 0
        if validates and not multihost.from_process_0(log.has(step, "valid_cer")):
            _validate(trainer, state, step, valid, log, bar)
        while step < train.steps:
            with interrupts.deferred() as stop:  # Ctrl-C waits for the step, and for its checkpoint
                stops = validates = False
                while not (stops or validates):
                    batch = sharding.spread(next(batches), trainer.mesh)
                    state, step_metrics = trainer.step(state, np.int32(step), batch)
                    step += 1
                    bar.update()
                    pending.append(step_metrics)
                    logs = _is_due(step, train.log_every, train.steps)
                    if logs:
                        _log_means(pending, step, train.log_every, log, bar)
                    if logs or jax.process_count() == 1:  # several processes ask each other then
                        stops = multihost.any_process(bool(stop))
                    validates = _is_due(step, train.eval_every, train.steps)
                    if stops or validates or step % train.checkpoint_every == 0:
                        position = {**batches.get_state(), "pending": _floats(pending)}
                        checkpoints.save(step, state, position)
            if stops:  # by a signal to another process
                raise KeyboardInterrupt
            _validate(trainer, state, step, valid, log, bar)
    return state


def _is_due(step: int, every: int, last: int) -> bool:
    return step % every == 0 or step == last


def _log_means(
    pending: list[dict[str, Any]], step: int, log_every: int,
    log: Log, bar: tqdm,
) -> None:  # fmt: skip
    """Logs the means of the pending metrics, and clears these."""
    means = {k: float(np.mean([np.float32(m[k]) for m in pending])) for k in pending[0]}
    pending.clear()
    with multihost.barrier():
        if not math.isfinite(means["loss"]):
            raise UserError(
                f"the loss is {means['loss']} within the {log_every} steps before {step}; "
                "lower config.train.learning_rate and use a new --workdir"
            )
    log.write(step, **means)
    bar.set_postfix(loss=f"{means['loss']:.3f}")


def _floats(pending: list[dict[str, Any]]) -> list[dict[str, float]]:
    return [{name: float(value) for name, value in m.items()} for m in pending]


def _validate(
    trainer: Trainer, state: State, step: int, valid: data.Examples,
    log: Log, bar: tqdm,
) -> None:  # fmt: skip
    """Logs the error rates on validation speakers, of a state that is in a checkpoint."""
    rates = scoring.error_rates(scoring.transcripts(trainer, state, valid))["all"]
    log.write(step, valid_cer=rates["cer"], valid_wer=rates["wer"])
    bar.write(f"step {step}: validation CER {rates['cer']:.3f}, WER {rates['wer']:.3f}")
    log.draw()


def _check_sizes(config: ml_collections.ConfigDict) -> None:
    """Refuses settings that each are right, but do not fit each other."""
    check_choice("config.corpus.kind", config.corpus.kind, data.CORPORA)
    train, frontend = config.train, FrontEndConfig()
    manifest.check_sizes("config", ModelConfig(**config.model), frontend)
    frames = frontend.n_frames(int(train.max_seconds * frontend.sample_rate))
    if train.batch_frames < frames:
        raise UserError(
            f"config.train.batch_frames={train.batch_frames}: an utterance of "
            f"config.train.max_seconds={train.max_seconds:g} has {frames} frames, and must fit in"
        )


def _check_same_run(settings: dict[str, Any], path: Path) -> None:
    """A continued run must have the settings that it began with."""
    ensure_folder(path.parent)
    before = json.loads(path.read_text()) if path.exists() else settings
    for part in settings:
        if settings[part] != before.get(part):
            raise UserError(
                f"{path.parent} holds a run with another config.{part}: "
                f"{before.get(part)}; give another --workdir, or those settings"
            )


def _store_settings(settings: dict[str, Any], path: Path) -> None:
    """Stores what a continued run must have; other processes check that they find it."""
    if multihost.is_first():
        write_atomically(path, json.dumps(settings, indent=1))
    elif not path.exists():
        raise UserError(
            f"{path} is not there, though process 0 wrote it; give a --workdir that all machines "
            "share"
        )


def _export(folder: Path, trainer: Trainer, state: State, record: dict[str, Any]) -> None:
    saved.save(folder, trainer.network(state), trainer.frontend, record)
    model_card.write(folder)
    print(json.dumps(record["metrics"], indent=1))
