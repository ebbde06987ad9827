"""`benchmark.py frontend` and `model`: what the device computes, beside peers and its ceiling.

frontend: MFCCs of the same 64 utterances of 4.5 s: emoasr's padded batches on the device, and
librosa one after the other.

model: the forward pass up to all gate activations, as extraction runs it, of one batch of MFCCs
without padding: emoasr's, PyTorch's from the same weights, and each library's float32 product of
two 3072 x 3072 matrices, the ceiling. FLOP are those of the convolutions.
"""

import statistics
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx
from timing import alternate

import emoasr
from emoasr.asr import frontend as fe
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.inference import bucketing, pooling

SIDE = 3072  # of the matrices whose product is the ceiling


def frontend(repeats: int) -> list[dict[str, Any]]:
    """Seconds of the front end."""
    import librosa

    config = fe.FrontEndConfig()
    random = np.random.default_rng(0)
    n_samples = int(4.5 * config.sample_rate)
    waves = list((0.1 * random.standard_normal((64, n_samples))).astype(np.float32))
    longest = -(-n_samples // config.hop_length) * config.hop_length
    wave_BN, lengths_B = bucketing.pad(waves, len(waves), longest)
    mfcc = jax.jit(lambda wave_BN: fe.mfcc(wave_BN, lengths_B, config)[0])
    peers = {
        "emoasr": lambda: jax.block_until_ready(mfcc(wave_BN)),
        f"librosa {librosa.__version__}": lambda: [
            librosa.feature.mfcc(y=wave_N, sr=config.sample_rate, n_mfcc=config.n_mfcc)
            for wave_N in waves
        ],
    }
    seconds_of_audio = len(waves) * n_samples / config.sample_rate
    found = [
        {"peer": name, "median_s": statistics.median(s),
         "times_real_time": seconds_of_audio / statistics.median(s)}
        for name, s in alternate(peers, repeats).items()
    ]  # fmt: skip
    for row in found:
        row["times_librosa"] = found[-1]["median_s"] / row["median_s"]
    return found


def model(repeats: int, n_utterances: int, n_frames: int) -> list[dict[str, Any]]:
    """Seconds of the forward pass."""
    import torch

    network = emoasr.load_recognizer().model
    shape = (n_utterances, n_frames, network.config.n_mfcc)
    mfcc_BTD = np.random.default_rng(0).normal(0, 50, shape).astype(np.float32)
    torch_square = torch.tensor(_square())
    frames_B = np.full(n_utterances, n_frames, np.int32)
    mask_BT = np.ones((n_utterances, n_frames), bool)
    graph, state = nnx.split(network)

    @jax.jit
    def units(state, mfcc_BTD):
        layers = nnx.merge(graph, state)(mfcc_BTD, frames_B).taps["gate"]
        return jnp.concatenate([pooling.pool(x, mask_BT, "mean") for x in layers], axis=1)

    work = 2 * n_utterances * n_frames * weights_of_gates(network)
    ceiling = 2 * SIDE**3
    peers: dict[str, tuple[int, Callable[[], Any]]] = {
        "emoasr (JAX)": (work, lambda: jax.block_until_ready(units(state, mfcc_BTD))),
        "ceiling of JAX": (ceiling, multiplication()),
        f"PyTorch {torch.__version__}": (work, _torch_gates(network, mfcc_BTD)),
        "ceiling of PyTorch": (ceiling, lambda: torch_square @ torch_square),
    }
    seconds = alternate({name: run for name, (_, run) in peers.items()}, repeats)
    found = []
    for name, (flop, _) in peers.items():
        median = statistics.median(seconds[name])
        found.append({"peer": name, "median_s": median, "gflop_s": flop / median / 1e9})
    for row, top in ((found[0], found[1]), (found[2], found[3])):
        row["of_ceiling"] = row["gflop_s"] / top["gflop_s"]
    return found


def multiplication(dtype: str = "float32", side: int = SIDE) -> Callable[[], Any]:
    """JAX's product of two large matrices: 2 * side ** 3 FLOP.

    Args:
        dtype: of the factors, one of `choices.COMPUTE_DTYPES`.
        side: of the matrices.
    """
    on_device = jnp.asarray(_square(side), "bfloat16" if dtype == "bfloat16" else "float32")
    how = jax.lax.Precision.HIGHEST if dtype == "float32" else jax.lax.Precision.DEFAULT
    multiply = jax.jit(lambda x: jnp.matmul(x, x, precision=how, preferred_element_type="float32"))
    return lambda: jax.block_until_ready(multiply(on_device))


def _square(side: int = SIDE) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((side, side)).astype(np.float32)


def weights_of_gates(network: GatedConvNet) -> int:
    """Weights of the convolutions that the gate activations need."""
    kernels = [network.front.conv.kernel, *(la.filter_gate.conv.kernel for la in network.layers)]
    kernels += [layer.out.conv.kernel for layer in network.layers[:-1]]
    return sum(kernel[...].size for kernel in kernels)


def _torch_gates(network: GatedConvNet, mfcc_BTD: np.ndarray) -> Callable[[], Any]:
    import torch
    from torch_peer import TorchNet

    peer = TorchNet(network).eval()
    mfcc = torch.tensor(mfcc_BTD)

    def run() -> None:
        with torch.no_grad():
            for units_BCT, _ in peer.layers(mfcc):
                units_BCT.mean(dim=2)

    return run
