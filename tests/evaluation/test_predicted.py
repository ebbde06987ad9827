import dataclasses

import numpy as np
import pandas as pd
import pytest

from emoasr.errors import UserError
from emoasr.evaluation import bootstrap, predicted
from emoasr.evaluation.dataset import Dataset
from emoasr.evaluation.predicted import Predicted

BY_SPEAKER = ("leave-one-speaker-out", "in")


@pytest.fixture
def dataset():
    random = np.random.default_rng(0)
    index = pd.Index([f"{i:02d}.wav" for i in range(40)], name="file")
    groups = pd.DataFrame({"speaker": [f"s{i % 4}" for i in range(40)]}, index)
    ratings = pd.DataFrame(random.uniform(1, 5, (40, 2)), index, ["arousal", "valence"])
    return Dataset({}, ratings, groups, (1.0, 5.0))


def given(dataset, seeds=(0, 1), noise=0.5):
    """Predictions by several trainings, each as good as the others."""
    parts = []
    for seed in seeds:
        random = np.random.default_rng(seed)
        table = dataset.ratings + random.normal(0, noise, dataset.ratings.shape)
        parts.append(table.assign(seed=seed, fold=dataset.groups["speaker"]))
    return Predicted(pd.concat(parts), 7, *BY_SPEAKER)


def test_the_mean_of_the_trainings_is_evaluated_whatever_the_order_of_rows(dataset):
    of_two = given(dataset)
    shuffled = dataclasses.replace(of_two, table=of_two.table.sample(frac=1, random_state=0))
    frames = predicted.frames(dataset, shuffled, "f")["valence"]
    each = [frame["prediction"] for frame in frames.each]
    assert frames.mean["prediction"].to_numpy() == pytest.approx(np.mean(each, axis=0))
    assert (frames.mean["label"] == dataset.ratings["valence"]).all()
    assert frames.mean["clipped"].between(1, 5).all()


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda t: t.drop(columns="valence"), "no predictions of valence"),
        (lambda t: t.iloc[1:], r"no prediction of 1 of 40 utterances \(file 00.wav\)"),
        (lambda t: t.assign(fold="s0"), r"file 01.wav in fold 's0', this evaluation in 's1'"),
        (lambda t: t.assign(arousal=np.nan), "not a finite number"),
    ],
)
def test_predictions_of_something_else_are_refused_in_one_line(change, named, dataset):
    one = given(dataset, seeds=(0,))
    wrong = dataclasses.replace(one, table=change(one.table))
    with pytest.raises(UserError, match=named) as error:
        predicted.frames(dataset, wrong, "f")
    assert str(error.value).startswith("config.eval.predictions: f ")
    assert "\n" not in str(error.value)


def test_predictions_of_other_folds_are_refused(dataset):
    with pytest.raises(UserError, match="leave-one-speaker-out.*this evaluation has group-2-fold"):
        predicted.check_protocol({"f": given(dataset)}, "group-2-fold", "in")


def test_the_luck_of_training_widens_the_interval(dataset):
    frames = predicted.frames(dataset, given(dataset, seeds=range(3), noise=1.5), "f")["arousal"]
    alone = bootstrap.Bootstrap({"f": frames.mean}).limits("f")
    drawn = bootstrap.Bootstrap({"f": frames.mean}, {"f": frames.each}).limits("f")
    same = bootstrap.Bootstrap({"f": frames.mean}, {"f": [frames.mean] * 3}).limits("f")

    def width(limits):
        return limits["ccc_high"] - limits["ccc_low"]

    assert width(drawn) > width(alone)
    assert same == pytest.approx(alone)


def test_a_reader_learns_how_many_trainings_there_were(dataset):
    for seeds, said in (((0,), "f: one training"), ((0, 1), "f: the mean of 2 trainings")):
        of_name = {"f": given(dataset, seeds)}
        (line,) = predicted.notes(of_name, predicted.by_target(dataset, of_name))
        assert line.startswith(said)
