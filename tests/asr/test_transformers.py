"""Whisper's and the wav2vec 2.0 family's encoders: what PyTorch says, and what is refused.

The folders beside this file are tiny and random; `scripts/oracle_transformers.py` wrote them.
"""

import itertools
import json
import shutil
import warnings
from pathlib import Path

import jax
import numpy as np
import pytest
import safetensors.numpy
import soundfile
from flax import nnx
from made_transformers import WAVES, pooled, wave

import emoasr
from emoasr import transcribe as command
from emoasr.asr.networks import transformer, whisper
from emoasr.errors import UserError
from emoasr.files import untrusted
from emoasr.files.tensors import read_tensors
from emoasr.inference import bucketing, planning

FOLDERS = Path(__file__).parent / "of_transformers"
KINDS = sorted(path.name for path in FOLDERS.iterdir())
HOP = 320
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def recognizers():
    return {kind: emoasr.load_recognizer(FOLDERS / kind) for kind in KINDS}


@pytest.fixture
def recognizer(recognizers, kind):
    return recognizers[kind]


def check_parity(recognizer, expected):
    """Hidden states, logits and mel frames of a batch, beside those of each wave by itself."""
    front, (graph, state) = recognizer.config.frontend, nnx.split(recognizer.model)

    @jax.jit
    def run(state, wave_BN, lengths_B):
        x, valid_B = front(wave_BN, lengths_B)
        return x, nnx.merge(graph, state)(x, valid_B)

    x, output = run(state, *bucketing.pad(WAVES, len(WAVES), 32 * HOP))
    for i, wave_N in enumerate(WAVES):
        own = slice(int(front.n_frames(len(wave_N))))
        states = np.stack([state_BTC[i, own] for state_BTC in output.taps["residual"]])
        np.testing.assert_allclose(states, expected[f"states{i}"][:, own], atol=1e-4)
        if f"logits{i}" in expected:
            np.testing.assert_allclose(output.logits_BTV[i, own], expected[f"logits{i}"], atol=1e-4)
        if f"input{i}" in expected:
            np.testing.assert_allclose(x[i], expected[f"input{i}"], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_hidden_states_are_pytorchs(recognizer, kind):
    check_parity(recognizer, np.load(FOLDERS / kind / "expected.npz"))
    assert recognizer.config.model.n_layers == 3


@pytest.mark.parametrize("kind", ["whisper", "wavlm"])  # nothing masked; positions, and masks
@pytest.mark.parametrize("at_once", [4, 64])  # heads: some and a rest; all
def test_attention_of_several_heads_at_once_is_attention(recognizer, kind, at_once, monkeypatch):
    monkeypatch.setattr(transformer, "_HEADS_AT_ONCE", {"cpu": at_once})
    check_parity(recognizer, np.load(FOLDERS / kind / "expected.npz"))


@pytest.mark.parametrize("kind", ["whisper"])
@pytest.mark.parametrize("at_once", [7, 28])  # frames of 50; the second part would end with 56
def test_a_last_layer_in_parts_is_a_layer(recognizer, kind, at_once, monkeypatch):
    monkeypatch.setattr(whisper, "_LAST_AT_ONCE", at_once)
    check_parity(recognizer, np.load(FOLDERS / kind / "expected.npz"))


def test_other_random_networks_have_pytorchs_hidden_states_too(tmp_path):
    pytest.importorskip("transformers", reason="pip install torch transformers: the oracle")
    import oracle_transformers

    oracle_transformers.main(tmp_path, seed=7)
    for kind in KINDS:
        expected = np.load(tmp_path / kind / "expected.npz")
        check_parity(emoasr.load_recognizer(tmp_path / kind), expected)


@pytest.mark.parametrize("kind", ["whisper", "wav2vec2"])
def test_features_are_pooled_hidden_states(recognizer, kind):
    table = recognizer.features((WAVES, 16000))
    expected = pooled(recognizer.config.frontend, FOLDERS / kind)
    np.testing.assert_allclose(table, expected, atol=1e-4)
    assert table.columns[0] == "layer00.unit000" and table.columns[-1] == "layer02.unit007"


@pytest.mark.parametrize("kind", ["whisper", "hubert"])
def test_long_recordings_are_heard_window_by_window(recognizer, kind, tmp_path):
    front = recognizer.config.frontend
    size = front.window * HOP
    long_N = np.resize(wave(70000), 2 * size + 2345)
    windows = [long_N[i : i + size] for i in range(0, len(long_N), size)]
    both = recognizer.features((windows, 16000), "mean+std").to_numpy()
    parts = dict(zip(("mean", "std"), np.split(both, 2, axis=1), strict=True))
    parts["max"] = recognizer.features((windows, 16000), "max").to_numpy()
    frames = np.array([int(front.n_frames(len(window))) for window in windows])
    mean = np.average(parts["mean"], axis=0, weights=frames)
    spread = parts["std"] ** 2 + (parts["mean"] - mean) ** 2
    std = np.sqrt(np.average(spread, axis=0, weights=frames))
    whole = {"max": parts["max"].max(axis=0), "mean+std": np.concatenate([mean, std])}
    soundfile.write(tmp_path / "long.wav", long_N, 16000, subtype="FLOAT")
    for x, (pooling, values) in itertools.product(
        ((long_N, 16000), tmp_path / "long.wav"), whole.items()
    ):
        found = recognizer.features(x, pooling).iloc[0]
        np.testing.assert_allclose(found, values, atol=1e-4)
    table = recognizer.frames(tmp_path / "long.wav")
    each = recognizer.frames((windows, 16000)).reset_index()
    np.testing.assert_allclose(table, each.drop(columns=["input", "time"]), atol=1e-4)
    begin = each["input"] * front.window * HOP / 16000  # a window begins where its samples do
    np.testing.assert_allclose(table.index.get_level_values("time"), begin + each["time"])


@pytest.mark.parametrize("kind", ["whisper", "wav2vec2", "hubert-large", "wavlm"])
def test_utterances_shorter_than_a_frame_have_one(recognizer):
    table = recognizer.features(([wave(n) for n in (1, 399, 400)], 16000))
    assert np.isfinite(table.to_numpy()).all() and table.to_numpy().any(axis=1).all()


def test_a_plan_fills_windows(recognizers):
    front = recognizers["whisper"].config.frontend
    lengths = [1, 5000, 16000, 16001, 99999]

    class Source:
        n_samples = staticmethod(lengths.__getitem__)
        __len__ = staticmethod(lambda: len(lengths))

    plan = planning.make_plan(Source(), front)
    (bucket,) = plan.buckets
    assert bucket.n_hops == front.window and bucket.indices.tolist() == [0, 1, 2]
    assert plan.long == [3, 4] and plan.longest == front.window


def test_it_says_what_it_is(recognizers):
    assert "whisper, digest" in repr(recognizers["whisper"])
    assert "3 layers x 8 units" in repr(recognizers["whisper"])
    assert "80 log-mel bands" in repr(recognizers["whisper"])
    assert "samples as they are" in repr(recognizers["wavlm"])
    assert len({recognizer.digest for recognizer in recognizers.values()}) == len(KINDS)


def test_bfloat16_rounds(recognizers):
    for recognizer in (recognizers["whisper"], recognizers["wavlm"]):
        front = recognizer.config.frontend
        x = front(wave(1600)[None], np.array([1600]))
        full, half = (
            np.asarray(nnx.jit(recognizer.model.computing_in(dtype))(*x).taps["residual"][-1])
            for dtype in ("float32", "bfloat16")
        )
        assert half.dtype == np.float32 and 0 < np.abs(half - full).mean() < 0.1


@pytest.fixture
def folder(tmp_path, kind):
    return shutil.copytree(FOLDERS / kind, tmp_path / kind)


def with_tensors(folder, change) -> None:
    path = folder / "model.safetensors"
    tensors = safetensors.numpy.load_file(path)
    change(tensors)
    safetensors.numpy.save_file(tensors, path)


def altered(folder, part: str, change) -> None:
    """Changes the tensors whose names contain `part`."""
    with_tensors(folder, lambda t: t.update({n: change(t[n]) for n in t if part in n}))


def split(folder, twice: str = "", lost: str = "", **other) -> None:
    """Deals the weights out to two parts; one tensor to both, a part lost, another index."""
    tensors = safetensors.numpy.load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    names = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(tensors)}
    for part in {*names.values()} - {lost}:
        of_part = {n: tensors[n] for n in tensors if names[n] == part or n == twice}
        safetensors.numpy.save_file(of_part, folder / part)
    index = {"weight_map": names, **other}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


def rewrite(folder, name, **fields) -> None:
    record = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**record, **fields}))


@pytest.mark.parametrize("kind", ["wav2vec2", "whisper-128"])
def test_parts_and_older_names_are_read_alike(recognizer, folder):
    older = {"parametrizations.weight.original0": "weight_g",
             "parametrizations.weight.original1": "weight_v"}  # fmt: skip

    def of_old(tensors):
        for new, old in older.items():
            for name in [name for name in tensors if new in name]:
                tensors[name.replace(new, old)] = tensors.pop(name)
        tensors.update({name: tensor.astype(np.float32) for name, tensor in tensors.items()})

    with_tensors(folder, of_old)
    split(folder)
    assert emoasr.load_recognizer(folder).digest == recognizer.digest


@pytest.mark.parametrize("kind", ["wavlm"])
def test_bfloat16_is_read_as_the_numbers_that_it_holds(folder):
    altered(folder, "", lambda t: t.astype("bfloat16").astype("f4"))
    digest = emoasr.load_recognizer(folder).digest
    altered(folder, "", lambda t: t.astype("bfloat16"))
    assert emoasr.load_recognizer(folder).digest == digest
    weights = folder / "model.safetensors"
    on_disk = read_tensors(weights)
    assert {tensor.dtype.name for tensor in on_disk.values()} == {"bfloat16"}
    fetched = read_tensors(untrusted.Fetched("memory://a", weights.read_bytes()))
    assert fetched.keys() == on_disk.keys()
    for name, tensor in fetched.items():
        np.testing.assert_array_equal(tensor, on_disk[name])


@pytest.mark.parametrize("kind", ["wavlm"])
def test_links_of_the_cache_are_followed_and_no_others(recognizer, folder, tmp_path):
    (tmp_path / "models--x" / "snapshots").mkdir(parents=True)
    snapshot = folder.rename(tmp_path / "models--x" / "snapshots" / "1a2b")
    for place, works in ((tmp_path / "models--x" / "blobs", True), (tmp_path / "blobs", False)):
        place.mkdir()
        weights = (snapshot / "model.safetensors").resolve().rename(place / "f00d")
        (snapshot / "model.safetensors").unlink(missing_ok=True)
        (snapshot / "model.safetensors").symlink_to(weights)
        if works:
            assert emoasr.load_recognizer(snapshot).digest == recognizer.digest
        else:
            with pytest.raises(UserError, match="leads out of its folder"):
                emoasr.load_recognizer(snapshot)


CONFIG, PROCESSOR = "config.json", "preprocessor_config.json"


@pytest.mark.parametrize(
    ("kind", "spoil", "message"),
    [
        ("whisper", lambda f: rewrite(f, CONFIG, model_type="bert"), "model_type is 'bert'"),
        ("whisper", lambda f: rewrite(f, CONFIG, model_type=["whisper"]), "model_type"),
        ("whisper", lambda f: rewrite(f, CONFIG, encoder_layers=10**9), "_layers=10*: .*200"),
        ("whisper", lambda f: rewrite(f, CONFIG, encoder_layers=3), r"lack.*layers\.2"),
        ("whisper", lambda f: rewrite(f, CONFIG, d_model=16000), "has shape"),
        ("whisper", lambda f: rewrite(f, CONFIG, encoder_attention_heads=3), "3 attention heads"),
        ("whisper", lambda f: rewrite(f, CONFIG, activation_function="relu"), "'relu'"),
        ("whisper", lambda f: rewrite(f, CONFIG, d_model="wide"), "d_model='wide'"),
        ("whisper", lambda f: rewrite(f, PROCESSOR, feature_size=128), "feature_size is 128"),
        ("whisper", lambda f: rewrite(f, PROCESSOR, dither=0.1), "dither is 0.1"),
        ("whisper", lambda f: rewrite(f, PROCESSOR, padding_value=1.0), "padding_value is 1.0"),
        ("whisper", lambda f: rewrite(f, CONFIG, quantization_config={"bits": 4}), "_config is"),
        ("wavlm", lambda f: rewrite(f, PROCESSOR, feature_extractor_type="SeamlessM4T"),
         "type is 'SeamlessM4T'"),
        ("whisper", lambda f: (f / CONFIG).write_text("{"), "not valid JSON"),
        ("hubert", lambda f: rewrite(f, CONFIG, conv_pos_batch_norm=True), "conv_pos_batch_norm"),
        ("hubert", lambda f: rewrite(f, CONFIG, conv_stride=[5, 2]), "7, 7, 2 entries"),
        ("hubert", lambda f: rewrite(f, CONFIG, conv_stride=[64] * 7), "samples a frame"),
        ("hubert", lambda f: rewrite(f, CONFIG, feat_extract_norm="batch"), "'batch'"),
        ("hubert", lambda f: rewrite(f, PROCESSOR, do_normalize=1), "do_normalize"),
        ("hubert", lambda f: (f / PROCESSOR).unlink(), "do_normalize"),
        ("wavlm", lambda f: rewrite(f, CONFIG, max_bucket_distance=3), "max_bucket_distance"),
        ("wavlm", lambda f: rewrite(f, PROCESSOR, sampling_rate=8000), "sampling_rate is 8000"),
        ("wavlm", lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "not safetensors"),
        ("wavlm", lambda f: with_tensors(f, lambda t: t.pop("encoder.layer_norm.bias")),
         r"lack.*encoder\.layer_norm\.bias"),
        ("wavlm", lambda f: with_tensors(f, lambda t: t["encoder.layer_norm.bias"].fill(np.nan)),
         "NaN"),
        ("whisper", lambda f: altered(f, "fc1", lambda t: t.astype(np.int8)), "type 'I8'; must"),
        ("whisper", lambda f: altered(f, "fc1.bias", lambda t: t.astype(np.int64)),
         r"lack.*fc1\.bias, of floats"),
        ("hubert", lambda f: altered(f, "original1", np.zeros_like), "make no kernel"),
        ("hubert", lambda f: altered(f, "original1", lambda t: np.full_like(t, 1e38, "f4")),
         "make no kernel"),
        ("hubert", lambda f: rewrite(f, CONFIG, layer_norm_eps=0), "layer_norm_eps=0: must be"),
        ("wavlm", lambda f: split(f, twice="encoder.layer_norm.bias"),
         r"00002-of-.*'encoder\.layer_norm\.bias' is in .*00001-of-"),
        ("wavlm", lambda f: split(f, lost="model-00002-of-00002.safetensors"),
         "names model-00002-of.*not there"),
        ("wavlm", lambda f: split(f, weight_map=[]), "weight_map names ''"),
        ("wavlm", lambda f: split(f, weight_map={"a": {"b": 1}}), "weight_map names"),
    ],
)  # fmt: skip
def test_what_is_not_computed_is_refused_in_a_line(folder, kind, spoil, message):
    spoil(folder)
    with pytest.raises(UserError, match=message) as error:
        emoasr.load_recognizer(folder)
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["whisper"])
def test_pickled_and_missing_weights_name_the_remedy(folder):
    weights = folder / "model.safetensors"
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="save_pretrained"):
        emoasr.load_recognizer(folder)
    (folder / "pytorch_model.bin").unlink()
    with pytest.raises(UserError, match="neither model.safetensors nor"):
        emoasr.load_recognizer(folder)
    index = folder / "model.safetensors.index.json"
    for name in ("../model-00001-of-00001.safetensors", "", "/etc/passwd"):
        index.write_text(json.dumps({"weight_map": {"encoder.conv1.bias": name}}))
        with pytest.raises(UserError, match="weight_map names"):
            emoasr.load_recognizer(folder)


@pytest.mark.parametrize("kind", ["wav2vec2-large"])
def test_weights_that_give_no_finite_numbers_are_named(folder):
    altered(folder, "intermediate_dense.weight", lambda t: np.full_like(t, 1e38, "f4"))
    with pytest.raises(UserError, match="activations are NaN or infinite: its weights"):
        emoasr.load_recognizer(folder).features((WAVES[:1], 16000))


@pytest.mark.parametrize("kind", ["whisper"])
def test_hidden_states_are_all_that_it_gives(recognizer, kind):
    with pytest.raises(UserError, match="tap='gate': must be one of residual"):
        recognizer.features((WAVES, 16000), tap="gate")
    with pytest.raises(UserError, match="whisper has no CTC head: it gives features"):
        recognizer.transcribe((WAVES, 16000))


VOCABULARY = {"A": 0, "<pad>": 1, "|": 2, "<unk>": 3, "'": 4}


@pytest.fixture
def transcriber(folder):
    (folder / "vocab.json").write_text(json.dumps(VOCABULARY))
    rewrite(folder, CONFIG, pad_token_id=1)
    return emoasr.load_recognizer(folder)


@pytest.mark.parametrize("kind", ["wav2vec2-large"])
def test_symbols_are_found_from_another_folder(transcriber, folder, monkeypatch):
    monkeypatch.chdir(folder.parent)
    opened = emoasr.load_recognizer(folder.name)
    monkeypatch.chdir("/")
    with warnings.catch_warnings(action="ignore"):  # it is unsure
        texts = [one.transcribe((WAVES, 16000))["text"].tolist() for one in (opened, transcriber)]
    assert texts[0] == texts[1]


def read_off(logits_TV) -> str:
    """The text of PyTorch's symbol scores, as transformers' tokenizer spells it."""
    tokens = {number: token for token, number in VOCABULARY.items()}
    best = [tokens[int(i)] for i, _ in itertools.groupby(logits_TV.argmax(axis=1))]
    return "".join(t.replace("|", " ") for t in best if len(t) == 1).strip()


@pytest.mark.parametrize("kind", ["wav2vec2-large", "hubert-large", "wavlm-large"])
def test_transcripts_are_those_of_pytorchs_symbol_scores(transcriber, kind):
    expected = np.load(FOLDERS / kind / "expected.npz")
    texts = [read_off(expected[f"logits{i}"]) for i in range(len(WAVES))]
    assert any(texts)
    with warnings.catch_warnings(action="ignore"):  # it is unsure
        table = transcriber.transcribe((WAVES, 16000), words=True)
        by_beam = transcriber.transcribe((WAVES, 16000), beam_size=8)
    assert list(table["text"]) == texts
    assert set("".join(by_beam["text"])) <= set(" A'")
    for row, wave_N in zip(table.itertuples(), WAVES, strict=True):
        assert [word.word for word in row.words] == row.text.split()
        assert row.times == sorted(row.times) and len(row.times) == len(row.text)
        for word in row.words:
            assert 0 <= word.start < word.end <= len(wave_N) / 16000 + 0.02


@pytest.mark.parametrize("kind", ["hubert-large"])
def test_words_of_long_recordings_are_where_their_windows_are(transcriber):
    window_N = np.concatenate([wave(16000), np.zeros(29 * 16000, np.float32)])
    with warnings.catch_warnings(action="ignore"):
        one = transcriber.transcribe((window_N, 16000)).iloc[0]
        two = transcriber.transcribe((np.concatenate([window_N, window_N]), 16000)).iloc[0]
    inside = one.times[1:]  # the first may go on from the window before
    assert inside and set(one.times) < set(two.times)
    assert {round(second + 30, 3) for second in inside} < set(two.times)


@pytest.mark.parametrize("kind", ["hubert-large"])
def test_the_command_transcribes(transcriber, folder, tmp_path, capsys):
    soundfile.write(tmp_path / "a.wav", WAVES[2], 16000, subtype="FLOAT")
    assert (
        command.command([f"--recognizer={folder}", "--format=json", str(tmp_path / "a.wav")]) == 0
    )
    said = json.loads(capsys.readouterr().out)
    expected = read_off(np.load(FOLDERS / "hubert-large" / "expected.npz")["logits2"])
    assert said["text"] == expected


@pytest.mark.parametrize("kind", ["wav2vec2-large"])
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "vocab.json: no such file; it says what the symbols are"),
        ("[1]", "not a JSON object"),
        ({"dan": {"a": 1}}, "'dan' is .*must be a number .of several languages"),
        ({"a": True}, "'a' is True; must be a number"),
        ({"a": 1.0}, "'a' is 1.0; must be a number"),
        ({"a": 5}, "'a' is number 5; config.json has 5 symbols"),
        ({"a": -1}, "'a' is number -1"),
        ({"a": 10**15}, "config.json has 5 symbols"),
        ({"a": 1, "b": 1}, "two symbols have one number"),
        ({"th": 1}, "'th' is no single character"),
        ({"\n": 1}, "is no single character"),
        ({"\u202e": 1}, "is no single character"),
        ({"|": 1, " ": 2}, "one twice"),
        ({"<pad>": 0, "<s>": 1, "[UNK]": 2}, "has no symbols"),
        ({}, "has no symbols"),
    ],
)
def test_a_vocabulary_that_is_none_is_named_and_features_need_none(folder, content, message):
    if content is not None:
        text = content if isinstance(content, str) else json.dumps(content)
        (folder / "vocab.json").write_text(text)
    recognizer = emoasr.load_recognizer(folder)
    assert len(recognizer.features((WAVES[:1], 16000))) == 1
    with pytest.raises(UserError, match=message) as error:
        recognizer.transcribe((WAVES, 16000))
    assert str(folder) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["wav2vec2-large"])
@pytest.mark.parametrize("number", [5, -1, "0", None])
def test_a_blank_that_is_none_is_named(folder, number):
    rewrite(folder, CONFIG, pad_token_id=number)
    with pytest.raises(UserError, match="pad_token_id"):
        emoasr.load_recognizer(folder)
