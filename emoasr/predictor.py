"""A predictor to use from Python: ratings of recordings, and what each frame contributes."""

import dataclasses
import functools
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emoasr.asr.transcripts import Transcript
from emoasr.audio import windows
from emoasr.audio.windows import Windows
from emoasr.errors import UserError, one_line
from emoasr.files.writing import file_of, write_atomically
from emoasr.inference import columns
from emoasr.inference.attention import AttentivePooler
from emoasr.inference.calls import Call, Kept
from emoasr.inference.device_functions import DeviceFunction
from emoasr.inference.frames import FrameFunction
from emoasr.inference.inputs import Input
from emoasr.prediction import contributions, model, recordings, saved, tables
from emoasr.prediction.contributions import Contributions
from emoasr.prediction.saved import SavedPredictor
from emoasr.recognizer import OnError, Recognizer, load_recognizer
from emoasr.settings import bounds
from emoasr.settings.choices import ATTENTION
from emoasr.system.output import counted

if TYPE_CHECKING:
    from emoasr.report.drawing import Picture


@dataclasses.dataclass(frozen=True, eq=False)
class Predictor(SavedPredictor):
    """A fitted linear model, and the recognizer that gives its features; see `load_predictor`.

    Inputs are those of `Recognizer`.

    Attributes:
        model: weights, errors, and what the fitted features were like.
        record: what else `predictor.json` says: targets, scale, corpus, terms, limits, metrics.
        digest: SHA-256 over both, 16 hex digits.
        recognizer: gives the features.
    """

    recognizer: Recognizer

    def predict(
        self,
        x: Input,
        window: float | None = None,
        hop: float | None = None,
        on_error: OnError = "raise",
        progress: bool = True,
    ) -> pd.DataFrame:
        """Predicts each rating of each input, with an interval.

        A warning names inputs that are unlike the fitted speech (more of their features are beyond
        its range than for 99 % of the fitted utterances), inputs that the predictor was fitted on
        (as far as their features are the same), and silent ones.

        Args:
            x: what to listen to: see `Recognizer`.
            window: seconds; given: one row a window instead of one an input. A window is predicted
                as a recording of its own. An input shorter than a window stays whole.
            hop: seconds from one window to the next; None: a window.
            on_error: of an input that cannot be read: "raise", or "skip" it, with a warning.
            progress: whether to show a bar, for more than 50 inputs or an hour of audio.

        Returns:
            One row an input, in the input's order, or one a window; index as of
            `Recognizer.features`, with windows `file, start, end`. For each target a column of its
            name, within the scale of the ratings, and `NAME_low` and `NAME_high`: 90 % of new
            speakers' ratings lie between these (see `prediction.intervals`). `beyond` is the share
            of features beyond the range of the fitted utterances, `fitted` whether the input is one
            of these. `.attrs["warnings"]` lists the warnings.

        Raises:
            UserError: as `Recognizer.features`, or an impossible window.

        Example:
            >>> import emoasr, numpy as np
            >>> predictor = emoasr.load_predictor()
            >>> noise = np.random.default_rng(0).normal(0, 0.1, 3 * 16000)
            >>> import warnings
            >>> with warnings.catch_warnings(action="ignore"):  # noise is unlike speech
            ...     table = predictor.predict((noise, 16000), window=2, hop=0.5)
            >>> len(table), list(table)[:3]
            (3, ['arousal', 'arousal_low', 'arousal_high'])
        """
        call = self._call(x, on_error, progress, windows.parse(window, hop))
        return self._warned(call, *self._predicted(call))

    def track(self, x: Input, on_error: OnError = "raise", progress: bool = True) -> pd.DataFrame:
        """What every frame contributes to the predictions.

        The mean over an utterance is its prediction, before that is clipped to the scale. A
        frame's contribution is no rating of that moment: the network has heard
        `recognizer.config.model.receptive_field` frames to each side of it. With attention it is
        weighted, see `prediction.contributions`.

        Args:
            x: what to listen to: see `Recognizer`.
            on_error: as for `predict`.
            progress: as for `predict`.

        Returns:
            One row a frame, every 32 ms, inputs in their order: `file`, with segments `start` and
            `end`, for arrays `input`; `time`, the second of the file, or of the array, around which
            the frame lies; and a float32 column a rating. A target of classes has a
            column `NAME_CLASS` for each: its score; softmax of the means gives probabilities.

        Raises:
            UserError: as `predict`; or the predictor's features are not means over time.

        Example:
            >>> import emoasr, numpy as np
            >>> predictor = emoasr.load_predictor()
            >>> list(predictor.track((np.ones(16000) / 10, 16000)).columns[:3])
            ['input', 'time', 'arousal']
        """
        self.check_tracks()
        call = self._call(x, on_error, progress)
        names = [output.name for output in self.model.outputs]
        index, values = call.frames(self._tracks(call), len(names))
        contributed = pd.DataFrame(values, columns=names)
        return call.noted(index.to_frame(index=False).join(contributed))

    def page(
        self, x: Input, path: Path | str, on_error: OnError = "raise", progress: bool = True
    ) -> pd.DataFrame:
        """Writes a page that plays recordings: one HTML file for a browser, without any network.

        It shows each recording's waveform, the course of every rating (see `track`) with a cursor
        that moves while it plays, the words where they are heard, the units that contribute most,
        and the predictions. Sound of two minutes or less lies within the page; a longer file is
        played from where it is.

        Args:
            x: what to listen to, 500 recordings at most: see `Recognizer`.
            path: the file to write, replaced if it is there. Where no input can be read,
                nothing is written.
            on_error: as for `predict`.
            progress: as for `predict`.

        Returns:
            The predictions, as `predict` gives them.

        Raises:
            UserError: as `track`; there are more recordings, or the page cannot be written.

        Example:
            >>> import emoasr, numpy as np
            >>> predictor = emoasr.load_predictor()
            >>> second = np.sin(np.arange(16000) / 10)
            >>> import warnings
            >>> with warnings.catch_warnings(action="ignore"):  # a tone is unlike speech
            ...     table = predictor.page((second, 16000), "page.html")
            >>> len(table)
            1
        """
        from emoasr.report import player, provenance

        self.check_tracks()
        if self.recognizer.transcribes:
            self.recognizer.decoder()  # its errors come before anything is computed
        file = file_of(path, "path")
        call = self._call(x, on_error, progress)
        recordings.check_number(len(call.index), "page", recordings.MOST)
        call.notes = (*call.notes, *self._wordless())
        found, silent = self._predicted(call)
        table = self._warned(call, found, silent)
        full = _names(call, found)
        names = dict(zip(full, recordings.without_folder([*full.values()]), strict=True))
        shown = self._recordings(x, call, on_error, table, file)
        shown = [{**r, "name": name} for r, name in zip(shown, names.values(), strict=True)]
        config = self.recognizer.config
        weighted = self.model.attention is not None
        hears = recordings.hears(config.frontend, config.model.receptive_field, weighted)
        lines = [*call.notes, *self._doubts(found, names, silent)]
        content = recordings.content(self, hears, lines, shown, provenance.version("emoasr"))
        if shown:
            write_atomically(file, player.render(content))
        return table

    def plot(self, x: Input, smooth: float = 1.0, progress: bool = True) -> "Picture":
        """Draws what every frame contributes, see `track`, against time.

        Args:
            x: what to listen to, 20 recordings at most: see `Recognizer`.
            smooth: seconds of the moving mean that is drawn, for the picture only; 0: none.
            progress: as for `predict`.

        Returns:
            A picture, which notebooks show; `.save("track.png")` or `.svg` writes it.

        Raises:
            UserError: as `track`; there are more recordings, or `smooth` is out of bounds.

        Example:
            >>> import emoasr, numpy as np
            >>> predictor = emoasr.load_predictor()
            >>> predictor.plot((np.ones(16000) / 10, 16000)).save("track.png")
        """
        from emoasr.report import courses, drawing

        self.check_tracks()
        bounds.check_number("smooth", smooth, "smooth")
        call = self._call(x, "raise", progress)
        recordings.check_number(len(call.index), "picture", recordings.MOST_DRAWN)
        frontend = self.recognizer.config.frontend
        width = smooth * frontend.sample_rate / frontend.hop_length
        found = {
            i: recordings.course(recordings.smoothed(track, width), frontend)
            for i, track in self._tracks(call)
        }
        named = [
            {"name": call.name(i), "start": call.place(i).start, **found[i]} for i in sorted(found)
        ]
        return drawing.Picture(courses.chart([o.name for o in self.model.outputs], named))

    def _predicted(self, call: Call) -> tuple[pd.DataFrame, list[int]]:
        """Predictions by number of input or window, in order; and the numbers of silent ones."""
        none = np.empty((0, self.model.n_features), np.float32)
        parts, silent = [self.model.predict(none, pd.RangeIndex(0))], []
        for result in call.results(self._pooler):
            parts.append(self.model.predict(result.arrays["neural"], pd.Index(result.indices)))
            silent += result.indices[result.silent].tolist()
        return pd.concat(parts).sort_index(), silent

    def _warned(self, call: Call, found: pd.DataFrame, silent: Sequence[int]) -> pd.DataFrame:
        """The table for the caller of a method, who is warned of what a reader must know."""
        lines = [*call.notes, *self._doubts(found, _names(call, found), silent)]
        for line in lines:
            warnings.warn(line, stacklevel=3)
        table = call.noted(found.set_axis(call.index[found.index]))
        table.attrs["warnings"] = lines
        return table

    def _doubts(
        self, found: pd.DataFrame, names: dict[int, str], silent: Sequence[int]
    ) -> list[str]:
        """What a reader of these predictions must know of them, with names by number."""
        most_beyond, silent_names = self.model.fitted.most_beyond, [names[i] for i in silent]
        return model.warnings(found, [*names.values()], most_beyond, silent_names)

    def _recordings(
        self, x: Input, call: Call, on_error: OnError, table: pd.DataFrame, path: Path
    ) -> list[dict[str, Any]]:
        """What a page shows of each recording that could be read."""
        config = self.recognizer.config
        names = columns.unit_names(config.model.n_layers, config.model.n_channels)
        pooled, heard = self._heard(x, on_error)
        tracks = self._tracks(call)
        courses = {i: recordings.course(track, config.frontend) for i, track in tracks}
        sounds = recordings.Sounds(call.source, config.frontend, path)
        records = (dict(zip(map(str, table), row, strict=True)) for row in table.to_numpy())
        cells = zip(*(tables.cells(table, target) for target in self.targets), strict=True)
        rows = zip(sorted(courses), records, cells, pooled, heard, strict=True)
        return [
            {
                "beyond": f"{row['beyond']:.1%}",
                "cells": of_row,
                "lanes": recordings.lanes(self.model, row, courses[i]["levels"]),
                "units": recordings.units(self.model, x_D, names),
                **courses[i],
                **sounds(i, *call.place(i)),
                **recordings.said(said, call.place(i).start),
            }
            for i, row, of_row, x_D, said in rows
        ]

    def _heard(self, x: Input, on_error: OnError) -> tuple[np.ndarray, list[Transcript | None]]:
        """Features (M, D) and transcripts of all inputs that can be read."""
        with warnings.catch_warnings(action="ignore"):  # `predict` has warned of the same inputs
            rows = {
                i: x_D
                for result in self._call(x, on_error, False).results(self._pooler)
                for i, x_D in zip(result.indices, result.arrays["neural"], strict=True)
            }
            pooled = np.array([rows[i] for i in sorted(rows)])
            if not self.recognizer.transcribes:
                return pooled, [None] * len(pooled)
            found = self.recognizer.transcribe(x, on_error=on_error, progress=False, words=True)
        return pooled, [Transcript(*row) for row in found.itertuples(index=False)]

    def _wordless(self) -> list[str]:
        """A note where a page has no words only because the recognizer lacks a file."""
        vocabulary = self.recognizer.vocabulary_file
        if vocabulary is None or vocabulary.source is not None:
            return []
        lacks = f"{one_line(vocabulary.name)} is not there"
        return [f"the page has no words: {lacks}; copy it from where the model is from"]

    def check_tracks(self) -> None:
        """Raises a UserError unless the predictor has tracks."""
        pooling = self.record.features.pooling
        if pooling not in ("mean", ATTENTION):
            raise UserError(
                f"this predictor's features are pooled by {pooling}: only a prediction from means "
                "over time is the mean of what frames contribute; fit one with config.pooling=mean "
                "(of a finetuning, config.finetune.pooling=mean or attention)"
            )

    @property
    def targets(self) -> tuple[str, ...]:
        """Names of the ratings, and of targets of classes."""
        return self.record.targets

    def __repr__(self) -> str:
        corpus = one_line(self.record.said("corpus") or "an unknown corpus")
        features = self.record.features
        low_high = " to ".join(f"{limit:g}" for limit in self.record.scale) or "not bounded"
        return (
            f"<Predictor of {', '.join(self.targets)} ({low_high}), digest {self.digest}\n"
            f"  fitted on {corpus}, {counted(len(self.record.speakers), 'speaker')}\n"
            f"  from the {features.statistic} of tap {features.tap} of recognizer "
            f"{features.recognizer}>"
        )

    def _call(self, x: Input, on_error: str, progress: bool, cut: Windows | None = None) -> Call:
        return Call(x, self.recognizer.config.frontend, on_error, progress, cut)

    def _tracks(self, call: Call) -> Iterator[tuple[int, np.ndarray]]:
        """Inputs, in any order, and the course (T, outputs) of each."""
        for i, values_TK in call.each_frames(self._contributions):
            yield i, contributions.course(self.model, values_TK)

    @functools.cached_property
    def _pooler(self) -> DeviceFunction:
        features, recognizer = self.record.features, self.recognizer
        if not self.model.attention:
            return recognizer.device_function("units", features.tap, features.pooling)
        frontend, weighs = recognizer.config.frontend, self.model.attention
        return Kept(AttentivePooler(recognizer.model, frontend, features.tap, weighs))

    @functools.cached_property
    def _contributions(self) -> Kept:
        recognizer, config = self.recognizer, self.recognizer.config
        arrays = contributions.arrays(self.model, config.model.n_layers)
        of_frames = Contributions(self.record.features.tap)
        return Kept(FrameFunction(recognizer.model, config.frontend, of_frames, arrays))


def _names(call: Call, found: pd.DataFrame) -> dict[int, str]:
    return {i: call.name(i) for i in found.index}


def load_predictor(
    path_or_name: Path | str | None = None, recognizer: Path | str | None = None
) -> Predictor:
    """Opens a predictor and the recognizer whose features it was fitted on.

    Args:
        path_or_name: a predictor's folder, as `emoasr eval` writes them, which may be a URL; or the
            name of one in the package (`emotale`); None: the one that the package ships.
        recognizer: as for `emoasr.load_recognizer`: needed where it is not the shipped one.

    Raises:
        UserError: no such predictor, its files are not what they should be, or it was fitted on
            features of another recognizer.

    Example:
        >>> import emoasr
        >>> print(emoasr.load_predictor("emotale"))  # doctest: +ELLIPSIS
        <Predictor of arousal, valence, dominance (1 to 5), digest ...
          fitted on EmoTale, 18 speakers
          from the mean of tap gate of recognizer ...>
    """
    found = saved.load(path_or_name)
    opened = load_recognizer(recognizer)
    saved.check_recognizer(found, opened)
    return Predictor(found.model, found.record, found.digest, opened)
