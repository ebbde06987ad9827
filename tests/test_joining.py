import audformat
import numpy as np
import pandas as pd
import pytest
import run_folder

from emoasr import evaluation
from emoasr.errors import UserError


def n_utterances(result, target):
    return {r["n_utterances"] for r in result.rows if r["target"] == target}


def test_missing_labels_are_skipped_per_target_and_told():
    table, labels = run_folder.corpus()
    labels.loc["wav/0003.wav", "valence"] = np.nan
    labels.loc["wav/0005.wav", "speaker"] = None
    result = evaluation.evaluate({"x": table}, labels, run_folder.settings())
    assert n_utterances(result, "arousal") == {47}
    assert n_utterances(result, "valence") == {46}
    told = {(s["file"], s["reason"]) for s in result.skipped}
    assert told == {
        ("wav/0003.wav", "no rating of valence"),
        ("wav/0005.wav", "no speaker; needed for arousal"),
        ("wav/0005.wav", "no speaker; needed for valence"),
    }


def test_feature_sets_are_compared_on_the_same_utterances():
    table, labels = run_folder.corpus()
    other = table.iloc[2:].copy()
    other.iloc[4, 1] = np.nan
    table = pd.concat([table, table.iloc[:1].set_axis(audformat.filewise_index(["new.wav"]))])
    result = evaluation.evaluate({"x": table, "y": other}, labels, run_folder.settings())
    assert {r["n_utterances"] for r in result.rows} == {45}
    assert {(s["file"], s["reason"], s["step"]) for s in result.skipped} == {
        ("wav/0000.wav", "no features in y", "eval"),
        ("wav/0001.wav", "no features in y", "eval"),
        ("wav/0006.wav", "features in y that are not finite numbers", "eval"),
        ("new.wav", "in x, but not in the labels", "eval"),
    }


def test_segments_are_told_in_seconds():
    table, labels = run_folder.corpus()
    starts = np.arange(len(table)) * 1.5
    ends = [*(starts[:-1] + 1), pd.NaT]
    index = audformat.segmented_index(["dialogue.wav"] * len(table), starts, ends)
    table, labels = table.set_axis(index), labels.set_axis(index)
    labels.iloc[[1, -1], 2] = np.nan
    result = evaluation.evaluate({"x": table}, labels, run_folder.settings())
    assert [(s["file"], s["start"], s["end"]) for s in result.skipped] == [
        ("dialogue.wav", 1.5, 2.5),
        ("dialogue.wav", 70.5, None),
    ]
    assert audformat.is_segmented_index(result.predictions)


def labels_all_nan(table, labels):
    return table, labels.assign(valence=np.float32(np.nan))


def labels_without_ratings(table, labels):
    return table, labels[["speaker"]]


def labels_without_speaker(table, labels):
    return table, labels.drop(columns="speaker")


def one_speaker(table, labels):
    return table, labels.assign(speaker="s0")


def few_utterances(table, labels):
    return table.iloc[:4], labels.iloc[:4].assign(speaker=["a", "a", "b", "b"])


def no_common_utterance(table, labels):
    return table.set_axis(audformat.filewise_index([f"{i}" for i in range(len(table))])), labels


def duplicated(table, labels):
    return pd.concat([table, table.iloc[:1]]), labels


def features_of_text(table, labels):
    return table.assign(f1="loud"), labels


def no_features(table, labels):
    return table[[]], labels


def other_kind_of_index(table, labels):
    return table.set_axis(audformat.segmented_index(table.index)), labels


def foreign_index(table, labels):
    return table.reset_index(drop=True), labels


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (labels_all_nan, "config.eval.targets: .*no value 'valence'.*: arousal$"),
        (labels_without_ratings, "nothing to evaluate: the corpus has no ratings"),
        (labels_without_speaker, "config.eval.protocol: .*'speaker'"),
        (one_speaker, "config.eval.protocol=.*1 speaker"),
        (few_utterances, "config.eval.protocol=.*3 utterances"),
        (no_common_utterance, "feature set 'x': no utterance is left"),
        (duplicated, "feature set 'x': the same utterance twice, wav/0000.wav"),
        (features_of_text, "feature set 'x': column 'f1' holds no numbers"),
        (no_features, "feature set 'x': it has no columns"),
        (other_kind_of_index, "feature set 'x': indexed by file, start, end"),
        (foreign_index, "feature set 'x': its index must be"),
    ],
)
def test_a_table_that_cannot_be_evaluated_is_named(spoil, message):
    table, labels = spoil(*run_folder.corpus())
    with pytest.raises(UserError, match=message) as caught:
        evaluation.evaluate({"x": table}, labels, run_folder.settings())
    assert "\n" not in str(caught.value)
