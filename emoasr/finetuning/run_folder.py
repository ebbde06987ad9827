"""A finetuning's folder: which run it holds, its finished folds, what comes of them."""

import contextlib
import json
import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import filelock
import pandas as pd

from emoasr import __version__
from emoasr.errors import UserError
from emoasr.extraction.finished_tables import metadata_of
from emoasr.files import parquet
from emoasr.files.finished import check_outside, check_same_run, remove_run
from emoasr.files.untrusted import read_json
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.system.output import counted

_SEEDS, _RATE = "config.finetune.seeds", "config.finetune.learning_rate"
SPEECH, AUDIO = "the transcribed speech", "the transcribed speech's audio"
_MOST_BYTES = 1 << 20  # of the stored settings


class Task(NamedTuple):
    """One fold of one training; `number` counts from 0."""

    seed: int
    number: int


class RunFolder:
    """The folder `finetune` of a workdir, which holds one finetuning.

    Attributes:
        path: the folder.
        predictions: the table that `emoasr.eval` takes.
    """

    def __init__(
        self,
        workdir: Path,
        made_from: Mapping[str, Any],
        corpus: str,
        overwrite: bool,
        recognizer: str = "",
    ):
        """Compares a run with the one that the folder holds, and makes the folder its own.

        Seeds may be added. Where a loss was not finite, the learning rate may differ. Shards that
        start together do so one after the other.

        Args:
            workdir: the run's.
            made_from: all that results depend on, under names that a user knows.
            corpus: its name.
            overwrite: whether another run's folds may be removed.
            recognizer: where the one lies that is trained; it may be of an earlier finetuning.

        Raises:
            UserError: the folder holds another run, or cannot be written.
        """
        self.path = workdir / "finetune"
        self.predictions = self.path / "predictions.parquet"
        ensure_folder(workdir, "--workdir")
        with filelock.FileLock(workdir / ".lock-finetune"):
            ensure_folder(self.path)
            self._begun = self._begin(dict(made_from), corpus, overwrite, recognizer)

    def _begin(self, asked: dict[str, Any], corpus: str, overwrite: bool, recognizer: str) -> str:
        """Makes the folder this run's; gives a mark that no other run's folder has."""
        before, folds = self._record(), self.path / "folds"
        there = dict(before.get("made_from", {}))
        if set(there.get(_SEEDS, ())) <= set(asked[_SEEDS]):
            there[_SEEDS] = list(asked[_SEEDS])
        if self._failure.exists():
            there[_RATE] = asked[_RATE]
        if AUDIO in asked:  # runs of older versions do not say it
            there.setdefault(AUDIO, asked[AUDIO])
        name = before.get("corpus", "an unknown corpus")
        is_there = before or any(folds.glob("*"))
        if is_there and check_same_run(self.path, name, there, asked, overwrite):
            check_outside(self.path, {"config.recognizer": recognizer})
            remove_run(self.path)
            before = {}
        folds.mkdir(parents=True, exist_ok=True)
        begun = before.get("begun") or uuid.uuid4().hex
        text = json.dumps({"corpus": corpus, "begun": begun, "made_from": asked}, indent=1)
        write_atomically(self.path / "config.json", text + "\n")
        return begun

    def _record(self) -> dict[str, Any]:
        path = self.path / "config.json"
        return read_json(path, _MOST_BYTES) if path.exists() else {}

    def check_own(self) -> None:
        """Raises a UserError where another run has taken the folder meanwhile."""
        if self._record().get("begun") != self._begun:
            raise UserError(
                f"{self.path}: another run has replaced this one meanwhile, with --overwrite; give "
                "another --workdir"
            )

    @property
    def _failure(self) -> Path:
        return self.path / "failed.json"

    def fold(self, task: Task) -> Path:
        """The table of a finished fold."""
        return self.path / "folds" / f"seed{task.seed}-fold{task.number + 1:03d}.parquet"

    def missing(self, tasks: Iterable[Task]) -> list[Task]:
        """The folds to train, another version's among them, as with extract's tables; says so.

        Args:
            tasks: all folds that are asked for.
        """
        missing, others = [], Counter[str]()
        for task in tasks:
            path = self.fold(task)
            if (version := _version(path)) != __version__:
                missing.append(task)
                others.update([version] if path.exists() else [])
        for version, n in others.items():
            what = f"{counted(n, 'fold')} made with emoasr {version}"
            print(f"{self.path}: {what}; made anew, with {__version__}")
        return missing

    def of_others(self, tasks: Iterable[Task], utterances: str) -> list[Task]:
        """The finished folds that were trained on other utterances; says so.

        Which can be read may change with rights and networks, without a trace in the files.

        Args:
            tasks: folds that are asked for.
            utterances: a digest of those that can be read now.
        """
        made_from = {task: metadata_of(self.fold(task)).get("utterances") for task in tasks}
        others = [task for task, made in made_from.items() if made not in (None, utterances)]
        if others:
            what = f"{counted(len(others), 'fold')} made when other utterances could be read"
            print(f"{self.path}: {what}; made anew")
        return others

    def is_finished(self, seeds: Sequence[int], predictor: Mapping[str, Any]) -> bool:
        """Whether this version has written the predictions of all these trainings: the last step.

        Args:
            seeds: of the trainings.
            predictor: settings that affect the predictor, but no fold.
        """
        if _version(self.predictions) != __version__:
            return False
        table, made = parquet.read(self.predictions)
        return set(table["seed"]) == set(seeds) and made.get("predictor") == predictor

    def write_fold(self, task: Task, table: pd.DataFrame, found: Mapping[str, Any]) -> None:
        """Finishes a fold: its test utterances' predictions, and how it was trained.

        Raises:
            UserError: as `check_own`.
        """
        self.check_own()
        parquet.write(table, self.fold(task), {**found, "version": __version__})

    def write_predictions(self, table: pd.DataFrame, found: Mapping[str, Any]) -> None:
        """Finishes the run: all folds' predictions, and how they were made."""
        parquet.write(table, self.predictions, {**found, "version": __version__})
        self._failure.unlink(missing_ok=True)

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Records that a training failed: the run may continue with another learning rate."""
        try:
            yield
        except UserError as error:
            self.check_own()
            write_atomically(self._failure, json.dumps({"why": str(error)}) + "\n")
            raise


def _version(path: Path) -> str:
    """The version of emoasr that wrote a table."""
    return str(metadata_of(path).get("version", "of an unknown version"))
