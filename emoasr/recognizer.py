"""A recognizer to use from Python: features, frames and transcripts of files and arrays."""

import dataclasses
import functools
import math
import textwrap
import warnings
from pathlib import Path
from typing import Any, Literal

import jax
import numpy as np
import pandas as pd
from flax import nnx

from emoasr.asr import decoding, language_model, saved, transcripts
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.saved import SavedRecognizer
from emoasr.asr.vocabulary import OURS, Vocabulary
from emoasr.errors import UserError, one_line
from emoasr.inference import columns, compilation_cache, frames
from emoasr.inference.calls import Call, Kept
from emoasr.inference.device_functions import DeviceFunction
from emoasr.inference.frames import Activations, FrameFunction
from emoasr.inference.inputs import Input
from emoasr.inference.pooling import POOLINGS, Pooler
from emoasr.inference.symbol_scores import SymbolScores
from emoasr.settings import bounds
from emoasr.settings.choices import check_choice
from emoasr.system.output import counted

Pooling = Literal["mean", "max", "std", "mean+std"]
Tap = Literal["gate", "skip", "residual"]
OnError = Literal["raise", "skip"]

_REPR_WIDTH = 90  # characters


@dataclasses.dataclass(frozen=True, eq=False)
class Recognizer(SavedRecognizer):
    """A trained network with all that is needed to use it; see `emoasr.load_recognizer`.

    Inputs, of `features` as of `frames` and `transcribe`, are

    * a path, or a list or tuple of paths;
    * an audformat index (`file`, or `file, start, end`);
    * `(array, rate)` or `(list of arrays, rate)`, the rate in Hz: floating point, full scale -1 to
      1, `(N,)`, `(N, channels)` or `(channels, N)`; channels are averaged. NumPy arrays or what
      becomes one: what librosa, soundfile or torchaudio load;
    * `{"array": ..., "sampling_rate": ...}`, or a list of these, as Hugging Face datasets decode.

    Attributes:
        model: the network.
        config: its size and front end.
        card: the rest of `recognizer.json`: training data, terms, metrics.
        digest: SHA-256 over weights and configuration, 16 hex digits; names it in feature tables.
        language_file: its language model, for transcripts; None: it has none.
        vocabulary_file: its `vocab.json`, of transformers with a CTC head; None: of others.
    """

    _functions: dict[Any, DeviceFunction] = dataclasses.field(default_factory=dict, init=False)

    def features(
        self,
        x: Input,
        pooling: Pooling = "mean",
        tap: Tap | None = None,
        on_error: OnError = "raise",
        progress: bool = True,
    ) -> pd.DataFrame:
        """Pooled unit activations.

        Args:
            x: the recordings: see the class.
            pooling: over time: "mean", "max", "std" (of a single frame 0), or "mean+std", both side
                by side.
            tap: "gate" (tanh(filter) * sigmoid(gate)), "skip" or "residual"; of transformers
                "residual" (hidden states) only. None: the first that there is.
            on_error: of an input that cannot be read: "raise", or "skip" it, with a warning.
            progress: whether to show a bar, for more than 50 inputs or an hour of audio.

        Returns:
            One row an input, in the input's order; float32 columns `layer00.unit000` and on, with
            "mean+std" `layer00.unit000.mean` and on, then `layer00.unit000.std` and on. The index
            is audformat's; for arrays it counts from 0. With "skip" the rows of inputs that cannot
            be read are left out, and `.attrs["skipped"]` lists them, each as a dict of its position
            (`input`) and the `reason`.

        Raises:
            UserError: an input of another form, an unknown pooling or tap; with "raise" an input
                that cannot be read, with its name.

        Example:
            >>> import emoasr, numpy as np
            >>> recognizer = emoasr.load_recognizer()
            >>> second = np.sin(np.arange(16000) / 10)
            >>> table = recognizer.features((second, 16000))
            >>> table.shape
            (1, 1920)
            >>> table.columns[-1]
            'layer14.unit127'
            >>> recognizer.features([], tap="skip").shape
            (0, 1920)
        """
        kind = self.tap(tap)
        check_choice("pooling", pooling, POOLINGS)
        call = Call(x, self.config.frontend, on_error, progress)
        sizes = self.config.model
        names = columns.unit_names(sizes.n_layers, sizes.n_channels, pooling)
        table = np.empty((len(call.index), len(names)), np.float32)
        for result in call.results(self.device_function("units", kind, pooling)):
            table[result.indices] = result.arrays["neural"]
        return call.finished(pd.DataFrame(table, call.index, names))

    def frames(
        self,
        x: Input,
        tap: Tap | None = None,
        on_error: OnError = "raise",
        progress: bool = True,
    ) -> pd.DataFrame:
        """Unit activations of every frame: what `features` pools.

        The table takes 4 bytes a unit and frame: with the shipped recognizer 240 kB a second of
        audio. Making it takes about twice that; nothing else grows with a recording, which is heard
        in chunks that give what the whole would give.

        Args:
            x: the recordings: see the class.
            tap: as for `features`.
            on_error: as for `features`.
            progress: as for `features`.

        Returns:
            One row a frame, inputs in their order; float32 columns `layer00.unit000` and on. The
            index has the input's levels (`file`, or `file, start, end`; for arrays `input`), and
            `time`, the second of the file, or of the array, around which the frame lies. Else as
            `features`.

        Raises:
            UserError: as `features`.

        Example:
            >>> import emoasr, numpy as np
            >>> recognizer = emoasr.load_recognizer()
            >>> second = np.sin(np.arange(16000) / 10)
            >>> table = recognizer.frames((second, 16000))
            >>> table.shape, list(table.index.names)
            ((32, 1920), ['input', 'time'])
            >>> table.index.get_level_values("time")[1]
            np.float64(0.032)
        """
        kind, sizes = self.tap(tap), self.config.model
        call = Call(x, self.config.frontend, on_error, progress)
        names = columns.unit_names(sizes.n_layers, sizes.n_channels)
        function = self.device_function("frames", Activations(kind))
        index, values = call.frames(call.each_frames(function), len(names))
        return call.noted(pd.DataFrame(values, index, names))

    def transcribe(
        self,
        x: Input,
        beam_size: int = 1,
        language_weight: float = decoding.WEIGHT,
        on_error: OnError = "raise",
        progress: bool = True,
        words: bool = False,
    ) -> pd.DataFrame:
        """Transcripts.

        A warning counts inputs whose confidence is so low that they sound unlike the training
        speech: another language, music, noise. Their transcripts are probably nonsense.

        Args:
            x: the recordings: see the class.
            beam_size: 1 decodes greedily, without a language model; more is beam search over that
                many prefixes, with the recognizer's language model if it has one.
            language_weight: of the language model; 0: without it.
            on_error: as for `features`.
            progress: as for `features`.
            words: whether to give each word with its times and confidence.

        Returns:
            One row an input, in the input's order; columns `text` (of ours a..z and spaces, of
            transformers the symbols of `vocab.json`) and `times`, for each character of the text
            the second where it begins. With `words` also `confidence`, from 0 to 1 (NaN: no text),
            and `words`, for each word a named tuple of `word`, `start` and `end` (seconds) and
            `confidence`. Else as `features`.

        Raises:
            UserError: a recognizer without symbol scores; an input of another form; with "raise"
                one that cannot be read, with its name; a beam size or weight out of bounds.

        Example:
            >>> import emoasr, numpy as np
            >>> recognizer = emoasr.load_recognizer()
            >>> silence = {"array": np.zeros(8000), "sampling_rate": 8000}
            >>> list(recognizer.transcribe(silence))
            ['text', 'times']
            >>> recognizer.transcribe(silence, words=True).words[0]
            []
        """
        decode = self.decoder(beam_size, language_weight)
        symbols, classes = self._vocabulary
        call = Call(x, self.config.frontend, on_error, progress)
        heard = [transcripts.Transcript("", [], math.nan, [])] * len(call.index)
        for result in call.results(self.device_function("frames", SymbolScores(classes))):
            scores_BTV = result.arrays["values"]
            times_T = frames.times(self.config.frontend, scores_BTV.shape[1] + 1)
            decoded = zip(result.indices, decode(scores_BTV), scores_BTV, strict=True)
            for i, found, scores_TV in decoded:
                heard[i] = transcripts.of(*found, scores_TV, times_T, symbols)
        table = call.finished(pd.DataFrame(heard, call.index, transcripts.Transcript._fields))
        doubts = {i: d for i, h in enumerate(heard) if (d := transcripts.doubt(h.confidence))}
        if doubts:
            which = f"{len(doubts)} of {counted(len(table), 'input')}"
            i = min(doubts)
            first = f"the first: {one_line(call.name(i))}: {doubts[i]}"
            warnings.warn(f"{which}, {first}", stacklevel=2)
        if doubt := transcripts.doubt_of_all(table["confidence"]):
            warnings.warn(doubt, stacklevel=2)
        return table if words else table[["text", "times"]]

    @property
    def transcribes(self) -> bool:
        """Whether it gives transcripts, not only features."""
        if self.vocabulary_file is not None:
            return self.vocabulary_file.source is not None
        return isinstance(self.model, GatedConvNet)

    def __repr__(self) -> str:
        model, frontend = self.config.model, self.config.frontend
        training = self.card.get("training", {})
        name = self.card.get("name") or training.get("name") or "without a name"
        n_parameters = sum(v.size for v in jax.tree.leaves(nnx.state(self.model, nnx.Param)))
        data = textwrap.shorten(one_line(training.get("data") or "unknown data"), _REPR_WIDTH)
        return (
            f"<Recognizer {one_line(name)}, digest {self.digest}\n"
            f"  {n_parameters:,} parameters, {counted(model.n_layers, 'layer')} x "
            f"{counted(model.n_channels, 'unit')}\n"
            f"  input at {frontend.sample_rate} Hz, {frontend.described}, in frames of "
            f"{1000 * frontend.hop_length / frontend.sample_rate:g} ms\n"
            f"  trained on {data}>"
        )

    def decoder(
        self, beam_size: int = 1, language_weight: float = decoding.WEIGHT
    ) -> decoding.Greedy | decoding.BeamSearch:
        """What makes text of symbol scores; arguments and errors are those of `transcribe`."""
        bounds.check_number("beam_size", beam_size, "beam_size")
        bounds.check_number("language_weight", language_weight, "language_weight")
        symbols = self._vocabulary.symbols
        if beam_size == 1:
            return decoding.Greedy(symbols)
        model = self._language_model if language_weight else None
        return decoding.BeamSearch(beam_size, model, language_weight, symbols)

    def device_function(self, kind: Literal["units", "frames"], *how: Any) -> DeviceFunction:
        """A device function of this recognizer, with what was compiled for it before.

        Args:
            kind: "units" pools activations, "frames" gives something of every frame.
            how: tap and pooling, see `Pooler`; or what to give, see `FrameFunction`.
        """
        if (kind, *how) not in self._functions:
            frontend = self.config.frontend
            made: DeviceFunction
            if kind == "units":
                made = Pooler({"neural": self.model}, frontend, *how)
            else:
                made = FrameFunction(self.model, frontend, *how)
            self._functions[kind, *how] = Kept(made)
        return self._functions[kind, *how]

    @functools.cached_property
    def _vocabulary(self) -> Vocabulary:
        if self.vocabulary_file is not None:
            return self.vocabulary_file.read()
        if isinstance(self.model, GatedConvNet):
            return OURS
        raise UserError(
            f"{one_line(self.card['name'])} has no CTC head: it gives features, not transcripts; "
            "transcribe with the shipped recognizer, one of emoasr pretrain, or a folder of "
            "transformers for CTC (wav2vec 2.0, HuBERT, WavLM)"
        )

    @functools.cached_property
    def _language_model(self) -> language_model.LanguageModel | None:
        return language_model.load(self.language_file) if self.language_file else None


def load_recognizer(path_or_name: Path | str | None = None) -> Recognizer:
    """Opens a recognizer.

    What it compiles is kept in the user's cache folder for the next process, as the commands do;
    settings of JAX that were chosen already stay (see `compilation_cache.enable_cache`).

    Args:
        path_or_name: a recognizer's folder, which may be a URL and may be one of Hugging Face's
            transformers (Whisper, wav2vec 2.0, HuBERT, WavLM), or the name of one in the package
            (`english`); None: the one that the package ships as its best.

    Raises:
        UserError: no such recognizer, or its files are not what they should be, or too large; or
            a process that cannot use JAX, see `forks`.

    Example:
        >>> import emoasr
        >>> print(emoasr.load_recognizer("english"))  # doctest: +ELLIPSIS
        <Recognizer english, digest ...
          3,720,988 parameters, 15 layers x 128 units
          input at 16000 Hz, 20 MFCCs, in frames of 32 ms
          trained on train splits of ...>
    """
    found = saved.load(path_or_name)
    compilation_cache.enable_cache()
    return Recognizer(
        found.model, found.config, found.card, found.digest, found.language_file,
        found.vocabulary_file,
    )  # fmt: skip
