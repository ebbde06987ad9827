"""How well recognizers hear degraded speech: rooms, noise, telephones, clipping, other levels.

    python scripts/robustness.py CORPUS RECOGNIZER [RECOGNIZER ...] [--utterances=300]

CORPUS is a folder with `metadata.csv` (file, speaker, split, text), see `configs/english.py`;
RECOGNIZER a folder, or `english`. It prints the character error rates, greedy, of every k-th
utterance of the split `valid`: as it is, and degraded as `config.augment` degrades training speech,
each kind by itself and on every utterance. All recognizers hear the same.
"""

from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
import pandas as pd
from absl import app, flags

import emoasr
from emoasr.asr import text
from emoasr.audio import reading
from emoasr.corpora import transcribed
from emoasr.errors import UserError
from emoasr.inference import bucketing
from emoasr.settings.choices import AugmentConfig
from emoasr.system.output import counted
from emoasr.training import waveforms

_UTTERANCES = flags.DEFINE_integer("utterances", 300, "How many are heard.", lower_bound=1)

_BATCH = 20  # utterances that are degraded at once: babble is of the others
KINDS = {
    "as it is": AugmentConfig(),
    "room": AugmentConfig(reverb=1.0),
    "noise": AugmentConfig(add_noise=1.0),
    "telephone": AugmentConfig(telephone=1.0),
    "clipped": AugmentConfig(clip=1.0),
    "level": AugmentConfig(level=20.0),
}


def main(argv: list[str]) -> None:
    """Prints the table."""
    if len(argv) < 3:
        raise app.UsageError("give the folder of a corpus and one recognizer or more")
    try:
        rows = _validation(Path(argv[1]))
        recognizers = {folder: emoasr.load_recognizer(folder) for folder in argv[2:]}
        for recognizer in recognizers.values():
            recognizer.decoder()  # a UserError where one gives no transcripts
        clean = [reading.read(reading.Segment(Path(argv[1]) / file)) for file in rows["file"]]
    except (UserError, reading.AudioError) as error:
        raise SystemExit(f"error: {error}") from error
    true = rows["true"].tolist()
    heard = pd.DataFrame(index=list(recognizers), columns=list(KINDS), dtype=float)
    for kind, config in KINDS.items():
        waves = list(degraded(clean, config))
        for name, recognizer in recognizers.items():
            written = recognizer.transcribe((waves, reading.SAMPLE_RATE))["text"].tolist()
            heard.loc[name, kind] = text.error_rates(true, written)["cer"]
    print(f"{counted(len(rows), 'utterance')}, character error rates:\n")
    print(heard.round(3).to_string())


def degraded(waves: list[np.ndarray], config: AugmentConfig) -> Iterator[np.ndarray]:
    """The waveforms (N,) after augmentation, the same ones whenever it is asked for."""
    for start in range(0, len(waves), _BATCH):
        batch = waves[start : start + _BATCH]
        wave_BN, lengths_B = bucketing.pad(batch, len(batch), max(map(len, batch)))
        key = jax.random.fold_in(jax.random.key(0), start)
        changed_BN = waveforms.augment(wave_BN, lengths_B, key, config, reading.SAMPLE_RATE)
        yield from (row_N[:n] for row_N, n in zip(np.asarray(changed_BN), lengths_B, strict=True))


def _validation(corpus: Path) -> pd.DataFrame:
    rows = transcribed.read_rows(corpus)
    rows = rows[(rows["split"] == "valid") & ~rows["text"].map(text.has_digits)]
    rows = rows.assign(true=rows["text"].map(text.normalise))
    rows = rows[rows["true"] != ""]
    if rows.empty:
        raise UserError(f"{corpus}: no utterance of the split valid has a text without digits")
    return rows.iloc[:: max(1, len(rows) // _UTTERANCES.value)][: _UTTERANCES.value]


if __name__ == "__main__":
    app.run(main)
