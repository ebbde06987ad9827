"""From waveforms to text: the likeliest symbols, on the device, and greedy CTC decoding."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import nnx

from emoasr import frontend as fe
from emoasr.text import BLANK, SYMBOLS


@partial(jax.jit, static_argnums=(0, 1))
def best_symbols(
    graph: nnx.GraphDef,
    frontend: fe.FrontEndConfig,
    state: nnx.State,
    wave_BN: fe.Array,
    lengths_B: fe.Array,
) -> dict[str, jax.Array]:
    """The likeliest CTC class of every frame.

    Args:
        graph: the network's structure, `nnx.split(network)[0]`.
        frontend: its front end.
        state: its weights, `nnx.split(network)[1]`.
        wave_BN: float32 samples in [-1, 1], padded to whole hops.
        lengths_B: true lengths, samples.

    Returns:
        `best`: classes (B, T); blank beyond an utterance's end.
    """
    mfcc_BTD, frames_B = fe.mfcc(wave_BN, lengths_B, frontend)
    logits_BTV = nnx.merge(graph, state)(mfcc_BTD, frames_B).logits_BTV
    mask_BT = fe.frame_mask(frames_B, logits_BTV.shape[1])
    return {"best": jnp.where(mask_BT, jnp.argmax(logits_BTV, -1), BLANK)}


def greedy(best_T: np.ndarray) -> tuple[str, list[int]]:
    """Greedy CTC decoding: repeats merged, blanks dropped, spaces at the ends stripped.

    Args:
        best_T: the best class of each frame.

    Returns:
        The text, and for each of its characters the frame where it begins.
    """
    begins = np.flatnonzero((np.diff(best_T, prepend=-1) != 0) & (best_T != BLANK))
    text = "".join(SYMBOLS[c] for c in best_T[begins])
    first, stripped = len(text) - len(text.lstrip()), text.strip()
    return stripped, begins[first : first + len(stripped)].tolist()
