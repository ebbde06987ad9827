"""VCTK (CC BY 4.0), releases 0.80 and 0.92, as a folder or as the zip that is downloaded.

0.80 has `txt/p225/p225_001.txt` and `wav48/p225/p225_001.wav`; 0.92 has two microphones and FLAC,
`wav48_silence_trimmed/p225/p225_001_mic1.flac`. Known gaps: p315 has no texts; in 0.92 p280 and
p315 lack mic2.
"""

import dataclasses
import re
import zipfile
from pathlib import Path

import ml_collections
import numpy as np
import pandas as pd

from emoasr.audio import reading
from emoasr.corpora import table
from emoasr.corpora.base import Corpus, Skipped, contents, on_disk
from emoasr.errors import UserError
from emoasr.files import archives, places
from emoasr.settings.choices import check_choice

# By speaker, fixed; both hold out men and women of the corpus's main accents.
VALID = ("p226", "p234", "p245", "p248", "p253", "p294", "p302", "p347")
TEST = ("p225", "p227", "p237", "p251", "p299", "p326", "p335", "p340")

_NAME = re.compile(r"(?P<speaker>[ps]\d+)_(?P<number>\d+)(_(?P<mic>mic[12]))?\.(wav|flac|txt)")
_NATIVE_RATE = 48000  # Hz


@dataclasses.dataclass(frozen=True)
class Decimated(Corpus):
    """VCTK as the original recognizer was trained: every third sample, without anti-alias filter.

    Frequencies above 8 kHz alias; see `config.corpus.decimate`.
    """

    antialias: bool = False

    def samples(self, i: int) -> np.ndarray:
        """As `Corpus.samples`, but recordings at another rate than 48 kHz are refused."""
        segment = self.segment(i)
        frames, rate = reading.read_native(segment)
        if rate != _NATIVE_RATE:
            raise reading.AudioError(
                f"{segment.path}: sampled at {rate} Hz; config.corpus.decimate needs 48000 Hz"
            )
        return reading.resample(frames, rate, self.sample_rate, self.antialias)


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Opens VCTK for pre-training: its table has `speaker`, `split` and `text`.

    Args:
        config: `path`, the folder or the zip; `mic`, mic1 or mic2 (of release 0.92); `decimate`,
            whether to take every third sample as the original did.
        workdir: unused.

    Raises:
        UserError: not VCTK, a zip that `archives.open_zip` refuses, no utterance of the training or
            validation speakers.
    """
    check_choice("config.corpus.mic", config.mic, ("mic1", "mic2"))
    root, names = top_folder(on_disk(places.of_corpus(config)))
    sounds, texts = _utterances(names, config.mic)
    if not sounds:
        raise UserError(
            f"config.corpus.path={config.path}: no recording by {config.mic} in wav48*/, as "
            f".wav or .flac; {contents(root)}"
        )
    rows, skipped = [], []
    for key in sorted(sounds | texts):
        if key in sounds and key in texts:
            try:
                words = (root / texts[key]).read_bytes().decode()
            except (OSError, zipfile.BadZipFile, UnicodeDecodeError) as error:
                skipped.append(Skipped(sounds[key], f"its text cannot be read ({error})"))
                continue
            rows.append({"file": sounds[key], "speaker": key[0], "split": _split(key[0]),
                         "text": " ".join(words.split())})  # fmt: skip
        else:
            lack = "no text" if key in sounds else f"no recording by {config.mic}"
            skipped.append(Skipped(sounds.get(key) or texts[key], lack))
    if not rows:
        raise UserError(
            f"config.corpus.path={config.path}: no recording has its text, such as "
            f"txt/p225/p225_001.txt; {contents(root)}"
        )
    name = "VCTK, decimated" if config.decimate else "VCTK"
    found = table.build(pd.DataFrame(rows), name, Path(), Path(config.path)).table
    kind = Decimated if config.decimate else Corpus
    return kind(name, root, found, skipped=tuple(skipped))


def top_folder(path: Path) -> tuple[Path | zipfile.Path, list[str]]:
    """VCTK's top folder, on disk or in a zip, and the files in it, relative to it."""
    root: Path | zipfile.Path = path if path.is_dir() else archives.open_zip(path)
    for top in (root, *sorted((p for p in root.iterdir() if p.is_dir()), key=str)):
        if (top / "txt").is_dir():
            return top, _names(top)
    raise UserError(
        f"config.corpus.path={path}: has no folder txt/; give VCTK's folder or zip; "
        f"{contents(root)}"
    )


def _names(top: Path | zipfile.Path) -> list[str]:
    if isinstance(top, Path):
        return [p.relative_to(top).as_posix() for p in top.rglob("*.*")]
    return [name.removeprefix(top.at) for name in top.root.namelist() if name.startswith(top.at)]


def _utterances(names: list[str], mic: str) -> tuple[dict, dict]:
    """Recordings by the microphone, and texts, by (speaker, number)."""
    sounds: dict[tuple[str, str], str] = {}
    texts: dict[tuple[str, str], str] = {}
    for name in sorted(names):  # of two recordings the first counts, on any file system
        match = _NAME.fullmatch(name.rsplit("/", 1)[-1])
        if match is None:
            continue
        key = (match["speaker"], match["number"])
        if name.startswith("txt/") and name.endswith(".txt"):
            texts[key] = name
        elif name.startswith("wav48") and not name.endswith(".txt") and match["mic"] in (None, mic):
            sounds.setdefault(key, name)
    return sounds, texts


def _split(speaker: str) -> str:
    return "valid" if speaker in VALID else "test" if speaker in TEST else "train"
