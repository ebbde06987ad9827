import re

import audformat
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import run_folder
from hypothesis import given
from hypothesis import strategies as st

from emoasr.errors import UserError
from emoasr.evaluation import alignment, evaluate
from emoasr.extraction import feature_tables


def n_utterances(result, target):
    return {r["n_utterances"] for r in result.rows if r["target"] == target}


def test_missing_labels_are_skipped_per_target_and_listed():
    table, labels = run_folder.corpus()
    labels.loc["wav/0003.wav", "valence"] = np.nan
    labels.loc["wav/0005.wav", "speaker"] = None
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    assert n_utterances(result, "arousal") == {47}
    assert n_utterances(result, "valence") == {46}
    reported = {(s["file"], s["reason"]) for s in result.skipped}
    assert reported == {
        ("wav/0003.wav", "no rating of valence"),
        ("wav/0005.wav", "no speaker; needed for arousal"),
        ("wav/0005.wav", "no speaker; needed for valence"),
    }


def test_feature_sets_are_compared_on_the_same_utterances():
    table, labels = run_folder.corpus()
    other = table.iloc[2:].copy()
    other.iloc[4, 1] = np.nan
    table = pd.concat([table, table.iloc[:1].set_axis(audformat.filewise_index(["new.wav"]))])
    result = evaluate.evaluate({"x": table, "y": other}, labels, run_folder.settings())
    assert {r["n_utterances"] for r in result.rows} == {45}
    assert {(s["file"], s["reason"], s["step"]) for s in result.skipped} == {
        ("wav/0000.wav", "no features in y", "eval"),
        ("wav/0001.wav", "no features in y", "eval"),
        ("wav/0006.wav", "features in y that are not finite numbers", "eval"),
        ("new.wav", "in x, but not in the labels", "eval"),
    }


def test_segments_are_listed_in_seconds():
    table, labels = run_folder.corpus()
    starts = np.arange(len(table)) * 1.5
    ends = [*(starts[:-1] + 1), pd.NaT]
    index = audformat.segmented_index(["dialogue.wav"] * len(table), starts, ends)
    table, labels = table.set_axis(index), labels.set_axis(index)
    labels.iloc[[1, -1], 2] = np.nan
    result = evaluate.evaluate({"x": table}, labels, run_folder.settings())
    assert [(s["file"], s["start"], s["end"]) for s in result.skipped] == [
        ("dialogue.wav", 1.5, 2.5),
        ("dialogue.wav", 70.5, None),
    ]
    assert audformat.is_segmented_index(result.predictions)


def labels_all_nan(table, labels):
    return table, labels.assign(valence=np.float32(np.nan))


def labels_without_ratings(table, labels):
    return table, labels[["speaker"]]


def ratings_in_capitals(table, labels):
    return table, pd.DataFrame({"Arousal": "1", "speaker": labels["speaker"]})


def labels_without_speaker(table, labels):
    return table, labels.drop(columns="speaker")


def one_speaker(table, labels):
    return table, labels.assign(speaker="s0")


def few_utterances(table, labels):
    return table.iloc[:4], labels.iloc[:4].assign(speaker=["a", "a", "b", "c"])


def no_common_utterance(table, labels):
    return table.set_axis(audformat.filewise_index([f"{i}" for i in range(len(table))])), labels


def duplicated(table, labels):
    return pd.concat([table, table.iloc[:1]]), labels


def features_of_text(table, labels):
    return table.assign(f1=[None, "1.5", "loud", *["2"] * 45]), labels


def decimal_comma(table, labels):
    return table.assign(f1=[1, None, 1.5, "0,5", *["2"] * 44]), labels


def numbers_as_text(table, labels):
    return table.assign(f1="1.5"), labels


def no_features(table, labels):
    return table[[]], labels


def other_kind_of_index(table, labels):
    return table.set_axis(audformat.segmented_index(["wav/0000.wav"] * 48, range(48))), labels


def no_utterances(table, labels):
    return table.iloc[:0], labels


def no_finite_row(table, labels):
    return table.assign(f2=np.inf, f3=np.nan).astype({"f1": bool}), labels


def ratings_of_text(table, labels):
    return table, labels.assign(valence="high")


def numbers_and_a_word(table, labels):
    words = labels["valence"].astype(str)
    words.iloc[7] = "n/a"
    return table, labels.assign(valence=words)


def no_utterance_with_both(table, labels):
    return table.where(labels["speaker"] == "s0").iloc[1:], labels.iloc[1::4]


def foreign_index(table, labels):
    return table.reset_index(drop=True), labels


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (labels_without_ratings, r"no ratings \(.* only: speaker\); give the corpus a table that"),
        (ratings_in_capitals, "only: Arousal, speaker.*; did you mean Arousal"),
        (
            labels_all_nan,
            "config.eval.targets: .*no value in column 'valence'.*: speaker, session, arousal$",
        ),
        (labels_without_speaker, "config.eval.protocol: .*'speaker'"),
        (one_speaker, "labels: 1 speaker.* needs 3 or more"),
        (
            few_utterances,
            "3 utterances or more besides those of each speaker",
        ),
        (
            no_common_utterance,
            r"feature set 'x': none of its utterances is in the labels: it has \(file 0\), the "
            r"labels have \(file wav/0000.wav\); use the names of labels.parquet",
        ),
        (no_utterance_with_both, "feature set 'x': none of its utterances is in the labels"),
        (no_finite_row, "feature set 'x': every row has NaN or infinity, .* column 'f2'"),
        (no_utterances, "feature set 'x': it has no rows"),
        (ratings_of_text, r"config.eval.targets: valence: 1 class to distinguish"),
        (
            numbers_and_a_word,
            "'valence' of the labels holds numbers in 47 rows, but 'n/a' .file wav/0007.wav",
        ),
        (duplicated, "feature set 'x': utterance wav/0000.wav is there twice"),
        (features_of_text, r"set 'x': column 'f1' holds 'loud' \(file wav/0002.wav\); replace it"),
        (decimal_comma, r"column 'f1' holds '0,5' \(file .*0003.wav\); replace its decimal comma"),
        (numbers_as_text, r"column 'f1' holds '1.5' \(file wav/0000.wav\); replace it by a number"),
        (no_features, "feature set 'x': it has no columns"),
        (
            other_kind_of_index,
            r"feature set 'x': indexed by file, start, end \(file wav/0000.wav, start 0 days "
            r"00:00:00, end NaT\), but the labels by file \(file wav/0000.wav\)",
        ),
        (foreign_index, "feature set 'x': its index must be"),
    ],
)
def test_a_table_that_cannot_be_evaluated_is_named(spoil, message):
    table, labels = spoil(*run_folder.corpus())
    with pytest.raises(UserError, match=message) as caught:
        evaluate.evaluate({"x": table}, labels, run_folder.settings())
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "self", "axis"])
@pytest.mark.parametrize(
    "cells",
    [
        pa.nulls(2), *(pa.array([None, None], kind) for kind in (pa.string(), pa.bool_())),
        pa.array([None, None], pa.timestamp("ns")), pa.array([None, None], pa.list_(pa.int64())),
        pa.array([[1], [2]]), pa.array([[1.5], None]), pa.array([{"a": 1}, None]),
        pa.array([b"x", b"y"]), pa.array([1, None], pa.duration("s")),
        pa.array([1, 2], pa.date32()),
    ],
)  # fmt: skip
def test_a_column_of_parquet_that_holds_no_numbers_is_named(tmp_path, cells, name):
    path, files = tmp_path / "x.parquet", ["a.wav", "b.wav"]
    pq.write_table(pa.table({"file": files, "good": [1.0, 2.0], name: cells}), path)
    tables, _ = feature_tables.load([str(path)], tmp_path / "run")
    with pytest.raises(UserError, match=f"feature set 'x': column '{name}' holds ") as caught:
        alignment.join(tables, audformat.filewise_index(files))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("number", [1.7e308, -1e160, 3.5e38])
@pytest.mark.parametrize("regressor", ["linear", "ridge"])
def test_a_number_beyond_the_range_of_float32_is_named(number, regressor):
    table, labels = run_folder.corpus()
    table = table.astype({"f3": float})
    table.loc["wav/0004.wav", "f3"] = number
    named = re.escape(f"set 'x': column 'f3' holds {number:g} (file wav/0004.wav), beyond")
    with pytest.raises(UserError, match=named):
        evaluate.evaluate({"x": table}, labels, run_folder.settings(regressor=regressor))


def test_two_tables_without_a_common_utterance_are_named():
    table, labels = run_folder.corpus()
    with pytest.raises(UserError, match=r"set 'y': no utterance is left: .*0024.wav.*0000.wav"):
        alignment.join({"x": table.iloc[:24], "y": table.iloc[24:]}, labels.index)


S = pd.Timedelta(seconds=1)
NAT = pd.NaT


def segments(*rows):
    return audformat.segmented_index(*zip(*rows, strict=True))


WHOLE = segments(("a", 0, NAT), ("b", 0, NAT))
FILES = audformat.filewise_index(["a", "b"])
TIMED = segments(("a", 0 * S, 2 * S), ("b", 0 * S, 3 * S))
DIALOGUE = segments(("a", 0 * S, 2 * S), ("a", 2 * S, 3 * S), ("a", 3 * S, NAT))
TO_THE_END = segments(("a", 0 * S, 2 * S), ("a", 2 * S, 3 * S), ("a", 3 * S, 5 * S))
OVERLAPPING = segments(("a", 0 * S, 2 * S), ("a", 0 * S, 3 * S))


def aligned(index, labelled):
    table = pd.DataFrame({"f": np.arange(len(index), dtype=float)}, index)
    (result,) = alignment.align({"x": table}, labelled).values()
    return result


@pytest.mark.parametrize(
    ("index", "labelled"),
    [(a, b) for a in (WHOLE, FILES, TIMED) for b in (WHOLE, FILES, TIMED)]
    + [(DIALOGUE, TO_THE_END), (TO_THE_END, DIALOGUE)],
)
def test_a_file_its_whole_segment_and_an_open_end_are_the_same_utterance(index, labelled):
    table = aligned(index[::-1], labelled)
    found, skipped = alignment.join({"x": table}, labelled)
    assert skipped == []
    pd.testing.assert_index_equal(found, labelled, exact=False)
    assert table.loc[labelled, "f"].tolist() == list(range(len(index)))[::-1]


@pytest.mark.parametrize(
    ("index", "labelled"),
    [
        (FILES, DIALOGUE),
        (TO_THE_END, FILES),
        (OVERLAPPING, FILES),
        (FILES, OVERLAPPING),
        (TIMED.append(segments(("a", 2 * S, 3 * S))), FILES),
    ],
)
def test_segments_of_which_none_is_the_file_are_not_guessed_at(index, labelled):
    table = aligned(index, labelled)
    with pytest.raises(UserError, match="feature set 'x': indexed by file.*but the labels by file"):
        alignment.join({"x": table}, labelled)


def test_only_an_open_end_is_taken_for_another():
    table = aligned(segments(("a", 0 * S, 2.5 * S), ("b", 0 * S, 3 * S)), TIMED)
    found, skipped = alignment.join({"x": table}, TIMED)
    assert found.tolist() == TIMED[1:].tolist()
    assert [(s["end"], s["reason"]) for s in skipped] == [
        (2.0, "no features in x"),
        (2.5, "in x, but not in the labels"),
    ]


def test_segments_of_unlabelled_files_do_not_stand_in_the_way():
    table = aligned(TIMED.append(segments(("c", 0 * S, 1 * S), ("c", 1 * S, 2 * S))), FILES)
    found, skipped = alignment.join({"x": table}, FILES)
    assert found.tolist() == ["a", "b"]
    assert [(s["file"], s["reason"]) for s in skipped] == [("c", "in x, but not in the labels")]


KINDS = (
    audformat.filewise_index,
    audformat.segmented_index,
    lambda files: audformat.segmented_index(files, [0] * len(files), [ord(f) for f in files]),
)
SOME = st.lists(st.sampled_from("abcdef"), min_size=1, unique=True)


@given(st.lists(st.tuples(SOME, st.sampled_from(KINDS), st.sets(st.sampled_from("abcdef"))),
                min_size=2, max_size=4))  # fmt: skip
def test_every_utterance_is_used_or_reported(drawn):
    (labelled, kind, _), *others = drawn
    labels = kind(labelled)
    tables = {
        f"set{i}": pd.DataFrame({"f": [np.nan if f in bad else 1.0 for f in files]}, kind(files))
        for i, (files, kind, bad) in enumerate(others)
    }
    tables = alignment.align(tables, labels)
    usable = [set(labelled), *(set(files) - bad for files, _, bad in others)]
    if not set.intersection(*usable):
        with pytest.raises(UserError, match="feature set 'set"):
            alignment.join(tables, labels)
        return
    index, skipped = alignment.join(tables, labels)
    used = set(index.get_level_values("file"))
    reported = {s["file"] for s in skipped}
    assert used == set.intersection(*usable)
    assert used | reported == set(labelled).union(*(files for files, _, _ in others))
    assert not used & reported
    for table in tables.values():
        assert np.isfinite(table.loc[index]).all(axis=None)


def test_a_given_table_is_evaluated_beside_ours(tmp_path):
    table, labels = run_folder.corpus()
    run_folder.write(tmp_path, {"mfcc": table}, labels)
    seconds = np.arange(len(table)) + 1.25
    given_index = audformat.segmented_index(table.index, [0] * len(table), seconds)
    table.set_axis(given_index).iloc[2:].to_csv(tmp_path / "whisper.csv")
    sets, _ = feature_tables.load(("mfcc", str(tmp_path / "whisper.csv")), tmp_path / "features")
    sets = alignment.align(sets, labels.index)
    result = evaluate.evaluate(sets, labels, run_folder.settings())
    figures = {
        name: [{**r, "feature_set": None} for r in result.rows if r["feature_set"] == name]
        for name in sets
    }
    assert figures["mfcc"][0]["n_utterances"] == 46
    assert figures["mfcc"][0]["ccc"] == pytest.approx(figures["whisper"][0]["ccc"], abs=1e-6)
    assert [s["reason"] for s in result.skipped] == ["no features in whisper"] * 2
