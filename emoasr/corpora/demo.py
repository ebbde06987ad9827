"""A synthetic corpus, spoken by eSpeak NG: it shows every step, and says nothing about people.

16 voices (8 accents, one male and one female variant each) read 20 sentences; each utterance has
its own draw of speaking rate, volume, pitch and pitch range, and its labels are those settings:

* arousal = 1 + 4 (0.5 rate + 0.3 volume + 0.2 pitch)
* valence = 1 + 4 (0.7 pitch range + 0.3 pitch)

with each setting from 0 (lowest level) to 1 (highest). The accent stands in for the session.
"""

import concurrent.futures
import ctypes
import dataclasses
import functools
import os
from pathlib import Path

import ml_collections
import numpy as np
import pandas as pd
import soundfile

from emoasr.corpora import table
from emoasr.corpora.base import Corpus
from emoasr.errors import UserError
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.system import extras, processes

NAME = "eSpeak NG demo (synthetic)"

# Accent, male and female variant. None has `breath`, whose noise differs from run to run.
VOICES = (
    ("en", "m1", "f1"),
    ("en-029", "m8", "Annie"),
    ("en-gb-scotland", "m2", "belinda"),
    ("en-gb-x-gbclan", "m4", "f4"),
    ("en-gb-x-gbcwmd", "m5", "steph"),
    ("en-gb-x-rp", "m3", "anika"),
    ("en-us", "m6", "linda"),
    ("en-us-nyc", "m7", "Andrea"),
)

SENTENCES = (
    "The train to the coast leaves at half past nine.",
    "She put the letters on the table by the door.",
    "There are four chairs in the small room.",
    "We walked along the river until the bridge.",
    "He opened the window and looked at the street.",
    "The shop on the corner sells bread and milk.",
    "My brother keeps his tools in the garage.",
    "They will paint the kitchen on Thursday.",
    "The book you asked for is on the second shelf.",
    "Please leave the keys with the neighbour.",
    "It takes about ten minutes to boil the potatoes.",
    "The meeting was moved to the other building.",
    "A blue van is parked behind the school.",
    "You can see the church from the hill.",
    "The children are waiting for the bus.",
    "I have written the number on the back.",
    "The water in the lake is cold in spring.",
    "Her coat hangs next to the mirror.",
    "We need two more plates for the guests.",
    "The path turns left after the old mill.",
)

# eSpeak's parameter number, lowest level, highest level; volume stays below where eSpeak clips.
SETTINGS = {
    "rate": (1, 120, 260),  # words a minute
    "volume": (2, 30, 100),  # 100: normal
    "pitch": (3, 20, 80),  # 50: normal
    "range": (4, 10, 100),  # 50: normal; 0: monotone
}
_LEVELS = 8


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Makes the corpus in `workdir/corpus` (WAVs and `labels.csv`), unless it lies there already.

    Args:
        config: `seed`, of the settings' draw; the same seed gives the same bytes.
        workdir: the run's folder.

    Raises:
        UserError: the `demo` extra is missing, the folder cannot be written or holds another
            corpus, eSpeak NG fails.
    """
    folder = ensure_folder(workdir / "corpus").resolve()
    plan, labels = design(config.seed), folder / "labels.csv"
    text = plan.to_csv(index=False)
    _check_own(labels, ",".join(map(str, plan)))
    if not (_content(labels) == text and all((folder / file).is_file() for file in plan["file"])):
        extras.require("demo", "the demo corpus")
        labels.unlink(missing_ok=True)  # until the last WAV is written, nothing is finished
        _speak_apart(plan, folder)
        write_atomically(labels, text)
    frame = table.read_frame(labels).drop(columns=["voice", *SETTINGS])
    corpus = table.build(frame, NAME, folder, labels)
    return dataclasses.replace(corpus, synthetic=True)


def design(seed: int) -> pd.DataFrame:
    """The utterances to speak: one row each, with its labels, voice and settings."""
    rng = np.random.default_rng(seed)
    rows = []
    for accent, *variants in VOICES:
        for variant in variants:
            for number, text in enumerate(SENTENCES, 1):
                level = {s: int(rng.integers(_LEVELS)) / (_LEVELS - 1) for s in SETTINGS}
                speaker = f"{accent}-{variant}"
                rows.append({
                    "file": f"{speaker}/{number:02d}.wav", "speaker": speaker, "session": accent,
                    **_labels(**level), "text": text, "voice": f"{accent}+{variant}",
                    **{s: round(lo + level[s] * (hi - lo)) for s, (_, lo, hi) in SETTINGS.items()},
                })  # fmt: skip
    return pd.DataFrame(rows)


def _labels(rate: float, volume: float, pitch: float, range: float) -> dict[str, float]:
    return {
        "arousal": round(1 + 4 * (0.5 * rate + 0.3 * volume + 0.2 * pitch), 4),
        "valence": round(1 + 4 * (0.7 * range + 0.3 * pitch), 4),
    }


def _check_own(labels: Path, header: str) -> None:
    """Raises a UserError where the folder holds another corpus, the user's own."""
    if labels.is_file() and labels.read_bytes().splitlines()[:1] != [header.encode()]:
        raise UserError(
            f"{labels}: is of another corpus, which the demo would replace; give another --workdir"
        )


def _content(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _speak_apart(plan: pd.DataFrame, folder: Path) -> None:
    """Runs `speak` in a process of its own.

    eSpeak NG starts once a process, and what it spoke before alters what it speaks next; only a
    fresh one gives the same bytes each time.
    """
    try:
        list(processes.results(functools.partial(speak, folder=folder), [plan], 1))
    except concurrent.futures.BrokenExecutor:
        raise UserError(
            "eSpeak NG crashed; reinstall it: pip install --force-reinstall espeakng-loader"
        ) from None
    except (OSError, soundfile.SoundFileError) as error:
        raise UserError(f"cannot make the demo corpus in {folder} ({error})") from None


def speak(plan: pd.DataFrame, folder: Path) -> None:
    """Speaks each row of a `design` into its file, at eSpeak's native rate, 16 bit.

    Raises:
        UserError: eSpeak NG lacks its data or a voice.
    """
    library, rate = _start()
    pieces: list[np.ndarray] = []

    @ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)
    def collect(samples, count, events):
        if samples and count:
            pieces.append(np.ctypeslib.as_array(samples, (count,)).copy())
        return 0

    library.espeak_SetSynthCallback(collect)
    for row in plan.to_dict("records"):
        pieces.clear()
        failed = library.espeak_SetVoiceByName(row["voice"].encode())
        for setting, (parameter, _, _) in SETTINGS.items():
            failed |= library.espeak_SetParameter(parameter, row[setting], 0)
        text = row["text"].encode() + b"\0"
        failed |= library.espeak_Synth(text, len(text), 0, 1, 0, 1, None, None)  # whole, UTF-8
        if failed or not pieces:
            raise UserError(f"eSpeak NG cannot speak as {row['voice']}; update espeakng-loader")
        path = folder / row["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(path, np.concatenate(pieces), rate, subtype="PCM_16")


def _start() -> tuple[ctypes.CDLL, int]:
    """Starts eSpeak NG in synchronous mode; gives it and its sampling rate in Hz."""
    import espeakng_loader

    # A path from here: eSpeak NG cuts long ones, such as a deep virtual environment's.
    os.chdir(Path(espeakng_loader.get_data_path()).parent)
    library = ctypes.CDLL(str(espeakng_loader.get_library_path()))
    rate = library.espeak_Initialize(2, 0, b".", 0x8000)  # synchronous; report, do not exit
    if rate <= 0:
        raise UserError(
            "eSpeak NG finds no data; reinstall it: pip install --force-reinstall espeakng-loader"
        )
    return library, rate
