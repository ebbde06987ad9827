"""MSP-Podcast, as its releases lay it out."""

from pathlib import Path

import ml_collections
import numpy as np
import pytest
import soundfile

from emoasr import config, extract
from emoasr import eval as emoasr_eval
from emoasr.corpora import open_corpus
from emoasr.errors import UserError
from emoasr.settings import configurations

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set\n"
ROWS = [
    "MSP-PODCAST_0001_0008.wav,N,5.2,4.2,5.4,127,Female,Test1",
    "MSP-PODCAST_0001_0019.wav,X,2.4,3.8,4.4,Unknown,Unknown,Development",
    "MSP-PODCAST_0002_0033.wav,H,6.4,6.2,5.8,128,Male,Train",
]


def release(folder, rows=ROWS, labels="Labels/labels_consensus.csv", audio="Audios"):
    (folder / labels).parent.mkdir(parents=True, exist_ok=True)
    (folder / labels).write_text(HEADER + "\n".join(rows) + "\n")
    (folder / audio).mkdir(exist_ok=True)
    for row in rows:
        (folder / audio / row.split(",")[0]).touch()
    return folder


def opened(path):
    return open_corpus(
        ml_collections.ConfigDict({"kind": "msp_podcast", "path": str(path)}), Path()
    )


@pytest.mark.parametrize("labels", ["Labels/labels_consensus.csv", "Labels/labels_concensus.csv"])
@pytest.mark.parametrize("audio", ["Audios", "Audio"])
def test_labels_have_our_names(tmp_path, labels, audio, capsys):
    corpus = opened(release(tmp_path, labels=labels, audio=audio))
    assert corpus.table.index.tolist() == [f"{audio}/{row.split(',')[0]}" for row in ROWS]
    first = corpus.table.iloc[0]
    assert first[["emotion", "speaker", "sex", "split"]].tolist() == [
        "neutral", "127", "Female", "test1"
    ]  # fmt: skip
    assert first[["arousal", "valence", "dominance"]].astype(float).round(4).tolist() == [
        5.2,
        4.2,
        5.4,
    ]
    unknown = corpus.table.iloc[1]
    assert unknown[["emotion", "speaker"]].isna().all() and unknown["split"] == "dev"
    assert (
        "3 turns (test1 1, dev 1, train 1), 1 of them by unknown speakers"
        in capsys.readouterr().out
    )


def test_turns_without_audio_are_skipped(tmp_path):
    folder = release(tmp_path)
    (folder / "Audios" / "MSP-PODCAST_0001_0008.wav").unlink()
    corpus = opened(folder)
    assert len(corpus) == 2
    (skipped,) = corpus.skipped
    assert skipped.file == "Audios/MSP-PODCAST_0001_0008.wav"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (ROWS[2].replace("6.4", "high"), "row 3 .*, column EmoAct: 'high' is not a number"),
        (ROWS[2].replace("6.2", "?"), "row 3 .*, column EmoVal: '.' is not a number"),
        (ROWS[2].replace("5.8", "1e99"), "row 3 .*, column EmoDom: '1e99' is not a finite number"),
        (ROWS[1], "rows 2 and 3, column FileName: .* appears twice"),
    ],
)
def test_rows_are_counted_with_those_that_have_no_audio(tmp_path, row, message):
    folder = release(tmp_path, [*ROWS[:2], row])
    (folder / "Audios" / "MSP-PODCAST_0001_0008.wav").unlink()
    with pytest.raises(UserError, match=message):
        opened(folder)


def test_what_is_not_the_release_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"has no Labels/labels_consensus.csv; .*it is empty"):
        opened(tmp_path)
    folder = release(tmp_path, [ROWS[0].replace(",N,", ",Q,")])
    with pytest.raises(UserError, match="row 1 .*, column EmoClass: 'Q' is none of A, C, D"):
        opened(folder)
    (folder / "Labels" / "labels_consensus.csv").write_text("FileName,EmoAct\na.wav,1\n")
    with pytest.raises(UserError, match="lacks the column EmoClass, EmoVal"):
        opened(folder)
    for path in release(folder).joinpath("Audios").iterdir():
        path.unlink()
    with pytest.raises(
        UserError, match="none of its 3 turns has audio in Audios or Audio; it holds"
    ):
        opened(folder)


def test_it_is_evaluated_on_its_splits(tmp_path, small_recognizer, capsys):
    random = np.random.default_rng(0)
    rows = []
    for i in range(30):
        split = ("Train", "Train", "Test1", "Development", "Test2")[i % 5]
        a, v, d = random.uniform(1, 7, 3).round(2)
        speaker = "Unknown" if i % 10 == 0 else f"{split}{i % 3}"
        rows.append(f"MSP-PODCAST_{i:04}.wav,N,{a},{v},{d},{speaker},Male,{split}")
    folder = release(tmp_path / "release", rows)
    for path in (folder / "Audios").iterdir():
        soundfile.write(path, 0.1 * random.normal(size=6000), 16000)
    c = configurations.load(configurations.shipped(config.experiment)["msp_podcast"])
    c.corpus.path, c.recognizer, c.feature_sets = str(folder), str(small_recognizer), ("mfcc",)
    extract.main(c, tmp_path / "run")
    emoasr_eval.main(c, tmp_path / "run")
    c.eval.protocol = "predefined-test2"
    emoasr_eval.main(c, tmp_path / "run")
    printed = capsys.readouterr().out
    assert "predefined-test1, 1 fold" in printed and "neither trained on nor tested" in printed
    evaluations = {path.name for path in (tmp_path / "run" / "eval").iterdir() if path.is_dir()}
    assert evaluations == {"ridge-all-test1", "ridge-all-test2"}
