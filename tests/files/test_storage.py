"""Audio, tables and recognizers in object stores: as from disk, and few requests."""

import contextlib
import io
import json
import os
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import fsspec
import jax
import made_corpora
import made_predictors
import ml_collections
import numpy as np
import pandas as pd
import pytest
import run_folder
import soundfile
from flax import nnx
from object_store import methods, serving

import emoasr
from emoasr import config, extract, transcribe
from emoasr import eval as emoasr_eval
from emoasr.__main__ import main
from emoasr.asr import saved
from emoasr.asr.recognizer_files import MOST_BYTES
from emoasr.audio import reading
from emoasr.corpora import open_corpus
from emoasr.errors import UserError
from emoasr.extraction import egemaps, feature_tables
from emoasr.files import parquet, storage
from emoasr.settings import feature_sets
from emoasr.training import step

SETS = ("neural", "mfcc")


@pytest.fixture(scope="module")
def environment():
    """Credentials as AWS's tools take them."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield patch


@pytest.fixture(scope="module")
def store(environment):
    with serving() as store:
        environment.setenv("AWS_ENDPOINT_URL", store.endpoint)
        yield store


@pytest.fixture
def anew():
    """fsspec keeps its clients: one of another environment than before, and none for later."""
    client = fsspec.get_filesystem_class("s3")
    client.clear_instance_cache()
    yield
    client.clear_instance_cache()


def clips(folder: Path) -> Path:
    """Twelve short files of four formats, some in a folder further down, and two that are none."""
    random = np.random.default_rng(0)
    for i in range(12):
        n = int(random.integers(4000, 30000))
        x = 0.2 * np.abs(np.sin(np.arange(n) / (500 + 300 * i))) * random.normal(size=n)
        path = folder / ("sub/dir" if i % 3 else "") / f"{i:02d}.{('wav', 'flac', 'ogg')[i % 3]}"
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, x, (16000, 44100)[i % 2])
    (folder / "broken.wav").write_text("nonsense")
    (folder / ".hidden.wav").write_text("nonsense")
    return folder


@pytest.fixture(scope="module")
def local(tmp_path_factory):
    return clips(tmp_path_factory.mktemp("clips"))


@pytest.fixture(scope="module")
def remote(store, local):
    return store.put("s3://speech/clips", local)


def settings(kind, path, recognizer, sets=SETS, **fields):
    c = config.experiment(kind)
    c.corpus.update({"path": str(path), **({"root": ""} if kind == "table" else {}), **fields})
    c.update({"recognizer": str(recognizer), "feature_sets": sets, "workers": 2, "buckets": 2})
    return c


def extracted(c, workdir):
    """Tables by feature set, and what the run says of itself."""
    extract.main(c, workdir)
    own = [name for name in c.feature_sets if not feature_sets.is_external(name)]
    tables = {
        name: feature_tables.read(workdir / "features" / f"{name}.parquet")[0] for name in own
    }
    return tables, json.loads((workdir / "extract.json").read_text())


def opened(kind, path, **fields):
    return open_corpus(ml_collections.ConfigDict({"kind": kind, "path": path, **fields}), Path())


def output(function, *arguments, **fields):
    """The one line of a user's mistake."""
    with pytest.raises(UserError) as error:
        function(*arguments, **fields)
    assert str(error.value).isprintable()
    return str(error.value)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, table in expected.items():
        pd.testing.assert_frame_equal(found[name], table, check_exact=True)


# Corpora


def test_a_folder_gives_what_it_gives_on_disk(local, remote, small_recognizer, tmp_path):
    sets = (*SETS, "egemaps")  # the last: in processes, to which the corpus is sent
    here = extracted(settings("folder", local, small_recognizer, sets), tmp_path / "here")
    there = extracted(settings("folder", remote, small_recognizer, sets), tmp_path / "there")
    assert_same(there[0], here[0])
    assert there[1]["found"] == 13 and there[1]["used"] == 12
    assert there[1]["corpus"] == {"name": "clips", "synthetic": False, "path": remote}
    ((skipped,), (expected,)) = (run[1]["skipped"] for run in (there, here))
    assert skipped == {**expected, "reason": expected["reason"].replace(str(local), remote)}


def test_an_utterance_takes_a_request_for_its_header_and_one_for_its_samples(
    store, remote, small_recognizer, tmp_path
):
    with store.noted() as requests:
        extracted(settings("folder", remote, small_recognizer), tmp_path / "run")
    by_file = methods(requests)
    assert by_file["LIST"] <= 5 and by_file["HEAD"] <= 3  # whether it is a folder, what is in it
    assert by_file["GET"] <= 13 + 12
    assert sum(r.n_bytes for r in requests if r.method == "GET") < 13 * storage.LEAST_AHEAD * 2


def test_a_run_again_keeps_all_and_decodes_nothing(store, remote, small_recognizer, tmp_path):
    c = settings("folder", remote, small_recognizer)
    first = extracted(c, tmp_path)
    with store.noted() as requests:
        again = extracted(c, tmp_path)
    assert_same(again[0], first[0])
    assert methods(requests)["GET"] <= 2  # whether the broken file is still that


def test_a_changed_object_has_its_row_anew(store, local, small_recognizer, tmp_path, capsys):
    url = store.put("s3://speech/changing", local)
    c = settings("folder", url, small_recognizer)
    before, _ = extracted(c, tmp_path)
    store.put(f"{url}/00.wav", (local / "09.wav").read_bytes())
    store.put(f"{url}/03.wav", (local / "03.wav").read_bytes())  # another time, the same content
    capsys.readouterr()
    after, _ = extracted(c, tmp_path)
    assert "neural: 11 of 13 rows are there already" in capsys.readouterr().out
    for name, table in after.items():
        np.testing.assert_allclose(table.loc["00.wav"], before[name].loc["09.wav"], atol=1e-5)
    assert_same(*({n: t.drop("00.wav") for n, t in run.items()} for run in (after, before)))


def test_tables_name_files_in_stores_beside_those_on_disk(
    store, local, remote, small_recognizer, tmp_path
):
    disk = f"{local}/sub/dir/02.ogg"

    def table(first, second):
        ends = {"start": [0.0, 0.1, 0.0], "end": [0.2, 0.25, None]}
        return pd.DataFrame({"file": [first, second, disk], **ends})

    table("00.wav", "sub/dir/01.flac").to_csv(tmp_path / "here.csv", index=False)
    mixed = table(f"{remote}/00.wav", f"{remote}/sub/dir/01.flac")
    mixed.to_parquet(tmp_path / "mixed.parquet")
    near = table("../clips/00.wav", "../clips/sub/./dir/01.flac")
    near.to_csv(tmp_path / "near.csv", index=False)
    for name in ("near.csv", "mixed.parquet"):
        store.put(f"s3://speech/tables/{name}", (tmp_path / name).read_bytes())
    runs = [
        settings("table", tmp_path / "here.csv", small_recognizer, root=str(local)),
        settings("table", tmp_path / "here.csv", small_recognizer, root=remote),
        settings("table", tmp_path / "mixed.parquet", small_recognizer),
        settings("table", "s3://speech/tables/mixed.parquet", small_recognizer),
        settings("table", "s3://speech/tables/near.csv", small_recognizer),
    ]
    tables = [extracted(c, tmp_path / str(i))[0] for i, c in enumerate(runs)]
    for name in SETS:
        expected = tables[0][name].to_numpy()
        assert expected.shape[0] == 3
        for other in tables[1:]:
            np.testing.assert_array_equal(other[name].to_numpy(), expected)


def test_objects_that_stand_for_folders_are_no_files(store, local):
    for folder in ("", "sub/", "sub/empty/"):
        store.put(f"s3://speech/marked/{folder}", b"")
    store.put("s3://speech/marked/sub/00.wav", (local / "00.wav").read_bytes())
    corpus = opened("folder", "s3://speech/marked/")
    assert corpus.name == "marked" and corpus.table.index.tolist() == ["sub/00.wav"]
    assert corpus.notes == ("1 audio file, 0 others ignored",)
    assert [str(path) for path in corpus.root.iterdir()] == ["s3://speech/marked/sub"]


def test_a_segment_does_not_fetch_its_file(store):
    random = np.random.default_rng(0)
    buffer, n = io.BytesIO(), 52_000_000
    with soundfile.SoundFile(buffer, "w", 16000, 1, format="WAV") as file:
        file.write(np.zeros(n, np.int16))
        file.seek(n // 2)
        file.write(random.integers(-9000, 9000, 16000).astype(np.int16))
    url = store.put("s3://speech/long.wav", buffer.getvalue())
    whole = reading.Segment(storage.path(url))
    begin = n // 2 / 16000
    with store.noted() as requests:
        assert reading.n_samples(whole) == n
        x = reading.read(reading.Segment(whole.path, begin, begin + 1))
    assert len(x) == 16000 and x.std() > 0.1
    assert len(requests) <= 6
    assert sum(r.n_bytes for r in requests if r.method == "GET") < 500_000


def test_any_store_that_fsspec_knows(local, small_recognizer, tmp_path):
    memory = fsspec.filesystem("memory")
    memory.put(str(local), "/clips", recursive=True)
    found, _ = extracted(settings("folder", "memory://clips", small_recognizer), tmp_path / "a")
    expected, _ = extracted(settings("folder", local, small_recognizer), tmp_path / "b")
    assert_same(found, expected)
    assert opened("folder", f"file://{local}").root == local


@pytest.mark.parametrize("kind", ["emotale", "iemocap"])
def test_published_corpora(kind, tmp_path):
    if kind == "emotale":
        rows = [made_corpora.ROW.replace("DK_001_A_1", f"DK_00{i}_A_1") for i in (1, 2, 3)]
        files = "DK_001_A_1.wav", "DK_002_A_1.flac"
        made_corpora.emotale_folder(tmp_path, made_corpora.HEADER + "".join(rows), *files)
        fields = {"language": ""}
    else:
        made_corpora.turns(tmp_path, "Ses01F_impro01_F000", "Ses01F_impro01_M000")
        (tmp_path / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_M000.wav").unlink()
        fields = {"consistent": ""}
    fsspec.filesystem("memory").put(str(tmp_path), f"/{kind}", recursive=True)
    here, there = opened(kind, str(tmp_path), **fields), opened(kind, f"memory://{kind}", **fields)
    pd.testing.assert_frame_equal(there.table, here.table)
    assert there.skipped == here.skipped and len(there.skipped) == 1
    assert all(there.segment(i).path.is_file() for i in range(len(there)))


def test_what_training_prepares_is_on_disk(remote):
    from emoasr.corpora import vctk

    fields = {"path": remote, "mic": "mic1", "decimate": False, "data_dir": ""}
    assert "copy it there" in output(vctk.load, ml_collections.ConfigDict(fields), Path())


def test_strangers_tables_name_no_other_kinds_of_place(tmp_path):
    for url in ("dask://127.0.0.1:1/a.wav", "simplecache::s3://b/a.wav", "http://127.0.0.1/a.wav"):
        (tmp_path / "t.csv").write_text(f"file\n{url}\n")
        corpus = opened("table", str(tmp_path / "t.csv"), root="")
        with pytest.raises(reading.AudioError, match="no such file"):
            corpus.samples(0)
        assert corpus.fingerprints()
    assert "run programs" in output(opened, "folder", "dask://127.0.0.1:1/a")


# Tables and recognizers


def test_a_given_table(store, tmp_path):
    table, labels = run_folder.corpus()
    c = run_folder.write(tmp_path, {"egemaps": table}, labels)
    parquet.write(table + 0.5, tmp_path / "given.parquet")
    (table + 0.5).to_csv(tmp_path / "given.csv")
    urls = [
        store.put(f"s3://speech/tables/{name}", (tmp_path / name).read_bytes())
        for name in ("given.csv", "given.parquet")
    ]
    c.feature_sets = ("egemaps", urls[1])
    emoasr_eval.main(c, tmp_path)
    rows = json.loads((tmp_path / "eval" / "linear-5" / "results.json").read_text())["rows"]
    errors = {row["feature_set"]: row["mse_mean"] for row in rows if row["target"] == "arousal"}
    assert errors["given"] == pytest.approx(errors["egemaps"], rel=1e-4)
    ours, theirs = (feature_tables.load([url], tmp_path)[0]["given"] for url in urls)
    assert ours.index.tolist() == theirs.index.tolist()
    np.testing.assert_allclose(ours, theirs, rtol=1e-6)
    c.feature_sets = ("egemaps", "s3://speech/tables/none.parquet")
    assert "config.feature_sets: s3://speech/tables/none.parquet: no such" in output(
        emoasr_eval.main, c, tmp_path
    )


@pytest.fixture(scope="module")
def recognizer(store, small_recognizer):
    return store.put("s3://speech/recognizer", small_recognizer)


def test_a_recognizer(recognizer, small_recognizer, local, remote, capsys):
    here, there = emoasr.load_recognizer(small_recognizer), emoasr.load_recognizer(recognizer)
    assert there.digest == here.digest and there.card == here.card
    pd.testing.assert_frame_equal(
        there.features([f"{remote}/00.wav"]).reset_index(drop=True),
        here.features([local / "00.wav"]).reset_index(drop=True),
    )
    assert transcribe.main([f"{remote}/00.wav", f"{remote}/no.wav"], recognizer) == 1
    printed = capsys.readouterr()
    assert printed.out.startswith(f"{remote}/00.wav\t")
    assert printed.err.splitlines()[-1] == f"error: input 0: {remote}/no.wav: no such file"


def test_predictions_of_what_lies_in_a_store(
    recognizer, small_recognizer, store, local, remote, tmp_path
):
    digest = emoasr.load_recognizer(small_recognizer).digest
    here = made_predictors.save(tmp_path / "predictor", digest)
    there = store.put("s3://speech/predictor", here)
    expected = emoasr.load_predictor(here, small_recognizer).predict([local / "00.wav"])
    given = ["predict", f"--predictor={there}", f"--recognizer={recognizer}"]
    outputs = [f"--output={tmp_path}/a.parquet", f"--page={tmp_path}/a.html"]
    assert main([*given, *outputs, f"{remote}/00.wav"]) == 0
    found, _ = feature_tables.read(tmp_path / "a.parquet")
    np.testing.assert_allclose(found.to_numpy(float), expected.to_numpy(float), atol=1e-5)
    assert "The sound lies within this page" in (tmp_path / "a.html").read_text()
    corpus = ["--config=folder", f"--config.corpus.path={remote}", f"--workdir={tmp_path}/run"]
    assert main([*given, *corpus]) == 0
    table, _ = feature_tables.read(tmp_path / "run" / "predictions.parquet")
    row = table.loc[["00.wav"]].to_numpy(float)
    np.testing.assert_allclose(row, expected.to_numpy(float), atol=1e-4)


def test_a_training_starts_from_a_recognizer(recognizer):
    c = config.pretraining("transcribed")
    c.model.update({"n_channels": 8, "n_blocks": 1, "dilations": (1, 2)})
    c.train.update({"init": recognizer, "steps": 1})
    trained = saved.load(recognizer)
    _, state = step.create(c, trained)
    expected = nnx.state(trained.model, nnx.Param)
    jax.tree.map(np.testing.assert_array_equal, state.params, expected)


@pytest.mark.parametrize(
    ("name", "most"),
    [(name, MOST_BYTES[name]) for name in ("recognizer.json", "language.safetensors")],
)
def test_a_recognizers_file_that_is_too_large_is_not_fetched(store, small_recognizer, name, most):
    url = store.put(f"s3://speech/large/{name}", small_recognizer)
    store.put(f"{url}/{name}", bytes(most + 1))
    with store.noted() as requests:
        assert f"{url}/{name}: has {most + 1} bytes; at most {most}" in output(
            emoasr.load_recognizer, url
        )
    assert not any(r.method == "GET" and r.key.endswith(f"/{name}/{name}") for r in requests)


def test_a_strangers_recognizer_is_refused_as_on_disk(store, small_recognizer):
    url = store.put("s3://speech/odd", small_recognizer)
    store.put(f"{url}/weights.safetensors", b"\xff" * 5000)
    assert f"{url}/weights.safetensors: not safetensors" in output(emoasr.load_recognizer, url)
    store.put(f"{url}/recognizer.json", b"[" * 5000)
    assert f"{url}/recognizer.json: not valid JSON" in output(emoasr.load_recognizer, url)
    assert "is not a recognizer's folder: it has no recognizer.json" in output(
        emoasr.load_recognizer, "s3://speech/clips"
    )


# What goes wrong


@pytest.mark.parametrize(
    ("kind", "url", "why"),
    [
        ("folder", "s3://nobody/x", "bucket does not exist"),
        ("folder", "s3://speech/nothing", "no such file or folder"),
        ("folder", "s3://speech/clips/00.wav", "is a file; give a folder"),
        ("folder", "s3://", "config.corpus.path=s3://"),
        ("table", "s3://speech/clips/00.wav", "not a table"),
        ("table", "s3://speech/no.csv", "no such file or folder"),
        ("folder", "s4://speech/x", "s4://speech/x: Protocol not known: s4"),
        ("folder", "gs://speech/x", "gcsfs"),
    ],
)
def test_places_that_are_none(remote, kind, url, why):
    message = output(opened, kind, url, **({"root": ""} if kind == "table" else {}))
    assert why in message and url in message


@pytest.mark.parametrize("missing", ["fsspec", "s3fs"])
def test_without_the_packages(missing):
    code = f"import sys; sys.modules[{missing!r}] = None\n"
    code += "from emoasr import errors\nfrom emoasr.files import storage\n"
    code += "try: storage.path('s3://speech/x')\nexcept errors.UserError as error: print(error)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.startswith("s3://speech/x: ") and "[remote]" in run.stdout


def test_a_user_without_rights(store, remote, anew, monkeypatch):
    iam = store.client("iam")
    iam.create_user(UserName="guest")
    key = iam.create_access_key(UserName="guest")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    check_rights(store, True)
    try:
        assert "the store refuses access" in output(opened, "folder", remote)
        assert "the store refuses access" in output(emoasr.load_recognizer, remote)
        with pytest.raises(reading.AudioError, match="00.wav: cannot be read .the store refuses"):
            reading.read(reading.Segment(storage.path(f"{remote}/00.wav")))
    finally:
        check_rights(store, False)


def check_rights(store, wanted: bool):
    """Whether the server looks at users' policies, from its next request on."""
    count = b"0" if wanted else b"inf"
    kind = {"Content-Type": "text/plain"}
    request = urllib.request.Request(f"{store.endpoint}/moto-api/reset-auth", count, kind)
    urllib.request.urlopen(request).close()


def test_without_credentials(store, remote, anew, monkeypatch, tmp_path):
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    message = output(opened, "folder", remote)
    assert "no credentials" in message and "FSSPEC_S3_ANON" in message


@pytest.mark.parametrize("silent", [False, True])
def test_an_endpoint_that_does_not_answer(anew, store, monkeypatch, silent):
    monkeypatch.setitem(fsspec.config.conf, "s3", {"config_kwargs": {"read_timeout": 0.1}})
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        if not silent:
            server.close()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{port}")
        message = output(opened, "folder", "s3://speech/clips")
        tried = 0
        with contextlib.suppress(OSError):
            server.settimeout(0)
            while silent:
                server.accept()[0].close()
                tried += 1
    assert "endpoint" in message and tried <= 4  # without `clients._S3` there would be 25


def test_a_store_that_is_gone_ends_the_run(store, anew, local, small_recognizer, monkeypatch):
    with serving() as other:
        monkeypatch.setenv("AWS_ENDPOINT_URL", other.endpoint)
        corpus = opened("folder", other.put("s3://speech/clips", local))
        corpus.fingerprints()
    message = output(corpus.samples, 0)
    assert message.startswith("s3://speech/clips/00.wav: the store does not answer")
    assert message.endswith("; the same command continues from here")
    assert "not answer" in output(lambda: list(egemaps.extract(corpus, [0, 1], 1)))
    files = emoasr.load_recognizer(small_recognizer)
    assert "not answer" in output(files.features, ["s3://speech/clips/00.wav"])
    storage.path("s3://speech/clips")  # as a command does first, which makes it look anew
    assert "not answer" in output(corpus.fingerprints)


def test_what_vanishes_or_changes_while_a_run_is_at_work(store, local):
    url = store.put("s3://speech/restless", local)
    corpus = opened("folder", url)
    corpus.fingerprints()
    store.client().delete_object(Bucket="speech", Key="restless/00.wav")
    store.put(f"{url}/03.wav", (local / "06.wav").read_bytes())
    by_file = {file: i for i, file in enumerate(corpus.table.index)}
    with pytest.raises(reading.AudioError, match="restless/00.wav: no such file"):
        corpus.samples(by_file["00.wav"])
    with pytest.raises(reading.AudioError, match="restless/03.wav: cannot be read"):
        corpus.samples(by_file["03.wav"])
    assert len(corpus.samples(by_file["06.wav"]))
