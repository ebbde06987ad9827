"""The training, from a configuration to an exported recognizer, read from top to bottom."""

import json
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
from tqdm import tqdm

from emoasr.asr import manifest
from emoasr.asr.frontend import FrontEndConfig
from emoasr.errors import UserError
from emoasr.inference import compilation_cache
from emoasr.settings.choices import ModelConfig
from emoasr.system import interrupts, limits
from emoasr.system.output import number
from emoasr.training import data, job, model_card, multihost, scoring, sharding
from emoasr.training.checkpoints import TrainingCheckpoints
from emoasr.training.metrics import MetricsLog
from emoasr.training.run_folder import RunFolder
from emoasr.training.step import State, Trainer, averaged, create


@limits.freed_memory_kept()
def train(config: ml_collections.ConfigDict, workdir: Path, overwrite: bool = False) -> None:
    """Trains as `emoasr.pretrain.main` says; every process of a job calls it."""
    _check_sizes(config)
    if unknown := [name for name, text in config.card.items() if not text]:
        print(f'the model card will say "not stated" of {", ".join(unknown)}; give --config.card.'
              f"{unknown[0]}=TEXT and so on")  # fmt: skip
    with job.connected(config):
        compilation_cache.enable_cache()
        with multihost.barrier():
            folder = RunFolder(workdir, config, overwrite)
            corpus = data.CORPORA[config.corpus.kind].load(config.corpus, workdir)
            folder.check({"the corpus's table": data.table_digest(corpus)})
            trainer, state = create(config, folder.init, folder.teacher)
        with multihost.process_0_first():
            splits, record, data_dir = data.open_splits(
                corpus, config, trainer.frontend, folder.teacher
            )
        audio = data.audio_digest(splits)
        multihost.agree({"prepared speech": audio}, "give all the same corpus")
        with multihost.process_0_first():
            folder.check({"the corpus's audio": audio})
            folder.begin(record)
        if folder.is_finished():
            print(f"finished already: {folder.recognizer}")
            return

        if folder.teacher:
            with multihost.process_0_first():
                speech = splits["train"]
                splits["train"] = speech.taught(data_dir, folder.teacher, trainer.frontend)

        weight = config.train.init_weight if folder.init else 0.0  # without, they are random
        first = jax.device_get(state) if weight else None  # a step takes the memory of its state
        state = sharding.replicate(state, trainer.mesh)
        state = _fit(config.train, trainer, state, splits, folder.path)
        if first:
            state = averaged(first, state, weight)

        splits.pop("train")
        recognized = {
            name: scoring.transcripts(trainer, state, split) for name, split in splits.items()
        }
        with multihost.barrier():
            if multihost.is_first():
                card = model_card.record(
                    folder.settings, folder.init, folder.teacher, record["used"], recognized
                )
                _export(folder, trainer, state, card)


def _fit(
    train: ml_collections.ConfigDict, trainer: Trainer, state: State,
    splits: dict[str, data.Examples], folder: Path,
) -> State:  # fmt: skip
    """Trains and validates in turn to the last step, from the last checkpoint if there is one.

    Raises:
        KeyboardInterrupt: a signal came; all steps that were done are in a checkpoint.
    """
    batches = splits["train"].training(train.steps, train.seed, trainer.mesh, train.resident)
    with TrainingCheckpoints(folder / "checkpoints") as checkpoints:
        step, state, position = checkpoints.restore(state) or (0, state, batches.get_state())
        pending = position.pop("pending", [])  # metrics that are not in the log yet
        batches.set_state(position)
        if step:
            print(f"continuing after step {step} of {train.steps}")
        with MetricsLog(folder, train, step, pending) as log:
            # a run that was stopped in a validation has saved the step before it
            unvalidated = step > 0 and log.is_due(step, train.eval_every)
            if unvalidated and not multihost.any_process(log.has(step, "valid_cer")):
                _validate(trainer, state, step, splits["valid"], log)
            while step < train.steps:
                with interrupts.deferred() as stop:  # Ctrl-C waits for the step and its checkpoint
                    stops = validates = False
                    while not (stops or validates):
                        state, metrics = trainer.step(state, np.int32(step), next(batches))
                        step += 1
                        log.add(step, metrics)
                        # several processes ask each other only when they wait for metrics anyway
                        if jax.process_count() == 1 or log.is_due(step, train.log_every):
                            stops = multihost.any_process(bool(stop))
                        validates = log.is_due(step, train.eval_every)
                        if stops or validates or step % train.checkpoint_every == 0:
                            position = {**batches.get_state(), "pending": log.pending()}
                            checkpoints.save(step, state, position)
                if stops:  # by a signal to another process
                    raise KeyboardInterrupt
                _validate(trainer, state, step, splits["valid"], log)
            log.draw()  # a run may have been killed after its last validation
    return state


def _validate(
    trainer: Trainer, state: State, step: int, valid: data.Examples, log: MetricsLog
) -> None:
    """Logs the error rates on validation speakers, of a state that is in a checkpoint."""
    rates = scoring.error_rates(scoring.transcripts(trainer, state, valid))["all"]
    log.write(step, valid_cer=rates["cer"], valid_wer=rates["wer"])
    tqdm.write(f"step {step}: validation CER {number(rates['cer'])}, WER {number(rates['wer'])}")
    log.draw()


def _check_sizes(config: ml_collections.ConfigDict) -> None:
    """Refuses settings that each are right, but do not fit each other."""
    train, frontend = config.train, FrontEndConfig()
    manifest.check_sizes("config", ModelConfig(**config.model), frontend)
    frames = frontend.n_frames(int(train.max_seconds * frontend.sample_rate))
    if train.batch_frames < frames:
        raise UserError(
            f"config.train.batch_frames={train.batch_frames}: an utterance of "
            f"config.train.max_seconds={train.max_seconds:g} has {frames} frames; give at least as "
            "many"
        )


def _export(folder: RunFolder, trainer: Trainer, state: State, card: dict[str, Any]) -> None:
    folder.export(trainer.network(state), trainer.frontend, card)
    print(json.dumps(card["metrics"], indent=1))
    print(f"curves: {folder.path / 'curves.png'}\nrecognizer: {folder.recognizer}")
