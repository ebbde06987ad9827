"""Whatever stands in a table or a corpus's files: a right result, or one line for its user.

Anything but a `UserError` gets through and fails the test. What audio files may hold is in
`awkward.py`, the same for settings and recognizers in `test_fuzz_settings.py`.
"""

import csv
import io
import json
import shutil

import ml_collections
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fuzzing import examples, mutations, outcome
from hypothesis import assume, given
from hypothesis import strategies as st

from emoasr.corpora import base, cells, iemocap, iemocap_files, table, transcribed, vctk
from emoasr.extraction import feature_tables
from emoasr.files import parquet
from emoasr.files.text_tables import normalised

pytestmark = pytest.mark.filterwarnings("ignore")  # pandas has opinions about odd cells


def opened(path) -> base.Corpus:
    """A table as a corpus, with all that extraction asks of it before it decodes."""
    corpus = table.load(ml_collections.ConfigDict({"path": str(path), "root": ""}), path.parent)
    assert len(base.inputs_digest(corpus.fingerprints())) == 16
    assert all(isinstance(corpus.segment(i), object) for i in range(len(corpus)))
    return corpus


def read_both_ways(path) -> None:
    outcome(opened, path)
    outcome(feature_tables.load, [str(path)], path.parent)


# Tables

WORDS = ("file", "start", "end", "speaker", "arousal", "text", "x", "file.1", "Unnamed: 0", "")
CELLS = ("a.wav", "b.wav", "", "nan", "NA", "NaT", "inf", "-1", "1", "1.5", "1e300", "1e999",
         "9" * 400, "1_000", "0x10", "0 days 00:00:01.5", "1 day", "1M", "\0", "\u2028", "\r\n",
         'a"b', "\x1b[31m")  # fmt: skip
CELL = st.one_of(st.sampled_from(CELLS), st.text(max_size=5))
GRID = st.lists(st.sampled_from(WORDS), min_size=1, max_size=5).flatmap(
    lambda head: st.lists(st.lists(CELL, max_size=len(head) + 1), max_size=4).map(
        lambda rows: [head, *rows]
    )
)


def csv_of(rows, quoting: int) -> bytes:
    text = io.StringIO()
    if quoting == csv.QUOTE_NONE:
        text.write("\n".join(map(",".join, rows)))
    else:
        csv.writer(text, quoting=quoting).writerows(rows)
    return text.getvalue().encode(errors="surrogatepass")


@examples(120)
@given(rows=GRID, quoting=st.sampled_from((csv.QUOTE_ALL, csv.QUOTE_MINIMAL, csv.QUOTE_NONE)))
def test_a_csv_of_odd_cells(tmp_path, rows, quoting):
    (tmp_path / "t.csv").write_bytes(csv_of(rows, quoting))
    read_both_ways(tmp_path / "t.csv")


@examples(100)
@given(data=st.binary(max_size=80), suffix=st.sampled_from((".csv", ".parquet", ".txt")))
def test_any_bytes_as_a_table(tmp_path, data, suffix):
    (tmp_path / f"t{suffix}").write_bytes(data)
    read_both_ways(tmp_path / f"t{suffix}")


def says_something(name: str) -> bool:
    return normalised(name).casefold() not in cells.MISSING


NAME = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@examples(100)
@given(names=st.lists(NAME.filter(says_something), min_size=1, max_size=6, unique=True))
def test_names_come_out_of_a_csv_as_they_were(tmp_path, names):
    (tmp_path / "t.csv").write_bytes(csv_of([["file"], *([n] for n in names)], csv.QUOTE_ALL))
    corpus = opened(tmp_path / "t.csv")
    assert [corpus.key(i)[0] for i in range(len(corpus))] == names


SECONDS = st.floats(0, 1e6).map(lambda t: round(t, 6))
LENGTH = st.floats(1e-6, 1e6).map(lambda t: round(t, 6))
TIMES = st.one_of(
    st.tuples(SECONDS, st.none()),
    st.tuples(SECONDS, LENGTH).map(lambda t: (t[0], round(sum(t), 6))),
)


@examples(100)
@given(times=st.lists(TIMES, min_size=1, unique=True))
@pytest.mark.parametrize("kind", ["csv", "parquet"])
def test_times_come_out_of_a_table_as_they_were(tmp_path, kind, times):
    frame = (
        pd.DataFrame(times, columns=["start", "end"]).assign(file="a.wav").astype({"end": float})
    )
    path = tmp_path / f"t.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_parquet(path)
    corpus = opened(path)
    for i, (start, end) in enumerate(times):
        _, found_start, found_end = corpus.key(i)
        assert found_start == pytest.approx(start, abs=1e-9)
        assert found_end == (None if end is None else pytest.approx(end, abs=1e-9))


COLUMNS = (
    ["a.wav", "b.wav"], [1, 2], [1.5, np.nan], [None, "a"], [None, None], [b"a", b"\xff"],
    [[1], [2]], [{"a": 1}, {"a": 2}], [True, None], [pd.Timestamp("2020"), pd.NaT],
    [pd.Timedelta(1), pd.NaT], [pd.Timedelta(-5), pd.Timedelta(10**17)], [2**63, 5],
    [np.inf, -np.inf], [1e300, -1e300], ["1e300", "1"], pd.Categorical(["a", "b"]),
    pd.array([1, None], dtype="Int64"), np.float16([1, 2]),
)  # fmt: skip


@examples(100)
@given(
    columns=st.dictionaries(st.sampled_from([*WORDS, 0]), st.sampled_from(COLUMNS), min_size=1),
    n_index=st.integers(0, 3),
)
def test_a_parquet_file_of_odd_columns(tmp_path, columns, n_index):
    frame = pd.DataFrame(columns)
    index = list(frame.columns[:n_index])
    try:
        (frame.set_index(index) if index else frame).to_parquet(tmp_path / "t.parquet")
    except (TypeError, ValueError, NotImplementedError):
        assume(False)  # not what can be written
    read_both_ways(tmp_path / "t.parquet")
    outcome(parquet.outline, tmp_path / "t.parquet")


@pytest.mark.parametrize("twice", ["file", "start", "speaker"])
def test_two_columns_of_one_name(tmp_path, twice):
    names = ["file", "start", "speaker", twice]
    columns = [pa.array(["a", "b"]) if n != "start" else pa.array([1.0, 2.0]) for n in names]
    path = tmp_path / "t.parquet"
    pq.write_table(pa.Table.from_arrays(columns, names=names), path)
    assert outcome(opened, path) is None
    assert outcome(feature_tables.load, [str(path)], tmp_path) is None


@pytest.fixture(scope="module")
def parquet_file(tmp_path_factory) -> bytes:
    path = tmp_path_factory.mktemp("parquet") / "t.parquet"
    index = pd.Index(["a.wav", "b.wav"], name="file")
    frame = pd.DataFrame({"x": np.float32([1, 2]), "speaker": ["s", "t"]}, index)
    parquet.write(frame, path, {"feature_set": "x"})
    return path.read_bytes()


@examples(150)
@given(data=st.data())
def test_a_mutated_parquet_file(tmp_path, parquet_file, data):
    end = data.draw(mutations(parquet_file[-1500:]))  # its footer, where the schema is
    path = tmp_path / "t.parquet"
    path.write_bytes(parquet_file[:-1500] + end)
    read_both_ways(path)
    outcome(parquet.outline, path)


# IEMOCAP

TURN = "Ses01F_impro01_F000"
LINES = (
    f"[6.2901 - 8.2357]\t{TURN}\tneu\t[2.5000, 2.5000, 2.5000]",
    "C-E2:\tNeutral; Anger;\t()", "A-E3:\tval 3; act 2; dom  2;\t()", "A-F1:\tval 1; act .; dom 9",
    "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]", "",
    "[6.29 - 8.23]\tSes01F_impro01_M001\txxx\t[1e9, nan, 2.5]",
    f"{TURN} [006.2901-008.2357]: Excuse me.", "Ses01F_impro01_MXX0 [1-2]: [LAUGHTER]", "M: what?",
)  # fmt: skip
LINE = st.one_of(
    st.sampled_from(LINES),
    st.text(max_size=30),
    st.sampled_from(LINES[:4]).flatmap(lambda line: mutations(line.encode())),
)


def as_bytes(lines, end: str) -> bytes:
    raw = (line if isinstance(line, bytes) else line.encode(errors="replace") for line in lines)
    return end.encode().join(raw)


@examples(80)
@given(
    before=st.lists(LINE, max_size=6), after=st.lists(LINE, max_size=6),
    said=st.lists(LINE, max_size=5), end=st.sampled_from(("\n", "\r\n", "\r")),
)  # fmt: skip
def test_iemocaps_files(tmp_path, before, after, said, end):
    """A good line counts whatever stands around it, unless its turn stood there before."""
    session, good = tmp_path / "Session1", LINES[0].replace("F000", "F777")
    for kind, lines in (("EmoEvaluation", [*before, good, *after]), ("transcriptions", said)):
        (session / "dialog" / kind).mkdir(parents=True, exist_ok=True)
        file = session / "dialog" / kind / "Ses01F_impro01.txt"
        file.write_bytes(as_bytes(lines, end))
    folder = session / "sentences/wav/Ses01F_impro01"
    folder.mkdir(parents=True, exist_ok=True)
    for name in (f"{TURN}.wav", "Ses01F_impro01_F777.wav"):
        (folder / name).touch()
    release = iemocap_files.read(tmp_path)
    turn = release.turns["Ses01F_impro01_F777"]
    assert (turn["valence"], turn["emotion"], turn["speaker"]) == (2.5, "neu", "Ses01_F")
    corpus = iemocap.load(
        ml_collections.ConfigDict({"path": str(tmp_path), "consistent": ""}), tmp_path
    )
    assert np.isfinite(corpus.table[["arousal", "valence", "dominance"]]).all(axis=None)
    assert all(json.loads(cell) is not None for cell in corpus.table["valence_ratings"])
    assert str(folder / "Ses01F_impro01_F777.wav") in [
        str(corpus.segment(i).path) for i in range(len(corpus))
    ]


# VCTK

PATHS = st.builds(
    "{}/{}/{}{}".format,
    st.sampled_from(("txt", "wav48", "wav48_silence_trimmed", "txt/p225", "x")),
    st.sampled_from(("p225", "s5", "p9999999999999999999", "p225_001.txt", "é", "...")),
    st.sampled_from(("p225_001", "p226_002", "s5_01", "p225_001_mic1", "p225_001_mic9", "p225_")),
    st.sampled_from((".txt", ".wav", ".flac", ".WAV", ".txt.wav", "_mic2.flac", "")),
)


@examples(60)
@given(files=st.dictionaries(PATHS, st.binary(max_size=8), max_size=8), mic=st.booleans())
def test_vctks_files(tmp_path, files, mic):
    root = tmp_path / "VCTK"
    shutil.rmtree(root, ignore_errors=True)
    (root / "txt").mkdir(parents=True)
    for name, data in files.items():
        if not any(parent.is_file() for parent in (root / name).parents):
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            if not (root / name).is_dir():
                (root / name).write_bytes(data)
    c = {"path": str(root), "mic": f"mic{1 + mic}", "decimate": False, "data_dir": ""}
    corpus = outcome(vctk.load, ml_collections.ConfigDict(c), tmp_path)
    if corpus is not None:
        assert corpus.table["split"].isin(transcribed.SPLITS).all()
        assert all(corpus.segment(i).path.suffix in (".wav", ".flac") for i in range(len(corpus)))
