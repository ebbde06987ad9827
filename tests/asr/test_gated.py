import functools
import re

import hypothesis
import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import emoasr
from emoasr.asr.networks.gated import TAPS, GatedConvNet, ModelConfig
from emoasr.asr.networks.norm import MaskedBatchNorm

SMALL = ModelConfig(n_channels=8, n_blocks=2, dilations=(1, 2, 4))


def network(config: ModelConfig = SMALL, seed: int = 0) -> GatedConvNet:
    """Random weights and random batch-norm statistics, so that none of them is trivial."""
    model = GatedConvNet(config, rngs=nnx.Rngs(seed))
    random = np.random.default_rng(seed)
    for _, module in nnx.iter_modules(model):
        if isinstance(module, MaskedBatchNorm):
            shape = module.mean.shape
            module.mean[...] = jnp.asarray(random.normal(size=shape), jnp.float32)
            module.var[...] = jnp.asarray(random.uniform(0.5, 2, shape), jnp.float32)
            module.scale[...] = jnp.asarray(random.uniform(0.5, 2, shape), jnp.float32)
            module.bias[...] = jnp.asarray(random.normal(size=shape), jnp.float32)
    return model


def sizes(state) -> int:
    return sum(leaf.size for leaf in jax.tree.leaves(state))


def test_the_default_is_the_originals_size():
    model = nnx.eval_shape(lambda: GatedConvNet(ModelConfig(), rngs=nnx.Rngs(0)))
    assert sizes(nnx.state(model, nnx.Param)) == 3_720_988
    assert sizes(nnx.state(model, nnx.BatchStat)) == 12_032
    assert ModelConfig().n_layers * ModelConfig().n_channels == 1920
    assert ModelConfig().receptive_field == 279


def test_untrained_weights_are_uniform_within_the_originals_bound():
    model = GatedConvNet(SMALL, rngs=nnx.Rngs(0))
    convolutions = [m for _, m in nnx.iter_modules(model) if isinstance(m, nnx.Conv)]
    assert len(convolutions) == 2 + 2 * SMALL.n_layers + 1
    share = []  # of the bound, 1 / sqrt(inputs of a unit)
    for conv in convolutions:
        width, n_in, _ = conv.kernel.shape
        share.append(np.ravel(conv.kernel[...]) * np.sqrt(width * n_in))
        assert 0.8 < np.abs(share[-1]).max() <= 1
    assert np.std(np.concatenate(share)) == pytest.approx(np.sqrt(1 / 3), rel=0.02)


def reference_outputs(model: GatedConvNet, x_TD: np.ndarray):
    """The network of one utterance, written out in float64 numpy from the published description."""

    def norm(bn, y):
        mean, var, gamma, beta = (
            np.asarray(v[...], np.float64) for v in (bn.mean, bn.var, bn.scale, bn.bias)
        )
        return gamma * (y - mean) / np.sqrt(var + 1e-8) + beta

    def conv(layer, x, dilation=1):
        kernel = np.asarray(layer.conv.kernel[...], np.float64)  # (width, in, out)
        reach = dilation * (len(kernel) // 2)
        padded = np.pad(x, ((reach, reach), (0, 0)))
        return norm(
            layer.norm,
            sum(padded[i * dilation : i * dilation + len(x)] @ w for i, w in enumerate(kernel)),
        )

    h = np.tanh(conv(model.front, x_TD))
    skips, taps = 0.0, {"gate": [], "skip": [], "residual": []}
    dilations = model.config.dilations * model.config.n_blocks
    for layer, dilation in zip(model.layers, dilations, strict=True):
        filter_, gate = np.split(conv(layer.filter_gate, h, dilation), 2, axis=1)
        unit = np.tanh(filter_) / (1 + np.exp(-gate))
        skip = np.tanh(conv(layer.out, unit))
        h = h + skip
        skips = skips + skip
        for name, tap in (("gate", unit), ("skip", skip), ("residual", h)):
            taps[name].append(tap)
    y = np.tanh(conv(model.head, skips))
    kernel, bias = (
        np.asarray(v[...], np.float64) for v in (model.symbols.kernel, model.symbols.bias)
    )
    return y @ kernel[0] + bias, taps


@pytest.mark.parametrize("config", [SMALL, ModelConfig(n_channels=16)], ids=["small", "15 layers"])
def test_equals_the_description_written_out_in_numpy(config):
    model = network(config)
    x_TD = np.random.default_rng(1).normal(size=(50, 20)).astype(np.float32)
    logits_TV, taps = reference_outputs(model, x_TD)
    found = model(x_TD[None], np.array([50]))
    np.testing.assert_allclose(found.logits_BTV[0], logits_TV, atol=2e-4)
    assert list(found.taps) == list(taps) == list(TAPS)
    for name in TAPS:
        for ours, theirs in zip(found.taps[name], taps[name], strict=True):
            np.testing.assert_allclose(ours[0], theirs, atol=2e-4)


@functools.partial(jax.jit, static_argnums=0)
def _apply(graph, state, x_BTD, frames_B):
    return nnx.merge(graph, state)(x_BTD, frames_B)


@pytest.fixture(scope="module")
def split():
    return nnx.split(network())


@hypothesis.settings(max_examples=20)
@hypothesis.given(
    st.lists(st.sampled_from([1, 2, 7, 24, 40]), min_size=3, max_size=3),
    st.sampled_from([41, 70]),  # few shapes to compile
)
def test_batch_and_padding_change_nothing(split, lengths, n_frames):
    model = functools.partial(_apply, *split)
    random = np.random.default_rng(sum(lengths))
    x_BTD = random.normal(size=(len(lengths), n_frames, 20)).astype(np.float32)
    x_BTD[-1, lengths[-1] :] = np.nan  # what is beyond the end does not even have to be a number
    together = model(x_BTD, np.array(lengths))
    for i, n in enumerate(lengths):
        alone = model(x_BTD[i : i + 1, :n], np.array([n]))
        np.testing.assert_allclose(together.logits_BTV[i, :n], alone.logits_BTV[0], atol=1e-5)
        for name in TAPS:
            for tap_BTC, alone_BTC in zip(together.taps[name], alone.taps[name], strict=True):
                np.testing.assert_allclose(tap_BTC[i, :n], alone_BTC[0], atol=1e-5)
                assert not np.any(tap_BTC[i, n:])


def test_training_statistics_are_those_of_valid_frames_only():
    x_BTD = np.random.default_rng(0).normal(size=(2, 30, 20)).astype(np.float32)
    tight, padded = network(), network()
    junk_BTD = np.concatenate([x_BTD, np.full((2, 17, 20), 1e3, np.float32)], axis=1)
    a = tight(x_BTD, np.array([30, 30]), jax.random.key(0))
    b = padded(junk_BTD, np.array([30, 30]), jax.random.key(0))
    np.testing.assert_allclose(a.logits_BTV, b.logits_BTV[:, :30], atol=1e-4)
    before, after = tight.front.norm.mean[...], padded.front.norm.mean[...]
    np.testing.assert_allclose(before, after, atol=1e-5)
    assert not np.allclose(before, network().front.norm.mean[...])


def test_receptive_field_is_that_of_the_dilations():
    model = network()
    reach = 3 * sum(SMALL.dilations) * SMALL.n_blocks

    def logit(x_TD, t):
        return model(x_TD[None], np.array([len(x_TD)])).logits_BTV[0, t].sum()

    n = 2 * reach + 21
    x_TD = jnp.asarray(np.random.default_rng(0).normal(size=(n, 20)), jnp.float32)
    touched = np.flatnonzero(np.abs(jax.grad(logit)(x_TD, n // 2)).sum(axis=1))
    assert touched[0] == n // 2 - reach
    assert touched[-1] == n // 2 + reach
    assert SMALL.receptive_field == reach


def test_dropout_is_for_training_only():
    model = network(ModelConfig(n_channels=8, n_blocks=1, dilations=(1,), dropout=0.5))
    x_BTD = np.ones((1, 20, 20), np.float32)
    frames_B = np.array([20])
    first = model(x_BTD, frames_B, jax.random.key(0)).taps["gate"][0]
    other = model(x_BTD, frames_B, jax.random.key(1)).taps["gate"][0]
    assert 0.2 < np.mean(np.asarray(first) == 0) < 0.8
    assert not np.array_equal(first, other)
    assert np.all(np.asarray(model(x_BTD, frames_B).taps["gate"][0]) != 0)


def test_bfloat16_factors_change_activations_a_little():
    network = emoasr.load_recognizer().model
    mfcc_BTD = np.random.default_rng(0).normal(0, 30, (2, 90, 20)).astype(np.float32)
    frames_B = np.array([90, 50], np.int32)
    exact = network(mfcc_BTD, frames_B).taps["gate"]
    rounded = network.computing_in("bfloat16")(mfcc_BTD, frames_B).taps["gate"]
    again = network(mfcc_BTD, frames_B).taps["gate"]
    for exact_BTC, rounded_BTC, again_BTC in zip(exact, rounded, again, strict=True):
        assert rounded_BTC.dtype == exact_BTC.dtype == np.float32
        assert 0 < np.abs(rounded_BTC - exact_BTC).mean() < 0.05
        np.testing.assert_array_equal(again_BTC, exact_BTC)


def products(model: GatedConvNet) -> list[str]:
    """The network's convolutions and matrix products, as XLA is given them."""
    program = jax.jit(lambda x_BTD, frames_B: model(x_BTD, frames_B).logits_BTV)
    text = program.lower(np.zeros((1, 20, 20), np.float32), np.array([20])).as_text()
    found = re.findall(r"stablehlo\.(?:convolution|dot_general)\b.*", text)
    assert len(found) == 2 + 2 * model.config.n_layers + 1
    return found


def test_dilated_kernels_are_not_filled_with_zeros():
    """XLA did that on GPUs before JAX 0.8.1 (openxla/xla#32231): 15 to 23 times slower."""
    graph, state = nnx.split(network())

    def total(state, x_BTD):
        return nnx.merge(graph, state)(x_BTD, np.array([40])).logits_BTV.sum()

    both = jax.jit(jax.value_and_grad(total, (0, 1), allow_int=True))
    program = both.lower(state, np.zeros((1, 40, 20), np.float32)).compile().as_text()
    windows = re.findall(r"window=\{size=(\d+)( [^}]*)?\}", program)
    assert {size for size, _ in windows} == {"7", "40"}  # 40: frames, of a kernel's gradient
    for dilation in (2, 4):  # forward, and the gradient of the input
        dilated = [rest for size, rest in windows if size == "7" and f"_dilate={dilation}" in rest]
        assert len(dilated) == 2 * SMALL.n_blocks


def test_products_are_not_rounded_to_tf32_on_a_gpu():
    for product in products(network()):
        assert product.count("HIGHEST") == 2 and product.count("xf32>") == 3


def test_they_are_where_that_is_asked_for():
    for product in products(network().computing_in("tensorfloat32")):
        assert "HIGHEST" not in product and product.count("xf32>") == 3


@pytest.mark.skipif(jax.default_backend() != "cpu", reason="other devices may round")
def test_a_cpu_has_no_tensorfloat32():
    model, frames_B = network(), np.array([20])
    x_BTD = np.random.default_rng(0).normal(size=(1, 20, 20)).astype(np.float32)
    exact, asked = (
        model.computing_in(dtype)(x_BTD, frames_B) for dtype in ("float32", "tensorfloat32")
    )
    jax.tree.map(np.testing.assert_array_equal, tuple(exact), tuple(asked))


def test_bfloat16_is_what_is_multiplied_not_what_is_summed():
    for product in products(network().computing_in("bfloat16")):
        assert re.search(r": \(tensor<\w+xbf16>, tensor<\w+xbf16>\) -> tensor<\w+xf32>", product)
