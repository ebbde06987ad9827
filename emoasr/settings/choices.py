"""Allowed values of settings: names to choose from, and the sizes of the network and augmentation.

Imports nothing heavy: the commands refuse wrong values before they load JAX or pandas.
"""

import dataclasses
import re
from collections.abc import Collection, Iterable, Mapping, Sequence

import ml_collections

from emoasr.errors import UserError, quoted

TAPS = ("gate", "skip", "residual")
POOLINGS = {  # over time: the statistics of each unit, all units of one after the other
    "mean": ("mean",),
    "max": ("max",),
    "std": ("std",),
    "mean+std": ("mean", "std"),
}
COMPUTE_DTYPES = ("float32", "tensorfloat32", "bfloat16")
ENGINES = ("local", "ray")
PROTOCOLS = {"leave-one-speaker-out": "speaker", "leave-one-session-out": "session"}
CROSS_CORPUS = "cross-corpus"  # fitted on `config.eval.train_workdir`
TRAIN = "train"  # the part of the column `split` that `predefined-TEST` trains on
DEV = "dev"  # the part on which penalties may be chosen
_TEST = "test"  # the part that is the test corpus, in cross-corpus evaluation
_PREDEFINED = re.compile(r"predefined-(.+)")
_GROUP_FOLDS = re.compile(r"group-([0-9]{1,3})-fold")
PARTNERS = ("in", "out")
SCOPES = ("fold", "all")
REGRESSORS = ("linear", "ridge", "svr")
UNTRAINED = "random-"  # begins the names of untrained networks' feature sets
END_TO_END = "end to end"  # stands for the regressor, in rows of a finetuning's predictions
BASELINE = "mean"  # name of the baseline: the training mean, or the commonest class
OPTIMIZERS = ("adamw", "muon")
STARTS = ("trained", "random")  # weights that finetuning starts from
ATTENTION = "attention"  # pooling with learned weights
LOSSES = ("mse", "ccc")
NORMS = ("fixed", "adapted")
TRANSCRIBED_KINDS = ("transcribed", "vctk")
LANGUAGE_WEIGHT = 0.65  # of the language model, in beam search


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """Size of the network; the defaults are the original's, 3,720,988 trainable parameters.

    Attributes:
        n_mfcc: input coefficients a frame.
        n_channels: gated units a layer.
        kernel_size: of the dilated convolutions, frames; odd.
        dilations: of the layers of one block, frames.
        n_blocks: how often the sequence of dilations is repeated.
        n_symbols: output classes, the CTC blank included.
        dropout: share of gated units dropped in training.
    """

    n_mfcc: int = 20
    n_channels: int = 128
    kernel_size: int = 7
    dilations: tuple[int, ...] = (1, 2, 4, 8, 16)
    n_blocks: int = 3
    n_symbols: int = 28
    dropout: float = 0.0

    @property
    def n_layers(self) -> int:
        """Layers of gated units, over all blocks."""
        return self.n_blocks * len(self.dilations)

    @property
    def receptive_field(self) -> int:
        """Frames at either side that an activation depends on, over all layers."""
        return self.n_blocks * sum(self.dilations) * (self.kernel_size // 2)


@dataclasses.dataclass(frozen=True)
class AugmentConfig:
    """Strength of each transform; zero (or one, for a factor) switches it off.

    Attributes:
        warp: largest factor, and its inverse, on the mel axis, as of another vocal tract.
        stretch: largest factor, and its inverse, on the duration.
        band_limit: share of utterances that lose the bands above a random limit.
        min_band: lowest such limit, mel bands (of 128 from 0 to 8 kHz, 88 are 3.4 kHz).
        mel_masks: masks along the mel axis, each of up to `mel_mask` bands.
        mel_mask: widest mel mask, bands.
        time_masks: masks along time, each of up to `time_mask` frames.
        time_mask: longest time mask, frames.
        gain: standard deviation of C0's offset (an offset of 11.3 is 1 dB).
        noise: standard deviation of the noise on every MFCC.
        reverb: share of utterances in a simulated room.
        reverb_seconds: longest reverberation time there, s; the shortest is 0.1 s.
        add_noise: share of utterances with babble, pink noise or mains hum, one third each.
        snr_low: least signal-to-noise ratio of these, dB.
        snr_high: largest signal-to-noise ratio of these, dB.
        telephone: share of utterances limited to 300 to 3400 Hz.
        clip: share of utterances clipped at 0.1 to 1 of their peak.
        level: largest change of the level, up or down, dB.
    """

    warp: float = 1.13
    stretch: float = 1.12
    band_limit: float = 0.5
    min_band: int = 80
    mel_masks: int = 2
    mel_mask: int = 16
    time_masks: int = 2
    time_mask: int = 8
    gain: float = 40.0
    noise: float = 2.0
    reverb: float = 0.0
    reverb_seconds: float = 0.6
    add_noise: float = 0.0
    snr_low: float = 5.0
    snr_high: float = 25.0
    telephone: float = 0.0
    clip: float = 0.0
    level: float = 0.0


def check_choice(name: str, value: object, choices: Collection[str]) -> None:
    """Raises `UserError` unless `value`, which the user calls `name`, is one of `choices`."""
    if value not in choices:
        raise UserError(f"{name}={value!r}: must be one of {', '.join(choices)}")


def check_extraction(config: ml_collections.ConfigDict) -> None:
    """Raises a UserError where a setting of `emoasr.extract` is not allowed."""
    check_choice("config.tap", config.tap, ("", *TAPS))
    check_choice("config.compute_dtype", config.compute_dtype, COMPUTE_DTYPES)
    check_choice("config.pooling", config.pooling, POOLINGS)
    check_choice("config.engine", config.engine, ENGINES)


def check_evaluation(settings: ml_collections.ConfigDict) -> None:
    """Raises a UserError where a setting of `config.eval` is not allowed."""
    if group_folds(settings.protocol) < 2 and test_split(settings.protocol) in ("", TRAIN):
        others = ("group-5-fold", "predefined-test", CROSS_CORPUS)
        check_choice("config.eval.protocol", settings.protocol, (*PROTOCOLS, *others))
    crossing = settings.protocol == CROSS_CORPUS
    if crossing != bool(settings.train_workdir):
        raise UserError(
            f"config.eval.protocol={settings.protocol}, config.eval.train_workdir="
            f"{quoted(settings.train_workdir)}: {CROSS_CORPUS} needs the workdir of the training "
            "corpus, and no other protocol takes one; give both or neither"
        )
    if settings.within_corpus and not crossing:
        raise UserError(
            f"config.eval.within_corpus=True: works only with config.eval.protocol={CROSS_CORPUS}; "
            "give that protocol, or leave it out"
        )
    if settings.within_corpus and settings.within_speaker:
        raise UserError(
            "config.eval.within_corpus=True, config.eval.within_speaker=True: features can be "
            "standardised within corpora or within speakers, not both; give only one of the two"
        )
    check_choice("config.eval.chosen_on", settings.chosen_on, (TRAIN, DEV))
    if settings.chosen_on == DEV and (crossing or test_split(settings.protocol) in ("", DEV)):
        raise UserError(
            f"config.eval.chosen_on={DEV}: with config.eval.protocol={settings.protocol} there is "
            "no such split besides training and test; give config.eval.protocol=predefined-test, "
            "or leave it out"
        )
    check_choice("config.eval.partner", settings.partner, PARTNERS)
    if crossing and settings.partner == "out":
        raise UserError(
            f"config.eval.partner=out: with config.eval.protocol={CROSS_CORPUS} training and test "
            "sessions are of two corpora, and nobody's partner is in training; leave it out"
        )
    check_choice("config.eval.selection.scope", settings.selection.scope, SCOPES)
    check_choice("config.eval.regressor", settings.regressor, REGRESSORS)
    names = [] if isinstance(settings.targets, str) else list(settings.targets)
    if not names or not all(isinstance(name, str) and name for name in names):
        raise UserError("config.eval.targets: must be one or more names, such as ('arousal',)")
    if len(set(names)) < len(names):
        raise UserError(f"config.eval.targets={tuple(names)}: a name is given twice; remove one")
    _check_merged(settings.merged)
    for name, otherwise in (
        ("scale", "the range of the training folds"),
        ("train_scale", "that of the training corpus's configuration"),
    ):
        scale = settings[name]
        if len(scale) not in (0, 2) or list(scale) != sorted(set(scale)):
            raise UserError(
                f"config.eval.{name}={tuple(scale)}: must be the lowest and the highest rating, or "
                f"() for {otherwise}"
            )


def _check_merged(entries: Sequence[str]) -> None:
    names: list[str] = []
    for entry in entries:
        parts = entry.split("+") if isinstance(entry, str) else []
        names += parts
        if len(parts) < 2 or not all(parts) or len(set(names)) < len(names):
            raise UserError(
                f"config.eval.merged={entry!r}: must be two or more classes, such as "
                "happy+excited, none of which is there twice"
            )


def standardised(settings: ml_collections.ConfigDict) -> str:
    """How features are standardised before the folds are made, in words.

    Args:
        settings: `config.eval`.

    Returns:
        Empty where they are not: each training fold standardises them in any case.
    """
    if settings.within_speaker:
        return "within each speaker"
    if settings.within_corpus:
        return "within each corpus"
    return "by the training corpus" if settings.protocol == CROSS_CORPUS else ""


def held_out(protocol: str) -> str:
    """The column of the labels whose groups a protocol holds out."""
    return "split" if test_split(protocol) else PROTOCOLS.get(protocol, "speaker")


def test_split(protocol: str) -> str:
    """The part of the column `split`, in small letters, that a protocol tests; empty of others."""
    match = _PREDEFINED.fullmatch(protocol)
    return match[1].casefold() if match else _TEST * (protocol == CROSS_CORPUS)


def group_folds(protocol: str) -> int:
    """How many folds of speakers a protocol such as `group-5-fold` makes; 0 of the others."""
    match = _GROUP_FOLDS.fullmatch(protocol)
    return int(match[1]) if match else 0


def is_untrained(feature_set: str) -> bool:
    """Whether a set has the name of one of an untrained network."""
    return feature_set == "random" or feature_set.startswith(UNTRAINED)


def check_names(names: Iterable[str], layers: Mapping[str, Sequence[int]]) -> None:
    """Checks the names of what an evaluation compares.

    Args:
        names: of the feature sets.
        layers: `config.eval.layers`: numbers of layers of `neural`, by the subset's name.

    Raises:
        UserError: there is no set, a name is that of the baseline or taken, or a subset has nothing
            to be taken from.
    """
    names = list(names)
    if not names or BASELINE in names:
        raise UserError(
            f"config.feature_sets={tuple(names)}: must be one or more names, not {BASELINE!r}, "
            "which is the name of the baseline (training mean, or commonest class), always included"
        )
    for name, numbers in layers.items():
        field = f"config.eval.layers.{name}"
        if "neural" not in names:
            raise UserError(f"{field}: needs the feature set 'neural' in config.feature_sets")
        if name in names or name == BASELINE:
            raise UserError(f"{field}: another feature set has that name; choose a different one")
        if not numbers:
            raise UserError(f"{field}=(): must be one or more numbers of layers")


def check_training(config: ml_collections.ConfigDict) -> None:
    """Raises a UserError where a setting of `emoasr.pretrain` is not allowed."""
    check_choice("config.corpus.kind", config.corpus.kind, TRANSCRIBED_KINDS)
    if (config.corpus.kind == "vctk") != ("mic" in config.corpus):  # its card would name VCTK
        raise UserError(
            f"config.corpus.kind={config.corpus.kind}: this configuration is for another corpus; "
            "give --config=vctk for VCTK, --config=english for a table of transcribed speech"
        )
    if config.augment and config.augment.snr_low > config.augment.snr_high:
        raise UserError(
            f"config.augment.snr_low={config.augment.snr_low}: is above config.augment.snr_high="
            f"{config.augment.snr_high}; give a lower one"
        )
    check_choice("config.train.compute_dtype", config.train.compute_dtype, COMPUTE_DTYPES)
    check_choice("config.train.optimizer", config.train.optimizer, OPTIMIZERS)
