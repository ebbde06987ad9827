"""`benchmark.py train`: one optimisation step beside PyTorch's.

The step is forward, CTC loss, gradient, clipping and AdamW, of the same network from the same
weights, on the same batch of MFCCs without padding, float32. First both must give the same logits.
FLOP are those of the convolutions, forward and backward.

Then whole steps of a training from prepared speech (noise of as many utterances, read, augmented,
heard by the front end and learnt from): fed batch by batch, from speech on the device, and so with
factors in bfloat16.
"""

import contextlib
import dataclasses
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
import soundfile
from flax import nnx
from timing import alternate, summary

from emoasr import config
from emoasr.asr.text import BLANK
from emoasr.training import data, sharding
from emoasr.training.step import State, Trainer, create, ctc_loss

STEPS = 6  # of a training, in one run
_BATCHES = 3  # of different utterances


def rows(repeats: int, n_utterances: int, n_frames: int) -> list[dict[str, Any]]:
    """Seconds of a step, and the speech that it makes."""
    import torch
    from torch_peer import TorchNet

    settings = config.pretraining("transcribed")
    settings.model.dropout = 0.0
    random = np.random.default_rng(0)
    shape = (n_utterances, n_frames, 20)
    mfcc_BTD = random.normal(size=shape).astype(np.float32) * 50
    labels_BL = random.integers(0, 26, (n_utterances, n_frames // 4)).astype(np.int32)
    trainer, state = create(settings)
    model = trainer.network(state)
    peer = TorchNet(model)
    _check_same(model, peer, mfcc_BTD)

    peers = {
        "emoasr (JAX)": _jax_step(trainer, state, mfcc_BTD, labels_BL),
        f"PyTorch {torch.__version__}": _torch_step(peer, settings.train, mfcc_BTD, labels_BL),
    }
    hours = mfcc_BTD.shape[0] * mfcc_BTD.shape[1] * 0.032 / 3600
    kernels = sum(leaf.size for leaf in jax.tree.leaves(state.params) if leaf.ndim > 1)
    flop = 3 * 2 * kernels * shape[0] * shape[1]
    found = []
    for name, seconds in alternate(peers, repeats).items():
        median = statistics.median(seconds)
        found.append({
            "peer": name, "median_s": median, "min_s": min(seconds), "max_s": max(seconds),
            "audio_hours_an_hour": hours / median * 3600, "gflop_s": flop / median / 1e9,
        })  # fmt: skip
    for row in found:
        row["times_pytorch"] = found[-1]["median_s"] / row["median_s"]
    return found + _whole_steps(repeats, n_utterances, n_frames)


def _whole_steps(repeats: int, n_utterances: int, n_frames: int) -> list[dict[str, Any]]:
    """Seconds of a step with all that precedes it, by where the speech lies."""
    with noise(n_utterances, n_frames) as (trainer, state, examples):
        rounding = dataclasses.replace(trainer, compute_dtype="bfloat16")
        peers = {
            "a training's step, fed": training(trainer, state, examples, 0),
            "of speech on the device": training(trainer, state, examples, 1),
            "and in bfloat16": training(rounding, state, examples, 1),
        }
        seconds = alternate(peers, repeats)
    found = [
        {"peer": name, **summary([s / STEPS for s in of_peer])} for name, of_peer in seconds.items()
    ]
    for row in found:
        row["times_fed"] = found[0]["median_s"] / row["median_s"]
    return found


@contextlib.contextmanager
def noise(n_utterances: int, n_frames: int) -> Iterator[tuple[Trainer, State, data.Examples]]:
    """A training that begins, and its prepared speech: noise, of some batches."""
    settings = config.pretraining("transcribed")
    settings.train.batch_frames, settings.train.buckets = n_utterances * n_frames, 1
    trainer, state = create(settings)
    with tempfile.TemporaryDirectory() as folder:
        settings.corpus.path = settings.corpus.data_dir = folder
        _write_noise(Path(folder), n_utterances * _BATCHES, n_frames * trainer.frontend.hop_length)
        corpus = data.CORPORA["transcribed"].load(settings.corpus, Path(folder))
        yield trainer, state, data.open_splits(corpus, settings, trainer.frontend)[0]["train"]


def training(
    trainer: Trainer, state: State, examples: data.Examples, share: float
) -> Callable[[], None]:
    """A function that goes on by some steps; `share` is `config.train.resident`."""
    endless = examples.training(10**6, 0, trainer.mesh, share) if share else None
    carried = sharding.replicate(jax.tree.map(np.asarray, state), trainer.mesh)

    def run() -> None:
        nonlocal carried
        batches = endless or examples.training(STEPS, 0, trainer.mesh, 0)
        for number in range(STEPS):
            carried, metrics = trainer.step(carried, np.int32(number), next(batches))
        jax.block_until_ready(metrics)

    return run


def _write_noise(folder: Path, n: int, n_samples: int) -> None:
    random, lines = np.random.default_rng(0), ["file,speaker,split,text"]
    for i in range(n + 1):
        soundfile.write(folder / f"{i}.wav", 0.1 * random.standard_normal(n_samples), 16000)
        split = "train" if i else "valid"
        lines.append(f"{i}.wav,{split},{split},{'speech ' * (n_samples // 16000)}")
    (folder / "metadata.csv").write_text("\n".join(lines) + "\n")


def _check_same(model, peer, mfcc_BTD: np.ndarray) -> None:
    import torch

    frames_B = np.full(len(mfcc_BTD), mfcc_BTD.shape[1])
    ours = np.asarray(model(mfcc_BTD, frames_B).logits_BTV)
    with torch.no_grad():
        theirs = peer.eval()(torch.tensor(mfcc_BTD)).numpy()
    difference = float(np.abs(ours - theirs).max())
    print(f"largest difference of the logits: {difference:.1e}")
    if difference > 1e-3:
        raise SystemExit("the networks differ; the comparison would mean nothing")


def _jax_step(trainer, state, mfcc_BTD, labels_BL) -> Callable[[], Any]:
    frames_B = np.full(len(mfcc_BTD), mfcc_BTD.shape[1])
    n_labels_B = np.full(len(labels_BL), labels_BL.shape[1])

    def loss(params, statistics):
        model = nnx.merge(trainer.graph, params, statistics, copy=True)
        logits_BTV = model(mfcc_BTD, frames_B, jax.random.key(0)).logits_BTV
        return ctc_loss(logits_BTV, frames_B, labels_BL, n_labels_B)

    @jax.jit
    def step(state):
        gradient = jax.grad(loss)(state.params, state.statistics)
        updates, optimizer = trainer.optimizer.update(gradient, state.optimizer, state.params)
        return optax.apply_updates(state.params, updates), optimizer

    return lambda: jax.block_until_ready(step(state))


def _torch_step(peer, train, mfcc_BTD, labels_BL) -> Callable[[], Any]:
    import torch

    mfcc, labels = torch.tensor(mfcc_BTD), torch.tensor(labels_BL, dtype=torch.long)
    n_frames = torch.full((len(mfcc),), mfcc.shape[1])
    n_labels = torch.full((len(labels),), labels.shape[1])
    optimizer = torch.optim.AdamW(
        peer.parameters(), lr=train.learning_rate, weight_decay=train.weight_decay
    )
    peer.train()

    def step() -> None:
        optimizer.zero_grad()
        scores = torch.log_softmax(peer(mfcc), dim=-1).transpose(0, 1)
        loss = torch.nn.functional.ctc_loss(
            scores, labels, n_frames, n_labels, blank=BLANK, reduction="sum"
        )
        (loss / n_labels.sum()).backward()
        torch.nn.utils.clip_grad_norm_(peer.parameters(), train.clip_norm)
        optimizer.step()

    return step
