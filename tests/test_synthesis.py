"""The script that adds synthetic speech, with silence in place of the synthesizers'."""

import sys

import pandas as pd
import pytest
import synthesize_speech
from absl import app, flags
from absl.testing import flagsaver

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

    def run(*hours):
        given = {"synthesizers": str(tmp_path), "texts": str(texts), "engines": list(hours)}
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


@pytest.mark.parametrize("hours", ["festival=1", "kokoro", "joe=-1", "hibari=much"])
def test_engines_and_hours_are_checked(made, hours):
    with pytest.raises(app.UsageError, match=hours):
        made(hours)
