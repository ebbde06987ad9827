"""When a training waits for the device, to learn its metrics."""

import json

from emoasr import config
from emoasr.training.metrics import MetricsLog


class OnDevice:
    """A number of one step, which notes that it was waited for."""

    def __init__(self, step: int, waited_for: set[int]):
        self._step, self._waited_for = step, waited_for

    def __float__(self) -> float:
        self._waited_for.add(self._step)
        return float(self._step)


def test_the_device_is_not_waited_for_between_lines(tmp_path):
    train = config.pretraining("transcribed").train
    train.steps, train.log_every = 7, 3
    waited_for, n_waited_for = set(), []
    with MetricsLog(tmp_path, train, 0, []) as log:
        for step in range(1, train.steps + 1):
            number = OnDevice(step, waited_for)
            log.add(step, {"loss": number, "gradient_norm": number})
            n_waited_for.append(len(waited_for))
    assert n_waited_for == [0, 0, 3, 3, 3, 6, 7]
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(line["step"], line["loss"]) for line in lines] == [(3, 2.0), (6, 5.0), (7, 7.0)]


def test_what_is_not_a_row_of_metrics_is_dropped(tmp_path):
    train = config.pretraining("transcribed").train
    rows = [b'{"step": 1, "loss": 2.0}', b"\xff\xfe\x00", b"5", b"null", b"{}", b'{"step": 2, "l']
    (tmp_path / "metrics.jsonl").write_bytes(b"\n".join(rows))
    with MetricsLog(tmp_path, train, 2, []) as log:
        assert log.rows == [{"step": 1, "loss": 2.0}]
