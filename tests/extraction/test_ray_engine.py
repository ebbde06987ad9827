"""Extraction on Ray Data gives what extraction on one machine gives, whatever happens to nodes."""

import shutil
import signal
import threading
import time

import made_predictors
import pandas as pd
import pytest
import soundfile
from made_extraction import assert_same, record, settings, tables

import emoasr
from emoasr import extract, predict
from emoasr.errors import UserError
from emoasr.extraction import feature_tables, ray_engine, row_store
from emoasr.system import interrupts

ray = pytest.importorskip("ray", reason="no Ray: the extra `ray` is not installed")
cluster_utils = pytest.importorskip("ray.cluster_utils")

pytestmark = pytest.mark.slow
SETS = ("neural", "random", "mfcc")


@pytest.fixture(autouse=True)
def disconnected():
    yield
    ray.shutdown()


@pytest.fixture(scope="module")
def damaged(speech, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged") / "speech"
    shutil.copytree(speech, folder)
    (folder / "03.wav").write_bytes(b"RIFF")
    wave, rate = soundfile.read(folder / "07.wav")
    soundfile.write(folder / "07.wav", 0 * wave, rate)
    return folder


@pytest.fixture(scope="module")
def asked(damaged, small_recognizer):
    def on(engine, **of_ray):
        c = settings(damaged, small_recognizer, engine=engine, batch_frames=100, buckets=3)
        c.ray.update(of_ray)
        return c

    return on


@pytest.fixture(scope="module")
def local(asked, tmp_path_factory):
    workdir = tmp_path_factory.mktemp("local")
    extract.main(asked("local"), workdir)
    return workdir


def test_ray_gives_the_rows_that_one_machine_gives(local, asked, tmp_path, capsys):
    handlers = [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)]
    extract.main(asked("ray"), tmp_path)
    assert [signal.getsignal(s) for s in (signal.SIGINT, signal.SIGTERM)] == handlers
    assert_same(tables(tmp_path, SETS), tables(local, SETS), atol=1e-6)
    for field in ("found", "used", "skipped", "warnings", "tables"):
        assert record(tmp_path)[field] == record(local)[field], field
    for name, took in record(local)["computed"].items():
        assert record(tmp_path)["computed"][name]["shapes"] == took["shapes"], name
    assert record(tmp_path)["skipped"] and record(tmp_path)["warnings"]
    capsys.readouterr()
    extract.main(asked("local"), tmp_path)  # and either engine goes on from the other's rows
    assert capsys.readouterr().out.count("kept, made from the same files") == len(SETS)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "nowhere", "127.0.0.1:x", "127.0.0.1:99999"])
def test_a_cluster_that_does_not_answer_is_told(asked, tmp_path, address):
    with pytest.raises(UserError, match=f"config.ray.address={address}: no Ray cluster answers"):
        extract.main(asked("ray", address=address), tmp_path)


@pytest.mark.parametrize("wrong", [{"actors": 0}, {"gpus": -1.0}, {"gpu_memory": 1.5}])
def test_wrong_numbers_are_told(asked, tmp_path, wrong):
    with pytest.raises(UserError, match=r"^config\.ray\.\w+=.*: must be"):
        extract.main(asked("ray", **wrong), tmp_path)


@pytest.fixture(scope="module")
def cluster():
    """A cluster of two nodes that work."""
    with interrupts.kept_from_libraries():
        made = cluster_utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 0})
        for _ in range(2):
            made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def test_a_worker_of_another_version_is_told(asked, cluster, tmp_path, monkeypatch):
    monkeypatch.setattr(ray_engine, "__version__", "9.9.9")
    with pytest.raises(UserError, match="a worker has emoasr .*, the driver 9.9.9"):
        extract.main(asked("ray", address=cluster.address), tmp_path)


def test_predictions_are_those_of_one_machine(asked, cluster, small_recognizer, tmp_path):
    digest = emoasr.load_recognizer(small_recognizer).digest
    predictor = str(made_predictors.save(tmp_path / "predictor", digest))
    found = []
    for engine, more in (("local", {}), ("ray", {"address": cluster.address})):
        c = asked(engine, **more)
        predict.main(c, tmp_path / engine, predictor=predictor, window=0.2, hop=0.1)
        found.append(tables_of_predictions(tmp_path / engine))
    pd.testing.assert_frame_equal(*found, atol=1e-5)
    assert found[0].index.names == ["file", "start", "end"]


def tables_of_predictions(workdir):
    return feature_tables.read(workdir / "predictions.parquet")[0]


def test_nothing_is_lost_with_a_node(local, asked, cluster, tmp_path, monkeypatch):
    """An actor on each node; one dies when the first rows are there."""
    seen, dead = threading.Event(), []
    put = row_store.RowStore.put

    def spy(self, *args):
        seen.set()
        return put(self, *args)

    def kill():
        seen.wait(120)
        cluster.remove_node(min(cluster.worker_nodes, key=str), allow_graceful=False)
        dead.append(time.monotonic())

    monkeypatch.setattr(row_store.RowStore, "put", spy)
    killer = threading.Thread(target=kill)
    killer.start()
    try:
        extract.main(asked("ray", address=cluster.address, actors=2), tmp_path)
    finally:
        seen.set()
        killer.join()
    assert dead
    assert_same(tables(tmp_path, SETS), tables(local, SETS), atol=1e-6)
    assert record(tmp_path)["skipped"] == record(local)["skipped"]
