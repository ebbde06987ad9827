r"""Adds synthetic speech to a transcribed corpus, for more texts and voices in pre-training.

    apt-get install flite espeak-ng wordnet-base; pip install ttspico
    python scripts/synthesize_speech.py CORPUS OUT --utterances=9000

CORPUS is a folder with `metadata.csv` (file, speaker, split, text), see `configs/english.py`. OUT
gets a `metadata.csv` of all its utterances, where they lie, and of the synthetic ones, all of the
split `train`; give it as `--config.corpus.path=OUT`. A third of the texts is drawn from CORPUS'
training split, the others are WordNet's example sentences. The same arguments draw the same texts
and voices; what is there is not spoken again.

Voices: flite's four, SVOX Pico's two, and eSpeak NG's English accents in many variants, each with
another pitch and speed at every utterance.
"""

import io
import re
import shutil
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pandas as pd
import soundfile
import wordnet
from absl import app, flags
from tqdm import tqdm

from emoasr.asr.text import normalise
from emoasr.corpora import table

_UTTERANCES = flags.DEFINE_integer("utterances", 9000, "Synthetic utterances.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of texts and voices.")
flags.adopt_module_key_flags(wordnet)
_JOBS = flags.DEFINE_integer("jobs", 2, "Utterances spoken at once.", lower_bound=1)

_LENGTHS = (12, 110)  # characters of a text
_ABBREVIATION = re.compile(
    r"\b(?:mr|mrs|ms|dr|st|jr|sr|vs|etc|no|ft|lb|oz|u|e|i\.e|a\.m|p\.m)\b", re.I
)
_FLITE = ("awb", "rms", "slt", "kal16")
_PICO = ("en-US", "en-GB")
_ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-gb-x-rp", "en-gb-x-gbclan", "en-029")
_VARIANTS = (
    *(f"m{i}" for i in range(1, 9)), *(f"f{i}" for i in range(1, 6)),
    "adam", "anika", "Annie", "belinda", "benjamin", "boris", "caleb", "david", "ed", "edward2",
    "Gene", "Henrique", "Jacky", "john", "linda", "Marco", "Michael", "Mike", "paul", "pablo",
    "quincy", "rob", "robert", "sandro", "shelby", "steph", "travis", "victor", "zac", "Andrea",
    "Alex", "Lee", "max",
)  # fmt: skip


def main(argv: list[str]) -> None:
    """Speaks what is missing in OUT and writes its table."""
    if len(argv) != 3:
        raise app.UsageError("give the corpus' folder and the folder to write")
    corpus, out = Path(argv[1]), Path(argv[2])
    for needed in ("flite", "espeak-ng"):
        if not shutil.which(needed):
            raise SystemExit(f"error: {needed} is not installed; see --help")
    known = table.read_frame(corpus / "metadata.csv")
    rows = _plan(known, np.random.default_rng(_SEED.value))
    (out / "synthetic").mkdir(parents=True, exist_ok=True)
    with ThreadPoolExecutor(_JOBS.value) as pool:
        spoken = pool.map(lambda row: _speak(row, out), rows)
        durations = list(tqdm(spoken, total=len(rows), unit="utterance", desc="synthesize"))
    synthetic = pd.DataFrame(rows).assign(split="train", duration=durations)
    known["file"] = [str((corpus / file).resolve()) for file in known["file"]]
    columns = ["file", "speaker", "split", "duration", "text"]
    everything = pd.concat([known, synthetic])[columns]
    everything.to_csv(out / "metadata.csv", index=False)
    hours = synthetic["duration"].sum() / 3600
    print(f"{len(synthetic)} synthetic utterances, {hours:.2f} h: {out / 'metadata.csv'}")


def _plan(known: pd.DataFrame, random: np.random.Generator) -> list[dict]:
    """Draws a text and a voice for every utterance."""
    pools = [
        _usable(known["text"][known["split"] == "train"]),
        _usable(wordnet.example_sentences()),
    ]
    rows = []
    for i in range(_UTTERANCES.value):
        text = str(random.choice(pools[int(random.random() > 1 / 3)]))
        engine = str(random.choice(("flite", "pico", "espeak"), p=(0.4, 0.25, 0.35)))
        voice = {
            "flite": lambda: str(random.choice(_FLITE)),
            "pico": lambda: str(random.choice(_PICO)),
            "espeak": lambda: f"{random.choice(_ACCENTS)}+{random.choice(_VARIANTS)}",
        }[engine]()
        rows.append({
            "file": f"synthetic/{i:06d}.flac", "speaker": f"synthetic/{engine}-{voice}",
            "text": text, "engine": engine, "voice": voice,
            "pitch": float(random.uniform(-1, 1)), "speed": float(random.uniform(-1, 1)),
        })  # fmt: skip
    return rows


def _usable(texts: pd.Series) -> np.ndarray:
    """Lower-case texts that every engine reads as they are written: no digits or abbreviations."""
    texts = texts.dropna()
    odd = texts.str.contains(r"\d|[^\x00-\x7f]") | texts.str.contains(_ABBREVIATION)
    plain = texts[~odd]
    plain = plain.str.lower().str.replace(r"[^a-z',.?! ]", " ", regex=True).str.strip()
    return plain[
        plain.map(lambda text: _LENGTHS[0] <= len(normalise(text)) <= _LENGTHS[1])
    ].unique()


def _speak(row: dict, out: Path) -> float:
    """Writes one utterance, unless it is there; returns its duration in seconds."""
    path = out / row["file"]
    if not path.exists():
        samples, rate = _ENGINES[row["engine"]](row)
        partial = path.with_suffix(".part")
        soundfile.write(partial, samples, rate, format="FLAC", subtype="PCM_16")
        partial.rename(path)
    return round(soundfile.info(path).duration, 3)


def _flite(row: dict) -> tuple[np.ndarray, int]:
    pitch = {"awb": 120, "rms": 100, "slt": 170, "kal16": 105}[row["voice"]]
    with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
        command = [
            "flite", "-voice", row["voice"],
            "--setf", f"duration_stretch={1.15 ** row['speed']:.3f}",
            "--setf", f"int_f0_target_mean={pitch * 1.3 ** row['pitch']:.1f}",
            "-t", row["text"], "-o", wav.name,
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)
        return soundfile.read(wav.name)


def _pico(row: dict) -> tuple[np.ndarray, int]:
    import ttspico

    engine = ttspico.TtsEngine(row["voice"])
    engine.pitch = int(100 * 1.3 ** row["pitch"])
    engine.rate = int(100 * 1.15 ** row["speed"])
    return np.frombuffer(engine.speak(row["text"]), np.int16), 16000


def _espeak(row: dict) -> tuple[np.ndarray, int]:
    command = [
        "espeak-ng", "-v", row["voice"], "-p", str(int(50 + 30 * row["pitch"])),
        "-s", str(int(155 * 1.2 ** row["speed"])), "--stdout", row["text"],
    ]  # fmt: skip
    done = subprocess.run(command, check=True, capture_output=True)
    return soundfile.read(io.BytesIO(_whole(done.stdout)))


def _whole(wav: bytes) -> bytes:
    """A streamed WAV with its true sizes: eSpeak NG cannot know them when it begins."""
    at = wav.index(b"data") + 4
    riff, data = ((len(wav) - n).to_bytes(4, "little") for n in (8, at + 4))
    return wav[:4] + riff + wav[8:at] + data + wav[at + 4 :]


_ENGINES = {"flite": _flite, "pico": _pico, "espeak": _espeak}

if __name__ == "__main__":
    app.run(main)
