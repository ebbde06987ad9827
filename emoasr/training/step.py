"""One step of CTC training, and the state that it carries."""

import dataclasses
from contextlib import AbstractContextManager
from functools import cache, cached_property, partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import ml_collections
import optax
import optax.contrib
from flax import nnx

from emoasr.asr import frontend as fe
from emoasr.asr import text
from emoasr.asr.frontend import Array
from emoasr.asr.networks.base import Network
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.saved import SavedRecognizer
from emoasr.errors import UserError
from emoasr.settings.choices import AugmentConfig, ModelConfig
from emoasr.system import forks
from emoasr.training import augment, sharding, targets, teacher


class Batch(NamedTuple):
    """A padded batch of transcribed speech.

    Attributes:
        wave_BN: samples, int16; N a whole number of hops.
        lengths_B: true lengths, samples; 0 marks an empty row.
        labels_BL: CTC classes, padded.
        n_labels_B: true label counts.
        min_frames_B: frames that the labels need.
        states_BTD: a teacher's hidden states, standardised, float16; None: there is no teacher.
    """

    wave_BN: Array
    lengths_B: Array
    labels_BL: Array
    n_labels_B: Array
    min_frames_B: Array
    states_BTD: Array | None = None


class State(NamedTuple):
    """What a step changes: parameters, batch-norm statistics, optimizer state."""

    params: nnx.State
    statistics: nnx.State
    optimizer: optax.OptState


@dataclasses.dataclass(frozen=True)
class Trainer:
    """The fixed part of a training: everything that a step needs besides state and data.

    Attributes:
        graph: the network's structure.
        optimizer: update rule.
        frontend: front end.
        augmentation: strengths; None trains on speech as it is.
        seed: of augmentation and dropout.
        mesh: the devices, see `sharding`.
        compute_dtype: what the network multiplies in, see `Network.computing_in`; weights, norms,
            loss and update are float32, and so is validation.
        teacher_weight: of the teacher's loss, CTC having the rest; 0: there is no teacher.
    """

    graph: nnx.GraphDef
    optimizer: optax.GradientTransformation
    frontend: fe.FrontEndConfig
    augmentation: AugmentConfig | None
    seed: int
    mesh: jax.sharding.Mesh
    compute_dtype: str = "float32"
    teacher_weight: float = 0.0

    def __hash__(self) -> int:
        """Cached: every call of a step needs it, and the graph's takes longer than all else."""
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash(tuple(getattr(self, field.name) for field in dataclasses.fields(self)))

    @partial(jax.jit, static_argnums=0, donate_argnums=1)
    def step(self, state: State, number: jax.Array, batch: Batch) -> tuple[State, dict]:
        """Step `number` (from 0): the new state in the old one's memory, losses and gradient norm.

        All randomness follows from the seed, the step's number and the place in the batch, so
        continuing repeats it, on any number of devices.
        """
        key = jax.random.fold_in(jax.random.key(self.seed), number)
        with exact_products():  # all but the network, which has a precision of its own
            (_, (losses, statistics)), gradient = jax.value_and_grad(self._loss, has_aux=True)(
                state.params, state.statistics, batch, key
            )
            updates, optimizer = self.optimizer.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        metrics = {**losses, "gradient_norm": optax.tree.norm(gradient)}
        return sharding.replicated((State(params, statistics, optimizer), metrics), self.mesh)

    @partial(jax.jit, static_argnums=0)
    def classes(self, state: State, batch: Batch) -> jax.Array:
        """The likeliest class of every frame (B, T), on all devices; blank beyond the end."""
        mel_BTM, frames_B = self._log_mel(to_float(batch.wave_BN), batch.lengths_B)
        model = nnx.merge(self.graph, state.params, state.statistics)
        logits_BTV = model(fe.cepstra(mel_BTM, self.frontend), frames_B).logits_BTV
        mask_BT = fe.frame_mask(frames_B, logits_BTV.shape[1])
        classes_BT = jnp.where(mask_BT, jnp.argmax(logits_BTV, -1), text.BLANK)
        return sharding.replicated(classes_BT, self.mesh)

    def network(self, state: State) -> GatedConvNet:
        """The network with the state's weights, this process's own."""
        params, statistics = sharding.local((state.params, state.statistics))
        model = nnx.merge(self.graph, params, statistics, copy=True)
        return model.network if self.teacher_weight else model

    def _loss(self, params, statistics, batch: Batch, key):
        spectra_key, coefficients_key, dropout_key = jax.random.split(key, 3)
        wave_BN, states_BTD = to_float(batch.wave_BN), batch.states_BTD
        if self.augmentation is None:
            mel_BTM, frames_B = self._log_mel(wave_BN, batch.lengths_B)
            mfcc_BTD = fe.cepstra(mel_BTM, self.frontend)
        else:
            keys = jax.random.fold_in(key, 1), spectra_key, coefficients_key
            mfcc_BTD, frames_B, source_BT = augment.mfcc(
                wave_BN, batch.lengths_B, batch.min_frames_B, keys, self.augmentation,
                self.frontend, self._log_mel,
            )  # fmt: skip
            if states_BTD is not None:
                states_BTD = augment.taken_from(states_BTD, source_BT)

        model = nnx.merge(self.graph, params, statistics, copy=True)
        model = model.computing_in(self.compute_dtype)
        output = model(mfcc_BTD, frames_B, dropout_key)
        loss = ctc_loss(output.logits_BTV, frames_B, batch.labels_BL, batch.n_labels_B)
        losses = {"loss": loss}
        if (weight := self.teacher_weight) and states_BTD is not None:
            predicted_BTD = output.taps[teacher.PREDICTED][0]
            losses["teacher_loss"] = teacher.unexplained(predicted_BTD, states_BTD, frames_B)
            loss = (1 - weight) * loss + weight * losses["teacher_loss"]
        return loss, (losses, nnx.state(model, nnx.Not(nnx.Param)))

    def _log_mel(self, wave_BN, lengths_B):
        """Each device's own rows: XLA would exchange them, as chunks of windows span rows."""
        own = partial(fe.log_mel, config=self.frontend)
        rows = sharding.ROWS
        return jax.shard_map(own, mesh=self.mesh, in_specs=rows, out_specs=rows)(wave_BN, lengths_B)


def ctc_loss(logits_BTV: Array, frames_B: Array, labels_BL: Array, n_labels_B: Array) -> jax.Array:
    """CTC loss in nats a character, over the whole batch: long utterances count for more.

    Args:
        logits_BTV: symbol scores.
        frames_B: valid frames; 0 marks an empty row.
        labels_BL: CTC classes, padded.
        n_labels_B: true label counts; 0 marks speech without a text, which counts for nothing.
    """
    nats_B = optax.ctc_loss(
        logits_BTV,
        1.0 - fe.frame_mask(frames_B, logits_BTV.shape[1]),
        labels_BL,
        1.0 - fe.frame_mask(n_labels_B, labels_BL.shape[1]),
        blank_id=text.BLANK,
    )
    total = jnp.sum(jnp.where(n_labels_B > 0, nats_B, 0.0))
    return total / jnp.maximum(jnp.sum(n_labels_B), 1)


def create(
    config: ml_collections.ConfigDict,
    init: SavedRecognizer | None = None,
    taught_by: SavedRecognizer | None = None,
) -> tuple[Trainer, State]:
    """Makes the trainer and the first state from `config` (`model`, `augment`, `train`).

    The trainer is for all devices of all processes; give them the state by `sharding.replicate`.

    Args:
        config: a training's.
        init: the recognizer of `config.train.init`, whose weights are the first state's.
        taught_by: that of `config.train.teacher`; None: there is no teacher.

    Raises:
        UserError: the first is of another size; the second is of another sampling rate.
    """
    forks.check()
    train = config.train
    network = GatedConvNet(ModelConfig(**config.model), rngs=nnx.Rngs(train.seed))
    frontend = fe.FrontEndConfig()
    if init:
        _start_from(init, network, frontend, train.init)
    model: Network = network
    if taught_by:
        targets.check(taught_by, train.teacher, frontend)
        n_units = taught_by.config.model.n_channels
        model = teacher.Student(network, n_units, rngs=nnx.Rngs(train.seed))
    graph, params, *others = nnx.split(model, nnx.Param, ...)
    augmentation = AugmentConfig(**config.augment) if config.augment else None
    mesh = sharding.all_devices()
    rates = (train.learning_rate, train.warmup_steps, train.steps)
    optimizer = _optimizer(train.optimizer, rates, train.weight_decay, train.clip_norm)
    trainer = Trainer(
        graph, optimizer, frontend, augmentation, train.seed, mesh, train.compute_dtype,
        train.teacher_weight if taught_by else 0.0,
    )  # fmt: skip
    return trainer, State(params, others[0], trainer.optimizer.init(params))


def averaged(first: State, trained: State, weight: float) -> State:
    """The state that training ended with, its weights averaged with those that it began with.

    Of two networks on one path of training the mean often generalises better than either
    (Wortsman et al. 2022, "Robust fine-tuning of zero-shot models").

    Args:
        first: the first state, on the host; all processes have it alike.
        trained: the last one, on every device.
        weight: of the first one's parameters and statistics of norms.
    """

    def mean(old: jax.Array, new: jax.Array) -> jax.Array:
        if not jnp.issubdtype(new.dtype, jnp.floating):
            return new  # a counter
        return weight * old + (1.0 - weight) * new

    params, statistics = jax.tree.map(mean, first[:2], trained[:2])
    return trained._replace(params=params, statistics=statistics)


def _start_from(
    trained: SavedRecognizer, model: GatedConvNet, frontend: fe.FrontEndConfig, name: str
) -> None:
    """Gives `model` the weights of `trained`, which must have its size and front end."""
    for part, theirs, ours in (
        ("model", trained.config.model, model.config),
        ("frontend", trained.config.frontend, frontend),
    ):
        for field, value in dataclasses.asdict(ours).items():
            other = getattr(theirs, field, "none")
            if field != "dropout" and other != value:
                raise UserError(
                    f"config.train.init={name}: its {part} has {field} {other}, "
                    f"this training {value}; they must agree"
                )
    nnx.update(model, nnx.state(trained.model, nnx.Any(nnx.Param, nnx.BatchStat)))


def learning_rates(peak: float, warmup_steps: int, steps: int) -> optax.Schedule:
    """The learning rate of every step (from 0): a warm-up, then a cosine's decay to zero.

    Args:
        peak: `config.train.learning_rate`.
        warmup_steps: of the warm-up.
        steps: in all.
    """
    return optax.warmup_cosine_decay_schedule(0.0, peak, min(warmup_steps, steps // 2), steps)


@cache  # the same one for the same settings: a second training in a process is not compiled again
def _optimizer(
    name: str, rates: tuple[float, int, int], weight_decay: float, clip_norm: float
) -> optax.GradientTransformation:
    schedule = learning_rates(*rates)
    if name == "adamw":
        update = optax.adamw(schedule, weight_decay=weight_decay, mask=_is_kernel)
    else:  # 0.2: updates of AdamW's size, so that learning rates mean the same (Liu et al., 2025)
        update = optax.contrib.muon(
            schedule,
            weight_decay=weight_decay,
            muon_weight_dimension_numbers=_kernel_axes,
            consistent_rms=0.2,
        )
    return optax.chain(optax.clip_by_global_norm(clip_norm), update)


def _is_kernel(params):
    return jax.tree.map(lambda p: p.ndim > 1, params)  # norms and biases do not decay


def _kernel_axes(params):
    """Kernels are (taps, in, out); Muon sees (taps * in, out). Norms and biases get AdamW."""
    axes = optax.contrib.MuonDimensionNumbers(reduction_axis=(0, 1), output_axis=2)
    return jax.tree.map(lambda p: axes if p.ndim == 3 else None, params)


def exact_products() -> AbstractContextManager[None]:
    """In it, products whose precision nobody gives are float32: GPUs default to TF32."""
    return jax.default_matmul_precision("highest")


def to_float(wave_BN: Array) -> jax.Array:
    """Samples in [-1, 1] of int16 ones."""
    return jnp.asarray(wave_BN, jnp.float32) / 32768.0
