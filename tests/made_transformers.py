"""Waves that tests of transformers hear, and that PyTorch heard before."""

from pathlib import Path

import numpy as np


def wave(n_samples: int) -> np.ndarray:
    """A sweep that swells, with an offset that normalising must take out."""
    t = np.arange(n_samples) / 16000
    return (0.1 + 0.4 * np.sin(2500 * t**1.5) * np.abs(np.sin(9 * t + 1))).astype(np.float32)


WAVES = [wave(n) for n in (6400, 3333, 9000)]


def pooled(frontend, folder: Path) -> np.ndarray:
    """PyTorch's hidden states of the waves, averaged over their own frames."""
    expected = np.load(folder / "expected.npz")
    own = [slice(int(frontend.n_frames(len(wave_N)))) for wave_N in WAVES]
    return np.stack(
        [expected[f"states{i}"][:, of].mean(axis=1).ravel() for i, of in enumerate(own)]
    )
