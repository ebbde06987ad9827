"""The recognizer's network in PyTorch, with its weights copied: a peer for `benchmark.py`."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import nn

from emoasr.model import GatedConvNet
from emoasr.recognizer import weights


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

    def forward(self, mfcc_BTD: torch.Tensor) -> torch.Tensor:
        """Logits (B, T, V)."""
        skips_BCT = sum(skip_BCT for _, skip_BCT in self.layers(mfcc_BTD))
        return self.symbols(torch.tanh(self.head(skips_BCT))).transpose(1, 2)
