"""The script that measures recognizers on degraded speech."""

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import robustness
import soundfile
from absl import flags


def _wave(seed: int, n: int) -> np.ndarray:
    random = np.random.default_rng(seed)
    return (0.1 * random.normal(size=n) * np.abs(np.sin(np.arange(n) / 700))).astype(np.float32)


def test_each_kind_of_degradation_changes_every_utterance_and_the_same_way_each_time():
    waves = [_wave(seed, n) for seed, n in enumerate((16000, 9000, 20000))]
    found = {}
    for kind, config in robustness.KINDS.items():
        found[kind], again = (list(robustness.degraded(waves, config)) for _ in range(2))
        assert [len(wave) for wave in found[kind]] == [len(wave) for wave in waves]
        assert all(map(np.array_equal, found[kind], again))
    assert all(map(np.array_equal, found["as it is"], waves))
    for one, other in itertools.combinations(found.values(), 2):
        assert not any(map(np.array_equal, one, other))


def test_it_prints_a_row_a_recognizer_of_the_validation_utterances(tmp_path, capsys):
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    splits = ["valid", "valid", "train"]
    for i, _ in enumerate(splits):
        soundfile.write(tmp_path / f"{i}.wav", _wave(i, 20000), 16000)
    rows = {"file": [f"{i}.wav" for i in range(3)], "speaker": splits, "split": splits}
    pd.DataFrame(rows).assign(text="hello").to_csv(tmp_path / "metadata.csv", index=False)

    robustness.main(["robustness", str(tmp_path), "english"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "2 utterances, character error rates:"
    name, *rates = printed[-1].split()
    assert name == "english" and len(rates) == len(robustness.KINDS)
    assert all(0 < float(rate) <= 2 for rate in rates)


def test_a_recognizer_that_gives_no_transcripts_is_named_before_audio_is_read(speech):
    whisper = Path(__file__).parent / "asr" / "of_transformers" / "whisper"
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    with pytest.raises(SystemExit, match="^error: whisper has no CTC head"):
        robustness.main(["robustness", str(speech), str(whisper)])
