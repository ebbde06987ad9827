"""Speed beside peers, in one run: ratios and medians, since machines differ and are noisy.

    python scripts/benchmark.py train      # needs pip install -e '.[bench]'
    python scripts/benchmark.py eval --repeats=1

Prints a table and writes it, with machine and versions, to --out as JSON.

train: one optimisation step (forward, CTC loss, gradient, clipping, AdamW) of the same network,
from the same weights, on the same batch of MFCCs without padding, in JAX and in PyTorch, float32.
First it checks that both give the same logits. FLOP are those of the convolutions, forward and
backward.

eval: tables of IEMOCAP's size (10039 utterances of 10 speakers in 5 sessions; 1920, 1920, 88 and 40
random features that carry some of two ratings), from tables in memory to all figures: the plain
table, the battery, and the plain table as a script with a scikit-learn pipeline would make it, fold
by fold, without intervals.
"""

import copy
import itertools
import json
import os
import platform
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import audformat
import jax
import numpy as np
import optax
import pandas as pd
from absl import app, flags
from flax import nnx
from sklearn.feature_selection import SelectKBest, f_regression
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import LeaveOneGroupOut, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import emoasr
from emoasr import config, evaluation, features, training
from emoasr.text import BLANK

_REPEATS = flags.DEFINE_integer("repeats", 7, "Timed runs of each, in alternation.", 1)
_FRAMES = flags.DEFINE_integer("frames", 256, "Frames an utterance.", 32)
_BATCH = flags.DEFINE_integer("batch", 32, "Utterances a batch.", 1)
_OUT = flags.DEFINE_string("out", None, "JSON file to write.")


def alternate(
    peers: dict[str, Callable[[], Any]], repeats: int, warm_up: bool = True
) -> dict[str, list[float]]:
    """Seconds of each peer's runs, in turn, after one of each that is not counted."""
    for run in peers.values() if warm_up else ():
        run()
    seconds: dict[str, list[float]] = {name: [] for name in peers}
    for _ in range(repeats):
        for name, run in peers.items():
            start = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def train() -> list[dict[str, Any]]:
    """Rows of the training benchmark."""
    import torch
    from torch_peer import TorchNet

    settings = config.pretraining("transcribed")
    settings.model.dropout = 0.0
    random = np.random.default_rng(0)
    shape = (_BATCH.value, _FRAMES.value, 20)
    mfcc_BTD = random.normal(size=shape).astype(np.float32) * 50
    labels_BL = random.integers(0, 26, (_BATCH.value, _FRAMES.value // 4)).astype(np.int32)
    trainer, state = training.create(settings)
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
    rows = []
    for name, seconds in alternate(peers, _REPEATS.value).items():
        median = statistics.median(seconds)
        rows.append({
            "peer": name, "median_s": median, "min_s": min(seconds), "max_s": max(seconds),
            "audio_hours_an_hour": hours / median * 3600, "gflop_s": flop / median / 1e9,
        })  # fmt: skip
    for row in rows:
        row["times_pytorch"] = rows[-1]["median_s"] / row["median_s"]
    return rows


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
        return training.ctc_loss(logits_BTV, frames_B, labels_BL, n_labels_B)

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


def evaluate() -> list[dict[str, Any]]:
    """Rows of the evaluation benchmark."""
    tables, labels = _like_iemocap()
    settings = config.experiment("table").eval
    asked = copy.deepcopy(settings)
    asked.battery = True
    workers = os.cpu_count() or 1
    peers = {
        "emoasr, plain table": lambda: evaluation.evaluate(tables, labels, settings, workers),
        "emoasr, battery": lambda: evaluation.evaluate(tables, labels, asked, workers),
        "scikit-learn pipeline": lambda: _by_pipeline(tables, labels),
    }
    seconds = alternate(peers, _REPEATS.value, warm_up=False)
    return [{"peer": name, "median_s": statistics.median(s)} for name, s in seconds.items()]


def _like_iemocap() -> tuple[dict[str, pd.DataFrame], pd.DataFrame]:
    random = np.random.default_rng(0)
    n = 10039
    speaker = np.sort(random.integers(0, 10, n))
    ratings = random.normal(3, 0.8, (n, 2)).clip(1, 5).astype(np.float32)
    index = audformat.filewise_index([f"{i:05d}.wav" for i in range(n)])
    tables = {}
    sizes = {"neural": 1920, "random": 1920, "egemaps": 88, "mfcc": 40}
    for name, size in sizes.items():
        x_ND = random.standard_normal((n, 64)) @ random.standard_normal((64, size))
        x_ND += ratings @ random.standard_normal((2, size)) + 4 * random.standard_normal((n, size))
        names = features.unit_names() if size == 1920 else [f"f{i}" for i in range(size)]
        tables[name] = pd.DataFrame(x_ND.astype(np.float32), index, names)
    people = {"speaker": speaker.astype(str), "session": (speaker // 2).astype(str)}
    return tables, pd.DataFrame(people, index).assign(arousal=ratings[:, 0], valence=ratings[:, 1])


def _by_pipeline(tables: dict[str, pd.DataFrame], labels: pd.DataFrame) -> None:
    for table, target in itertools.product(tables.values(), ("arousal", "valence")):
        k = min(100, table.shape[1])
        model = make_pipeline(StandardScaler(), SelectKBest(f_regression, k=k), LinearRegression())
        cross_val_predict(
            model, table, labels[target], groups=labels["speaker"], cv=LeaveOneGroupOut()
        )


def main(argv: list[str]) -> None:
    """Runs the named benchmark."""
    benchmarks = {"train": train, "eval": evaluate}
    if len(argv) != 2 or argv[1] not in benchmarks:
        raise app.UsageError(f"name one benchmark: {', '.join(benchmarks)}")
    rows = benchmarks[argv[1]]()
    for row in rows:
        print("  ".join(f"{k}={v:.3g}" if isinstance(v, float) else str(v) for k, v in row.items()))
    record = {
        "benchmark": argv[1],
        "rows": rows,
        "machine": {"processor": platform.processor() or platform.machine(),
                    "cores": os.cpu_count(), "devices": [str(d) for d in jax.devices()]},
        "versions": {"emoasr": emoasr.__version__, "jax": jax.__version__,
                     "python": platform.python_version()},
    }  # fmt: skip
    if _OUT.value:
        Path(_OUT.value).write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    app.run(main)
