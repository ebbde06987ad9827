import dataclasses
from pathlib import Path

import audformat
import ml_collections
import numpy as np
import pandas as pd
import pytest
import soundfile

from emoasr import config
from emoasr.audio import reading
from emoasr.corpora import open_corpus
from emoasr.corpora.base import KINDS, Skipped
from emoasr.errors import UserError
from emoasr.settings import configurations


def opened(kind, path, **fields):
    config = ml_collections.ConfigDict({"kind": kind, "path": str(path), **fields})
    return open_corpus(config, Path("unused"))


def table(path, root=""):
    return opened("table", path, root=root)


def csv(folder, text):
    (folder / "t.csv").write_text(text, encoding="utf-8")
    return folder / "t.csv"


def fails(function, *args):
    with pytest.raises(UserError) as error:
        function(*args)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_csv_with_labels(tmp_path):
    corpus = table(csv(tmp_path, (
        "file,mood,speaker,session,arousal,valence,emotion,text\n"
        "a.wav,x,001,1,1.5,,neutral,\"Null, he said\"\n"
        "b.wav,y,NA,1,5,nan,,two\n"
    )))  # fmt: skip
    t = corpus.table
    assert list(t.columns) == [
        "speaker",
        "session",
        "arousal",
        "valence",
        "emotion",
        "text",
        "mood",
    ]
    assert t["speaker"].iloc[0] == "001" and t["speaker"].isna().tolist() == [False, True]
    assert t["text"].tolist() == ["Null, he said", "two"]
    assert t["arousal"].tolist() == [1.5, 5.0]
    assert t["arousal"].dtype == t["valence"].dtype == np.float32
    assert t["valence"].isna().all()
    assert t["emotion"].isna().tolist() == [False, True]
    assert audformat.is_filewise_index(t)
    assert corpus.name == "t"
    assert not corpus.synthetic
    assert corpus.segment(1) == reading.Segment(tmp_path / "b.wav")


@pytest.mark.parametrize(
    "rows",
    [
        "a.wav,0.5,1.25\na.wav,1.25,\n",
        "a.wav,0 days 00:00:00.5,0 days 00:00:01.25\na.wav,1.25,NaT\n",
    ],
    ids=["seconds", "audformat"],
)
def test_csv_with_segments(tmp_path, rows):
    corpus = table(csv(tmp_path, "file,start,end\n" + rows))
    assert audformat.is_segmented_index(corpus.table)
    assert corpus.segment(0) == reading.Segment(tmp_path / "a.wav", 0.5, 1.25)
    assert corpus.segment(1) == reading.Segment(tmp_path / "a.wav", 1.25, None)
    assert corpus.skip(0, "extract", "why") == Skipped("a.wav", "why", "extract", 0.5, 1.25)


def test_start_without_end(tmp_path):
    corpus = table(csv(tmp_path, "file,start\na.wav,2\nb.wav,\n"))
    assert corpus.segment(0) == reading.Segment(tmp_path / "a.wav", 2.0, None)
    assert corpus.segment(1) == reading.Segment(tmp_path / "b.wav", 0.0, None)


SEGMENTED = audformat.segmented_index(["x/a.wav", "x/b.wav"], ["0s", "1.5s"], ["1s", pd.NaT])
FILEWISE = audformat.filewise_index(["x/a.wav", "x/b.wav"])


@pytest.mark.parametrize("index", [SEGMENTED, FILEWISE], ids=["segmented", "filewise"])
@pytest.mark.parametrize("suffix", ["index.parquet", "columns.parquet", "csv"])
def test_audformat_tables(tmp_path, index, suffix):
    frame = pd.DataFrame({"arousal": [1.0, 2.0], "speaker": [7, 8]}, index=index)
    path = tmp_path / f"t.{suffix}"
    if suffix == "csv":
        frame.to_csv(path)
    elif suffix == "index.parquet":
        frame.to_parquet(path)
    else:
        frame.reset_index().to_parquet(path)
    corpus = table(path)
    pd.testing.assert_index_equal(corpus.table.index, index, exact=False)
    assert corpus.table["speaker"].tolist() == ["7", "8"]
    assert corpus.table["arousal"].tolist() == [1.0, 2.0]


def test_audformat_database_on_disk(tmp_path):
    db = audformat.Database("db")
    db.schemes["arousal"] = audformat.Scheme("float")
    db["segments"] = audformat.Table(SEGMENTED)
    db["segments"]["arousal"] = audformat.Column(scheme_id="arousal")
    db["segments"]["arousal"].set([1.0, 4.0])
    for storage in ("csv", "parquet"):
        db.save(tmp_path, storage_format=storage)
        corpus = table(tmp_path / f"db.segments.{storage}")
        pd.testing.assert_index_equal(corpus.table.index, SEGMENTED, exact=False)
        assert corpus.table["arousal"].tolist() == [1.0, 4.0]


def test_whole_speaker_numbers_with_gaps(tmp_path):
    frame = pd.DataFrame({"file": ["a", "b"], "speaker": [1.0, np.nan]})
    frame.to_parquet(tmp_path / "t.parquet")
    speakers = table(tmp_path / "t.parquet").table["speaker"]
    assert speakers.iloc[0] == "1"
    assert speakers.isna().tolist() == [False, True]


def test_files_relative_to_root_or_absolute(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    absolute = tmp_path / "abs.wav"
    corpus = table(csv(tmp_path, f"file\na.wav\n{absolute}\n"), root=str(elsewhere))
    assert corpus.segment(0).path == elsewhere / "a.wav"
    assert corpus.segment(1).path == absolute
    assert corpus.skip(1, "extract", "gone").file == str(absolute)


def test_samples_of_a_segment(tmp_path):
    x = np.random.default_rng(0).normal(0, 0.1, 16000).astype("f4")
    soundfile.write(tmp_path / "a.wav", x, 16000, subtype="FLOAT")
    corpus = table(csv(tmp_path, "file,start,end\na.wav,0.25,0.5\n"))
    np.testing.assert_array_equal(corpus.samples(0), x[4000:8000])


def test_a_corpus_gives_samples_at_the_rate_it_is_set_to(tmp_path):
    x = np.random.default_rng(0).normal(0, 0.1, 32000).astype("f4")
    soundfile.write(tmp_path / "a.wav", x, 32000, subtype="FLOAT")
    corpus = table(csv(tmp_path, "file\na.wav\n"))
    assert (corpus.sample_rate, corpus.antialias) == (16000, True)
    corpus = dataclasses.replace(corpus, sample_rate=8000, antialias=False)
    np.testing.assert_array_equal(corpus.samples(0), x[::4])
    assert corpus.n_samples(0) == 8000


def test_missing_audio_is_for_extraction_to_skip(tmp_path):
    corpus = table(csv(tmp_path, "file\nnowhere.wav\n"))
    with pytest.raises(reading.AudioError, match="no such file"):
        corpus.samples(0)


def test_transcribed_table(shared_data):
    corpus = table(shared_data / "english" / "metadata.csv")
    assert list(corpus.table.columns)[:3] == ["speaker", "text", "split"]
    assert set(corpus.table["split"]) == {"train", "valid", "test"}
    assert not corpus.table["text"].isna().any()
    assert len(corpus.samples(0)) == reading.n_samples(corpus.segment(0))


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("name,arousal\na.wav,1\n", "lacks the column file; has name, arousal"),
        ("file,arousal\n", "has no rows"),
        ("", "is empty; the first row of a table names its columns"),
        ("file,arousal\na.wav,1\nb.wav,high\n", "row 2 (b.wav), column arousal: 'high'"),
        ("file,valence\na.wav,inf\n", "row 1 (a.wav), column valence"),
        ("file\na.wav\na.wav\n", "rows 1 and 2, column file: 'a.wav' appears twice; remove one"),
        ("file,start,end\na.wav,0,1\na.wav,0,1.0\n", "twice"),
        ("file,text\na.wav,x\n,y\n", "row 2, column file"),
        ("file,start\na.wav,soon\n", "row 1 (a.wav), column start: 'soon'"),
        ("file,end\na.wav,inf\n", "column end"),
        ("file,text\na.wav,one, two\n", "row 1 ('a.wav') has 3 cells, the header 2"),
        ("file,text\na.wav,one\nb.wav,one, two\n", "row 2 ('b.wav') has 3 cells"),
    ],
)
def test_bad_csv(tmp_path, text, what):
    path = csv(tmp_path, text)
    message = fails(table, path)
    assert what in message
    assert str(path) in message


def test_not_a_table(tmp_path):
    (tmp_path / "t.parquet").write_text("nonsense")
    (tmp_path / "t.csv").write_bytes(b"\xff\xfe\x00\xd8")
    (tmp_path / "t.pkl").write_bytes(b"")
    assert "not a readable table" in fails(table, tmp_path / "t.parquet")
    assert "is not valid utf-16" in fails(table, tmp_path / "t.csv")
    assert "give a .csv or .parquet" in fails(table, tmp_path / "t.pkl")
    assert "give a .csv or .parquet" in fails(table, tmp_path)
    assert "config.corpus.path" in fails(table, tmp_path / "missing.csv")
    assert "config.corpus.path is empty" in fails(table, "")
    assert "config.corpus.root" in fails(table, csv(tmp_path, "file\na\n"), str(tmp_path / "no"))


def test_unknown_kind(tmp_path):
    assert "config.corpus.kind='tapes'" in fails(opened, "tapes", tmp_path)


@pytest.mark.parametrize("kind", KINDS)
def test_a_field_that_a_kind_reads_and_a_configuration_lacks_is_named(tmp_path, kind):
    shipped = configurations.load(configurations.shipped(config.experiment)[kind]).corpus
    assert {*shipped} == {"kind", "window", "hop", *KINDS[kind]}
    for field in KINDS[kind]:
        lacking = ml_collections.ConfigDict({k: v for k, v in shipped.items() if k != field})
        text = fails(open_corpus, lacking, tmp_path)
        assert text.startswith(f"config.corpus.{field} is missing") and f"--config={kind}" in text


def test_folder_lists_audio_recursively_and_sorted(tmp_path):
    names = ["b.wav", "a.FLAC", "sub/deep/c.opus", "sub/d.mp3"]
    ignored = ["notes.txt", "._b.wav", ".hidden/e.wav", "sub/.f.wav", "x.raw", "noext"]
    for name in names + ignored:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    corpus = opened("folder", tmp_path)
    assert corpus.table.index.tolist() == ["a.FLAC", "b.wav", "sub/d.mp3", "sub/deep/c.opus"]
    assert corpus.name == tmp_path.name
    assert corpus.segment(1).path == tmp_path / "b.wav"


def test_folder_counts_what_it_ignores(tmp_path, capsys):
    for name in ("a.wav", "b.txt", "c.md"):
        (tmp_path / name).touch()
    opened("folder", tmp_path)
    assert "1 audio file, 2 others ignored" in capsys.readouterr().out


def test_folder_lists_a_broken_link_and_walks_a_folder_named_like_audio(tmp_path):
    (tmp_path / "a.wav").symlink_to("nowhere")
    (tmp_path / "b.wav").mkdir()
    (tmp_path / "b.wav" / "c.wav").touch()
    corpus = opened("folder", tmp_path)
    assert corpus.table.index.tolist() == ["a.wav", "b.wav/c.wav"]


def test_bad_folders(tmp_path):
    assert "no audio file" in fails(opened, "folder", tmp_path)
    (tmp_path / "a.wav").touch()
    assert "is a file; give a folder" in fails(opened, "folder", tmp_path / "a.wav")
    assert "no such" in fails(opened, "folder", tmp_path / "missing")
