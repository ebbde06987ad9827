"""What strangers may send: recognizers, zips, names, settings. All of it is data."""

import ast
import base64
import hashlib
import json
import os
import re
import shutil
import stat
import struct
import tracemalloc
import zipfile
import zlib
from pathlib import Path

import made_report
import markdown_it
import numpy as np
import pytest
import safetensors
import safetensors.numpy

import emoasr
from emoasr import cli, config
from emoasr.asr import language_model, saved
from emoasr.corpora import vctk
from emoasr.errors import UserError
from emoasr.files import archives, untrusted
from emoasr.report import markdown, page, wording
from emoasr.settings import overrides

ROOT = Path(__file__).parents[1]


def refused(message: str, path: Path, function, *arguments) -> None:
    """`function` must complain in one line that names the path, `message` being in it."""
    with pytest.raises(UserError, match=message) as error:
        function(*arguments)
    output = str(error.value)
    assert str(path) in output
    assert output.isprintable() and len(output) < 400 + len(str(path))


# Code


RUNNING = {"eval", "exec", "compile", "__import__"}  # run a text
PICKLING = {"pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal", "jsonpickle", "yaml"}
LOADING = {
    "joblib.load", "torch.load", "read_pickle", "to_pickle", "extractall", "unpack_archive",
    "os.system", "pd.eval", "tf.saved_model", "keras.models",
}  # fmt: skip


def dangerous(source: str) -> list[str]:
    """Calls and imports that run data, or could."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if ast.unparse(node) == "from yaml import safe_load":
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] + [getattr(node, "module", None) or ""]
            found += [name for name in names if name.split(".")[0] in PICKLING]
        if not isinstance(node, ast.Call):
            continue
        called = ast.unparse(node.func)
        if called in RUNNING or any(f".{called}".endswith(f".{name}") for name in LOADING):
            found.append(called)
        for keyword in node.keywords:
            given = (keyword.arg, ast.unparse(keyword.value))
            if given in {("allow_pickle", "True"), ("shell", "True"), ("weights_only", "False")}:
                found.append(f"{called}({given[0]}={given[1]})")
    return found


@pytest.mark.parametrize(
    "source",
    [
        "import pickle", "import yaml", "from yaml import load", "eval(x)", "exec(x)",
        "__import__(x)", "torch.load(x)", "pd.read_pickle(x)", "zipfile.ZipFile(x).extractall()",
        "np.load(x, allow_pickle=True)", "import joblib as j; joblib.load(x)",
        "subprocess.run(x, shell=True)",
    ],
)  # fmt: skip
def test_what_would_run_data_is_found(source):
    assert dangerous(source)


def test_no_code_runs_data():
    files = [path for folder in ("emoasr", "scripts", "configs") for path in
             sorted((ROOT / folder).rglob("*.py"))]  # fmt: skip
    assert len(files) > 80
    assert {str(p): found for p in files if (found := dangerous(p.read_text()))} == {}


# Recognizers


@pytest.fixture
def folder(small_recognizer, tmp_path):
    return shutil.copytree(small_recognizer, tmp_path / "recognizer")


@pytest.fixture
def nothing_is_allocated(monkeypatch):
    """Neither a network of values nor a tensor is made."""

    def made(*_):
        raise AssertionError("was allocated")

    def opened(path):
        with safetensors.safe_open(path, "np"):  # checks where tensors lie
            made()

    monkeypatch.setattr(safetensors.numpy, "load_file", opened)
    monkeypatch.setattr(saved, "filled", made)


def written(text: str):
    return lambda old: text


def put(old: str, new: str):
    def change(text: str) -> str:
        assert old in text
        return text.replace(old, new, 1)

    return change


def field(group: str, **values):
    def change(text: str) -> str:
        record = json.loads(text)
        record[group].update(values)
        return json.dumps(record)

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (written("[" * 100_000), "nested"),
        (put('"small"', "[" * 50_000 + "]" * 50_000), "nested"),
        (written('{"a": "' + "[" * 99 + r"\"" + '"'), "not valid JSON"),
        (written('"' + r"\"" * 300_000), "not valid JSON"),
        (written('{"a": "' + "x" * (1 << 20) + '"}'), "bytes"),
        (written("[]"), "object"),
        (written("null"), "object"),
        (written(""), "not valid JSON"),
        (put('"small"', r'"\ud800"'), "'name' holds text"),
        (put("80.0", "NaN"), "'top_db' holds NaN"),
        (put("80.0", "-Infinity"), "'top_db' holds -Infinity"),
        (put("80.0", "1e999"), "'top_db' holds 1e999"),
        (put('"small"', "[1, [2, NaN]]"), "'name' holds NaN"),
        (put('"n_channels": 8', '"n_channels": 8, "n_channels": 8'), "'n_channels' appears twice"),
        (put('"n_channels": 8', '"n_channels": ' + "9" * 4000), "'n_channels' holds 999"),
        (field("model", n_channels=10**6), "model.n_channels=1000000"),
        (field("model", kernel_size=10**12), "model.kernel_size"),
        (field("model", n_channels=0), "model.n_channels=0"),
        (field("model", n_channels=True), "model.n_channels=True: must be a whole number"),
        (field("model", n_channels="8"), "model.n_channels='8'"),
        (field("model", n_channels=8.0), "model.n_channels=8.0"),
        (field("model", n_channels=None), "model.n_channels=None"),
        (field("model", n_channels=[8] * 999), "model.n_channels="),
        (field("model", dilations="ab"), "model.dilations='ab'"),
        (field("model", dilations=[]), "0 layers"),
        (field("model", dilations=[1, 0]), "model.dilations"),
        (field("model", dilations=[1, 10**9]), "model.dilations"),
        (field("model", dilations=[[1], [2]]), "model.dilations"),
        (field("model", dilations=[1] * 101), "101 layers"),
        (field("model", dilations=[4096] * 20), r"its receptive field .one side. is"),
        (field("model", n_blocks=99), "198 layers"),
        (field("model", kernel_size=4), "odd"),
        (field("model", n_symbols=5), "model.n_symbols=5"),
        (field("model", dropout=1), "model.dropout=1"),
        (field("model", n_mfcc=13), "model.n_mfcc=13"),
        (field("model", **{"\x1b[31m\n\u202e": 1}), r"unknown field '\\x1b\[31m\\n\\u202e'"),
        (field("model", **{"x" * 9999: 1}), "unknown field 'xxx"),
        (field("frontend", n_fft=2**40), "frontend.n_fft"),
        (field("frontend", hop_length=0), "frontend.hop_length=0"),
        (field("frontend", hop_length=-512), "frontend.hop_length=-512"),
        (field("frontend", hop_length=1), "frontend.n_fft=2048: must be at most 64 hop_lengths"),
        (field("frontend", n_mels=10**9), "frontend.n_mels"),
        (field("frontend", n_mels=19), "frontend.n_mfcc=20"),
        (field("frontend", sample_rate=10**9), "frontend.sample_rate"),
        (field("frontend", top_db="80"), "frontend.top_db"),
        (field("frontend", pad_mode=["reflect"]), "frontend.pad_mode"),
        (field("frontend", pad_mode="x" * 99_999), "frontend.pad_mode"),
        (put('"blank": 27', '"blank": 0'), "blank is 0"),
        (put('"format": 1', '"format": true'), "format=True"),
        (put('"name": "small"', '"training": "x"'), "training is 'x'"),
    ],
)
def test_a_recognizers_description_is_refused(folder, nothing_is_allocated, change, message):
    path = folder / "recognizer.json"
    path.write_text(change(path.read_text()))
    refused(message, path, emoasr.load_recognizer, folder)


def test_what_a_depth_of_brackets_is_not(tmp_path):
    """Brackets in a text are none; nor is an unfinished text slow to look through."""
    path = tmp_path / "a.json"
    path.write_text("\ufeff" + json.dumps({"a": '[{"' * 99, "b": [[[["\\"]]]]}))
    assert untrusted.read_json(path, 9999)["a"] == '[{"' * 99


def header(change):
    """Rewrites the header of the weights."""

    def spoil(path: Path) -> None:
        content = path.read_bytes()
        (length,) = struct.unpack("<Q", content[:8])
        record = json.loads(content[8 : 8 + length])
        new = change(record)
        new = new if isinstance(new, bytes) else json.dumps(record).encode()
        path.write_bytes(struct.pack("<Q", len(new)) + new + content[8 + length :])

    return spoil


def of_bias(**values):
    return header(lambda record: record["symbols.bias"].update(values))


def of_last(change, more: bytes = b""):
    """Says otherwise where the last tensor lies; `more` follows it in the file."""

    def moved(record):
        last = max(record.values(), key=lambda tensor: tensor["data_offsets"])
        last["data_offsets"] = change(*last["data_offsets"])

    def spoil(path: Path) -> None:
        header(moved)(path)
        path.write_bytes(path.read_bytes() + more)

    return spoil


def replaced(path: Path, name: str, change) -> None:
    tensors = safetensors.numpy.load_file(path)
    tensors[name] = change(tensors[name])
    safetensors.numpy.save_file(tensors, path)


HEADERS = [
    (lambda path: path.write_bytes(b""), "no header"),
    (lambda path: path.write_bytes(struct.pack("<Q", 2**63) + b"{}"), "no header"),
    (lambda path: path.write_bytes(struct.pack("<Q", 2 << 20) + b" " * (3 << 20)), "no header"),
    (lambda path: path.write_bytes(path.read_bytes()[:-1]), "not a complete safetensors file"),
    (lambda path: path.write_bytes(path.read_bytes() + b"x"), "not a complete"),
    (lambda path: os.truncate(path, 8 << 40), "at most"),
    (header(lambda _: b"[" * 100_000), "nested"),
    (header(lambda _: b"[]"), "object"),
    (header(lambda r: json.dumps(r).replace("{", '{"symbols.bias": 1, ', 1).encode()), "twice"),
    (of_bias(shape=[10**6, 10**6]), "symbols.bias has shape"),
    (of_bias(shape=[2**32, 2**32]), "symbols.bias has shape"),
    (of_bias(shape=[-28]), "'symbols.bias'"),
    (of_bias(shape=[28.0]), "'symbols.bias'"),
    (of_bias(shape=[True] * 99), "'symbols.bias'"),
    (of_bias(shape="28"), "'symbols.bias'"),
    (of_bias(data_offsets=[0, 112]), "not a complete"),  # where another lies
    (of_bias(data_offsets=[2**40, 2**40 + 112]), "not a complete"),
    (of_bias(data_offsets=[112, 0]), "not a complete"),
    (of_bias(data_offsets=[0]), "not a complete"),
    (of_bias(data_offsets=[-112, 0]), "not a complete"),
    (of_bias(data_offsets=[0.5, 112.5]), "not a complete"),
    (of_bias(data_offsets=None), "not a complete"),
    (of_last(lambda begin, end: [begin + 4, end]), "not a complete"),  # too few bytes for its shape
    (
        of_last(lambda begin, end: [begin - 4, end]),
        "not a complete",
    ),  # too many, over its neighbour's
    (
        of_last(lambda begin, end: [begin + 4, end + 4], b"more"),
        "not a complete",
    ),  # a gap before it
    (header(lambda r: r.update(__metadata__={"a": [1]})), "not a complete"),
    (of_bias(dtype="F64"), "of type 'F64'"),
    (of_bias(dtype=["F32"]), "of type"),
    (of_bias(more=1), "its record"),
]


@pytest.mark.parametrize(("spoil", "message"), HEADERS)
def test_a_recognizers_header_is_refused(folder, nothing_is_allocated, spoil, message):
    path = folder / "weights.safetensors"
    spoil(path)
    refused(message, path, emoasr.load_recognizer, folder)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("symbols.bias", lambda x: np.where(np.arange(28) == 3, np.nan, x), "NaN or infinity"),
        ("symbols.bias", lambda x: x + np.float32(np.inf), "NaN or infinity"),
        ("head.norm.var", lambda x: x - 2, "head.norm.var holds a variance below zero"),
        ("symbols.bias", lambda x: x[:27], r"symbols.bias has shape \(27,\)"),
    ],
)
def test_a_recognizers_numbers_are_refused(folder, name, change, message):
    path = folder / "weights.safetensors"
    replaced(path, name, lambda x: change(x).astype(np.float32))
    refused(message, path, emoasr.load_recognizer, folder)


def test_a_large_networks_outline_takes_no_memory(folder, nothing_is_allocated):
    """A description within all bounds still claims 10^11 elements, which the file does not have."""
    path = folder / "recognizer.json"
    sizes = {"n_channels": 4096, "kernel_size": 255, "dilations": [1] * 6, "n_blocks": 2}
    path.write_text(field("model", **sizes)(path.read_text()))
    path = folder / "weights.safetensors"
    refused("lacks tensor", path, emoasr.load_recognizer, folder)


@pytest.mark.parametrize("load", [emoasr.load_recognizer, emoasr.load_predictor])
def test_what_is_no_folder_is_said(folder, load):
    for place in (folder / "missing", folder / "recognizer.json"):
        refused("there is no folder of this name", place, load, place)


@pytest.mark.parametrize("name", ["recognizer.json", "weights.safetensors", "language.safetensors"])
def test_a_link_out_of_the_folder_is_not_followed(folder, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_bytes((folder / name).read_bytes() if (folder / name).exists() else b"")
    (folder / name).unlink(missing_ok=True)
    (folder / name).symlink_to(elsewhere)
    refused("link", folder / name, emoasr.load_recognizer, folder)


def test_a_link_to_a_folder_or_within_it_is_followed(folder, tmp_path):
    (folder / "recognizer.json").rename(folder / "real.json")
    (folder / "recognizer.json").symlink_to("real.json")
    (tmp_path / "linked").symlink_to(folder)
    assert emoasr.load_recognizer(tmp_path / "linked").card["name"] == "small"


@pytest.mark.parametrize("special", [os.mkfifo, lambda path: path.symlink_to("/dev/zero")])
def test_what_is_no_file_is_not_opened(folder, special):
    path = folder / "recognizer.json"
    path.unlink()
    special(path)
    refused("recognizer.json", folder, emoasr.load_recognizer, folder)


# Language models


@pytest.fixture
def spelling(tmp_path):
    path = tmp_path / "language.safetensors"
    language_model.save(
        language_model.fit(["the cat sat on the mat"] * 3, order=3, min_count=1), path
    )
    return path


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("log_prob", lambda x: x + np.nan, "'log_prob' holds NaN"),
        ("log_prob", lambda x: -x, "must not be above 0"),
        ("log_prob", lambda x: x[:, :26], "log_prob has shape"),
        ("log_prob", lambda x: x.astype(np.float64), "of type 'F64'"),
        ("contexts.0", lambda x: x + 1, "first of no symbols"),
        ("contexts.2", lambda x: x[::-1].copy(), "ascending"),
        ("contexts.2", lambda x: x - 99, "ascending"),
        ("contexts.2", lambda x: x + 27**2, "ascending"),
        ("contexts.2", lambda x: x[:, None], "contexts.2 has shape"),
        ("contexts.4", lambda x: x, "its tensors|needs"),
    ],
)
def test_a_language_model_is_refused(spelling, name, change, message):
    tensors = safetensors.numpy.load_file(spelling)
    tensors[name] = change(tensors.get(name, np.zeros(1, np.int32)))
    safetensors.numpy.save_file(tensors, spelling)
    refused(message, spelling, language_model.load, spelling)


def test_a_language_models_size_is_refused(spelling, nothing_is_allocated):
    os.truncate(spelling, 1 << 30)
    refused("at most", spelling, language_model.load, spelling)


# Zips


def pack(path: Path, *members: tuple[str, bytes], change=lambda info: None, method=8) -> Path:
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in (("V/txt/p225/p225_001.txt", b"hello"), *members):
            info = zipfile.ZipInfo(name)
            info.compress_type, info.external_attr = method, (stat.S_IFREG | 0o644) << 16
            if name.startswith("V/x"):
                change(info)
            archive.writestr(info, content)
    return path


def patch(path: Path, name: str, central: int, local: int, value: bytes) -> None:
    """Changes a field of the last member of that name, in the directory and before the content."""
    content = bytearray(path.read_bytes())
    for magic, offset, header in ((b"PK\x01\x02", central, 46), (b"PK\x03\x04", local, 30)):
        at = content.rindex(magic, 0, content.rindex(name.encode(), 0, _end(content, magic)))
        assert content[at + header :].startswith(name.encode())
        content[at + offset : at + offset + len(value)] = value
    path.write_bytes(content)


def _end(content: bytearray, magic: bytes) -> int:
    return len(content) if magic == b"PK\x01\x02" else content.index(b"PK\x01\x02")


def mode(kind: int):
    return lambda info: setattr(info, "external_attr", (kind | 0o777) << 16)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("V/../../etc/passwd", None, "leads out"),
        ("..", None, "leads out"),
        ("/etc/passwd", None, "not a relative path"),
        ("C:/windows", None, "not a relative path"),
        ("V\\..\\x", None, "not a relative path"),
        ("V/x", mode(stat.S_IFLNK), "link"),
        ("V/x", mode(stat.S_IFIFO), "link"),
        ("V/x\x1b[31m", mode(stat.S_IFLNK), r"member 'V/x\\x1b"),
        ("V/x", lambda info: setattr(info, "compress_type", zipfile.ZIP_BZIP2), "method 12"),
        ("V/x", lambda info: setattr(info, "compress_type", zipfile.ZIP_LZMA), "method 14"),
    ],
)
def test_a_member_is_refused(tmp_path, name, change, message):
    path = pack(tmp_path / "V.zip", (name, b"x"), change=change or (lambda info: None))
    refused(message, path, vctk.top_folder, path)


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("names", [("V/x", "V/x"), ("V/x", "V/x/")])
def test_a_member_twice_is_refused(tmp_path, names):
    path = pack(tmp_path / "V.zip", *((name, b"") for name in names))
    refused("appears twice", path, vctk.top_folder, path)


def test_an_encrypted_member_is_refused(tmp_path):
    path = pack(tmp_path / "V.zip", ("V/x", b"x"))
    patch(path, "V/x", 8, 6, b"\x01\x00")
    refused("encrypted", path, vctk.top_folder, path)


@pytest.mark.parametrize(
    ("sizes", "message"), [([80], "member 'V/0' claims to unpack"), ([40, 40], "zip: claims to")]
)
def test_a_bomb_is_refused(tmp_path, sizes, message):
    members = [(f"V/{i}", bytes(size << 20)) for i, size in enumerate(sizes)]
    path = pack(tmp_path / "V.zip", *members)
    assert path.stat().st_size < 1 << 20
    refused(message, path, vctk.top_folder, path)


def test_overlapping_members_are_refused(tmp_path):
    path = pack(tmp_path / "V.zip", ("V/x", b"x" * 999))
    patch(path, "V/x", 20, 18, struct.pack("<I", 10**6))
    refused("overlap", path, vctk.top_folder, path)


def test_no_more_is_unpacked_than_a_member_declares(tmp_path):
    """Thirty megabytes behind a header that says 100 bytes, with the checksum of those."""
    path = pack(tmp_path / "V.zip", ("V/x", bytes(30 << 20)))
    for value, central, local in ((100, 24, 22), (zlib.crc32(bytes(100)), 16, 14)):
        patch(path, "V/x", central, local, struct.pack("<I", value))
    member = archives.open_zip(path) / "V/x"
    tracemalloc.start()
    assert member.read_bytes() == bytes(100)
    assert tracemalloc.get_traced_memory()[1] < 10 << 20
    zipfile.Path.read_bytes(member)  # Python's own way
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak > 20 << 20, "zipfile has learnt it: Member.read_bytes is no longer needed"


def test_a_damaged_text_is_left_out_and_the_others_are_read(tmp_path):
    path = tmp_path / "V.zip"
    names = ["V/txt/p225/p225_002.txt", *(f"V/wav48/p225/p225_00{i}.wav" for i in (1, 2))]
    pack(path, *((name, b"words") for name in names))
    patch(path, names[0], 16, 14, b"bad!")
    c = config.pretraining("vctk")
    c.corpus.update({"path": str(path), "mic": "mic1", "decimate": False})
    corpus = vctk.load(c.corpus, tmp_path)
    assert corpus.table["text"].tolist() == ["hello"]
    (skipped,) = corpus.skipped
    assert skipped.file.endswith("p225_002.wav") and "Bad CRC-32" in skipped.reason


def test_a_zip_within_a_zip_is_not_opened(tmp_path):
    inner = pack(tmp_path / "inner.zip").read_bytes()
    path = tmp_path / "V.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("inner.zip", inner)
    refused("no folder txt", path, vctk.top_folder, path)


# Reports


NAMES = (
    "<script>alert(1)</script>",
    "a|b`c`*d*\n# e",
    "\u202egnp.exe\u2066",
    "\x1b[31m\x00",
    "\ud8ff",
)


@pytest.fixture(scope="module")
def report():
    """The page and the Markdown of a run whose every name is hostile."""
    results, predictions, selected, maps, labels = made_report.make()
    hostile = " ".join(NAMES)
    results["provenance"] |= {"corpus": {"name": hostile, "synthetic": False}, "command": hostile}
    results["notes"] = [hostile, *NAMES]
    results["skipped"] = [
        {"file": name, "start": None, "end": None, "step": "audio", "reason": name}
        for name in (*NAMES, hostile)
    ]
    speakers = dict(zip(predictions["speaker"].unique(), NAMES, strict=False))
    predictions = predictions.assign(speaker=predictions["speaker"].replace(speakers))
    said, drawn = made_report.said_and_drawn(results, predictions, selected, maps, labels)
    return page.render(said, drawn, maps), markdown.render(said, ["pearson-"] * 5)


def scripts(html: str) -> list[tuple[str, str]]:
    return re.findall(r"<script([^>]*)>(.*?)</script>", html, re.S)


def test_names_are_seen_and_not_obeyed(report):
    html, text = report
    assert len(scripts(html)) == 4  # data, Vega, ours for charts and for tables
    shown = re.sub(r"<script[^>]*>.*?</script>", "", html, flags=re.S)
    for whole in (shown, scripts(html)[0][1], text):
        assert not wording.UNSEEN.search(whole)
        assert "\\u202egnp.exe" in whole
    assert "<script>alert" not in html
    assert "\x1b" not in json.dumps(json.loads(scripts(html)[0][1]), ensure_ascii=False)


def test_names_break_no_markdown(report):
    shown = markdown_it.MarkdownIt("commonmark").enable("table").render(report[1])
    assert shown.count("<h1>") == 1
    assert "<script" not in shown and "<em>d" not in shown
    for table in re.findall("<table>.*?</table>", shown, re.S):
        assert len({len(re.findall("<t[hd][ >]", row)) for row in table.split("</tr>")[:-1]}) == 1


def test_the_page_may_run_its_own_scripts_alone(report):
    html, _ = report
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', html)[1]
    ran = [text for kind, text in scripts(html) if "json" not in kind]
    digests = [base64.b64encode(hashlib.sha256(t.encode()).digest()).decode() for t in ran]
    allowed = policy.replace("&#39;", "'")
    assert re.findall("'sha256-([^']*)'", allowed) == digests
    assert "default-src 'none'" in allowed and "script-src 'unsafe" not in allowed


# Settings


def overridden(tmp_path, content: str, flags=None):
    path = tmp_path / "o.json"
    path.write_text(content)
    c = config.experiment("table")
    c.lock()
    overrides.apply(c, path, flags or {})
    return c


def test_overrides_change_fields_and_flags_change_them_again(tmp_path):
    given = {
        "tap": "skip",
        "feature_sets": ["mfcc"],
        "eval": {"n_selected": 7, "battery": True, "scale": [0, 6.5], "layers": {"top": [-1, -2]}},
    }
    c = overridden(tmp_path, json.dumps(given), {"eval.n_selected": 9})
    assert c.tap == "skip" and c.feature_sets == ("mfcc",) and c.corpus.kind == "table"
    assert c.eval.n_selected == 9 and c.eval.battery is True and c.eval.scale == (0, 6.5)
    assert c.eval.layers.to_dict() == {"top": (-1, -2)} and c.is_locked


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "not a JSON object"),
        ("{", "not valid JSON"),
        ("[" * 100_000, "nested"),
        ('{"a": "' + "x" * (1 << 18) + '"}', "at most"),
        ('{"seed": NaN}', "'seed' holds NaN"),
        ('{"seed": 1, "seed": 2}', "'seed' appears twice"),
        ('{"sede": 1}', "'sede'; did you mean seed"),
        ('{"eval": {"n": 1}}', "'eval.n'"),
        ('{"\\u001b[31m": 1}', r"'\\x1b"),
        ('{"seed": "1"}', "seed='1': must be a whole number"),
        ('{"seed": true}', "seed=True"),
        ('{"seed": 1.5}', "seed=1.5"),
        ('{"seed": null}', "seed=None"),
        ('{"seed": {"x": 1}}', "seed={'x': 1}"),
        ('{"tap": ["gate"]}', r"tap=\['gate'\]: must be text"),
        ('{"eval": 3}', "eval=3: must be an object"),
        ('{"eval": {"battery": 1}}', "eval.battery=1: must be true or false"),
        ('{"eval": {"targets": "arousal"}}', "eval.targets='arousal': must be a list"),
        ('{"eval": {"targets": [1]}}', "eval.targets=1: must be text"),
        ('{"eval": {"scale": ["1", "5"]}}', "eval.scale='1'"),
        ('{"eval": {"layers": {"top": ["x"]}}}', "eval.layers.top"),
        ('{"get": 1}', "'get'"),
        ('{"__class__": {"x": 1}}', "'__class__'"),
        ('{"eval.seed": 1}', "'eval.seed'"),
    ],
)
def test_overrides_are_refused(tmp_path, content, message):
    refused(message, tmp_path / "o.json", overridden, tmp_path, content)


@pytest.mark.parametrize(("settings", "group"), [
    (config.pretraining("vctk"), "corpus"), (config.experiment("table"), "finetune"),
])  # fmt: skip
def test_overrides_do_not_say_where_to_write(tmp_path, settings, group):
    path = tmp_path / "o.json"
    path.write_text(json.dumps({group: {"data_dir": "/etc"}}))
    refused(f"{group}.data_dir says where", path, overrides.apply, settings, path, {})


def shown(*arguments: str) -> tuple[int, list]:
    """Exit status of a command with these arguments, and the settings that it was given."""
    seen = []
    command = cli.Command("show", "", lambda c, *_: seen.append(c), config.experiment)
    return cli.run(command, arguments), seen


@pytest.mark.parametrize("stored", [False, True])
def test_commands_take_overrides(tmp_path, stored):
    (tmp_path / "o.json").write_text('{"tap": "skip", "pooling": "max"}')
    if stored:
        record = {"config": {"corpus": {"kind": "table"}, "seed": 5}}
        (tmp_path / "extract.json").write_text(json.dumps(record))
    more = [] if stored else ["--config=table", "--config.seed=5"]
    status, (c,) = shown(
        *more, "--config.pooling=std", f"--overrides={tmp_path}/o.json", f"--workdir={tmp_path}"
    )
    assert (status, c.tap, c.pooling, c.seed) == (0, "skip", "std", 5)


def test_a_commands_overrides_that_are_not_there_are_named(capsys):
    assert shown("--config=table", "--overrides=no.json") == (1, [])
    assert re.fullmatch("error: no.json: cannot be read .*\n", capsys.readouterr().err)
