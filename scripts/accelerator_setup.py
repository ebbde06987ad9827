"""What the sections of `accelerator_check.py` share: speech, the recognizer, sizes, a folder."""

import dataclasses
import functools
from pathlib import Path

import ml_collections
import numpy as np
import soundfile
from bench_scaling import open_folder, repeated

import emoasr
from emoasr import config
from emoasr.audio import encoding, reading
from emoasr.inference import bucketing
from emoasr.inference.calls import Kept
from emoasr.inference.pooling import Pooler
from emoasr.recognizer import Recognizer
from emoasr.settings.choices import COMPUTE_DTYPES

N_FILES = 60  # of a reference
_LONGEST = 15  # seconds of them; others are cut
SETS = ("neural", "mfcc")


@dataclasses.dataclass(frozen=True)
class Sizes:
    """How much is computed.

    Attributes:
        utterances: of a batch whose computation is timed.
        frames: of each of them.
        side: of the matrices whose product is the ceiling.
        repeats: timed runs.
        n_files: that features are compared of.
        hours: of audio that are extracted.
        large: frames of a large batch.
        steps: of the training.
        model: fields of the trained network that differ from the default.
        augment: whether that training augments.
        dtypes: that are timed, and tried for invariance.
    """

    utterances: int = 512
    frames: int = 256
    side: int = 8192
    repeats: int = 5
    n_files: int = N_FILES
    hours: float = 16.0
    large: int = 131_072
    steps: int = 60
    model: tuple[tuple[str, object], ...] = ()
    augment: bool = True
    dtypes: tuple[str, ...] = COMPUTE_DTYPES


SMALL = Sizes(
    utterances=2, frames=24, side=64, repeats=1, n_files=4, hours=0.005, large=1024, steps=2,
    model=(("n_channels", 8), ("n_blocks", 1), ("dilations", (2,))), augment=False,
    dtypes=("bfloat16",),
)  # fmt: skip


@dataclasses.dataclass(frozen=True, eq=False)
class Setup:
    """What is checked, and with what.

    Attributes:
        folder: to work in.
        sizes: how much is computed.
        recognizer: whose network.
        source: its folder; empty: the shipped one.
        waves: speech at its rate, int16.
        expected: features of the waves by set, computed elsewhere; empty: there are none.
        made_on: what computed them.
    """

    folder: Path
    sizes: Sizes
    recognizer: Recognizer
    source: str
    waves: list[np.ndarray]
    expected: dict[str, np.ndarray]
    made_on: str

    @functools.cache  # noqa: B019  there is one setup
    def pooler(self, dtype: str) -> Kept:
        """From waveforms to the features `SETS`; its programs are kept."""
        networks, frontend = {"neural": self.recognizer.model}, self.recognizer.config.frontend
        return Kept(Pooler(networks, frontend, self.recognizer.tap(None), "mean", True, dtype))

    def in_batches(self, pooler: Kept, size: int, longest: int = 0) -> dict[str, np.ndarray]:
        """Features of all waves by set, so many a batch.

        Args:
            pooler: what computes them.
            size: rows of a batch.
            longest: samples that all are padded to; 0: as few as hold the longest of them.
        """
        hop = pooler.frontend.hop_length
        longest = longest or -(-max(map(len, self.waves)) // hop) * hop
        program = pooler.compiled(size, longest)
        parts = []
        for i in range(0, len(self.waves), size):
            floats = [wave_N / np.float32(32768) for wave_N in self.waves[i : i + size]]
            arrays = program(*bucketing.pad(floats, size, longest))
            parts.append({name: np.asarray(array)[: len(floats)] for name, array in arrays.items()})
        return {name: np.concatenate([part[name] for part in parts]) for name in SETS}

    def flac(self, hours: float) -> Path:
        """A folder of FLAC files of so many hours: the waves, under many names."""
        folder = self.folder / "flac"
        if not folder.exists():
            folder.mkdir()
            for i, wave_N in enumerate(self.waves):
                soundfile.write(folder / f"{i:04d}.flac", wave_N, reading.SAMPLE_RATE)
        files = sorted(folder.iterdir())
        many = self.folder / f"{hours} hours"
        return many if many.exists() else repeated(files, hours, many)

    def training(self) -> ml_collections.ConfigDict:
        """The configuration of the training that is timed, but for its corpus."""
        settings = config.pretraining("transcribed")
        settings.model.update(dict(self.sizes.model))
        settings.augment = settings.augment if self.sizes.augment else {}
        settings.train.update({"steps": self.sizes.steps, "buckets": 1, "log_every": 1})
        return settings


def setup_of(folder: Path, sizes: Sizes, reference: Path | None, source: str) -> Setup:
    """Opens the recognizer, and the speech that a reference holds, or makes some."""
    recognizer = emoasr.load_recognizer(source or None)
    if reference is None:
        waves = _synthetic(sizes.n_files, recognizer.config.frontend.sample_rate)
        return Setup(folder, sizes, recognizer, source, waves, {}, "")
    with np.load(reference) as held:
        if str(held["recognizer"]) != recognizer.digest:
            raise SystemExit(f"{reference}: was made with another recognizer; save it anew")
        waves = np.split(held["samples"], np.cumsum(held["lengths"])[:-1])[: sizes.n_files]
        expected = {name: held[name][: sizes.n_files] for name in SETS}
        return Setup(folder, sizes, recognizer, source, waves, expected, str(held["made_on"]))


def saved_reference(audio: Path, file: Path, source: str) -> str:
    """Writes speech of a folder and this device's float32 features of it; says what it wrote."""
    import jax

    recognizer, corpus = emoasr.load_recognizer(source or None), open_folder(audio)
    rate, waves = recognizer.config.frontend.sample_rate, []
    for i in np.linspace(0, len(corpus) - 1, min(N_FILES, len(corpus))).round().astype(int):
        wave_N = corpus.samples(i)[: _LONGEST * rate]
        waves.append(encoding.int16(wave_N))
    setup = Setup(Path(), Sizes(), recognizer, source, waves, {}, "")
    arrays = setup.in_batches(setup.pooler("float32"), 1)
    made_on = f"{jax.devices()[0].device_kind}, JAX {jax.__version__}"
    np.savez_compressed(
        file, samples=np.concatenate(waves), lengths=list(map(len, waves)),
        recognizer=recognizer.digest, made_on=made_on, **arrays,
    )  # fmt: skip
    return f"{file}: {len(waves)} files, {sum(map(len, waves)) / rate:.0f} s, {made_on}"


def _synthetic(n_files: int, rate: int) -> list[np.ndarray]:
    """Noise with formants and syllables, 1 to 6 s."""
    random, waves = np.random.default_rng(0), []
    for n_samples in random.integers(rate, 6 * rate, n_files):
        time_N = np.arange(n_samples) / rate
        envelope_N = np.abs(np.sin(2 * np.pi * 2.5 * time_N))
        tone_N = np.sin(2 * np.pi * random.uniform(90, 250) * time_N)
        noise_N = np.convolve(random.normal(size=n_samples), np.hanning(16) / 8, "same")
        waves.append((4000 * envelope_N * (tone_N + noise_N)).clip(-32000, 32000).astype(np.int16))
    return waves
