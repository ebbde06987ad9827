"""A finetuning's folder: which run it holds, its finished folds, what comes of them."""

import contextlib
import json
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from emoasr.errors import UserError
from emoasr.files import parquet
from emoasr.files.finished import check_same_run
from emoasr.files.untrusted import read_json
from emoasr.files.writing import ensure_folder, write_atomically

_SEEDS, _RATE = "config.finetune.seeds", "config.finetune.learning_rate"
_MOST_BYTES = 1 << 20  # of the stored settings


class RunFolder:
    """The folder `finetune` of a workdir, which holds one finetuning.

    Attributes:
        path: the folder.
        predictions: the table that `emoasr.eval` takes.
    """

    def __init__(self, workdir: Path, made_from: Mapping[str, Any], corpus: str, overwrite: bool):
        """Compares a run with the one that the folder holds, and makes the folder its own.

        Seeds may be added. Where a loss was not finite, the learning rate may be another one.

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

    def fold(self, seed: int, number: int) -> Path:
        """The table of a finished fold; `number` counts from 0."""
        return self.path / "folds" / f"seed{seed}-fold{number + 1:03d}.parquet"

    def write_fold(
        self, seed: int, number: int, table: pd.DataFrame, found: Mapping[str, Any]
    ) -> None:
        """Finishes a fold: its test utterances' predictions, and how it was trained."""
        parquet.write(table, self.fold(seed, number), dict(found))

    def write_predictions(self, table: pd.DataFrame, found: Mapping[str, Any]) -> None:
        """Finishes the run: all folds' predictions, and how they were made."""
        parquet.write(table, self.predictions, dict(found))
        self._failure.unlink(missing_ok=True)

    @contextlib.contextmanager
    def noting_failure(self) -> Iterator[None]:
        """Notes that a training came to no end: the run may go on with another learning rate."""
        try:
            yield
        except UserError as error:
            write_atomically(self._failure, json.dumps({"why": str(error)}) + "\n")
            raise
