"""What `emoasr.pretrain` does."""

import dataclasses
import hashlib
import json
import math
from collections import Counter
from pathlib import Path
from typing import Any

import grain
import ml_collections
import numpy as np
import pandas as pd
from tqdm import tqdm

from emoasr.asr import manifest, saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.corpora import transcribed, vctk
from emoasr.errors import UserError, check_choice
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.inference import bucketing, compilation
from emoasr.settings.choices import ModelConfig
from emoasr.system import interrupts
from emoasr.training import metrics, model_card, multihost, scoring, sharding
from emoasr.training.checkpoints import TrainingCheckpoints
from emoasr.training.data import Examples, usable
from emoasr.training.step import State, Trainer, create

_CORPORA = {"transcribed": transcribed, "vctk": vctk}


@multihost.job()
def run(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Trains as `emoasr.pretrain.main` says."""
    _check_fit(config)
    compilation.keep()
    folder = workdir / "pretrain"
    settings = json.loads(config.to_json_best_effort())
    settings.pop("distributed", None)  # a run continues on any machines
    with multihost.together():
        if multihost.is_first():
            _check_same_run(settings, ensure_folder(folder) / "config.json")
        trainer, state = create(config)
    splits, counts = multihost.first_alone(lambda: _open_corpus(config, trainer, folder))
    multihost.agree("prepared speech", _digest(splits), "give all processes the same corpus")
    multihost.first_alone(lambda: _keep_settings(settings, folder / "config.json"))

    state = sharding.replicate(state, trainer.mesh)
    checkpoints = TrainingCheckpoints(folder / "checkpoints")
    data = splits["train"].training(config.train.steps, config.train.seed, trainer.mesh)
    step, pending, restored = 0, [], checkpoints.restore(state)
    if restored:
        step, state, position = restored
        pending = position.pop("pending", [])  # older checkpoints were taken where there was none
        data.set_state(position)
        print(f"continuing after step {step} of {config.train.steps}")
    log = metrics.MetricsLog(folder, step) if multihost.is_first() else metrics.NoLog()
    valid = splits["valid"]
    over = _Run(config.train, trainer, data, valid, log, checkpoints, step, state, pending)
    with checkpoints:
        state = over.to_the_end()

    heard = {name: scoring.transcripts(trainer, state, examples)
             for name, examples in splits.items() if name != "train"}  # fmt: skip
    with multihost.together():
        if multihost.is_first():
            _export(
                folder / "recognizer", trainer, state, model_card.record(settings, counts, heard)
            )
            print(f"curves: {log.draw()}\nrecognizer: {folder / 'recognizer'}")
        log.close()


@dataclasses.dataclass
class _Run:
    """A training under way.

    Attributes:
        train: settings.
        trainer: the step.
        data: the training batches.
        valid: the split that error rates are of.
        log: receives metrics; only every `log_every` steps are they fetched.
        checkpoints: receives the state.
        step: steps done.
        state: after them.
        pending: metrics of the last ones, not yet in the log.
    """

    train: ml_collections.ConfigDict
    trainer: Trainer
    data: grain.DatasetIterator
    valid: Examples
    log: metrics.MetricsLog | metrics.NoLog
    checkpoints: TrainingCheckpoints
    step: int
    state: State
    pending: list[dict[str, Any]]

    def to_the_end(self) -> State:
        """Trains and validates in turn, and gives the last state.

        Raises:
            KeyboardInterrupt: a signal came; all steps that were done are in a checkpoint.
        """
        total, every = self.train.steps, self.train.eval_every
        silent = not multihost.is_first()
        with tqdm(
            total=total, initial=self.step, unit="step", desc="pretrain", disable=silent
        ) as bar:
            while True:
                due = self.step and (self.step % every == 0 or self.step == total)
                if due and not self.log.has(self.step, "valid_cer"):
                    self._validate(bar)
                if self.step >= total:
                    return self.state
                self._steps(min((self.step // every + 1) * every, total), bar)

    def _steps(self, until: int, bar: tqdm) -> None:
        """Trains to a step, and saves what came out."""
        with interrupts.deferred() as stop:
            stopping = False
            while self.step < until and not stopping:
                batch = sharding.spread(next(self.data), self.trainer.mesh)
                self.state, step_metrics = self.trainer.step(self.state, np.int32(self.step), batch)
                self.step += 1
                bar.update()
                self.pending.append(step_metrics)
                together = self.step % self.train.log_every == 0 or self.step == self.train.steps
                if together:
                    self._log(bar)
                stopping = multihost.any_asks(stop, together)
                if self.step % self.train.checkpoint_every == 0 or self.step == until or stopping:
                    self._save()
        if stopping:  # another process was asked
            raise KeyboardInterrupt

    def _log(self, bar: tqdm) -> None:
        names = self.pending[0]
        means = {k: float(np.mean([np.float32(m[k]) for m in self.pending])) for k in names}
        self.pending.clear()
        with multihost.together():
            _check_finite(means["loss"], self.step, self.train.log_every)
        self.log.write(self.step, **means)
        bar.set_postfix(loss=f"{means['loss']:.3f}")

    def _save(self) -> None:
        pending = [{name: float(value) for name, value in m.items()} for m in self.pending]
        position = {**self.data.get_state(), "pending": pending}
        self.checkpoints.save(self.step, self.state, position)

    def _validate(self, bar: tqdm) -> None:
        """Error rates of the state that is saved: stopped here, a run validates when it goes on."""
        rates = scoring.error_rates(scoring.transcripts(self.trainer, self.state, self.valid))[
            "all"
        ]
        self.log.write(self.step, valid_cer=rates["cer"], valid_wer=rates["wer"])
        bar.write(f"step {self.step}: validation CER {rates['cer']:.3f}, WER {rates['wer']:.3f}")
        self.log.draw()


def _check_fit(config: ml_collections.ConfigDict) -> None:
    """Refuses settings that each are right, but do not fit each other."""
    check_choice("config.corpus.kind", config.corpus.kind, _CORPORA)
    train, frontend = config.train, FrontEndConfig()
    manifest.check_sizes("config", ModelConfig(**config.model), frontend)
    frames = frontend.n_frames(int(train.max_seconds * frontend.sample_rate))
    if train.batch_frames < frames:
        raise UserError(
            f"config.train.batch_frames={train.batch_frames}: an utterance of "
            f"config.train.max_seconds={train.max_seconds:g} has {frames} frames, and must fit in"
        )


def _open_corpus(config, trainer, folder) -> tuple[dict[str, Examples], dict[str, Any]]:
    """Opens the splits; prints and stores what was found, used and skipped."""
    corpus = _CORPORA[config.corpus.kind].load(config.corpus, folder)
    splits, skipped, counts = {}, list(corpus.skipped), {}
    for name, split in corpus.splits.items():
        splits[name], left_out = usable(split, config.train, trainer.frontend)
        skipped += left_out
        samples = split.table["n_samples"].to_numpy()[splits[name].positions]
        if not len(samples):
            raise UserError(f"{config.corpus.path}: no usable utterance in split {name!r}")
        counts[name] = {
            "utterances": len(samples),
            "hours": round(float(samples.sum()) / trainer.frontend.sample_rate / 3600, 3),
            "speakers": int(split.table["speaker"].nunique()),
        }
        padded = bucketing.padding_share(
            splits[name].buckets, -(-samples // splits[name].hop_length)
        )
        print(f"{name}: {counts[name]}, {len(splits[name].buckets)} shapes, padding {padded:.1%}")
    for reason, n in Counter(s.reason for s in skipped).most_common():
        print(f"skipped {n}: {reason}")
    record = {"used": counts, "skipped": [dataclasses.asdict(s) for s in skipped]}
    if multihost.is_first():
        write_atomically(folder / "corpus.json", json.dumps(record, indent=1))
    return splits, counts


def _digest(splits: dict[str, Examples]) -> str:
    tables = pd.concat([examples.split.table for examples in splits.values()])
    return hashlib.sha256(tables.to_csv().encode()).hexdigest()[:16]


def _export(folder: Path, trainer, state, record: dict[str, Any]) -> None:
    saved.save(folder, trainer.network(state), trainer.frontend, record)
    model_card.write(folder)
    print(json.dumps(record["metrics"], indent=1))


def _check_finite(loss: float, step: int, log_every: int) -> None:
    if not math.isfinite(loss):
        raise UserError(
            f"the loss is {loss} within the {log_every} steps before {step}; "
            "lower config.train.learning_rate and use a new --workdir"
        )


def _keep_settings(settings: dict[str, Any], path: Path) -> None:
    """Stores what a continued run must have; other processes see whether they find it."""
    if multihost.is_first():
        write_atomically(path, json.dumps(settings, indent=1))
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
