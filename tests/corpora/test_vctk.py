import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
import soundfile

from emoasr import config, pretrain
from emoasr.corpora import transcribed, vctk
from emoasr.errors import UserError

SPEAKERS = ("p225", "p226", "p228", "p280", "p315", "s5")  # test, valid, train, and the gaps
PROMPTS = {"001": "Please call Stella.", "002": "Ask her to bring\tthese things."}


def tree(folder: Path, release: str) -> Path:
    """A small VCTK: every speaker reads two prompts and a sentence of their own."""
    random = np.random.default_rng(0)
    top = folder / ("VCTK-Corpus-0.92" if release == "0.92" else "VCTK-Corpus")
    lines = ["ID  AGE  GENDER  ACCENTS  REGION "]
    for number, speaker in enumerate(SPEAKERS):
        bare = speaker if release == "0.92" else speaker.removeprefix("p")
        lines.append(f"{bare}  23  F    English    Southern  England")
        for utterance, words in {**PROMPTS, "025": f"Sentence {'abcdef'[number]}."}.items():
            if speaker != "p315":
                text = top / "txt" / speaker / f"{speaker}_{utterance}.txt"
                text.parent.mkdir(parents=True, exist_ok=True)
                text.write_text(words + "\n")
            mics = ("_mic1", "_mic2") if release == "0.92" else ("",)
            for mic in mics[: 1 if speaker in ("p280", "p315") else 2]:
                kind = ("wav48_silence_trimmed", "flac") if mic else ("wav48", "wav")
                path = top / kind[0] / speaker / f"{speaker}_{utterance}{mic}.{kind[1]}"
                path.parent.mkdir(parents=True, exist_ok=True)
                soundfile.write(path, 0.1 * random.normal(size=48000), 48000, subtype="PCM_16")
    (top / "speaker-info.txt").write_text("\n".join(lines))
    return top


def packed(top: Path) -> Path:
    path = top.with_suffix(".zip")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file in sorted(top.rglob("*")):
            archive.write(file, file.relative_to(top.parent))
    return path


def settings(path: Path, data_dir: Path, **corpus):
    c = config.pretraining("vctk")
    c.corpus.update({"path": str(path), "data_dir": str(data_dir), "mic": "mic1"})
    c.corpus.update({"decimate": False} | corpus)
    return c


def opened(path: Path, data_dir: Path, **corpus) -> transcribed.TranscribedCorpus:
    corpus = vctk.load(settings(path, data_dir, **corpus).corpus, data_dir)
    return transcribed.prepare(corpus, str(data_dir))


@pytest.mark.parametrize("release", ["0.80", "0.92"])
@pytest.mark.parametrize("form", ["folder", "parent folder", "zip"])
def test_both_releases_as_folder_and_zip(tmp_path, release, form):
    top = tree(tmp_path, release)
    path = {"folder": top, "parent folder": tmp_path}.get(form) or packed(top)
    corpus = opened(path, tmp_path / "data")
    rows = {name: split.table for name, split in corpus.splits.items()}
    speakers = {name: set(table["speaker"]) for name, table in rows.items()}
    assert speakers == {"train": {"p228", "p280", "s5"}, "valid": {"p226"}, "test": {"p225"}}
    assert all(len(table) == 3 * table["speaker"].nunique() for table in rows.values())
    assert {s.reason for s in corpus.skipped} == {"no text"} and len(corpus.skipped) == 3
    assert set(rows["test"]["text"]) == {
        "Please call Stella.", "Ask her to bring these things.", "Sentence a."
    }  # fmt: skip
    shared = rows["test"].set_index("text")["shared"]
    assert shared["Please call Stella."] and not shared["Sentence a."]
    example = corpus.splits["test"].source[0]
    assert example["audio"].dtype == np.int16 and example["audio"].shape == (16000,)


def test_the_second_microphone_and_who_lacks_it(tmp_path):
    corpus = opened(tree(tmp_path, "0.92"), tmp_path / "data", mic="mic2")
    assert "p280" not in set(corpus.splits["train"].table["speaker"])
    assert [s.reason for s in corpus.skipped] == ["no recording by mic2"] * 3


def test_decimation_is_every_third_sample(tmp_path):
    top = tree(tmp_path, "0.80")
    plain, decimated = (opened(top, tmp_path / "data", decimate=d) for d in (False, True))
    split = decimated.splits["test"]
    file = top / split.table["file"][0]
    expected = soundfile.read(file, dtype="int16")[0][::3]
    np.testing.assert_array_equal(split.source[0]["audio"], expected)
    row = plain.splits["test"].table["file"].tolist().index(split.table["file"][0])
    assert not np.array_equal(plain.splits["test"].source[row]["audio"], expected)


def test_decimation_needs_the_native_rate(tmp_path):
    top = tree(tmp_path, "0.80")
    file = top / "wav48" / "p228" / "p228_001.wav"
    soundfile.write(file, np.ones(16000) * 0.1, 16000)
    corpus = opened(top, tmp_path / "data", decimate=True)
    (reason,) = [s.reason for s in corpus.skipped if s.file.endswith("p228_001.wav")]
    assert "48000 Hz" in reason


def test_held_out_speakers_are_fixed_and_apart():
    assert len(set(vctk.VALID) | set(vctk.TEST)) == 16
    assert len(set(vctk.VALID) & set(vctk.TEST)) == 0


@pytest.mark.slow
@pytest.mark.usefixtures("quick_compilation")
def test_training_gives_error_rates_with_and_without_shared_prompts(tmp_path):
    c = settings(packed(tree(tmp_path, "0.92")), tmp_path / "data")
    c.model.update({"n_channels": 8, "n_blocks": 1, "dilations": (1, 2)})
    c.train.update({"steps": 2, "buckets": 1})
    c.augment = {}  # which would take most of the compilation
    pretrain.main(c, tmp_path / "run")
    card = json.loads((tmp_path / "run/pretrain/recognizer/recognizer.json").read_text())
    assert set(card["metrics"]["test"]) == {"all", "without shared prompts"}


@pytest.mark.parametrize("spoil", ["truncated zip", "no txt", "no such path", "empty path"])
def test_what_is_no_vctk_is_named(tmp_path, spoil):
    path = tmp_path / "VCTK"
    if spoil == "truncated zip":
        path = packed(tree(tmp_path, "0.80"))
        path.write_bytes(path.read_bytes()[:5000])
    elif spoil == "no txt":
        path.mkdir()
    elif spoil == "empty path":
        path = ""
    with pytest.raises(UserError, match=r"config\.corpus\.path") as error:
        opened(path, tmp_path / "data")
    assert "\n" not in str(error.value)


def test_an_unknown_microphone_is_named(tmp_path):
    with pytest.raises(UserError, match=r"config\.corpus\.mic='mic3'"):
        opened(tmp_path, tmp_path, mic="mic3")


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["wav48/p225/p225_001.opus", "notes.pdf"], r"no folder txt/.*; it holds .*.opus 1"),
        (["txt/p225/p225_001.txt", "wav48_silence_trimmed/p225/p225_001_mic2.flac"],
         r"no recording by mic1 .*; it holds txt \(.txt 1\), wav48_silence_trimmed \(.flac 1\)"),
        (["txt/p225/p225_001.txt", "wav48/p225/p225_001.mp3"], r"wav48 \(.mp3 1\)"),
        (["txt/p226/p226_001.txt", "wav48/p225/p225_001.wav"],
         r"no recording has its text.*txt \(.txt 1\), wav48 \(.wav 1\)"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("zipped", [False, True])
def test_what_was_found_is_named_where_nothing_fits(tmp_path, files, message, zipped):
    top = tmp_path / "VCTK"
    for name in files:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).touch()
    with pytest.raises(UserError, match=message):
        opened(packed(top) if zipped else top, tmp_path / "data")


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16"])
def test_a_text_that_is_not_utf8_is_left_out_and_named(tmp_path, encoding):
    top = tree(tmp_path, "0.80")
    (top / "txt" / "p228" / "p228_001.txt").write_bytes("Café au lait".encode(encoding))
    corpus = vctk.load(settings(top, tmp_path).corpus, tmp_path)
    reasons = {skipped.file: skipped.reason for skipped in corpus.skipped}
    assert "cannot be read ('utf-8' codec" in reasons["wav48/p228/p228_001.wav"]
    assert not corpus.table["text"].str.contains("lait").any()
