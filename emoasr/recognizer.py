"""A recognizer to use from Python: features and transcripts of files, segments and arrays."""

import dataclasses
import functools
import hashlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import audformat
import numpy as np
import pandas as pd
from flax import nnx

from emoasr import audio, decoding, features, inference, language, pieces, processes, untrusted
from emoasr import frontend as fe
from emoasr.corpora import Corpus
from emoasr.errors import UserError, check_choice
from emoasr.model import TAPS, GatedConvNet, ModelConfig
from emoasr.pooling import POOLINGS, Pooler

Input = str | os.PathLike | Sequence[str | os.PathLike] | pd.Index | tuple[Sequence, float]


@dataclasses.dataclass(frozen=True)
class RecognizerConfig:
    """What a recognizer computes: its network's size and its front end."""

    model: ModelConfig
    frontend: fe.FrontEndConfig


@dataclasses.dataclass(frozen=True, eq=False)
class Recognizer:
    """A trained network with all that is needed to use it; see `emoasr.load_recognizer`.

    Attributes:
        model: the network.
        config: its size and front end.
        card: the rest of `recognizer.json`: training data, terms, metrics.
        digest: SHA-256 over weights and configuration, 16 hex digits; names it in feature tables.
        language_file: its language model, for transcripts; None: it has none.
    """

    model: GatedConvNet
    config: RecognizerConfig
    card: dict[str, Any]
    digest: str
    language_file: untrusted.Source | None = None

    def features(self, x: Input, pooling: str = "mean", tap: str = "gate") -> pd.DataFrame:
        """Pooled unit activations.

        Args:
            x: a path, a list of paths, an audformat index (`file`, or `file, start, end`), or
                `(list of float32 arrays, sample rate in Hz)`; an array is (N,) or (N, channels).
            pooling: over time: "mean", "max" or "std".
            tap: "gate" (tanh(filter) * sigmoid(gate)), "skip" or "residual".

        Returns:
            One row an input, in the input's order; float32 columns `layer00.unit000` and on. The
            index is audformat's; for arrays it counts from 0.

        Raises:
            UserError: an unknown pooling or tap, or an input that cannot be read, with its name.
        """
        check_choice("tap", tap, TAPS)
        check_choice("pooling", pooling, POOLINGS)
        source, index = _source(x, self.config.frontend)
        function = Pooler({"neural": self.model}, self.config.frontend, tap, pooling)
        columns = features.unit_names(self.config.model.n_layers, self.config.model.n_channels)
        table = np.empty((len(source), len(columns)), np.float32)
        for indices, arrays in _all(source, self.config.frontend, function):
            table[indices] = arrays["neural"]
        return pd.DataFrame(table, index, columns)

    def transcribe(
        self, x: Input, beam_size: int = 1, language_weight: float = decoding.WEIGHT
    ) -> pd.DataFrame:
        """Transcripts.

        Args:
            x: as for `features`.
            beam_size: 1 decodes greedily, by ear alone; more is beam search over that many
                prefixes, weighed against the recognizer's language model if it has one.
            language_weight: of the language model; 0: without it.

        Returns:
            One row an input, in the input's order; columns `text`, a..z and spaces, and `times`,
            for each character of the text the second where it is first heard.

        Raises:
            UserError: an input that cannot be read, with its name; a beam size below 1, or
                beam search without the library that it needs.
        """
        if beam_size < 1:
            raise UserError(f"beam_size={beam_size}: must be 1 (greedy) or more")
        source, index = _source(x, self.config.frontend)
        heard: list[tuple[str, list[float]]] = [("", [])] * len(source)
        seconds = self.config.frontend.hop_length / self.config.frontend.sample_rate
        decode: Callable[[np.ndarray], tuple[str, list[int]]] = decoding.greedy
        if beam_size > 1:
            model = self._language_model if language_weight else None
            decode = decoding.BeamSearch(beam_size, model, language_weight)
        function = decoding.Listener(self.model, self.config.frontend, posteriors=beam_size > 1)
        for indices, arrays in _all(source, self.config.frontend, function):
            for i, scores_T in zip(indices, arrays["scores"], strict=True):
                words, frames = decode(scores_T)
                heard[i] = words, [round(frame * seconds, 3) for frame in frames]
        return pd.DataFrame(heard, index, ["text", "times"])

    @functools.cached_property
    def _language_model(self) -> language.LanguageModel | None:
        return language.load(self.language_file) if self.language_file else None


def digest(model: GatedConvNet, frontend: fe.FrontEndConfig) -> str:
    """SHA-256 over the weights, the model's and the front end's configuration, 16 hex digits."""
    sha = hashlib.sha256()
    configs = [dataclasses.asdict(model.config), dataclasses.asdict(frontend)]
    sha.update(json.dumps(configs, sort_keys=True).encode())
    for name, value in sorted(weights(model).items()):
        sha.update(name.encode() + value.tobytes())
    return sha.hexdigest()[:16]


def weights(model: GatedConvNet) -> dict[str, np.ndarray]:
    """Parameters and batch-norm statistics by dotted path, `layers.0.out.conv.kernel`."""
    return {name: np.asarray(value[...]) for name, value in variables(model).items()}


def variables(model: GatedConvNet) -> dict[str, nnx.Variable]:
    """The variables that `weights` gives the values of."""
    state = nnx.state(model, nnx.Any(nnx.Param, nnx.BatchStat))
    return {".".join(map(str, path)): value for path, value in nnx.to_flat_state(state)}


class _Coarse:
    """A source whose lengths are rounded up, so that a loop over single files compiles little."""

    def __init__(self, source: inference.Source):
        self._source = source
        self.samples, self.pieces = source.samples, source.pieces

    def __len__(self) -> int:
        return len(self._source)

    def n_samples(self, i: int) -> int:
        n = self._source.n_samples(i)
        step = 1 << max(0, n.bit_length() - 4)  # eight lengths an octave
        return -(-n // step) * step


class _Arrays:
    """Samples that the user has in memory, as a source."""

    def __init__(self, arrays: Sequence[np.ndarray], rate: float, frontend: fe.FrontEndConfig):
        self._waves = []
        wanted, antialias = frontend.sample_rate, frontend.antialias
        for i, array in enumerate(arrays):
            try:
                self._waves.append(audio.resample(array, rate, wanted, antialias))
            except audio.AudioError as error:
                raise UserError(f"input {i}: {error}") from None

    def __len__(self) -> int:
        return len(self._waves)

    def n_samples(self, i: int) -> int:
        return len(self._waves[i])

    def samples(self, i: int) -> np.ndarray:
        return self._waves[i]

    def pieces(self, i: int, core: int, halo: int, hop: int) -> Iterator[pieces.Piece]:
        return pieces.of_array(self._waves[i], core, halo, hop)


def _source(x: Input, frontend: fe.FrontEndConfig) -> tuple[inference.Source, pd.Index]:
    if isinstance(x, tuple):
        arrays, rate = x
        return _Arrays(arrays, rate, frontend), pd.RangeIndex(len(arrays))
    if isinstance(x, str | os.PathLike):
        x = [x]
    index = x if isinstance(x, pd.Index) else audformat.filewise_index([os.fspath(p) for p in x])
    table, rate = pd.DataFrame(index=index), frontend.sample_rate
    return Corpus("input", Path(), table, sample_rate=rate, antialias=frontend.antialias), index


def _all(source, frontend, function):
    """Every result; an input that has none is an error."""
    run = inference.Run(_Coarse(source), frontend.hop_length, workers=processes.count(0))
    run.plan()
    _raise_if_failed(run)
    yield from run.results(function)
    _raise_if_failed(run)


def _raise_if_failed(run: inference.Run) -> None:
    if run.failed:
        i = min(run.failed)
        raise UserError(f"input {i}: {run.failed[i]}")
