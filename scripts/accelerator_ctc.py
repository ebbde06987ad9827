"""Section of `accelerator_check.py`: the CTC loss and its gradient, beside one of half the steps.

Optax runs the forward recursion from the first frame to the last. All paths of a text pass the
middle frame; the backward recursion is the forward one of the reversed text, so here both run side
by side, from both ends to the middle: the same work in half as many sequential steps. A CPU gains
little from it; a GPU, whose steps are short, might.

Shape suffixes: B utterances, R rows, 2 B: utterances forwards, then backwards; T frames, V classes,
L labels, S a text's states, 2 L + 1: a blank before and after each label.
"""

from collections.abc import Callable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import timing
from accelerator_setup import Setup

from emoasr.asr.frontend import frame_mask
from emoasr.asr.text import BLANK
from emoasr.training.step import ctc_loss

_NEVER = -1e5  # log probability of the impossible; finite, so that gradients are


def from_both_ends(logits_BTV, frames_B, labels_BL, n_labels_B):
    """As `ctc_loss`, of an even number of frames."""
    backwards_BL = jnp.maximum(n_labels_B[:, None] - 1 - jnp.arange(labels_BL.shape[1]), 0)
    reversed_BL = jnp.take_along_axis(labels_BL, backwards_BL, axis=1)
    classes_RS, skips_RS = _states(jnp.concatenate([labels_BL, reversed_BL]))
    n_rows, n_frames, n_classes = logits_BTV.shape
    scores_TRS = jnp.einsum(
        "rtv,rsv->trs", _halves(jax.nn.log_softmax(logits_BTV)),
        jax.nn.one_hot(classes_RS, n_classes), precision=jax.lax.Precision.HIGHEST,
    )  # fmt: skip

    def step(before_RS, frame):
        scores_RS, valid_R = frame
        after_RS = _moved(before_RS, skips_RS) + scores_RS
        return jnp.where(valid_R[:, None], after_RS, before_RS), None

    start_RS = jnp.full(classes_RS.shape, _NEVER).at[:, 0].set(0.0)
    frames = scores_TRS, _halves(frame_mask(frames_B, n_frames)).T
    end_RS, _ = jax.lax.scan(step, start_RS, frames)
    back_BS = _moved(end_RS[n_rows:], skips_RS[n_rows:])
    state_BS = 2 * n_labels_B[:, None] - jnp.arange(back_BS.shape[1])  # in the reversed text
    back_BS = jnp.take_along_axis(back_BS, jnp.maximum(state_BS, 0), axis=1)
    met_BS = jnp.where(state_BS >= 0, end_RS[:n_rows] + back_BS, _NEVER)
    nats_B = -jax.nn.logsumexp(met_BS, axis=1)
    return jnp.sum(jnp.where(n_labels_B > 0, nats_B, 0.0)) / jnp.maximum(jnp.sum(n_labels_B), 1)


def _halves(x_BT):
    """(R, T / 2, ...): frames from the first on, then from the last on."""
    middle = x_BT.shape[1] // 2
    return jnp.concatenate([x_BT[:, :middle], x_BT[:, : middle - 1 : -1]])


def _states(labels_RL):
    """The class of each state; 0 where the blank before it may be left out, else `_NEVER`."""
    n_rows, n_labels = labels_RL.shape
    blanks_RS = jnp.full((n_rows, 2 * n_labels + 1), BLANK)
    differ_RL = labels_RL[:, 1:] != labels_RL[:, :-1]
    never_RS = jnp.full(blanks_RS.shape, _NEVER)
    skips_RS = never_RS.at[:, 3::2].set(jnp.where(differ_RL, 0.0, _NEVER))
    return blanks_RS.at[:, 1::2].set(labels_RL), skips_RS


def _moved(before_RS, skips_RS):
    """Log probabilities of reaching each state: from it, the one before, the one before that."""

    def shifted(by):
        return jnp.pad(before_RS, ((0, 0), (by, 0)), constant_values=_NEVER)[:, :-by]

    ways = before_RS, shifted(1), shifted(2) + skips_RS
    largest_RS = jax.lax.stop_gradient(jnp.maximum(jnp.maximum(ways[0], ways[1]), ways[2]))
    return largest_RS + jnp.log(sum(jnp.exp(way - largest_RS) for way in ways))


LOSSES: dict[str, Callable[..., jax.Array]] = {
    "of a training: Optax's": ctc_loss, "from both ends": from_both_ends,
}  # fmt: skip


def labelled(sizes) -> tuple[np.ndarray, ...]:
    """Logits, valid frames, labels and their counts, of a batch of different lengths."""
    random = np.random.default_rng(0)
    rows, frames = sizes.utterances, sizes.frames
    logits_BTV = random.normal(size=(rows, frames, BLANK + 1)).astype(np.float32)
    labels_BL = random.integers(0, BLANK, (rows, frames // 4)).astype(np.int32)
    labels_BL[:, 1::3] = labels_BL[:, ::3][:, : labels_BL[:, 1::3].shape[1]]  # doubled letters
    n_labels_B = random.integers(0, frames // 4 + 1, rows).astype(np.int32)
    frames_B = random.integers(2 * n_labels_B + 1, frames + 1).astype(np.int32)
    return logits_BTV, frames_B, labels_BL, n_labels_B


def rows(setup: Setup) -> Iterator[dict[str, Any]]:
    """Seconds of loss and gradient; the largest differences from Optax's, by its largest value."""
    batch = [jnp.asarray(x) for x in labelled(setup.sizes)]
    runs = {}
    for name, loss in LOSSES.items():
        with jax.default_matmul_precision("highest"):  # as in a training's step
            step = jax.jit(jax.value_and_grad(loss)).lower(*batch).compile()
        runs[name] = lambda step=step: jax.block_until_ready(step(*batch))
    expected = runs["of a training: Optax's"]()
    for name, seconds in timing.alternate(runs, setup.sizes.repeats).items():
        off = {
            what: float(jnp.abs(a - b).max() / jnp.abs(b).max())
            for what, a, b in zip(
                ("of the loss", "of its gradient"), runs[name](), expected, strict=True
            )
        }
        yield {"loss": name, **timing.summary(seconds), "largest difference": off}
