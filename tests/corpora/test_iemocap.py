import json
from collections import Counter
from pathlib import Path

import audformat
import ml_collections
import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from made_corpora import annotated, turns, wav, write

from emoasr import config, extract
from emoasr.corpora import iemocap, open_corpus
from emoasr.errors import UserError
from emoasr.evaluation.labels import groups_of, is_rating, ratings
from emoasr.extraction import feature_tables
from emoasr.files import parquet
from emoasr.settings import configurations


@pytest.fixture
def release(tmp_path):
    """Both styles, both markers, both speakers, in sessions 1 and 2."""
    top = tmp_path / "IEMOCAP_full_release"
    turns(top, "Ses01F_impro01_F000", "Ses01F_impro01_M000", "Ses01F_impro01_M001")
    turns(top, "Ses01M_impro07_F000", emotion="fru", ratings="1.5000, 4.0000, 4.5000")
    turns(top, "Ses01F_script01_1_M000", "Ses01F_script01_1_F012")
    turns(top, "Ses02M_script03_2_M000", emotion="xxx")
    return top


def settings_for(path, consistent=""):
    fields = {"kind": "iemocap", "path": str(path), "consistent": consistent}
    return ml_collections.ConfigDict(fields)


def opened(path, consistent=""):
    return open_corpus(settings_for(path, consistent), Path("unused"))


def message_of(path, **fields):
    with pytest.raises(UserError) as error:
        opened(path, **fields)
    assert "\n" not in str(error.value)
    return str(error.value)


def by_name(corpus):
    return corpus.table.set_axis([Path(file).stem for file in corpus.table.index])


def reasons(corpus):
    return {Path(s.file).stem: s.reason for s in corpus.skipped}


def test_the_table(release):
    corpus = opened(release)
    assert corpus.name == "IEMOCAP" and corpus.root == release and corpus.skipped == ()
    assert audformat.is_filewise_index(corpus.table)
    assert corpus.table.index[0] == "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    assert tuple(corpus.table) == (
        *("speaker", "session", "arousal", "valence", "dominance", "emotion", "text"),
        *("dialogue", "style", "gender"),
        *("arousal_ratings", "valence_ratings", "dominance_ratings", "emotion_ratings"),
    )
    row = by_name(corpus).loc["Ses01M_impro07_F000"]
    assert row["valence"] == 1.5 and row["arousal"] == 4 and row["dominance"] == 4.5
    assert corpus.table["arousal"].dtype == np.float32
    assert row["emotion"] == "fru" and row["text"] == "Excuse me, F000."
    table = by_name(corpus)
    assert table.loc["Ses02M_script03_2_M000", "emotion"] == "xxx"
    assert len(corpus.samples(0)) == 400


def test_the_last_letter_speaks(release):
    table = by_name(opened(release))
    output = table.loc[["Ses01F_impro01_M000", "Ses01M_impro07_F000", "Ses01F_script01_1_M000"]]
    assert output["speaker"].tolist() == ["Ses01_M", "Ses01_F", "Ses01_M"]
    assert output["gender"].tolist() == ["male", "female", "male"]
    assert output["session"].tolist() == ["Ses01"] * 3
    assert output["dialogue"].tolist() == ["Ses01F_impro01", "Ses01M_impro07", "Ses01F_script01_1"]
    assert output["style"].tolist() == ["improvised", "improvised", "scripted"]
    assert Counter(table["speaker"]) == {"Ses01_F": 3, "Ses01_M": 3, "Ses02_M": 1}


def test_every_annotator_is_kept(tmp_path):
    lines = (
        "C-E2:\tNeutral;\t()\nC-E4:\tFrustration; Anger;\t(act 5; or so)\n"
        "C-F1:\tOther;\t(curious)\n"
        "A-E3:\tval 3; act 2; dom  2;\t()\nA-E4:\tval 2; act 3.5; dom 3;\t(threatening; val 1)\n"
        "A-M1:\tval ; act ; dom ;\t()\nA-F1:\tval 1; act 5; dom  5;\t()\n"
    )
    turns(tmp_path, "Ses01F_impro01_F000", annotators=lines)
    row = opened(tmp_path).table.iloc[0]
    assert json.loads(row["arousal_ratings"]) == {"E3": 2, "E4": 3.5, "F1": 5}
    assert json.loads(row["valence_ratings"]) == {"E3": 3, "E4": 2, "F1": 1}
    assert json.loads(row["dominance_ratings"]) == {"E3": 2, "E4": 3, "F1": 5}
    categories = {"E2": ["Neutral"], "E4": ["Frustration", "Anger"], "F1": ["Other"]}
    assert json.loads(row["emotion_ratings"]) == categories


def test_ratings_become_a_column_an_annotator(release):
    cells = opened(release).table["arousal_ratings"]
    columns = pd.DataFrame(cells.map(json.loads).tolist(), index=cells.index)
    assert columns["E3"].tolist() == [2.0] * 7 and columns["E4"].tolist() == [3.0] * 7


def test_the_folder_or_the_one_around_it(release):
    around = opened(release.parent)
    assert around.root == release and around.table.equals(opened(release).table)


def test_bad_folders(tmp_path, release):
    assert "config.corpus.path is empty" in message_of("")
    assert "no such file or folder" in message_of(tmp_path / "missing")
    assert "give IEMOCAP_full_release; it holds dialog (.txt " in message_of(release / "Session1")
    assert "must be 'category', 'rating' or empty" in message_of(release, consistent="most")
    (tmp_path / "copy" / "Session4").mkdir(parents=True)
    assert "IEMOCAP_full_release and copy both" in message_of(tmp_path)
    assert "no turn has both" in message_of(tmp_path / "copy")


def test_unreadable_files_are_named(release, monkeypatch):
    def refuse(path):
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(Path, "read_bytes", refuse)
    assert "Ses01F_impro01.txt: cannot be read (Permission denied)" in message_of(release)


def test_odd_files_of_real_copies(release):
    expected = opened(release)
    session = release / "Session1"
    for folder in ("dialog/EmoEvaluation", "dialog/transcriptions", "sentences/wav/Ses01F_impro01"):
        for name in ("._Ses01F_impro01.txt", "._Ses01F_impro01_F000.wav", ".DS_Store", "x.pk"):
            (session / folder / name).write_bytes(b"\x00\x05\x16\x07Mac OS X \xff")
    (session / "dialog" / "EmoEvaluation" / "Attribute").mkdir()
    (session / "dialog" / "EmoEvaluation" / "Attribute" / "Ses01F_impro01_e3_atr.txt").write_text(
        "Ses01F_impro01_F000 :act 4; :val 3; :dom 2;"
    )
    (session / "sentences" / "wav" / ".hidden").mkdir()
    (session / "sentences" / "wav" / ".hidden" / "Ses01F_impro01_F000.wav").touch()
    (release / "._Session1").touch()
    (release.parent / "__MACOSX").mkdir()
    (release / "Documentation").mkdir()
    corpus = opened(release.parent)
    assert corpus.table.equals(expected.table) and corpus.skipped == ()


def test_windows_line_ends_and_bytes_that_are_not_utf8(release):
    expected = opened(release)
    for path in release.rglob("*.txt"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert opened(release).table.equals(expected.table)
    said = b"Ses02M_script03_2_M000 [001.0-002.0]: \tCaf\xe9,\x85 it\x92s  [LAUGHTER] \r\n"
    (release / "Session2" / "dialog" / "transcriptions" / "Ses02M_script03_2.txt").write_bytes(said)
    assert by_name(opened(release))["text"].iloc[-1] == "Café,… it’s [LAUGHTER]"


def test_lost_case_of_names(release):
    expected = opened(release)
    (release / "Session1" / "dialog" / "EmoEvaluation").rename(
        release / "Session1" / "dialog" / "emoevaluation"
    )
    for path in sorted(release.rglob("*.wav")):
        path.rename(path.with_suffix(".WAV"))
    (release / "Session2").rename(release / "session2")
    corpus = opened(release)
    assert corpus.table.reset_index(drop=True).equals(expected.table.reset_index(drop=True))
    assert len(corpus.samples(6)) == 400


def test_what_has_no_partner_is_skipped_with_its_reason(release):
    wav(release, "Ses01F_impro01_F000").unlink()
    wav(release, "Ses01F_impro01_F099")
    wav(release, "Ses02F_impro02_MXX0")
    corpus = opened(release)
    assert reasons(corpus) == {
        "Ses01F_impro01_F000": "annotated, but its recording is not there",
        "Ses01F_impro01_F099": "recorded, but not annotated",
        "Ses02F_impro02_MXX0": "recorded, but not annotated",
    }
    files = {Path(s.file).stem: s.file for s in corpus.skipped}
    folder = "Session1/sentences/wav/Ses01F_impro01"
    assert files["Ses01F_impro01_F000"] == f"{folder}/Ses01F_impro01_F000.wav"
    assert len(corpus) == 6


def test_copies_inside_the_release_do_not_count_twice(release):
    evaluation = release / "Session1" / "dialog" / "EmoEvaluation"
    text = (evaluation / "Ses01M_impro07.txt").read_text()
    (evaluation / "Ses01M_impro07_old.txt").write_text(text.replace("fru", "ang"))
    twin = release / "Session1" / "sentences" / "wav" / "old" / "Ses01F_impro01_M001.wav"
    twin.parent.mkdir()
    twin.touch()
    corpus = opened(release)
    assert len(corpus) == 7
    assert sorted(s.reason for s in corpus.skipped) == [
        "annotated again; the first one counts", "another recording of the same turn"
    ]  # fmt: skip
    assert not any("old" in file for file in corpus.table.index)
    assert by_name(corpus).loc["Ses01M_impro07_F000", "emotion"] == "fru"


def test_a_damaged_line_is_skipped_and_its_annotators_go_with_it(release, capsys):
    damaged = (
        annotated("Ses01F_impro01_F000")
        + annotated("Ses01F_impro01_M000", ratings="2.5000, nan").replace("val 3", "val 5")
        + "[10.0 - 11.0]\tSes01F_impro01_M001\n"
    )
    write(release, "Ses01F_impro01", damaged)
    corpus = opened(release)
    why = "its line in EmoEvaluation cannot be read"
    assert reasons(corpus) == {"Ses01F_impro01_M000": why, "Ses01F_impro01_M001": why}
    row = by_name(corpus).loc["Ses01F_impro01_F000"]
    assert json.loads(row["valence_ratings"]) == {"E3": 3, "E4": 2}
    assert "not understood" not in capsys.readouterr().out


def test_other_lines_are_counted_and_located(release, capsys):
    path = release / "Session1" / "dialog" / "EmoEvaluation" / "Ses01F_impro01.txt"
    path.write_text("C-E9: before any turn\n" + path.read_text() + "what is this\n")
    opened(release)
    assert f"lines not understood: 2, the first {path}:1" in capsys.readouterr().out


def test_odd_transcripts(release, capsys):
    said = (
        "Ses01F_impro01_F000 [007.2688-016.6000]: Did you get the mail?\n"
        "M: Yeah.\n\n"
        "Ses01F_impro01_M000 [017.6000-020.6264]:\n"
        "Ses01F_impro01_MXX0 [151.2551-153.4251]: [LAUGHTER], That's what they say.\n"
    )
    path = release / "Session1" / "dialog" / "transcriptions" / "Ses01F_impro01.txt"
    path.write_text(said)
    table = by_name(opened(release))
    assert table.loc["Ses01F_impro01_F000", "text"] == "Did you get the mail?"
    assert table["text"].isna().sum() == 2
    out = capsys.readouterr().out
    assert "lines of the transcriptions that name no turn: 1" in out
    assert "transcripts of turns that are not annotated: 1, the first Ses01F_impro01_MXX0" in out
    assert "turns without a transcript: 2" in out


def test_ratings_outside_of_the_scale_are_kept_and_counted(tmp_path, capsys):
    turns(tmp_path, "Ses01F_impro01_F000", "Ses01F_impro01_M000", ratings="5.5000, 5.0000, .5")
    table = opened(tmp_path).table
    assert table["valence"].tolist() == [5.5, 5.5] and table["dominance"].tolist() == [0.5, 0.5]
    out = capsys.readouterr().out
    assert "ratings outside of 1..5, kept as they are: 2 of valence, 2 of dominance\n" in out


def test_missing_sessions_are_told_with_the_counts(release, capsys):
    opened(release)
    out = capsys.readouterr().out
    assert f"warning: {release} has no Session3, Session4, Session5\n" in out
    assert "turns 7 (10039), turns without xxx 6 (7532), Ses01_F 3 (873)" in out
    assert "Ses01_M without xxx 3 (749)" in out and "xxx 1 (2507)" in out


def test_consistent_by_category(release):
    corpus = opened(release, "category")
    assert corpus.name == "IEMOCAP (consistent by category)" and len(corpus) == 6
    assert reasons(corpus) == {"Ses02M_script03_2_M000": "its listeners agree on no category (xxx)"}


def test_consistent_by_rating(release):
    def rated(*pairs):
        return "".join(f"A-{who}:\tval {v}; act {a}; dom 1;\t()\n" for who, v, a in pairs)

    agree = rated(("E1", 2, 3), ("E2", 3, 3), ("E3", 3, 4), ("F1", 5, 1))  # an actor's own: no
    turns(release, "Ses02F_impro01_F000", annotators=agree)
    turns(
        release, "Ses02F_impro02_F000", annotators=rated(("E1", 2, 3), ("E2", 3, 3), ("E3", 4, 3))
    )
    turns(release, "Ses02F_impro03_F000", annotators=rated(("E1", 2, 3), ("F1", 2, 3)))
    corpus = opened(release, "rating")
    assert reasons(corpus) == {
        "Ses02F_impro02_F000": (
            "its listeners' ratings of arousal or valence are more than 1 apart"
        ),
        "Ses02F_impro03_F000": "fewer than two listeners rated its arousal and valence",
    }
    assert len(corpus) == 8


def test_consistent_leaves_something(tmp_path):
    turns(tmp_path, "Ses01F_impro01_F000", emotion="xxx")
    assert "config.corpus.consistent='category': no turn is consistent" in message_of(
        tmp_path, consistent="category"
    )


def test_the_labels_file_serves_evaluation(release, tmp_path):
    parquet.write(opened(release).table, tmp_path / "labels.parquet")
    labels, _ = feature_tables.read(tmp_path / "labels.parquet")
    assert ratings(labels, "arousal").tolist() == [2.5, 2.5, 2.5, 2.5, 2.5, 4.0, 2.5]
    assert set(groups_of(labels, "session")) == {"Ses01", "Ses02"}
    assert not is_rating(labels["arousal_ratings"])


def test_extraction_tells_every_turn(release, small_recognizer, tmp_path):
    wav(release, "Ses01F_impro01_F000").write_bytes(b"")
    wav(release, "Ses01F_impro01_M000").unlink()
    c = config.experiment("iemocap")
    c.corpus = settings_for(release)
    c.recognizer, c.feature_sets, c.workers, c.buckets = str(small_recognizer), ("mfcc",), 1, 1
    extract.main(c, tmp_path / "run")
    output = json.loads((tmp_path / "run" / "extract.json").read_text())
    assert (output["found"], output["used"]) == (7, 5)
    assert {s["step"] for s in output["skipped"]} == {"corpus", "audio"}
    assert len(pd.read_parquet(tmp_path / "run" / "labels.parquet")) == 5


@pytest.mark.parametrize(
    ("name", "consistent"), [("iemocap", ""), ("iemocap_consistent", "category")]
)
def test_the_configurations(name, consistent, release):
    c = {}
    path = Path(__file__).parents[2] / "configs" / f"{name}.py"
    exec(compile(path.read_text(), path, "exec"), c)
    found = c["get_config"]()
    assert configurations.shipped(config.experiment)[name] == path
    assert found.corpus.consistent == consistent
    assert found.eval.protocol == "leave-one-speaker-out"
    found.corpus.path = str(release)
    assert len(open_corpus(found.corpus, Path("unused"))) == (6 if consistent else 7)


def test_a_tfds_set_with_a_split_a_session(release, tmp_path):
    wav(release, "Ses01F_impro01_M001").write_bytes(b"")
    corpus = opened(release)
    builder = iemocap.prepare(corpus, str(tmp_path / "tfds"))
    assert builder.name == "emoasr_iemocap"
    sources = builder.as_data_source()
    assert {name: len(source) for name, source in sources.items()} == {"Ses01": 5, "Ses02": 1}
    table = corpus.table
    for example in builder.as_data_source("Ses01"):
        file = example["file"].decode()
        recorded = soundfile.read(release / file, dtype="int16")[0]
        np.testing.assert_array_equal(example["audio"], recorded)
        assert example["n_samples"] == 400
        for column in table:
            cell = example[column]
            assert (cell.decode() if isinstance(cell, bytes) else cell) == table.loc[file, column]
    (skipped,) = builder.skipped
    assert skipped.step == "audio" and skipped.file.endswith("Ses01F_impro01_M001.wav")
    again = iemocap.prepare(corpus, str(tmp_path / "tfds"))
    assert again.skipped == builder.skipped and again.data_dir == builder.data_dir


def test_a_session_that_cannot_be_read_is_no_split(release, tmp_path):
    wav(release, "Ses02M_script03_2_M000").write_bytes(b"")
    builder = iemocap.prepare(opened(release), str(tmp_path / "tfds"))
    assert set(builder.as_data_source()) == {"Ses01"} and len(builder.skipped) == 1
    for path in release.rglob("*.wav"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="no utterance of IEMOCAP could be read") as error:
        iemocap.prepare(opened(release), str(tmp_path / "tfds"))
    assert "\n" not in str(error.value)


def test_the_tfds_set_needs_no_transcript(release, tmp_path):
    (release / "Session2" / "dialog" / "transcriptions" / "Ses02M_script03_2.txt").unlink()
    source = iemocap.prepare(opened(release), str(tmp_path / "tfds")).as_data_source("Ses02")
    assert source[0]["text"] == b"" and source[0]["emotion"] == b"xxx"


# Pieces of real lines, broken anywhere, between arbitrary bytes.
PIECES = st.sampled_from([
    *(annotated("Ses01F_impro01_F000"), annotated("Ses01F_impro01_M000", ratings=".5, 5.5, 3")),
    *("[6.2901 - 8.2357]", "\t", "Ses01F_impro01_F000", "neu", "[2.5000, 2.5000, 2.5000]", "\n"),
    *("[", "]", "C-E2:", "A-E3:", "Neutral;", "val 3; act 2; dom  2;", "()", "(", "%", "\r", ":"),
    *("Ses01F_impro01_M000 [1-2]: yes", "9" * 400, "nan", ".5", "5.5", "\x00", "\ufeff"),
])  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=30).map("".join).map(str.encode)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(annotations=TEXTS | st.binary(max_size=200), transcripts=TEXTS | st.binary(max_size=200))
def test_any_text_is_read_or_refused_in_one_line(tmp_path, annotations, transcripts):
    if not (tmp_path / "Session1").exists():
        wav(tmp_path, "Ses01F_impro01_F000")
        wav(tmp_path, "Ses01F_impro01_M000")
        write(tmp_path, "Ses01F_impro01", "")
    dialog = tmp_path / "Session1" / "dialog"
    (dialog / "EmoEvaluation" / "Ses01F_impro01.txt").write_bytes(annotations)
    (dialog / "transcriptions" / "Ses01F_impro01.txt").write_bytes(transcripts)
    try:
        corpus = opened(tmp_path)
    except UserError as error:
        assert "\n" not in str(error)
    else:
        assert len(corpus) + len({s.file for s in corpus.skipped} - set(corpus.table.index)) >= 2
        parquet.write(corpus.table, tmp_path / "labels.parquet")


def whole_release(top):
    """10039 turns named, labelled and spread over 151 dialogues as published; empty recordings."""
    categories = Counter(
        {
            k: iemocap.PUBLISHED[k]
            for k in ("fru", "neu", "ang", "sad", "exc", "hap", "sur", "fea", "oth", "dis")
        }
    )
    labels = categories.elements()
    for session, n_dialogues in zip("12345", (28, 30, 32, 30, 31), strict=True):
        annotations = {
            f"Ses0{session}{'FM'[i % 2]}_" + (f"impro{i:02d}" if i % 4 < 2 else f"script0{i}_1"): []
            for i in range(n_dialogues)
        }
        for letter in "FM":
            speaker = f"Ses0{session}_{letter}"
            labelled = iemocap.PUBLISHED[f"{speaker} without xxx"]
            for i in range(iemocap.PUBLISHED[speaker]):
                dialogue = list(annotations)[i % n_dialogues]
                turn = f"{dialogue}_{letter}{i // n_dialogues:03d}"
                emotion = next(labels) if i < labelled else "xxx"
                annotations[dialogue].append(annotated(turn, emotion))
                folder = top / f"Session{session}" / "sentences" / "wav" / dialogue
                folder.mkdir(parents=True, exist_ok=True)
                (folder / f"{turn}.wav").touch()
        for dialogue, lines in annotations.items():
            write(top, dialogue, "".join(lines))


def test_the_published_counts(tmp_path, capsys):
    whole_release(tmp_path)
    corpus = opened(tmp_path)
    assert len(corpus) == 10039 and corpus.skipped == ()
    assert corpus.table["speaker"].nunique() == 10 and corpus.table["dialogue"].nunique() == 151
    out = capsys.readouterr().out
    assert "IEMOCAP: counts are the published ones (10039 turns, 7532 turns without xxx)\n" in out
    assert "warning" not in out
    assert out.splitlines() == [f"IEMOCAP: {note}" for note in corpus.notes]
    assert len(opened(tmp_path, "category")) == 7532
    assert "counts are the published ones" in capsys.readouterr().out
    file = corpus.table.index[corpus.table["emotion"] == "dis"][0]
    (tmp_path / file).unlink()
    assert len(opened(tmp_path).skipped) == 1
    speaker = corpus.table.loc[file, "speaker"]
    every, labelled = (iemocap.PUBLISHED[k] for k in (speaker, f"{speaker} without xxx"))
    assert capsys.readouterr().out.startswith(
        "IEMOCAP: warning: counts differ from the published ones (in brackets): "
        f"turns 10038 (10039), turns without xxx 7531 (7532), {speaker} {every - 1} ({every}), "
        f"{speaker} without xxx {labelled - 1} ({labelled}), dis 1 (2)\n"
    )


def test_the_published_counts_agree_with_each_other():
    published = iemocap.PUBLISHED
    speakers = [k for k in published if k.startswith("Ses") and not k.endswith("xxx")]
    assert len(speakers) == 10 and sum(published[k] for k in speakers) == published["turns"]
    labelled = sum(published[f"{k} without xxx"] for k in speakers)
    categories = sum(n for k, n in published.items() if len(k) == 3)
    assert labelled == published["turns without xxx"] == categories - published["xxx"]
    assert categories == published["turns"]


def test_recordings_of_another_format_are_named(tmp_path):
    turns(tmp_path, "Ses01F_impro01_F000")
    wav = tmp_path / "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav"
    wav.rename(wav.with_suffix(".flac"))
    found = message_of(tmp_path)
    assert "no turn has both" in found and "it holds Session1 (.txt 2, .flac 1)" in found
