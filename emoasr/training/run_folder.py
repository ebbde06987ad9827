"""A training's folder: which training it belongs to, and the recognizer that it ends with."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import ml_collections

from emoasr import __version__
from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.errors import UserError
from emoasr.files.finished import check_outside, check_same_run, remove_run
from emoasr.files.untrusted import read_json
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.settings import configurations
from emoasr.training import model_card, multihost

# A run may continue with others of these: where things are, and how often something is reported.
_WITHOUT_EFFECT = (
    "corpus.path", "corpus.data_dir", "train.resident", "train.log_every", "train.eval_every",
    "train.checkpoint_every",
)  # fmt: skip
_STEPS = "config.train.steps"
_OLDER = {  # values for runs from before these existed
    "config.train.init_weight": 0.0, "config.train.teacher": "", "config.train.teacher_weight": 0.0,
    "config.train.compute_dtype": "float32",
}  # fmt: skip
_MOST_BYTES = 1 << 20  # of the stored settings


class RunFolder:
    """The folder `pretrain` of a workdir, which holds one training.

    Another training than the one that it holds is refused, or with `overwrite` takes its place.

    Attributes:
        path: the folder.
        recognizer: the folder of the export.
        settings: the configuration, but for which machines compute.
        init: the recognizer that the training starts from; None: random weights.
        teacher: the recognizer whose hidden states it learns besides; None: there is none.
    """

    def __init__(self, workdir: Path, config: ml_collections.ConfigDict, overwrite: bool):
        """Compares the settings with those of the training that the folder holds.

        Raises:
            UserError: they differ, or the folder cannot be written.
        """
        self.path = ensure_folder(workdir / "pretrain")
        self.recognizer = self.path / "recognizer"
        self.settings = json.loads(config.to_json_best_effort())
        self.settings.pop("distributed")  # a run continues on any machines
        self._overwrite, self._is_other = overwrite, False
        self._record = self.path / "config.json"
        self._before = read_json(self._record, _MOST_BYTES) if self._record.exists() else {}
        self._there = {**_OLDER, **self._before.get("made_from", {})}
        self._made_from: dict[str, Any] = {}
        asked = {
            f"config.{name}": value
            for name, value in configurations.leaves(config).items()
            if name not in _WITHOUT_EFFECT and not name.startswith(("card.", "distributed."))
        }
        train = config.train
        self.init = saved.load(train.init) if train.init else None
        taught = train.teacher and train.teacher_weight
        self.teacher = saved.load(train.teacher) if taught else None
        for name, recognizer in (("init", self.init), ("teacher", self.teacher)):
            asked[f"config.train.{name}"] = recognizer.digest if recognizer else ""
            if not recognizer:
                asked[f"config.train.{name}_weight"] = 0.0
        if asked[_STEPS] > self._there.get(_STEPS, asked[_STEPS]):
            self._there[_STEPS] = asked[_STEPS]  # a run may be continued for longer
        self.check(asked)
        if exported := self._exported():
            card = self.settings["card"]
            there = {f"config.card.{name}": exported.get(name) for name in card}
            self._differ(there, {f"config.card.{name}": value for name, value in card.items()})

    def check(self, asked: Mapping[str, Any]) -> None:
        """Compares what the training is made from with what the folder's one was made from.

        Args:
            asked: values under names that the user knows; all settings, or none of them.

        Raises:
            UserError: one differs.
        """
        self._made_from |= asked
        if self._before or self.recognizer.exists() or (self.path / "checkpoints").exists():
            settings = any(map(_is_setting, asked))  # a group may have fewer: `augment`
            there = {
                name: value
                for name, value in self._there.items()
                if name in asked or (settings and _is_setting(name))
            }
            self._is_other |= self._differ(there, asked)
        if self._is_other:
            train = self.settings["train"]
            used = {f"config.train.{name}": train[name] for name in ("init", "teacher")}
            check_outside(self.path, used)

    def _differ(self, there: Mapping[str, Any], asked: Mapping[str, Any]) -> bool:
        corpus = self._before.get("corpus", {}).get("path", "an unknown corpus")
        return check_same_run(self.path, corpus, there, asked, self._overwrite)

    def begin(self, corpus: Mapping[str, Any]) -> None:
        """Makes the folder this training's: process 0 writes, the others check that they see it.

        Args:
            corpus: what was found, used and skipped.
        """
        if multihost.is_first():
            if self._is_other:
                remove_run(self.path)
                self.path.mkdir()
            elif not self.is_finished():
                self._note_version()
            record = {**self.settings, "made_from": self._made_from, "version": __version__}
            write_atomically(self.path / "corpus.json", json.dumps(corpus, indent=1))
            write_atomically(self._record, json.dumps(record, indent=1))
        elif not self._record.exists():
            raise UserError(
                f"{self._record} is not there, though process 0 wrote it; give a --workdir that "
                "all machines share"
            )

    def _note_version(self) -> None:
        before = self._before.get("version", __version__)
        if before != __version__:
            print(f"note: emoasr {before} has trained this so far, {__version__} goes on")

    def is_finished(self) -> bool:
        """Whether the recognizer is there that this training would end with."""
        wanted = {**self.settings["card"], "steps": self.settings["train"]["steps"]}
        exported = self._exported()
        return bool(exported) and {name: exported.get(name) for name in wanted} == wanted

    def export(self, model: GatedConvNet, frontend: FrontEndConfig, record: dict[str, Any]) -> None:
        """Writes the recognizer; one of fewer steps is kept beside it, as `recognizer-STEPS`."""
        exported = self._exported()
        if exported and exported["steps"] != self.settings["train"]["steps"]:
            kept = self.path / f"recognizer-{exported['steps']}"
            self.recognizer.rename(kept)
            print(f"the recognizer of {exported['steps']} steps: {kept}")
        saved.save(self.recognizer, model, frontend, record)
        model_card.write(self.recognizer, saved.load(self.recognizer))

    def _exported(self) -> dict[str, Any]:
        """What the recognizer says of its training, if it is complete: its README comes last."""
        if not (self.recognizer / "README.md").exists():
            return {}
        return saved.load(self.recognizer).card["training"]


def _is_setting(name: str) -> bool:
    return name.startswith("config.")
