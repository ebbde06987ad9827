"""MSP-IMPROV, as its release lays it out."""

from pathlib import Path

import ml_collections
import pytest

from emoasr.corpora import open_corpus
from emoasr.errors import UserError

TURN = "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.600000; V:3.100000; D:3.000000; N:4.100000;"
OTHER = TURN.replace("F01-P", "M03-T").replace("; N; A", "; X; A")
RATER = "WORKER00000001; Neutral; A:3.000000; V:3.000000; D:3.000000;"


def release(folder, *lines, name="Evalution.txt", audio="Audio/session1/S01A/P"):
    (folder / audio).mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n")
    for line in lines:
        if line.startswith("UTD-"):
            (folder / audio / f"MSP-{line[4:].partition('.avi')[0]}.wav").touch()
    return folder


def opened(path):
    return open_corpus(ml_collections.ConfigDict({"kind": "msp_improv", "path": str(path)}), Path())


@pytest.mark.parametrize("name", ["Evalution.txt", "labels/Evaluation.txt"])
def test_labels_have_our_names(tmp_path, name):
    (tmp_path / "labels").mkdir()
    table = opened(release(tmp_path, TURN, RATER, "", OTHER, name=name)).table
    first, second = table.iloc[0], table.iloc[1]
    assert first[["speaker", "session", "emotion", "sex", "turn"]].tolist() == [
        "F01", "01", "neutral", "female", "natural"
    ]  # fmt: skip
    ratings = first[["arousal", "valence", "dominance", "naturalness"]].astype(float)
    assert ratings.round(3).tolist() == [2.6, 3.1, 3.0, 4.1]
    assert second[["speaker", "turn"]].tolist() == ["M03", "read target"]
    assert second[["emotion"]].isna().all()
    assert table.index[0] == "Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav"


def test_turns_without_audio_are_skipped_and_none_is_refused(tmp_path):
    folder = release(tmp_path, TURN, OTHER)
    (first, second) = sorted((folder / "Audio").rglob("*.wav"))
    first.unlink()
    corpus = opened(folder)
    (skipped,) = corpus.skipped
    assert len(corpus) == 1 and skipped.file == "MSP-IMPROV-S01A-F01-P-FM01"
    second.unlink()
    with pytest.raises(UserError, match="none of its 2 turns has audio, such as MSP-IMPROV-S01A"):
        opened(folder)


def test_lines_are_counted_as_they_are_in_the_file(tmp_path):
    folder = release(tmp_path, OTHER, RATER, "", TURN, RATER, TURN)
    next((folder / "Audio").rglob("*M03*.wav")).unlink()
    with pytest.raises(UserError, match="Evalution.txt: rows 4 and 6, column file: .*twice"):
        opened(folder)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        (TURN.replace("A:2.600000", "A:high"), "line 1: .*is not like a turn's"),
        (TURN.replace("; N; A", "; Q; A"), "'Q' is none of its emotions"),
        (RATER, "has no line that begins with UTD-"),
    ],
)
def test_what_is_not_the_release_is_refused(tmp_path, line, message):
    with pytest.raises(UserError, match=r"has no Evalution.txt; .*it is empty"):
        opened(tmp_path)
    with pytest.raises(UserError, match=message):
        opened(release(tmp_path, line))
