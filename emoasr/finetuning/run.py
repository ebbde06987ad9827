"""What `emoasr.finetune` does, read from top to bottom.

Shape suffixes: N utterances, D pooled features, T ratings.
"""

import dataclasses
import functools
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any, cast

import jax
import ml_collections
import numpy as np

from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.saved import SavedRecognizer
from emoasr.corpora import Corpus, inputs_digest, open_corpus
from emoasr.errors import UserError
from emoasr.evaluation import digests
from emoasr.extraction import untrained
from emoasr.finetuning import examples, keeping, listening, network, recognition, training
from emoasr.finetuning.examples import Examples
from emoasr.finetuning.listening import Heard
from emoasr.finetuning.network import Tuner
from emoasr.finetuning.recognition import Transcribed
from emoasr.finetuning.run_folder import RunFolder, Task
from emoasr.finetuning.training import Material, Schedule, Training
from emoasr.inference import compilation_cache
from emoasr.settings import configurations
from emoasr.settings.choices import ATTENTION
from emoasr.settings.finetuning import PLACES, Asked
from emoasr.system import limits, output, progress

_OF_EVAL = ("targets", "protocol", "partner")  # what folds depend on


@limits.freed_memory_kept()
def finetune(
    config: ml_collections.ConfigDict, asked: Asked, workdir: Path, overwrite: bool = False
) -> None:
    """Trains as `emoasr.finetune.main` says, with settings that it has checked."""
    corpus = open_corpus(config.corpus, workdir)
    found = examples.gather(corpus.table, config.eval)
    recognizer = saved.load(config.recognizer or None)
    tap = recognizer.tap(config.tap, "config.tap")
    check_recognizer(recognizer, config.finetune)
    transcribed = _transcribed(config.finetune, workdir, recognizer)
    made_from = _made_from(config, corpus, recognizer, tap, transcribed)
    folder = RunFolder(workdir, made_from, corpus.name, overwrite, config.recognizer)
    compilation_cache.enable_cache()
    seeds = tuple(map(int, config.finetune.seeds))
    tasks = [Task(seed, number) for seed in seeds for number in range(len(found.folds))]
    own = tasks
    if shard := asked.shard:
        own = [task for i, task in enumerate(tasks) if i % shard.count == shard.number - 1]
    missing = folder.missing(own)
    whole, of_predictor = asked.shard is None, keeping.of_predictor(config)
    if not missing and (not whole or folder.is_finished(seeds, of_predictor)):
        print(f"finished already: {folder.path}" if own else f"shard {asked.shard}: has no fold")
        return
    if note := devices_note(jax.local_device_count()):
        print(note)
    heard = _hear(corpus, recognizer, tap, config.finetune, asked.workers)
    found = _readable(corpus, found, heard, config.eval)
    for why, number in Counter(found.left_out).items():
        print(f"left out: {output.counted(number, 'utterance')}: {why}")
    others = folder.of_others(own, digests.of_table(found.ratings))
    missing = [task for task in own if task in (*missing, *others)]
    material = functools.lru_cache(maxsize=1)(
        lambda seed: _material(
            config.finetune, corpus, found, recognizer, tap, heard, transcribed, seed
        )
    )
    bar = progress.bar(missing, desc="folds", unit="fold")
    for task in bar:
        _train_fold(task, config.finetune, material(task.seed), found, folder)
    if whole:
        schedule = functools.partial(_schedule, config.finetune)
        run = keeping.Run(config, folder, corpus, found, recognizer, tap)
        keeping.keep(run, material, schedule)
    else:
        there = output.counted(len(own), "fold")
        print(f"shard {asked.shard}: finished, {there}; run without --config.shard last")


def devices_note(number: int) -> str:
    """A note for a process that has several devices; empty: it has one."""
    if number == 1:
        return ""
    return (
        f"{number} devices: a process trains on the first; for all of them start one each, such as "
        f"CUDA_VISIBLE_DEVICES=0 emoasr finetune --config.shard=1/{number} ..."
    )


def check_recognizer(recognizer: SavedRecognizer, settings: ml_collections.ConfigDict) -> None:
    """Raises a UserError unless the layers that are asked for can be trained."""
    n_layers, asked = recognizer.config.model.n_layers, settings.layers
    if not isinstance(recognizer.model, GatedConvNet):
        kind = recognizer.card.get("architecture", "transformer")
        named = ("layers", "pooling", "init", "augment")
        given = ", ".join(f"{name}={settings[name]}" for name in named)
        more = settings.pooling == ATTENTION or settings.init == "random" or settings.augment
        if asked or more:
            raise UserError(
                f"config.finetune: {given}: of a recognizer of this kind ({kind}) only a head on "
                "its pooled features can be trained; give layers=0, pooling=mean or mean+std, "
                "init=trained, augment=False"
            )
    elif asked > n_layers:
        raise UserError(
            f"config.finetune.layers={asked}: the recognizer has {n_layers}; give fewer, or -1 for "
            "all"
        )


def _transcribed(
    settings: ml_collections.ConfigDict, workdir: Path, recognizer: SavedRecognizer
) -> Transcribed | None:
    if not settings.transcribed:
        return None
    frontend = cast(FrontEndConfig, recognizer.config.frontend)
    return recognition.open_transcribed(settings, workdir, frontend)


def _made_from(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    recognizer: SavedRecognizer,
    tap: str,
    transcribed: Transcribed | None,
) -> dict[str, Any]:
    settings = configurations.leaves(config.finetune, "finetune.")
    for place in PLACES:
        del settings[f"finetune.{place}"]
    settings |= {f"eval.{name}": config.eval[name] for name in _OF_EVAL}
    named = {f"config.{name}": value for name, value in settings.items()}
    columns = ("speaker", "session", *config.eval.targets)
    made_from = {
        **named,
        "config.tap": tap,
        "config.recognizer": recognizer.digest,
        "the corpus": corpus.name,
        "the corpus's files": inputs_digest(corpus.fingerprints()),
        **(transcribed.digests if transcribed else {}),
        **digests.of_inputs({}, corpus.table, columns),
    }
    return json.loads(json.dumps(made_from))


def _hear(
    corpus: Corpus,
    recognizer: SavedRecognizer,
    tap: str,
    settings: ml_collections.ConfigDict,
    workers: int,
) -> Heard:
    """MFCCs; or pooled features, of a network that cannot be trained."""
    if isinstance(recognizer.model, GatedConvNet):
        heard = listening.mfccs(
            corpus, recognizer.config.frontend, workers, with_waves=settings.augment
        )
    else:
        heard = listening.pooled(corpus, recognizer, tap, settings.pooling, workers)
    for i, why in sorted(heard.failed.items())[:3]:
        path = str(corpus.segment(i).path)
        print(f"left out: {why if path in why else f'{path}: {why}'}")
    if len(heard.failed) > 3:
        more = output.counted(len(heard.failed) - 3, "more utterance")
        print(f"left out: {more} that cannot be read")
    for i in sorted(heard.silent):
        print(f"warning: {corpus.silent(i)}")
    return heard


def _readable(
    corpus: Corpus, found: Examples, heard: Heard, settings: ml_collections.ConfigDict
) -> Examples:
    """The examples whose audio can be read."""
    if not heard.failed:
        return found
    if not heard.rows:
        raise UserError(f"no utterance of {corpus.name} could be read; see above")
    read = examples.gather(corpus.table.iloc[sorted(heard.rows)], settings)
    lost = sorted({fold.name for fold in found.folds} - {fold.name for fold in read.folds})
    if lost:
        raise UserError(
            f"fold {', '.join(map(repr, lost))}: none of its utterances can be read, see above; "
            "leave them out of the corpus"
        )
    return read


def _material(
    settings: ml_collections.ConfigDict,
    corpus: Corpus,
    found: Examples,
    recognizer: SavedRecognizer,
    tap: str,
    heard: Heard,
    transcribed: Transcribed | None,
    seed: int,
) -> Material:
    model, frontend = recognizer.model, recognizer.config.frontend
    sizes = recognizer.config.model
    if settings.init == "random":
        at_rate = corpus.at(frontend.sample_rate, frontend.antialias)
        model = untrained.untrained(sizes, frontend, untrained.calibrate(at_rate).waves, seed)
    trained = sizes.n_layers if settings.layers < 0 else settings.layers
    first = sizes.n_layers - trained
    given = 0 if settings.pooling == ATTENTION or settings.augment else first
    head_only = given == sizes.n_layers
    places = corpus.table.index.get_indexer(found.ratings.index)
    rows = [heard.rows[i] for i in places.tolist()]
    batches = settings.buckets, settings.batch_frames
    graph, *weights = (
        (None, {}, {}, {}) if head_only else network.partition(model, first, settings.ctc > 0)
    )
    tuner = Tuner(
        graph, sizes.n_layers, tap, settings.pooling, settings.loss, first, given,
        settings.norms == "adapted", settings.rate_below, settings.weight_decay,
        settings.clip_norm, settings.ctc,
        cast(FrontEndConfig, frontend) if settings.augment else None,
    )  # fmt: skip
    if isinstance(model, GatedConvNet):
        speech = listening.of_mfccs(rows, model, tap, tuner.statistics, given, *batches)
        if settings.augment:
            waves = [heard.waves[i] for i in places.tolist()]
            speech = dataclasses.replace(speech, rows=waves, hop=cast(Any, frontend).hop_length)
    else:
        n_statistics = len(tuner.statistics)
        speech = listening.of_features(np.stack(rows), n_statistics, sizes.n_layers, *batches)
    return Material(tuner, tuple(weights), speech, model, transcribed)


def _schedule(settings: ml_collections.ConfigDict, seed: int) -> Schedule:
    return Schedule(settings.epochs, settings.patience, settings.learning_rate, seed)


def _train_fold(
    task: Task,
    settings: ml_collections.ConfigDict,
    material: Material,
    found: Examples,
    folder: RunFolder,
) -> None:
    """Chooses the epoch, trains on all training speakers, predicts the test speaker; writes it."""
    fold, started = found.folds[task.number], time.monotonic()
    schedule, y_NT = _schedule(settings, task.seed), found.ratings.to_numpy()
    what = f"fold {fold.name!r}, seed {task.seed}"
    chooses = examples.held_out(fold, found.groups["speaker"], settings.held_out, task.seed)
    with folder.noting_failure():
        first = Training(material, y_NT, fold.train[~chooses], schedule)
        losses = training.choose_epoch(first, fold.train[chooses], schedule, what)
        n_epochs = int(np.argmin(losses))
        trained = training.train(material, y_NT, fold.train, schedule, n_epochs, what)
        ratings_NT, _ = trained.predict(material.speech, fold.test)
        training.finite(ratings_NT, f"{what}: a prediction", schedule)
    table = found.groups[["speaker"]].iloc[fold.test].assign(seed=task.seed, fold=fold.name)
    table[found.targets] = ratings_NT  # a rating may be called `self`
    folder.write_fold(task, table, {
        "fold": fold.name, "seed": task.seed, "epochs": n_epochs, "losses": losses,
        "learning_rate": schedule.learning_rate, "seconds": round(time.monotonic() - started, 1),
        "utterances": digests.of_table(found.ratings),
    })  # fmt: skip
