"""Writes what tests/asr/test_transformers*.py compare with: tiny random networks in PyTorch.

    python -m venv oracle && oracle/bin/pip install torch transformers
    oracle/bin/python scripts/oracle_transformers.py tests/asr/of_transformers

Each folder is one that Hugging Face's transformers wrote: a few thousand random weights, in half
precision, with `expected.npz`: the hidden states (and logits) that its PyTorch model gives of each
wave by itself.
"""

import sys
from pathlib import Path

import numpy as np
import torch
import transformers

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
from made_transformers import WAVES

_ENCODER = {
    "hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 12,
    "conv_dim": (24,) * 7, "num_conv_pos_embeddings": 8, "num_conv_pos_embedding_groups": 2,
    "vocab_size": 5, "pad_token_id": 0, "attn_implementation": "eager",
}  # fmt: skip
_LARGE = {"feat_extract_norm": "layer", "conv_bias": True, "do_stable_layer_norm": True}
_RELATIVE = {"num_buckets": 16, "max_bucket_distance": 12}
_WHISPER = {
    "num_mel_bins": 80, "d_model": 8, "encoder_layers": 2, "encoder_attention_heads": 2,
    "encoder_ffn_dim": 12, "decoder_layers": 1, "decoder_attention_heads": 1, "decoder_ffn_dim": 4,
    "max_source_positions": 50, "vocab_size": 8, "max_target_positions": 4, "pad_token_id": 0,
    "bos_token_id": 0, "eos_token_id": 0, "decoder_start_token_id": 0,
}  # fmt: skip
KINDS = {
    "whisper": ("Whisper", "Model", _WHISPER),
    "whisper-128": ("Whisper", "ForConditionalGeneration", _WHISPER | {"num_mel_bins": 128}),
    "wav2vec2": ("Wav2Vec2", "Model", _ENCODER),
    "wav2vec2-large": ("Wav2Vec2", "ForCTC", _ENCODER | _LARGE),
    "hubert": ("Hubert", "Model", _ENCODER | {"feat_proj_layer_norm": False}),
    "hubert-large": ("Hubert", "ForCTC", _ENCODER | _LARGE),
    "wavlm": ("WavLM", "Model", _ENCODER | _RELATIVE | {"num_conv_pos_embeddings": 7}),
    "wavlm-large": ("WavLM", "ForCTC", _ENCODER | _LARGE | _RELATIVE),
}


def main(folder: Path, seed: int = 0) -> None:
    """Writes a folder a kind."""
    torch.manual_seed(seed)
    for kind, (family, head, sizes) in KINDS.items():
        config = getattr(transformers, f"{family}Config")(**sizes)
        model = getattr(transformers, f"{family}{head}")(config).eval()
        randomise(model)
        processor = processor_of(family, sizes, normalise="large" in kind)
        if hasattr(model, "lm_head"):
            balance(model, processor)
        model.half().save_pretrained(folder / kind)
        processor.save_pretrained(folder / kind)
        arrays = {}
        for i, wave_N in enumerate(WAVES):
            arrays |= {f"{name}{i}": x for name, x in expected(model.float(), processor, wave_N)}
        np.savez_compressed(folder / kind / "expected.npz", **arrays)


def randomise(model: torch.nn.Module) -> None:
    """Weights large enough for every part to matter; halved numbers, so that float16 holds them.

    They are no larger: like few channels, large weights make networks whose norms divide by next to
    nothing, and turn one rounding into many.
    """
    with torch.no_grad():
        for name, weight in model.named_parameters():
            scale = 1.0 / max(weight[0].numel(), 1) ** 0.5 if weight.ndim > 1 else 0.3
            offset = 1.0 if "norm" in name and name.endswith("weight") else 0.0
            weight.copy_((offset + scale * torch.randn_like(weight)).half().float())


def balance(model: torch.nn.Module, processor) -> None:
    """Takes the symbols' mean scores out of their biases: else one symbol wins on every frame."""
    logits_TV = dict(expected(model, processor, WAVES[0]))["logits"]
    with torch.no_grad():
        bias = model.lm_head.bias
        bias.copy_((bias - torch.from_numpy(logits_TV.mean(axis=0))).half().float())


def processor_of(family: str, sizes: dict, normalise: bool):
    """The feature extractor."""
    if family == "Whisper":
        mels = sizes["num_mel_bins"]
        return transformers.WhisperFeatureExtractor(feature_size=mels, chunk_length=1)
    return transformers.Wav2Vec2FeatureExtractor(do_normalize=normalise)


def expected(model: torch.nn.Module, processor, wave_N: np.ndarray):
    """Names and arrays of what the model gives of a wave by itself."""
    given = processor(wave_N, sampling_rate=16000, return_tensors="pt")
    given = given[processor.model_input_names[0]]
    encoder = model.base_model
    if isinstance(processor, transformers.WhisperFeatureExtractor):
        yield "input", given[0].numpy().T
        encoder = model.get_encoder()
    with torch.no_grad():
        output = encoder(given, output_hidden_states=True)
        states = [*output.hidden_states[:-1], output.last_hidden_state]
        yield "states", np.stack([state[0].numpy() for state in states])
        if hasattr(model, "lm_head"):
            yield "logits", model(given).logits[0].numpy()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
