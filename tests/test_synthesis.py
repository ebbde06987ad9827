"""The script that adds synthetic speech, with silence in place of the synthesizers'."""

import re
import sys
from pathlib import Path

import pandas as pd
import pytest
import synthesize_speech
from absl import app, flags
from absl.testing import flagsaver
from accents import accented

SCRIPTS = Path(synthesize_speech.__file__).parent
VOICES, ACCENTS = SCRIPTS / "synthesis_voices.txt", SCRIPTS / "synthesis_accents.txt"

SILENT = """#!{python}
import json, sys
from pathlib import Path
import numpy as np, soundfile
for line in sys.stdin:
    job = json.loads(line)
    path = Path(sys.argv[2]) / job["file"]
    path.parent.mkdir(parents=True, exist_ok=True)
    samples = np.zeros(16000 * (1 + job["seed"][1] % 3))
    soundfile.write(path, samples, 16000, format="OGG", subtype="OPUS")
    with open({log!r}, "a") as log:
        log.write(job["file"] + "\\n")
    print(soundfile.info(path).duration, flush=True)
"""


@pytest.fixture
def made(tmp_path):
    """Runs the script on a corpus of one utterance; gives the table, and how often it spoke."""
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    corpus, texts, log = (tmp_path / name for name in ("corpus", "texts", "log"))
    corpus.mkdir()
    frame = pd.DataFrame([{"file": "a.wav", "speaker": "s", "split": "valid", "text": "hello"}])
    frame.assign(duration=1.0).to_csv(corpus / "metadata.csv", index=False)
    texts.write_text("".join(f"sentence {word}\n" for word in ("one", "two", "three")))
    python = tmp_path / "venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(SILENT.format(python=sys.executable, log=str(log)))
    python.chmod(0o755)

    def run(*hours, **others):
        given = {"synthesizers": str(tmp_path), "texts": str(texts), "engines": list(hours)}
        given |= others
        with flagsaver.flagsaver(**given):
            synthesize_speech.main(["", str(corpus), str(tmp_path / "out")])
        table = pd.read_csv(tmp_path / "out" / "metadata.csv")
        return table, len(log.read_text().splitlines())

    return run


def test_speech_is_added_by_hours_and_not_spoken_twice(made):
    table, spoken = made("kokoro=0.01", "joe=0.005")
    synthetic = table[table["split"] == "train"]
    seconds = synthetic.groupby(synthetic["file"].str.split("/").str[0])["duration"].sum()
    assert 36 <= seconds["kokoro"] < 39 and 18 <= seconds["joe"] < 21
    assert set(synthetic["text"]) == {"sentence one", "sentence two", "sentence three"}
    assert synthetic["speaker"].nunique() == len(synthetic)  # each another voice
    assert table["file"][0].endswith("corpus/a.wav") and table["split"][0] == "valid"

    again, spoken_then = made("kokoro=0.01", "joe=0.005")
    pd.testing.assert_frame_equal(again, table)
    assert spoken_then == spoken


def test_voices_with_accents_come_from_a_file_of_their_own(made, tmp_path):
    table, _ = made("kokoro=0.01", voices=str(ACCENTS))
    speakers = {line.split()[0] for line in ACCENTS.read_text(encoding="utf-8").splitlines()}
    assert set(table["speaker"][1:].str.removeprefix("kokoro/")) <= speakers
    with pytest.raises(SystemExit, match=r"--voices=.*has no voice of joe"):
        made("hibari=0.01", "joe=0.01", voices=str(ACCENTS))
    assert not (tmp_path / "out" / "hibari").exists()
    with pytest.raises(SystemExit, match="--voices=nowhere: no such file"):
        made("joe=0.01", voices="nowhere")


def test_parts_of_files_stay_parts(made, tmp_path):
    rows = {"file": "a.wav", "start": [0, 1], "end": [1, 2], "speaker": "s", "split": "valid"}
    frame = pd.DataFrame(rows).assign(text=["hello", "you"])
    frame.to_csv(tmp_path / "corpus" / "metadata.csv", index=False)
    table, _ = made("joe=0.001")
    assert table["start"].dropna().tolist() == [0, 1] and table["end"].dropna().tolist() == [1, 2]


@pytest.mark.parametrize("column", ["file", "speaker", "split", "text"])
def test_a_missing_column_is_named_before_anything_is_spoken(made, tmp_path, column):
    frame = pd.read_csv(tmp_path / "corpus" / "metadata.csv").drop(columns=column)
    frame.to_csv(tmp_path / "corpus" / "metadata.csv", index=False)
    with pytest.raises(SystemExit, match=f"^error: .*lacks the column {column}"):
        made("joe=0.01")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("engines", [("joe=0",), ("joe=0.0",), ("joe=0.001", "joe=0.002")])
def test_hours_that_are_none_or_given_twice_are_refused(made, engines):
    with pytest.raises(app.UsageError, match="--engines has 'joe=0"):
        made(*engines)


def test_no_engine_at_all_is_refused(made, tmp_path):
    with pytest.raises(app.UsageError, match="--engines is empty; give ENGINE=HOURS"):
        made()
    assert not (tmp_path / "out").exists()


def test_the_corpus_table_is_not_replaced(made, tmp_path):
    (tmp_path / "out").symlink_to(tmp_path / "corpus")
    before = (tmp_path / "corpus" / "metadata.csv").read_text()
    with pytest.raises(SystemExit, match="its table would be replaced"):
        made("joe=0.001")
    assert (tmp_path / "corpus" / "metadata.csv").read_text() == before


@pytest.mark.parametrize("line", ["joe", "joe x:1", "joe j:1 2", "joe j"])
def test_a_voice_that_is_not_one_is_named(made, tmp_path, line):
    voices = tmp_path / "voices.txt"
    voices.write_text(f"first j:1\n\n{line}\n")
    with pytest.raises(SystemExit, match=f"--voices=.*voices.txt: line '{line}': give a name"):
        made("joe=0.01", voices=str(voices))
    assert not (tmp_path / "out" / "joe").exists()


@pytest.mark.parametrize("flag", ["texts", "voices"])
def test_a_file_that_is_not_utf_8_is_named(made, tmp_path, flag):
    (tmp_path / "latin1").write_bytes(b"caf\xe9 j:1\n")
    with pytest.raises(SystemExit, match=f"^error: --{flag}=.*latin1: is not UTF-8"):
        made("joe=0.01", **{flag: str(tmp_path / "latin1")})
    assert not (tmp_path / "out").exists()


def test_a_byte_order_mark_is_not_spoken(made, tmp_path):
    (tmp_path / "bom").write_bytes("\ufeffa sentence\r\n".encode())
    table, _ = made("joe=0.001", texts=str(tmp_path / "bom"))
    assert set(table["text"][1:]) == {"a sentence"}


@pytest.mark.parametrize("voices", [VOICES, ACCENTS], ids=lambda path: path.stem)
def test_voices_are_named_once_and_made_of_kokoros(voices):
    lines = [line.split() for line in voices.read_text(encoding="utf-8").splitlines()]
    names, specified = zip(*lines, strict=True)
    assert len(set(names)) == len(names) and len(set(specified)) == len(specified)
    known = {name for name, _ in map(str.split, VOICES.read_text(encoding="utf-8").splitlines())}
    for voice in specified:
        for part in voice.partition(":")[2].split(","):
            name, _, value = part.partition("=")
            if name == "as":
                assert all(re.fullmatch(r"\w\.?\w{0,2}", rule) for rule in value.split("+")), voice
            elif value:
                assert name in ("f0", "fw", "fr", "wb", "tl", "br", "rs") and float(value) > -9
            elif name:
                assert {n.partition("*")[0] for n in re.split("[+/]", name)} <= known, voice


@pytest.mark.parametrize(
    ("accent", "expected"),
    [
        ("", "ðə bˈɛdz ɡˈʊd"),
        ("ðd+ʊu", "də bˈɛdz ɡˈud"),
        ("d.t", "ðə bˈɛdz ɡˈʊt"),
        ("d.", "ðə bˈɛdz ɡˈʊ"),
        ("d.t+ts", "ðə bˈɛdz ɡˈʊs"),
        ("z.zə", "ðə bˈɛdzə ɡˈʊd"),
    ],
)
def test_accents_replace_sounds_everywhere_or_at_the_ends_of_words(accent, expected):
    assert accented("ðə bˈɛdz ɡˈʊd", accent) == expected


@pytest.mark.parametrize("hours", ["festival=1", "kokoro", "joe=-1", "hibari=much"])
def test_engines_and_hours_are_checked(made, hours):
    with pytest.raises(app.UsageError, match=hours):
        made(hours)
