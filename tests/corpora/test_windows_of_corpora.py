"""Corpora cut into windows."""

from pathlib import Path

import ml_collections
import numpy as np
import pytest
import soundfile

from emoasr.corpora import open_corpus
from emoasr.errors import UserError


def opened(folder, rows, window, hop=None):
    for name in ("a", "b"):
        soundfile.write(folder / f"{name}.wav", np.zeros(32000), 16000)
    (folder / "t.csv").write_text("file,start,end\n" + "\n".join(rows) + "\n")
    config = {"kind": "table", "path": str(folder / "t.csv"), "root": "", "window": window}
    return open_corpus(ml_collections.ConfigDict(config | {"hop": hop}), Path())


@pytest.mark.parametrize(
    ("rows", "both", "shared"),
    [
        (("a.wav,0,1", "a.wav,0.5,1.5"), "0 s to 1 s and from 0.5 s to 1.5 s", "0.5 s to 1 s"),
        (
            ("b.wav,,", "a.wav,,", "a.wav,1,"),
            "0 s to its end and from 1 s to its end",
            "1 s to 1.5",
        ),
        (("a.wav,0.5,1", "a.wav,0.5,1.3"), "0.5 s to 1 s and from 0.5 s to 1.3", "0.5 s to 1 s"),
        (("a.wav,0,2", "a.wav,1.5,1.9", "a.wav,1,2"), "0 s to 2 s and from 1 s to 2", "1 s to 1.5"),
    ],
)
def test_a_window_that_two_utterances_share_is_refused(tmp_path, rows, both, shared):
    with pytest.raises(UserError) as error:
        opened(tmp_path, rows, 0.5)
    said = str(error.value)
    assert f"of 'a.wav', the utterances from {both}" in said and "\n" not in said
    assert f"share the window from {shared}" in said


@pytest.mark.parametrize(
    ("rows", "window", "n"),
    [
        (("a.wav,0,1", "a.wav,0.25,1.25"), 0.5, 4),
        (("a.wav,0,1", "a.wav,1,2"), 0.5, 4),
        (("a.wav,,", "b.wav,,"), 0.5, 8),
        (("a.wav,,", "a.wav,1,"), 0.0, 2),
    ],
)
def test_other_overlaps_are_not(tmp_path, rows, window, n):
    assert len(opened(tmp_path, rows, window)) == n


@pytest.mark.parametrize("start", ["292 d", "106751 d", "9223372036.854775807", "2562047 h"])
@pytest.mark.parametrize("window", [0.0, 0.5])
def test_an_utterance_at_any_time_stays_for_reading_to_refuse(tmp_path, start, window):
    corpus = opened(tmp_path, (f"a.wav,{start},", "b.wav,0,0.5"), window)
    assert len(corpus) == 2
