"""Sections of `accelerator_check.py`: speed, beside a large product's and PyTorch's."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import timing
from accelerator_setup import Setup
from bench_device import multiplication, weights_of_gates
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.inference import pooling

Run = Callable[[], Any]


def jax_rows(setup: Setup) -> Iterator[dict[str, Any]]:
    """The front end, and by compute dtype forward pass and gradient."""
    yield _row(setup, "front end", "float32", _front(setup))
    flop = _flop(setup)
    for dtype in setup.sizes.dtypes:
        ceiling = _tflop_s(setup, multiplication(dtype, setup.sizes.side), 2 * setup.sizes.side**3)
        yield {"what": "large product", "compute_dtype": dtype, "tflop_s": ceiling}
        runs = {
            "forward": (_forward(setup, dtype), flop),
            "gradient": (_gradient(setup, dtype), 3 * flop),
        }
        for what, (run, work) in runs.items():
            yield _row(setup, what, dtype, run, work, ceiling)


def torch_rows(setup: Setup) -> Iterator[dict[str, Any]]:
    """PyTorch's forward pass and gradient of the same network, by precision."""
    import torch
    from torch_peer import TorchNet

    device = "cuda" if torch.cuda.is_available() else "cpu"
    peer = TorchNet(setup.recognizer.model).to(device)
    mfcc = torch.tensor(_mfcc(setup), device=device)
    torch.backends.cudnn.benchmark = True
    flop = _flop(setup)
    for dtype in setup.sizes.dtypes:
        exact = "ieee" if dtype == "float32" else "tf32"
        torch.backends.cudnn.conv.fp32_precision = exact
        torch.backends.cuda.matmul.fp32_precision = exact
        square = torch.randn(setup.sizes.side, setup.sizes.side, device=device)
        square = square.bfloat16() if dtype == "bfloat16" else square
        product = _waited(lambda square=square: square @ square, device)
        ceiling = _tflop_s(setup, product, 2 * setup.sizes.side**3)
        yield {"what": "large product", "compute_dtype": dtype, "tflop_s": ceiling}
        for what, run, work in (
            ("forward", _torch_forward(peer, mfcc, dtype), flop),
            ("gradient", _torch_gradient(peer, mfcc, dtype), 3 * flop),
        ):
            yield _row(setup, what, dtype, _waited(run, device), work, ceiling)


def _row(
    setup: Setup, what: str, dtype: str, run: Run, flop: float = 0.0, ceiling: float = 0.0
) -> dict[str, Any]:
    """Seconds of what is computed of the batch; with `flop` given, its speed too."""
    seconds = timing.alternate({what: run}, setup.sizes.repeats)[what]
    summary = timing.summary(seconds)
    frames = setup.sizes.utterances * setup.sizes.frames
    frontend = setup.recognizer.config.frontend
    speech_s = frames * frontend.hop_length / frontend.sample_rate
    row = {"what": what, "compute_dtype": dtype, **summary}
    row["times_real_time"] = speech_s / summary["median_s"]
    if flop:
        row["tflop_s"] = flop / summary["median_s"] / 1e12
        row["of_large_product"] = row["tflop_s"] / ceiling
    return row


def _tflop_s(setup: Setup, run: Run, flop: float) -> float:
    seconds = timing.alternate({"": run}, setup.sizes.repeats)[""]
    return flop / timing.summary(seconds)["median_s"] / 1e12


def _flop(setup: Setup) -> float:
    """Of the convolutions of one forward pass."""
    frames = setup.sizes.utterances * setup.sizes.frames
    return 2.0 * frames * weights_of_gates(setup.recognizer.model)


def _mfcc(setup: Setup) -> np.ndarray:
    shape = (setup.sizes.utterances, setup.sizes.frames, setup.recognizer.config.frontend.n_mfcc)
    return np.random.default_rng(0).normal(0, 50, shape).astype(np.float32)


def _front(setup: Setup) -> Run:
    frontend, rows = setup.recognizer.config.frontend, setup.sizes.utterances
    n_samples = (setup.sizes.frames - 1) * frontend.hop_length
    wave_BN = 0.1 * jax.random.normal(jax.random.key(0), (rows, n_samples))
    lengths_B = jnp.full(rows, n_samples)
    mfcc = jax.jit(lambda wave_BN: fe.mfcc(wave_BN, lengths_B, frontend)[0])
    return lambda: jax.block_until_ready(mfcc(wave_BN))


def _forward(setup: Setup, dtype: str) -> Run:
    """All gate activations, pooled, as extraction computes them."""
    graph, state = nnx.split(setup.recognizer.model.computing_in(dtype))
    rows, frames = setup.sizes.utterances, setup.sizes.frames
    mask_BT = jnp.ones((rows, frames), bool)
    mfcc_BTD = jnp.asarray(_mfcc(setup))

    @jax.jit
    def units(state, mfcc_BTD):
        layers = nnx.merge(graph, state)(mfcc_BTD, jnp.full(rows, frames)).taps["gate"]
        return jnp.concatenate([pooling.pool(x, mask_BT, "mean") for x in layers], axis=1)

    return lambda: jax.block_until_ready(units(state, mfcc_BTD))


def _gradient(setup: Setup, dtype: str) -> Run:
    """Of the mean square of all logits by all weights, in training mode."""
    network = setup.recognizer.model.computing_in(dtype)
    graph, params, others = nnx.split(network, nnx.Param, ...)
    frames_B = jnp.full(setup.sizes.utterances, setup.sizes.frames)
    mfcc_BTD = jnp.asarray(_mfcc(setup))

    @jax.jit
    @jax.value_and_grad
    def step(params, others, mfcc_BTD):
        model = nnx.merge(graph, params, others, copy=True)
        logits_BTV = model(mfcc_BTD, frames_B, jax.random.key(0)).logits_BTV
        return jnp.mean(jnp.square(logits_BTV))

    return lambda: jax.block_until_ready(step(params, others, mfcc_BTD))


def _waited(run: Run, device: str) -> Run:
    """A run of PyTorch, until its end."""
    import torch

    def waited() -> None:
        run()
        if device == "cuda":
            torch.cuda.synchronize()

    return waited


def _rounding(dtype: str, device: str) -> contextlib.AbstractContextManager:
    import torch

    return torch.autocast(device, torch.bfloat16, enabled=dtype == "bfloat16")


def _torch_forward(peer: Any, mfcc: Any, dtype: str) -> Run:
    import torch

    def run() -> None:
        peer.eval()
        with torch.no_grad(), _rounding(dtype, mfcc.device.type):
            for units_BCT, _ in peer.layers(mfcc):
                units_BCT.mean(dim=2)

    return run


def _torch_gradient(peer: Any, mfcc: Any, dtype: str) -> Run:
    """Of the mean square of all logits, as `_gradient`."""

    def run() -> None:
        peer.train()
        peer.zero_grad()
        with _rounding(dtype, mfcc.device.type):
            logits_BTV = peer(mfcc)
        logits_BTV.float().square().mean().backward()

    return run
