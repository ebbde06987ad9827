"""MELD, as its release lays it out, with the sound of its clips."""

from pathlib import Path

import ml_collections
import pytest

from emoasr.corpora import open_corpus
from emoasr.errors import UserError

HEADER = (
    "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,"
    "StartTime,EndTime\n"
)
ROW = '{n},"Hi, you.",{speaker},joy,positive,{n},0,8,21,"00:16:16,059","00:16:21,731"\n'
FOLDERS = {
    "train": "train_splits",
    "dev": "dev_splits_complete",
    "test": "output_repeated_splits_test",
}


def release(folder, splits=FOLDERS):
    for split, clips in splits.items():
        rows = [ROW.format(n=n, speaker=speaker) for n, speaker in enumerate(("Chandler", "Ross"))]
        (folder / f"{split}_sent_emo.csv").write_text(HEADER + "".join(rows))
        (folder / clips).mkdir()
        for n in range(2):
            (folder / clips / f"dia{n}_utt0.wav").touch()
    return folder


def opened(path):
    return open_corpus(ml_collections.ConfigDict({"kind": "meld", "path": str(path)}), Path())


def test_clips_of_one_name_are_those_of_their_splits(tmp_path):
    table = opened(release(tmp_path)).table
    assert table.index.tolist() == [
        f"{folder}/dia{n}_utt0.wav" for folder in FOLDERS.values() for n in range(2)
    ]
    assert table["split"].tolist() == ["train"] * 2 + ["dev"] * 2 + ["test"] * 2
    assert table["session"].nunique() == 6 and set(table["speaker"]) == {"Chandler", "Ross"}
    assert table.iloc[0][["text", "emotion", "sentiment"]].tolist() == [
        "Hi, you.",
        "joy",
        "positive",
    ]


def test_a_split_alone_and_clips_that_are_missing(tmp_path):
    folder = release(tmp_path, {"dev": "dev"})
    (folder / "dev" / "dia1_utt0.wav").unlink()
    corpus = opened(folder)
    assert corpus.table.index.tolist() == ["dev/dia0_utt0.wav"]
    assert [s.file for s in corpus.skipped] == ["dev/dia1_utt0"]


@pytest.mark.parametrize(
    ("folder", "split"),
    [
        ("latest/train", "train"), ("contest/dev_splits", "dev"), ("Test", "test"),
        ("developed/my-test", "test"), ("test_data/train16k", "train"), ("train/latest", "train"),
    ],
)  # fmt: skip
def test_the_nearest_folder_with_the_word_says_the_split(tmp_path, folder, split):
    release(tmp_path, {split: "empty"})
    (tmp_path / "empty").rename(tmp_path / "clips")
    (tmp_path / folder).parent.mkdir(exist_ok=True)
    (tmp_path / "clips").rename(tmp_path / folder)
    corpus = opened(tmp_path)
    assert corpus.table.index.tolist() == [f"{folder}/dia{n}_utt0.wav" for n in range(2)]
    assert corpus.table["split"].tolist() == [split] * 2 and corpus.skipped == ()


def test_what_is_noted_of_all_tables_names_their_folder(tmp_path, capsys):
    labels = release(tmp_path) / "dev_sent_emo.csv"
    labels.write_text(labels.read_text().replace("Ross", "ross"))
    opened(tmp_path)
    said = capsys.readouterr().out
    assert said.startswith(f"{tmp_path}: warning: column speaker: 'Ross' and 'ross' count as two")


@pytest.mark.parametrize("split", FOLDERS)
def test_a_clip_that_is_labelled_twice_is_named_by_its_table(tmp_path, split):
    folder = release(tmp_path)
    (folder / FOLDERS[split] / "dia0_utt0.wav").unlink()
    with (folder / f"{split}_sent_emo.csv").open("a") as labels:
        labels.write(ROW.format(n=1, speaker="Ross"))
    with pytest.raises(
        UserError, match=f"{split}_sent_emo.csv: rows 2 and 3, .*'{split}/dia1_utt0' appears twice"
    ):
        opened(folder)


def test_what_is_not_the_release_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has no train_sent_emo.csv; .*it is empty"):
        opened(tmp_path)
    folder = release(tmp_path, {"train": "clips"})  # of which split?
    with pytest.raises(
        UserError, match="none of its 2 turns has audio, such as train/dia0_utt0.wav"
    ):
        opened(folder)
    (folder / "train_sent_emo.csv").write_text("Utterance,Speaker\nhi,Ross\n")
    with pytest.raises(UserError, match="lacks the column Emotion, Sentiment"):
        opened(folder)
