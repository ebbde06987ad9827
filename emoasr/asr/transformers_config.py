"""What the configuration files of Hugging Face's transformers say of a network and its front end.

They may be untrusted: fields are checked to have the right type and to lie within bounds, and
settings that we do not compute are refused.
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from emoasr.asr.frontend import FrontEnd
from emoasr.asr.log_mel import LogMelConfig
from emoasr.asr.networks.wav2vec2 import NORMS, Wav2Vec2Config
from emoasr.asr.networks.whisper import WhisperConfig
from emoasr.asr.recognizer_files import Record
from emoasr.asr.waveform import WaveformConfig
from emoasr.errors import UserError, quoted
from emoasr.files import places
from emoasr.settings import values

_MOST_HOP = 1 << 12  # samples from frame to frame


@dataclasses.dataclass(frozen=True)
class _Field:
    """A field of `config.json`.

    Attributes:
        name: in our configuration.
        default: where the file does not have it.
        low: least value of the number, or of each in a list.
        high: greatest.
    """

    name: str
    default: Any
    low: float = 1
    high: float = 1 << 14


_WHISPER = {
    "num_mel_bins": _Field("n_mels", 80, high=512),
    "d_model": _Field("n_channels", 384),
    "encoder_layers": _Field("n_blocks", 4, high=200),
    "encoder_attention_heads": _Field("n_heads", 6),
    "encoder_ffn_dim": _Field("n_hidden", 1536, high=1 << 17),
    "max_source_positions": _Field("n_frames", 1500),
}
_WAV2VEC2 = {
    "conv_dim": _Field("conv_channels", (512,) * 7),
    "conv_kernel": _Field("conv_kernels", (10, 3, 3, 3, 3, 2, 2), high=1024),
    "conv_stride": _Field("conv_strides", (5, 2, 2, 2, 2, 2, 2), high=64),
    "conv_bias": _Field("conv_bias", False),
    "feat_extract_norm": _Field("conv_norm", "group"),
    "hidden_size": _Field("n_channels", 768),
    "num_hidden_layers": _Field("n_blocks", 12, high=200),
    "num_attention_heads": _Field("n_heads", 12),
    "intermediate_size": _Field("n_hidden", 3072, high=1 << 17),
    "do_stable_layer_norm": _Field("pre_norm", False),
    "num_conv_pos_embeddings": _Field("position_kernel", 128, high=4096),
    "num_conv_pos_embedding_groups": _Field("position_groups", 16),
    "layer_norm_eps": _Field("epsilon", 1e-5, 1e-12, 1),
}
_HEAD = {"vocab_size": _Field("n_symbols", 32)}  # of CTC, where there is one
_HUBERT = {"feat_proj_layer_norm": _Field("projection_norm", True)}
_WAVLM = {
    "num_buckets": _Field("n_buckets", 320, 4),
    "max_bucket_distance": _Field("max_distance", 800, high=1 << 20),
}
_KINDS: dict[str, dict[str, _Field]] = {
    "whisper": _WHISPER,
    "wav2vec2": _WAV2VEC2,
    "hubert": _WAV2VEC2 | _HUBERT,
    "wavlm": _WAV2VEC2 | _WAVLM,
}
_FIXED = {  # what we compute, of fields that might say otherwise
    "activation_function": "gelu", "hidden_act": "gelu", "feat_extract_activation": "gelu",
    "add_adapter": False, "conv_pos_batch_norm": False, "adapter_attn_dim": None,
    "quantization_config": None,
}  # fmt: skip
_FIXED_MEL = {
    "hop_length": 160, "n_fft": 400, "sampling_rate": 16000, "dither": 0.0, "padding_value": 0.0,
    "feature_extractor_type": "WhisperFeatureExtractor",
}  # fmt: skip
_FIXED_WAVEFORM = {
    "sampling_rate": 16000, "feature_size": 1, "padding_value": 0.0,
    "feature_extractor_type": "Wav2Vec2FeatureExtractor",
}  # fmt: skip


class Described(NamedTuple):
    """What a folder of transformers holds.

    Attributes:
        kind: as `model_type` has it.
        sizes: of the network.
        frontend: of the network.
        blank: the class of CTC's blank; meaningless without a CTC head.
    """

    kind: str
    sizes: WhisperConfig | Wav2Vec2Config
    frontend: FrontEnd
    blank: int = 0


def read(records: Mapping[str, Record]) -> Described:
    """What `config.json` and the processor's configuration describe.

    Raises:
        UserError: a file says what we do not compute.
    """
    where, record = records[places.TRANSFORMERS_CONFIG]
    extractor = _extractor(records)
    kind = record.get("model_type")
    if not isinstance(kind, str) or kind not in _KINDS:
        raise UserError(
            f"{where}: model_type is {quoted(kind)}; emoasr reads {', '.join(_KINDS)} "
            "of transformers"
        )
    _check_fixed(where, record, _FIXED)
    if kind == "whisper":
        whisper = WhisperConfig(**_sizes(where, record, _KINDS[kind]))
        _check_divides(where, whisper.n_heads, "attention heads", whisper.n_channels)
        return Described(kind, whisper, _log_mel(extractor, whisper))
    head = _HEAD if _has_head(record) else {}
    waves = Wav2Vec2Config(**_sizes(where, record, _KINDS[kind] | head))
    _check_wav2vec2(where, waves)
    return Described(kind, waves, _waveform(extractor, waves), _blank(where, record, waves))


def _extractor(records: Mapping[str, Record]) -> Record:
    """What the processor's configuration says of the front end."""
    where, record = next(records[n] for n in places.TRANSFORMERS_PROCESSORS if n in records)
    record = record.get("feature_extractor", record)
    if not isinstance(record, dict):
        raise UserError(f"{where}: feature_extractor is {quoted(record)}; must be an object")
    return Record(where, record)


def _sizes(where: str, record: Mapping[str, Any], fields: Mapping[str, _Field]) -> dict[str, Any]:
    """Some fields under our names, each number within its bounds."""
    defaults = {name: field.default for name, field in fields.items()}
    given = {n: record[n] for n, default in defaults.items() if record.get(n, default) != default}
    found = defaults | values.all_like(defaults, given, f"{where}: ")
    for name, field in fields.items():
        value = found[name]
        for number in value if isinstance(value, tuple) else (value,):
            bounded = isinstance(number, int | float) and not isinstance(number, bool)
            if bounded and not field.low <= number <= field.high:
                must = f"must be {field.low:g} to {field.high:g}"
                raise UserError(f"{where}: {name}={quoted(value)}: {must}")
    return {field.name: found[name] for name, field in fields.items()}


def _has_head(record: Mapping[str, Any]) -> bool:
    """Whether the network has a CTC head."""
    architectures = record.get("architectures")
    return isinstance(architectures, list) and str(architectures[:1]).endswith("ForCTC']")


def _blank(where: str, record: Mapping[str, Any], sizes: Wav2Vec2Config) -> int:
    """The class of CTC's blank, which is the padding token."""
    field = _Field("blank", 0, 0, sizes.n_symbols - 1)
    return _sizes(where, record, {"pad_token_id": field})["blank"] if sizes.n_symbols else 0


def _check_fixed(where: str, record: Mapping[str, Any], fixed: Mapping[str, Any]) -> None:
    for name, computed in fixed.items():
        if record.get(name, computed) != computed:
            raise UserError(
                f"{where}: {name} is {quoted(record[name])}; emoasr computes {computed!r} only"
            )


def _check_divides(where: str, n: int, what: str, n_channels: int) -> None:
    if n_channels % n:
        raise UserError(f"{where}: {n} {what} do not divide {n_channels} units")


def _check_wav2vec2(where: str, config: Wav2Vec2Config) -> None:
    """Checks what depends on several fields."""
    _check_divides(where, config.n_heads, "attention heads", config.n_channels)
    _check_divides(where, config.position_groups, "groups of positions", config.n_channels)
    shapes = config.conv_channels, config.conv_kernels, config.conv_strides
    if len(set(map(len, shapes))) > 1 or not 0 < len(config.conv_channels) <= 16:
        lengths = ", ".join(str(len(shape)) for shape in shapes)
        raise UserError(
            f"{where}: conv_dim, conv_kernel, conv_stride have {lengths} entries; must be as many, "
            "1 to 16"
        )
    hop = WaveformConfig(config.conv_kernels, config.conv_strides).hop_length
    if hop > _MOST_HOP:
        raise UserError(f"{where}: conv_stride: {hop} samples a frame; at most {_MOST_HOP}")
    if config.conv_norm not in NORMS:
        raise UserError(
            f"{where}: feat_extract_norm is {quoted(config.conv_norm)}; "
            f"must be {' or '.join(NORMS)}"
        )
    if config.n_buckets and config.max_distance <= config.n_buckets // 4:
        raise UserError(f"{where}: max_bucket_distance: must be more than a quarter of num_buckets")


def _log_mel(extractor: Record, model: WhisperConfig) -> LogMelConfig:
    """Whisper's front end: by the network's size, with which the processor's file must agree."""
    frontend = LogMelConfig(n_mels=model.n_mels, window=model.n_frames)
    seconds = frontend.window * frontend.hop_length / frontend.sample_rate
    fixed = {**_FIXED_MEL, "feature_size": model.n_mels, "chunk_length": seconds}
    _check_fixed(*extractor, fixed)
    return frontend


def _waveform(extractor: Record, model: Wav2Vec2Config) -> WaveformConfig:
    where, record = extractor
    normalise = record.get("do_normalize")
    if not isinstance(normalise, bool):
        raise UserError(
            f"{where}: must say whether waveforms are normalised (do_normalize: true or false); "
            "copy the file from where the model is from"
        )
    _check_fixed(where, record, _FIXED_WAVEFORM)
    return WaveformConfig(model.conv_kernels, model.conv_strides, normalise)
