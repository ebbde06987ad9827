"""A finetuning's folder: which run it holds, its finished folds, what comes of them."""

import contextlib
import json
import shutil
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

from emoasr import __version__
from emoasr.errors import UserError
from emoasr.extraction.finished_tables import metadata_of
from emoasr.files import parquet
from emoasr.files.finished import check_same_run
from emoasr.files.untrusted import read_json
from emoasr.files.writing import ensure_folder, write_atomically
from emoasr.system.output import counted

_SEEDS, _RATE = "config.finetune.seeds", "config.finetune.learning_rate"
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

    def __init__(self, workdir: Path, made_from: Mapping[str, Any], corpus: str, overwrite: bool):
        """Compares a run with the one that the folder holds, and makes the folder its own.

        Seeds may be added. Where a loss was not finite, the learning rate may differ.

        Args:
            workdir: the run's.
            made_from: all that results depend on, under names that a user knows.
            corpus: its name.
            overwrite: whether another run's folds may be removed.

        Raises:
            UserError: the folder holds another run, or cannot be written.
        """
        self.path = ensure_folder(workdir / "finetune")
        self.predictions = self.path / "predictions.parquet"
        record = self.path / "config.json"
        before = read_json(record, _MOST_BYTES) if record.exists() else {}
        there, asked = dict(before.get("made_from", {})), dict(made_from)
        if set(there.get(_SEEDS, ())) <= set(asked[_SEEDS]):
            there[_SEEDS] = list(asked[_SEEDS])
        if self._failure.exists():
            there[_RATE] = asked[_RATE]
        if before and check_same_run(self.path, before.get("corpus", ""), there, asked, overwrite):
            shutil.rmtree(self.path)
        (self.path / "folds").mkdir(parents=True, exist_ok=True)
        text = json.dumps({"corpus": corpus, "made_from": asked}, indent=1)
        write_atomically(record, text + "\n")

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
        """Finishes a fold: its test utterances' predictions, and how it was trained."""
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
            write_atomically(self._failure, json.dumps({"why": str(error)}) + "\n")
            raise


def _version(path: Path) -> str:
    """The version of emoasr that wrote a table."""
    return str(metadata_of(path).get("version", "of an unknown version"))
