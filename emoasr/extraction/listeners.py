"""The recognizers of a run: which feature sets each gives, and what computes them."""

import dataclasses
from collections.abc import Collection, Mapping
from typing import Any

from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.base import Network
from emoasr.asr.saved import SavedRecognizer
from emoasr.corpora import Corpus
from emoasr.errors import UserError
from emoasr.extraction import untrained
from emoasr.extraction.untrained import Calibration
from emoasr.files import places
from emoasr.inference import columns
from emoasr.inference.pooling import Pooler
from emoasr.settings.extraction import Asked, How
from emoasr.settings.feature_sets import FeatureSets


@dataclasses.dataclass(frozen=True, eq=False)
class Listener:
    """A recognizer and the feature sets that it gives.

    Attributes:
        recognizer: the trained network and its front end.
        tap: what the features are of.
        trained: the set of the trained network.
        seeds: of the networks of its size with random weights, by set.
        folder: of a further recognizer; empty: `config.recognizer`'s.
        calibration: speech that gives untrained networks their statistics; None: there are none.
    """

    recognizer: SavedRecognizer
    tap: str
    trained: str
    seeds: Mapping[str, int]
    folder: str = ""
    calibration: Calibration | None = None

    @property
    def names(self) -> list[str]:
        """All its sets."""
        return [self.trained, *self.seeds, *([] if self.folder else ["mfcc"])]

    def at_its_rate(self, corpus: Corpus) -> Corpus:
        """A corpus as the front end takes it."""
        frontend = self.recognizer.config.frontend
        return corpus.at(frontend.sample_rate, frontend.antialias)

    def calibrated(self, corpus: Corpus) -> "Listener":
        """This listener with speech of a corpus for its untrained networks, where it has any."""
        heard = untrained.calibrate(self.at_its_rate(corpus)) if self.seeds else None
        return dataclasses.replace(self, calibration=heard)

    def columns(self, names: Collection[str], pooling: str) -> dict[str, list[str]]:
        """The columns of those of its sets that are wanted."""
        config = self.recognizer.config
        own = [name for name in names if name in self.names]
        return columns.of_sets(own, config.model, config.frontend, pooling)

    def pooler(self, how: How, names: Collection[str]) -> Pooler:
        """What computes feature sets on the device.

        Args:
            how: pooling, and what networks multiply in; the tap is the listener's own.
            names: those of its sets that are wanted.
        """
        frontend, sizes = self.recognizer.config.frontend, self.recognizer.config.model
        networks: dict[str, Network] = {}
        if self.trained in names:
            networks[self.trained] = self.recognizer.model
        for name in filter(names.__contains__, self.seeds):
            waves = self.calibration.waves if self.calibration else []
            networks[name] = untrained.untrained(sizes, frontend, waves, self.seeds[name])
        with_mfcc = "mfcc" in names
        return Pooler(networks, frontend, self.tap, how.pooling, with_mfcc, how.compute_dtype)


def of_run(recognizer: str, sets: FeatureSets, asked: Asked) -> list[Listener]:
    """The recognizer of the configuration, then the further ones.

    Args:
        recognizer: `config.recognizer`.
        sets: those of the run.
        asked: the tap of that recognizer, and the seed of further ones' untrained twins.

    Raises:
        UserError: a recognizer cannot be opened, or lacks what the settings ask of it.
    """
    first = saved.load(recognizer or None)
    found = [Listener(first, first.tap(asked.how.tap, "config.tap"), "neural", sets.seeds)]
    if "mfcc" in sets.built_in and not isinstance(first.config.frontend, FrontEndConfig):
        raise UserError(f"config.feature_sets='mfcc': {recognizer} hears no MFCCs; leave mfcc out")
    for name, folder in sets.recognizers.items():
        opened = saved.load(folder)
        seeds = {twin: asked.seed for twin, of in sets.twins.items() if of == name}
        place = folder if "://" in folder else str(places.local(folder).resolve())
        found.append(Listener(opened, opened.tap(None), name, seeds, place))
    return found


def calibrations(listeners: Collection[Listener]) -> dict[str, dict[str, Any]]:
    """By set of an untrained network, what identifies the speech that gave it its statistics."""
    return {
        name: listener.calibration.metadata
        for listener in listeners
        if listener.calibration
        for name in listener.seeds
    }
