"""Every number that a configuration can hold has bounds, and is refused beyond them in one line."""

import copy
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import emoasr
from emoasr import config, eval, extract, predict, pretrain
from emoasr.errors import UserError
from emoasr.settings import bounds, configurations

CONFIGS = sorted((Path(__file__).parents[2] / "configs").glob("*.py"))


def numeric(c) -> dict[str, object]:
    """Fields that hold a number or several, by their dotted names."""
    found = {}
    for name, value in configurations.leaves(c).items():
        elements = value if isinstance(value, tuple) else (value,)
        if elements and all(type(e) in (int, float) for e in elements):
            found[name] = value
    return found


def changed(c, name: str, value):
    *groups, field = name.split(".")
    inner = c
    for group in groups:
        inner = inner[group]
    with inner.unlocked(), inner.ignore_type():
        inner[field] = value
    return c


DEFAULTS = {"experiment": config.experiment("table"), "pretraining": config.pretraining("vctk")}
FIELDS = [(kind, name) for kind, c in DEFAULTS.items() for name in numeric(c)]


def holding(kind: str, name: str, number):
    """The defaults with another number in a field, or as the last of its numbers."""
    c = copy.deepcopy(DEFAULTS[kind])
    value = numeric(c)[name]
    value = (*value[:-1], number) if isinstance(value, tuple) else number
    return changed(c, name, value)


def refused(kind: str, name: str, number) -> None:
    with pytest.raises(UserError) as output:
        bounds.check(holding(kind, name, number))
    assert str(output.value).startswith(f"config.{name}=") and ": must be" in str(output.value)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_number_of_every_configuration_has_bounds_and_is_within(path):
    c = configurations.load(path)
    for name in numeric(c):
        assert name in bounds.BOUNDS or name.startswith("eval.layers."), name
    bounds.check(c)


@pytest.mark.parametrize(("kind", "name"), FIELDS)
def test_bounds_are_where_they_are_said_to_be(kind, name):
    low, high = bounds.BOUNDS[name]
    for number in (low - 1, np.nextafter(low, -math.inf), math.nan, math.inf, -math.inf):
        refused(kind, name, number)
    bounds.check(holding(kind, name, low))
    if high < math.inf:
        refused(kind, name, high + 1)
        bounds.check(holding(kind, name, high))


@given(field=st.sampled_from(FIELDS), number=st.integers() | st.floats())
def test_any_number_is_taken_or_refused_in_one_line(field, number):
    low, high = bounds.BOUNDS[field[1]]
    if low <= number <= high and number != math.inf and field[1] not in bounds._WHOLE:
        bounds.check(holding(*field, number))
    elif not low <= number <= high:
        refused(*field, number)


@pytest.mark.parametrize("field", ["eval.layers.first", "finetune.seeds"])
@pytest.mark.parametrize("value", ["3", True, None, (1, "2"), (0.5,)])
def test_what_is_no_number_is_refused(field, value):
    c = changed(config.experiment("table"), field, value)
    with pytest.raises(UserError, match=rf"config\.{field}=.*must be whole numbers"):
        bounds.check(c)


def test_fields_that_are_not_known_are_let_be():
    c = config.experiment("table")
    with c.unlocked():
        c.corpus.takes = -3
    bounds.check(c)


@pytest.mark.parametrize(
    ("command", "kind", "change"),
    [
        (extract.main, "experiment", {"workers": -1}),
        (extract.main, "experiment", {"buckets": 0}),
        (extract.main, "experiment", {"ray.actors": 0}),
        (extract.main, "experiment", {"feature_sets": (f"random-{2**32}",)}),
        (extract.main, "experiment", {"shard": "0/4"}),
        (extract.main, "experiment", {"shard": "5/4"}),
        (extract.main, "experiment", {"shard": "x/y"}),
        (eval.main, "experiment", {"eval.n_selected": -5}),
        (eval.main, "experiment", {"eval.scale": (1.0, math.inf)}),
        (pretrain.main, "pretraining", {"train.learning_rate": -1.0}),
        (pretrain.main, "pretraining", {"model.dropout": 1.5}),
        (pretrain.main, "pretraining", {"augment.min_band": 128}),
        (pretrain.main, "pretraining", {"distributed.timeout": -3}),
        (pretrain.main, "pretraining", {"train.batch_frames": 600}),  # 20 s are 626
        (pretrain.main, "pretraining", {"model.kernel_size": 4}),
        (pretrain.main, "pretraining", {"model.n_mfcc": 21}),
    ],
)
def test_commands_refuse_before_they_compute_or_write(command, kind, change, tmp_path):
    ((name, value),) = change.items()
    c = changed(
        getattr(config, kind)("transcribed" if kind == "pretraining" else "table"), name, value
    )
    if (
        kind == "pretraining"
    ):  # some of its settings are compared after it is known what they are of
        c.corpus.path = str(tmp_path)
    with pytest.raises(UserError) as output:
        command(c, tmp_path / "run")
    assert name in str(output.value)
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("command", "kind", "wrong", "right"),
    [
        (extract.main, "experiment", "sed", "seed"),
        (extract.merge, "experiment", "corpus.pth", "corpus.path"),
        (eval.main, "experiment", "eval.regresor", "eval.regressor"),
        (predict.main, "experiment", "batchframes", "batch_frames"),
        (pretrain.main, "pretraining", "train.lerning_rate", "train.learning_rate"),
    ],
)
def test_fields_that_a_notebook_misspells_are_refused(command, kind, wrong, right, tmp_path):
    c = changed(DEFAULTS[kind].copy_and_resolve_references(), wrong, 3)
    with pytest.raises(UserError, match=f"no such field: {wrong}; did you mean {right}\\?"):
        command(c, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("name", ["beam_size", "language_weight"])
@pytest.mark.parametrize("number", [math.nan, math.inf, -1])
def test_transcribing_refuses_numbers_that_make_no_sense(small_recognizer, name, number):
    recognizer = emoasr.load_recognizer(small_recognizer)
    with pytest.raises(UserError, match=f"^{name}={number}: must be"):
        recognizer.transcribe([], **{name: number})
