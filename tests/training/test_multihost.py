import dataclasses
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import faults
import jax
import made_training
import numpy as np
import pytest
import test_resident
from distributed import Job, Outcome, end, free_port

from emoasr import config, pretrain
from emoasr.errors import UserError
from emoasr.files.run_lock import run_lock
from emoasr.settings import distributed
from emoasr.training import checkpoints, multihost, sharding
from emoasr.training.job import connected

HERE = Path(__file__).parent
TESTS = HERE.parent
pytestmark = pytest.mark.usefixtures("quick_compilation")


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    return Job(faults.noise(tmp_path_factory.mktemp("noise") / "noise", 20), steps=16)


def train(trainer, state, steps, mesh):
    """Steps on a mesh, on batches of five rows, filled up as devices need; the mean loss too."""
    losses = []
    state = made_training.copied(state)
    for number in steps:
        rows = len(sharding.own_rows(5, mesh))
        batch = sharding.spread(made_training.batch(number, empty=rows - 4), mesh)
        state, metrics = trainer.step(state, np.int32(number), batch)
        losses.append(float(metrics["loss"]))
    return state, losses


def largest_difference(ours, theirs) -> float:
    pairs = zip(jax.tree.leaves(ours), jax.tree.leaves(theirs), strict=True)
    return max(float(np.abs(np.asarray(a) - np.asarray(b)).max()) for a, b in pairs)


def try_devices(folder: str) -> None:
    """In a process with four devices: what is promised of 1 and 4 of them."""
    trainer, start = made_training.trainer(augmented=True, dropout=0.1, learning_rate=3e-3)
    trainers, starts, ends, losses = {}, {}, {}, {}
    for n in (1, 4):
        mesh = jax.sharding.Mesh(np.array(jax.devices()[:n]), (sharding.AXIS,))
        trainers[n] = dataclasses.replace(trainer, mesh=mesh)
        starts[n] = sharding.replicate(start, mesh)
        middle, before = train(trainers[n], starts[n], range(3), mesh)
        with checkpoints.TrainingCheckpoints(Path(folder) / str(n)) as saved:
            saved.save(3, middle, {"next_index": 3})
        ends[n], after = train(trainers[n], middle, range(3, 6), mesh)
        losses[n] = before + after
    assert losses[1][0] != losses[1][1]
    examples = test_resident.made_examples()
    for batches in zip(
        *(test_resident.batches(examples, share) for share in (0, 0.2)), strict=True
    ):
        test_resident.assert_equal(*batches)  # rows dealt out to four devices
    np.testing.assert_allclose(losses[4], losses[1], rtol=1e-5)
    assert largest_difference(ends[4], ends[1]) < 1e-4
    for n, other in ((1, 4), (4, 1)):
        restored = checkpoints.TrainingCheckpoints(Path(folder) / str(other)).restore(starts[n])
        assert restored is not None and restored[0] == 3
        finished, _ = train(trainers[n], restored[1], range(3, 6), trainers[n].mesh)
        assert largest_difference(finished, ends[n]) < 1e-4


@pytest.mark.slow
def test_devices_train_alike_and_continue_each_others_checkpoints(tmp_path):
    code = f"import test_multihost; test_multihost.try_devices({str(tmp_path)!r})"
    flags = "--xla_force_host_platform_device_count=4"
    path = os.pathsep.join([str(HERE), str(TESTS), str(TESTS.parent / "scripts")])
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True,
        env=os.environ | {"XLA_FLAGS": flags, "PYTHONPATH": path},
    )  # fmt: skip
    assert not run.returncode, run.stderr


@pytest.mark.slow
def test_two_processes_train_what_one_does_though_one_is_killed(job, tmp_path):
    assert pretrain.command(job.flags(tmp_path / "one")) == 0  # in this process
    (status, _, _), (killed, _, _) = job.struck(tmp_path / "two")
    assert killed == -signal.SIGKILL
    assert status in (1, -signal.SIGABRT)  # JAX's own end, while a checkpoint waits for both
    assert not (tmp_path / "two" / "pretrain" / "recognizer").exists()
    found = job.finish(tmp_path / "two", processes=2)
    assert len(found.losses) == job.steps
    loss, weight = found.differences(Outcome.of(tmp_path / "one"))
    assert loss < 1e-3 and weight < 1e-4


@pytest.mark.slow
def test_a_second_job_is_refused_the_workdir(job, tmp_path):
    with run_lock(tmp_path), run_lock(tmp_path, "process-1"):
        ended = end(job.start(tmp_path, processes=2))
    for (status, _, errors), name in zip(ended, ("", " as process-1"), strict=True):
        assert status == 1 and f"another emoasr command is running there{name}" in errors


START = """
import sys, emoasr
from emoasr import config, pretrain
from emoasr.errors import UserError
from emoasr.settings import distributed
from emoasr.training import multihost
from emoasr.training.job import connected
c = config.pretraining("transcribed")
c.distributed.update(dict(coordinator="127.0.0.1:{port}", n_processes=2, process_id={number}))
c.distributed.timeout = {timeout}
later = print
{change}
try:
    print("lock name:", distributed.lock_name(c.distributed))
    with connected(c), multihost.barrier():
        later()
except UserError as error:
    sys.exit(f"error: {{error}}")
"""


def started(*changes: str, numbers=(0, 1), timeout=60, **variables):
    """Starts processes, after a line of code in each, and gives status, output and errors."""
    port = free_port()
    codes = [
        START.format(port=port, number=number, timeout=timeout, change=change)
        for number, change in zip(numbers, changes, strict=True)
    ]
    environment = os.environ | {"JAX_PLATFORMS": "cpu"} | variables
    return end([
        subprocess.Popen([sys.executable, "-c", code], env=environment, text=True,
                         stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for code in codes
    ])  # fmt: skip


@pytest.mark.parametrize("number", [0, 1])
def test_processes_that_do_not_come_are_waited_for_in_vain(number):
    ((status, _, errors),) = started("", numbers=[number], timeout=1)
    assert status == 1 and len(errors.splitlines()) == 1
    assert "not all processes were there within 1 s" in errors
    assert "config.distributed.coordinator=127.0.0.1" in errors and ".timeout" in errors


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("emoasr.__version__ = '9.9'", "version: process 1 has 'emoasr 9.9, JAX "),
        ("c.train.seed = 3", "config.train.seed: process 1 has '3', process 0 '0'"),
    ],
)
def test_processes_that_are_not_alike_are_named(change, message):
    for status, _, errors in started("", change):
        assert status == 1 and message in errors.splitlines()[-1]


def test_an_error_in_one_process_is_raised_by_all():
    fail = "number = {}\nlater = lambda: exec('if number: raise UserError(\"oh, a cat\")')"
    ended = started(fail.format(0), fail.format(1))
    assert [status for status, _, _ in ended] == [1, 1]
    assert ended[0][2].splitlines()[-1] == "error: process 1: oh, a cat"
    assert ended[1][2].splitlines()[-1] == "error: oh, a cat"


def test_a_lost_process_is_reported():
    fall = "import os; later = lambda: os.kill(os.getpid(), 9)"
    (status, _, errors), _ = started("import time; later = lambda: time.sleep(1)", fall)
    assert status == 1
    assert "error: process 0: another process of this job has ended" in errors.splitlines()[-1]


def test_a_port_that_is_in_use_is_named():
    c = config.pretraining("transcribed")
    with socket.create_server(("", 0)) as other:
        port = other.getsockname()[1]
        c.distributed.update({"coordinator": f"here:{port}", "n_processes": 2, "process_id": 0})
        error = pytest.raises(UserError, match=f"coordinator=here:{port}: cannot listen .*port")
        with error, connected(c):
            pass


def test_a_cluster_that_jax_knows_says_all():
    """What Slurm says to the two tasks of a job step on one node."""
    job = {"SLURM_JOB_ID": str(free_port()), "SLURM_STEP_NODELIST": "localhost",
           "SLURM_NTASKS": "2", "SLURM_LOCALID": "0"}  # fmt: skip
    auto = "c.distributed.update(dict(coordinator='auto', n_processes=0, process_id=-1)); "
    number = "import os; os.environ['SLURM_PROCID'] = '{}'"
    (status, first, _), (other_status, second, _) = started(
        auto + number.format(0), auto + number.format(1), **job
    )
    assert not status and not other_status
    assert "lock name: \n" in first and "lock name: process-1\n" in second


def test_no_cluster_is_reported():
    ((status, _, errors),) = started("c.distributed.coordinator = 'auto'", numbers=[0])
    last = errors.splitlines()[-1]
    assert status == 1 and "config.distributed.coordinator=auto: cannot connect" in last


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"process_id": 2}, "config.distributed.process_id=2: must be 0 to 1"),
        ({}, "config.distributed.process_id=-1: must be 0 to 1"),
        ({"process_id": 0, "n_processes": 0}, "config.distributed.n_processes=0: must be"),
        ({"coordinator": "here"}, "config.distributed.coordinator=here: must be HOST:PORT"),
    ],
)
def test_settings_that_name_no_process_are_refused(fields, message):
    c = config.pretraining("transcribed")
    c.distributed.update({"coordinator": "127.0.0.1:1", "n_processes": 2} | fields)
    with pytest.raises(UserError, match=message):
        distributed.lock_name(c.distributed)
    with pytest.raises(UserError, match=message), connected(c):
        pass


def test_one_process_needs_no_others():
    c = config.pretraining("transcribed")
    assert distributed.lock_name(c.distributed) == ""
    with connected(c), multihost.process_0_first():
        multihost.agree({"this": "that"}, "nothing")
        assert multihost.any_process(True) and not multihost.any_process(False)
    with pytest.raises(ValueError, match="mine"), multihost.barrier():
        raise ValueError("mine")
