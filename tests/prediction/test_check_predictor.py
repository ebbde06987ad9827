"""The script behind the figures of the page on predictors, on a small corpus."""

import check_predictor
import numpy as np
import pytest
import soundfile
from absl import flags
from absl.testing import flagsaver
from made_extraction import settings

from emoasr import extract

SETS = ("neural", "egemaps")


@pytest.fixture(scope="module")
def workdir(tmp_path_factory, small_recognizer):
    """An extraction of 16 utterances by 4 speakers in 2 sessions."""
    corpus, random = tmp_path_factory.mktemp("corpus"), np.random.default_rng(0)
    lines = ["file,speaker,session,arousal,valence"]
    for i in range(16):
        wave_N = random.normal(size=24000) * np.abs(np.sin(np.arange(24000) / (500 + 200 * i)))
        soundfile.write(corpus / f"{i:02d}.wav", 0.1 * wave_N, 16000)
        lines.append(f"{i:02d}.wav,s{i % 4},{i // 8},{1 + i % 5},{1 + i * i % 5}")
    (corpus / "metadata.csv").write_text("\n".join(lines) + "\n")
    made = tmp_path_factory.mktemp("run")
    extract.main(settings(corpus, small_recognizer, feature_sets=SETS), made)
    return made


@pytest.mark.parametrize(
    ("check", "says"),
    [
        ("coverage", "leaving each speaker out: 16 utterances"),
        ("languages", "fitted on 1: 8 utterances"),
        ("tracks", "a file of 20 minutes: mean of track - prediction, at most"),
        ("joins", "windows of eGeMAPS"),
    ],
)
def test_a_check_says_what_it_measured(check, says, workdir, capsys, monkeypatch):
    monkeypatch.setattr(check_predictor, "PAIRS", 1)
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with flagsaver.flagsaver(workdir=str(workdir)):
        check_predictor.main(["check_predictor", check])
    assert says in capsys.readouterr().out
