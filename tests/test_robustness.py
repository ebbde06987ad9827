"""The script that measures recognizers on degraded speech."""

import pandas as pd
import robustness
import soundfile
from absl import flags


def test_every_kind_of_degradation_is_heard_and_the_same_each_time(tmp_path, speech, capsys):
    flags.FLAGS.is_parsed() or flags.FLAGS(["test"], known_only=True)
    files = sorted(speech.glob("*.wav"))[:3]
    rows = [
        {"file": file.name, "speaker": "s", "split": "valid", "text": "hello"} for file in files
    ]
    rows += [{"file": "gone.wav", "speaker": "t", "split": "train", "text": "not heard"}]
    for file in files:
        samples, rate = soundfile.read(file)
        soundfile.write(tmp_path / file.name, samples[: 2 * rate], rate)
    pd.DataFrame(rows).to_csv(tmp_path / "metadata.csv", index=False)

    for _ in range(2):
        robustness.main(["robustness", str(tmp_path), "english"])
    printed = capsys.readouterr().out.splitlines()
    half = len(printed) // 2
    assert printed[:half] == printed[half:]
    assert printed[0].startswith("3 utterances")
    rates = [float(cell) for cell in printed[half - 1].split()[1:]]
    assert len(rates) == len(robustness.KINDS) and len(set(rates)) > 1
