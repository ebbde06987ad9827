"""Checkpoints of the original recognizer, written with random values, beside its graph in TF."""

import json
import runpy
import struct
import subprocess
import sys
from pathlib import Path

import convert_tf1_checkpoint as command
import librosa
import numpy as np
import pytest
import soundfile

import emoasr
from emoasr.errors import UserError

SCRIPT = Path(command.__file__)
pytestmark = pytest.mark.usefixtures("quick_compilation")
SLIM = {"W": "weights", "b": "biases", "mean": "BatchNorm/moving_mean",
        "variance": "BatchNorm/moving_variance", "beta": "BatchNorm/beta",
        "gamma": "BatchNorm/gamma"}  # fmt: skip
SLIM_SCOPES = {"front/conv_in": "wavenet/input/conv", "logit/conv_1": "wavenet/output/conv",
               "logit/conv_2": "wavenet/output/logit", "conv_filter": "filter",
               "conv_gate": "gate", "conv_out": "conv"}  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def tensorflow():
    """Loaded here and not above: openSMILE crashes where TensorFlow was loaded before it."""
    global tf
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
        patch.setenv("TF_ENABLE_ONEDNN_OPTS", "0")
        remedy = "needs the extra tf: pip install -e '.[tf]'"
        tf = pytest.importorskip("tensorflow", reason=remedy)
        pytest.importorskip("google_crc32c", reason=remedy)


def named():
    return lambda kind, layer: layer


def numbered(prefix: str, part_counts: bool = False):
    """Names by kind and number; where `part_counts`, aconv1d_2 is a conv1d_2 to the count."""
    taken = []

    def name(kind, layer):
        same = [n for other, n in taken if (kind in other if part_counts else kind == other)]
        taken.append((kind, max(same, default=0) + 1))
        return f"{prefix}{kind}_{taken[-1][1]}"

    return name


def slim():
    def name(kind, layer):
        if layer in SLIM_SCOPES:
            return SLIM_SCOPES[layer]
        block, part = layer.split("/")
        return f"wavenet/resnet/{block}/{SLIM_SCOPES[part]}"

    return name


NAMINGS = {
    "named": (named, {}, 16000),
    "layers/conv1d_N": (lambda: numbered("layers/"), {}, 22050),
    "lyr-conv1d_N": (lambda: numbered("lyr-"), {}, 22050),
    "conv1d_N": (lambda: numbered("", part_counts=True), {}, 22050),
    "tf-slim": (slim, SLIM, 16000),
}


class Original:
    """The original's graph, run in TensorFlow; what variables it lacks it makes, at random.

    Batch norm statistics are about those of the input that it is first called with, so that no
    unit is saturated. Two namings with one seed have the same values.
    """

    def __init__(self, naming: str, seed: int = 0):
        self.scopes, self.suffixes, self.rate = NAMINGS[naming]
        self.random = np.random.default_rng(seed)
        self.variables: dict[str, np.ndarray] = {}

    def __call__(self, mfcc_TD: np.ndarray) -> dict[str, list[np.ndarray]]:
        self.name = self.scopes()
        h = tf.tanh(self.conv("conv1d", "front/conv_in", tf.constant(mfcc_TD)[None], 128))
        skips, taps = tf.zeros_like(h), {"gate": [], "skip": [], "residual": []}
        for block in range(3):
            for rate in (1, 2, 4, 8, 16):
                scope = f"block_{block}_{rate}"
                f = tf.tanh(self.conv("aconv1d", f"{scope}/conv_filter", h, 128, rate))
                g = tf.sigmoid(self.conv("aconv1d", f"{scope}/conv_gate", h, 128, rate))
                s = tf.tanh(self.conv("conv1d", f"{scope}/conv_out", f * g, 128))
                h, skips = s + h, skips + s
                for tap, x in zip(taps, (f * g, s, h), strict=True):
                    taps[tap].append(x.numpy()[0])
        y = tf.tanh(self.conv("conv1d", "logit/conv_1", skips, 128))
        return taps | {
            "logits": [self.conv("conv1d", "logit/conv_2", y, 28, norm=False).numpy()[0]]
        }

    def conv(self, kind, layer, x, n_out, rate=0, norm=True):
        scope, n_in = self.name(kind, layer), x.shape[-1]
        shape = (1, 7, n_in, n_out) if rate else (1, n_in, n_out)
        reach = (7 * n_in if rate else n_in) ** -0.5
        w = self.variable(scope, "W", lambda: self.random.uniform(-reach, reach, shape))
        if rate:
            y = tf.nn.atrous_conv2d(x[:, None], w, rate, padding="SAME")[:, 0]
        else:
            y = tf.nn.conv1d(x, w, 1, padding="SAME")
        if not norm:
            return y + self.variable(scope, "b", lambda: self.random.normal(0, 0.5, n_out))
        beta = self.variable(scope, "beta", lambda: self.random.normal(0, 0.3, n_out))
        gamma = self.variable(scope, "gamma", lambda: self.random.uniform(0.5, 1.5, n_out))
        mean, var = (v.numpy() for v in tf.nn.moments(y[0], 0))
        off = self.random.normal(0, 0.3, n_out)
        mean = self.variable(scope, "mean", lambda: mean + off * np.sqrt(var))
        spread = self.random.uniform(0.5, 2.0, n_out)
        var = self.variable(scope, "variance", lambda: var * spread)
        return tf.nn.batch_normalization(y, mean, var, beta, gamma, 1e-8)

    def variable(self, scope, suffix, make):
        name = f"{scope}/{self.suffixes.get(suffix, suffix)}"
        if name not in self.variables:
            self.variables[name] = np.asarray(make(), np.float32)
        return self.variables[name]


def speech(rate: int, seconds: float = 3.0) -> np.ndarray:
    random = np.random.default_rng(1)
    t = np.arange(round(rate * seconds)) / rate
    tones = sum(np.sin(2 * np.pi * hz * t) for hz in (130, 720, 2300))
    return (0.1 * np.abs(np.sin(4 * t)) ** 3 * (tones + random.normal(size=len(t)))).astype("f4")


def mfcc(samples: np.ndarray, rate: int) -> np.ndarray:
    """As librosa 0.5.0 gives it."""
    return librosa.feature.mfcc(y=samples, sr=rate, pad_mode="reflect").T.astype(np.float32)


@pytest.fixture(scope="module")
def originals():
    """By naming, the original with its variables, an input, and what comes out of it."""
    made = {}

    def get(naming):
        if naming not in made:
            original = Original(naming)
            x_TD = mfcc(speech(original.rate), original.rate)
            made[naming] = original, x_TD, original(x_TD)
        return made[naming]

    return get


def written(variables: dict, path: Path, version: str = "V2") -> Path:
    """Saves a checkpoint with optimizer slots, as the original's saver did."""
    slots = {f"{name}/MaxProp": x for name, x in variables.items() if name.endswith("/W")}
    everything = {**variables, **slots, "global_step": np.int32(45480)}
    if version == "V1":
        everything["learning_rate"] = np.float32(1e-4)
    names, values = list(everything), [tf.constant(x) for x in everything.values()]
    if version == "V1":
        tf.raw_ops.Save(filename=str(path), tensor_names=names, data=values)
    else:
        empty = [""] * len(names)
        tf.raw_ops.SaveV2(
            prefix=str(path), tensor_names=names, shape_and_slices=empty, tensors=values
        )
    return path


@pytest.fixture
def official(originals, tmp_path, monkeypatch):
    """Variables by their official names; the checkpoint of them passes for the official one."""
    variables = dict(originals("named")[0].variables)
    crcs = {name: command.masked_crc32c(x) for name, x in variables.items()}
    monkeypatch.setattr(command, "official_crcs", lambda: crcs)
    return variables


def converted(ckpt: Path, out: Path, sample_rate=None, antialias=True):
    command.convert(ckpt, out, sample_rate, antialias)
    return emoasr.load_recognizer(out)


@pytest.mark.slow
@pytest.mark.parametrize("naming", NAMINGS)
def test_every_tap_and_the_logits_are_the_originals(originals, tmp_path, naming):
    original, x_TD, expected = originals(naming)
    first, recognizer = (
        converted(written(original.variables, tmp_path / version, version), tmp_path / "out")
        for version in ("V1", "V2")
    )
    assert first.digest == recognizer.digest
    assert recognizer.config.frontend.sample_rate == original.rate
    output = recognizer.model(x_TD[None], np.array([len(x_TD)]))
    found = {tap: [np.asarray(x_BTC)[0] for x_BTC in output.taps[tap]] for tap in output.taps}
    found["logits"] = [np.asarray(output.logits_BTV)[0]]
    differences = {
        name: max(np.abs(a - b).max() for a, b in zip(found[name], expected[name], strict=True))
        for name in expected
    }
    printed = ", ".join(f"{name} {value:.1e}" for name, value in differences.items())
    print(f"\n{naming}, {len(x_TD)} frames: largest differences: {printed}")
    assert [len(expected[name]) for name in expected] == [15, 15, 15, 1]
    assert max(differences.values()) < 1e-4
    # the comparison means something: units are spread, and neither dead nor saturated
    assert 0.1 < np.std(expected["gate"]) < 0.7 and np.std(expected["logits"]) > 0.3


@pytest.mark.slow
def test_the_command_and_features_of_a_file_as_the_original_heard_it(
    originals, tmp_path, monkeypatch, capsys
):
    original, _, _ = originals("layers/conv1d_N")
    soundfile.write(tmp_path / "a.wav", speech(44100), 44100, subtype="FLOAT")
    ckpt, out = written(original.variables, tmp_path / "model-020-45480", "V1"), tmp_path / "out"
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(ckpt), str(out)])
    with pytest.raises(SystemExit, match="^0$"):
        runpy.run_path(str(SCRIPT), run_name="__main__")  # here, where TensorFlow is loaded
    printed = capsys.readouterr().out
    for said in (
        "first generation", "22050 Hz", "learning_rate", "237 of 237 differ", "not verified",
        "3,720,988 parameters, 12,032", emoasr.load_recognizer(out).digest,
    ):  # fmt: skip
        assert said in printed
    heard = librosa.resample(speech(44100), orig_sr=44100, target_sr=22050)  # as load(sr=22050)
    expected = np.concatenate([x_TC.mean(axis=0) for x_TC in original(mfcc(heard, 22050))["gate"]])
    found = emoasr.load_recognizer(out).features(str(tmp_path / "a.wav"))
    np.testing.assert_allclose(found.to_numpy()[0], expected, atol=1e-4)


def test_a_mistake_ends_with_one_line_and_status_1(tmp_path):
    ended = subprocess.run(
        [sys.executable, SCRIPT, tmp_path / "no", tmp_path], capture_output=True, text=True
    )
    assert ended.returncode == 1
    assert ended.stderr == f"error: {tmp_path}/no: no such file, and no no.index beside it\n"


def test_checksums_are_those_that_tensorflow_stores(official, tmp_path):
    index = Path(f"{written(official, tmp_path / 'm')}.index").read_bytes()
    for name, tensor in official.items():
        stored = b"\x35" + struct.pack("<I", command.masked_crc32c(tensor))  # field 6, fixed32
        assert stored in index, name


def test_the_table_of_checksums_has_every_official_name(originals):
    names = set(originals("named")[0].variables)
    assert set(command.official_crcs()) == names | {"global_step"} and len(names) == 237


@pytest.mark.parametrize("naming", ["named", "tf-slim"])
def test_the_official_checkpoint_is_verified_and_one_changed_value_is_told(
    originals, official, tmp_path, capsys, naming
):
    variables = dict(originals(naming)[0].variables)
    card = converted(written(variables, tmp_path / "m"), tmp_path / "out").card["training"]
    printed = capsys.readouterr().out
    assert "all 237 tensors are those of the official model.ckpt-205919" in printed
    assert card["source"]["verified"] and card["steps"] == 45480
    assert set(card["source"]["sha256"]) == {"m.index", "m.data-00000-of-00001"}
    assert str(tmp_path) not in json.dumps(card)

    name = next(name for name in variables if "block_1_4" in name)
    variables[name] = variables[name].copy()
    variables[name].flat[7] += 1e-6
    card = converted(written(variables, tmp_path / "m"), tmp_path / "out").card["training"]
    printed = capsys.readouterr().out
    assert "1 of 237 differ from the official model.ckpt-205919 (first: block_1_4/conv" in printed
    assert "converted, but not verified" in printed and not card["source"]["verified"]


def test_a_numbered_mean_and_other_optimizers_slots_are_accepted(official, tmp_path, capsys):
    renamed = {name.replace("/mean", "/mean_3"): x for name, x in official.items()}
    renamed["block_0_1/conv_gate/W/Adam_1"] = renamed["block_0_1/conv_gate/W"]
    renamed["beta1_power"] = np.float32(0.9)
    first = converted(written(official, tmp_path / "a"), tmp_path / "a.out")
    capsys.readouterr()
    assert converted(written(renamed, tmp_path / "b"), tmp_path / "b.out").digest == first.digest
    printed = capsys.readouterr().out
    assert "all 237" in printed and "(*/Adam_1, */MaxProp)" in printed
    assert "warning: beta1_power is unknown" in printed


def test_the_front_end_can_be_chosen_and_any_file_of_the_checkpoint_named(official, tmp_path):
    written(official, tmp_path / "m")
    for suffix in (".index", ".data-00000-of-00001"):
        recognizer = converted(tmp_path / f"m{suffix}", tmp_path / "out", 8000, antialias=False)
        assert recognizer.config.frontend.sample_rate == 8000
        assert not recognizer.config.frontend.antialias
    with pytest.raises(UserError, match="--sample_rate=10: must be"):
        command.convert(tmp_path / "m", tmp_path / "out", 10, True)


def without(*names):
    return lambda variables: {k: v for k, v in variables.items() if k not in names}


def resized(name, *shape):
    return lambda variables: variables | {name: np.zeros(shape, np.float32)}


OTHER_SYMBOLS = {
    "logit/conv_2/W": np.zeros((1, 128, 43), np.float32),
    "logit/conv_2/b": np.zeros(43, np.float32),
}
WRONG = {
    "missing": (
        without("front/conv_in/W", "block_0_1/conv_out/beta"),
        "lacks 2 of 237 variables: front/conv_in/W, block_0_1/conv_out/beta; "
        "the nearest naming is named layers",
    ),
    "one layer less": (
        lambda v: {k: x for k, x in v.items() if not k.startswith("block_2_16/")},
        "lacks 15 of 237 variables: block_2_16/conv_filter/W, block_2_16/conv_filter/beta, ",
    ),
    "other symbols": (
        lambda v: v | OTHER_SYMBOLS,
        "logit/conv_2/W has shape (1, 128, 43), the original's is (1, 128, 28); "
        "it was trained for 43 symbols; emoasr's are 28",
    ),
    "other size": (
        resized("block_1_2/conv_gate/W", 1, 5, 128, 128),
        "block_1_2/conv_gate/W has shape (1, 5, 128, 128), the original's is (1, 7, 128, 128); "
        "it is a network of another size (1 shapes differ)",
    ),
    "a layer more": (
        resized("block_3_1/conv_gate/W", 1, 7, 128, 128),
        "variables that the original has not: block_3_1/conv_gate/W, ",
    ),
    "two of one": (resized("front/conv_in/mean_3", 128), "both front/conv_in/mean and"),
    "NaN": (
        lambda v: v | {"logit/conv_1/beta": np.full(128, np.nan, np.float32)},
        "logit/conv_1/beta holds NaN",
    ),
    "another model": (lambda v: {"x/y": np.ones(3)}, "none of its 2 variables (global_step, x/y)"),
}


@pytest.mark.parametrize("case", WRONG)
def test_another_networks_checkpoint_is_named_counted_explained(official, tmp_path, case):
    change, message = WRONG[case]
    ckpt = written(change(official), tmp_path / "m")
    fails(ckpt, tmp_path / "out", message)
    assert not (tmp_path / "out").exists()


def fails(ckpt: Path, out: Path, message: str) -> None:
    with pytest.raises(UserError) as error:
        command.convert(ckpt, out, None, True)
    assert message in str(error.value)
    assert "\n" not in str(error.value) and str(ckpt) in str(error.value)


def test_what_is_no_whole_checkpoint_is_told(official, tmp_path):
    written(official, tmp_path / "m")
    data = tmp_path / "m.data-00000-of-00001"
    data.write_bytes(data.read_bytes()[:5_000_000])
    fails(tmp_path / "m", tmp_path / "out", "not a whole TensorFlow checkpoint")
    data.unlink()
    fails(tmp_path / "m", tmp_path / "out", "not a whole TensorFlow checkpoint")
    (tmp_path / "text").write_text("this is no checkpoint " * 9)
    fails(tmp_path / "text", tmp_path / "out", "not a whole TensorFlow checkpoint")
    fails(tmp_path, tmp_path / "out", "is a folder; give a checkpoint in it")


def test_a_place_that_cannot_be_written_is_told(official, tmp_path):
    ckpt = written(official, tmp_path / "m")
    with pytest.raises(UserError, match=r"text: cannot be written \(File exists\)"):
        (tmp_path / "text").touch()
        command.convert(ckpt, tmp_path / "text", None, True)
