"""The recognizer's network in PyTorch, with its weights copied: a peer for `benchmark.py`."""

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from pathlib import Path

import numpy as np
import torch
from torch import nn

from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.saved import weights

_AHEAD = 4  # batches whose MFCCs may be made before the network asks for them

Reader = Callable[[list[Path]], list[np.ndarray]]  # files to MFCCs (T, D)


class ConvNorm(nn.Module):
    """A convolution over time without bias, and batch norm."""

    def __init__(self, tensors: dict[str, np.ndarray], name: str, dilation: int = 1):
        super().__init__()
        kernel = torch.tensor(tensors[f"{name}.conv.kernel"]).permute(2, 1, 0).contiguous()
        n_out, n_in, width = kernel.shape
        self.conv = nn.Conv1d(
            n_in, n_out, width, dilation=dilation, padding="same", bias=False
        )  # fmt: skip
        self.norm = nn.BatchNorm1d(n_out, eps=1e-8, momentum=0.01)
        self.conv.weight.data = kernel
        for ours, theirs in (("scale", "weight"), ("bias", "bias"), ("mean", "running_mean"),
                             ("var", "running_var")):  # fmt: skip
            getattr(self.norm, theirs).data = torch.tensor(tensors[f"{name}.norm.{ours}"])

    def forward(self, x_BCT: torch.Tensor) -> torch.Tensor:
        """Convolution, then norm."""
        return self.norm(self.conv(x_BCT))


class TorchNet(nn.Module):
    """The same network as `GatedConvNet`, for batches without padding."""

    def __init__(self, model: GatedConvNet):
        super().__init__()
        tensors, config = weights(model), model.config
        self.front = ConvNorm(tensors, "front")
        self.gates, self.outs = nn.ModuleList(), nn.ModuleList()
        for i, dilation in enumerate(config.dilations * config.n_blocks):
            self.gates.append(ConvNorm(tensors, f"layers.{i}.filter_gate", dilation))
            self.outs.append(ConvNorm(tensors, f"layers.{i}.out"))
        self.head = ConvNorm(tensors, "head")
        self.symbols = nn.Conv1d(config.n_channels, config.n_symbols, 1)
        self.symbols.weight.data = (
            torch.tensor(tensors["symbols.kernel"]).permute(2, 1, 0).contiguous()
        )
        self.symbols.bias.data = torch.tensor(tensors["symbols.bias"])

    def layers(self, mfcc_BTD: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Each layer's gated units and its skip (B, C, T)."""
        h_BCT = torch.tanh(self.front(mfcc_BTD.transpose(1, 2)))
        for gate, out in zip(self.gates, self.outs, strict=True):
            filter_BCT, gate_BCT = gate(h_BCT).chunk(2, dim=1)
            units_BCT = torch.tanh(filter_BCT) * torch.sigmoid(gate_BCT)
            skip_BCT = torch.tanh(out(units_BCT))
            yield units_BCT, skip_BCT
            h_BCT = h_BCT + skip_BCT

    @torch.no_grad()
    def mean_gates(self, mfcc_BTD: torch.Tensor, frames_B: torch.Tensor) -> torch.Tensor:
        """Means of all layers' gated units over the valid frames (B, layers * C)."""
        valid_BT = torch.arange(mfcc_BTD.shape[1]) < frames_B[:, None]
        share_BT = valid_BT / frames_B[:, None]
        means = [torch.einsum("bct,bt->bc", units, share_BT) for units, _ in self.layers(mfcc_BTD)]
        return torch.cat(means, dim=1)

    def forward(self, mfcc_BTD: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V)."""
        skips_BCT = sum(skip_BCT for _, skip_BCT in self.layers(mfcc_BTD))
        return self.symbols(torch.tanh(self.head(skips_BCT))).transpose(1, 2)


def one_by_one(network: TorchNet, files: list[Path], read: Reader) -> np.ndarray:
    """Mean gated units (files, units), one file after the other."""
    rows = []
    for file in files:
        mfcc_BTD = torch.from_numpy(np.stack(read([file])))
        rows.append(network.mean_gates(mfcc_BTD, torch.tensor([mfcc_BTD.shape[1]])))
    return torch.cat(rows).numpy()


def batched(
    network: TorchNet,
    files: list[Path],
    n_frames: np.ndarray,
    batch_frames: int,
    read: Reader,
    pool: Executor,
    n_processes: int,
) -> np.ndarray:
    """Mean gated units (files, units), by length in padded batches; the pool reads ahead.

    Padding is not masked within the network: units near an utterance's end differ.
    """
    order = np.argsort(-n_frames, kind="stable")
    batches, start = [], 0
    while start < len(order):  # the first of a batch is its longest
        batches.append(order[start : start + max(1, batch_frames // n_frames[order[start]])])
        start += len(batches[-1])
    rows = []
    for batch, mfccs in zip(batches, _ahead(batches, files, read, pool, n_processes), strict=True):
        mfcc_BTD = nn.utils.rnn.pad_sequence([torch.from_numpy(m) for m in mfccs], True)
        rows.append(network.mean_gates(mfcc_BTD, torch.from_numpy(n_frames[batch])))
    values = np.empty((len(files), rows[0].shape[1]), np.float32)
    values[order] = torch.cat(rows).numpy()
    return values


def _ahead(
    batches: list[np.ndarray], files: list[Path], read: Reader, pool: Executor, n_parts: int
) -> Iterator[list[np.ndarray]]:
    """The MFCCs of each batch, while the pool makes those of the next ones."""
    waiting: deque[list[Future]] = deque()
    for batch in batches:
        parts = np.array_split(batch, n_parts)
        waiting.append([pool.submit(read, [files[i] for i in part]) for part in parts])
        if len(waiting) > _AHEAD:
            yield [mfcc for part in waiting.popleft() for mfcc in part.result()]
    for futures in waiting:
        yield [mfcc for part in futures for mfcc in part.result()]
