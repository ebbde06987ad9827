"""What an extraction left in its workdir, for an evaluation."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from emoasr.errors import UserError, quoted
from emoasr.extraction import feature_tables, run_summary
from emoasr.settings.feature_sets import is_external

_OF_ONE_CORPUS = {  # fields of a table's metadata that say what it is of, not how it was made
    "corpus", "synthetic", "source", "inputs", "calibration", "folder", "version", "environment",
    "skipped", "warnings", "rows", "labels",
}  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Outcome:
    """Feature sets and labels of the same utterances.

    Attributes:
        tables: feature sets by name, external tables among them.
        metadata: of each table.
        labels: speakers, sessions and ratings.
        extraction: its summary, see `run_summary.read`.
    """

    tables: dict[str, pd.DataFrame]
    metadata: dict[str, dict[str, Any]]
    labels: pd.DataFrame
    extraction: dict[str, Any]


def read(feature_sets: Sequence[str], workdir: Path) -> Outcome:
    """Reads the tables of `config.feature_sets`, and what belongs to them.

    Raises:
        UserError: a table is missing, broken, or of another run than the others.
    """
    extraction = run_summary.read(workdir)
    labels, of_labels = feature_tables.read(workdir / "labels.parquet")
    tables, metadata = feature_tables.load(feature_sets, workdir / "features")
    external = {Path(entry).stem for entry in feature_sets if is_external(entry)}
    extracted = {name: made for name, made in metadata.items() if name not in external}
    check_same_run(extracted, extraction["tables"], workdir / "features")
    if of_labels.get("labels", extraction["labels"]) != extraction["labels"]:
        raise UserError(
            f"{workdir / 'labels.parquet'}: is of another extraction than extract.json; an "
            "extraction was stopped: run emoasr.extract again"
        )
    return Outcome(tables, metadata, labels, extraction)


def check_comparable(one: Outcome, other: Outcome, folder: Path) -> None:
    """Refuses feature sets of two runs that mean different things, as of different recognizers.

    Args:
        one: the run in `folder`.
        other: the run that it is to be compared with.
        folder: for the message.

    Raises:
        UserError: it names the set and what differs.
    """
    for name, metadata in other.metadata.items():
        theirs = one.metadata[name]
        for field in sorted((metadata.keys() | theirs.keys()) - _OF_ONE_CORPUS):
            if metadata.get(field) != theirs.get(field):
                raise UserError(
                    f"config.eval.train_workdir={folder}: the {field} of its feature set {name!r} "
                    f"is {quoted(theirs.get(field))}, here it is {quoted(metadata.get(field))}; "
                    "extract both runs with the same settings"
                )
        if "inputs" in metadata and metadata["inputs"] == theirs.get("inputs"):
            raise UserError(
                f"config.eval.train_workdir={folder}: its utterances are those of --workdir; give "
                "the run of another corpus"
            )


def check_same_run(
    tables: dict[str, dict[str, Any]], recorded: dict[str, dict[str, Any]], folder: Path
) -> None:
    """Refuses tables that are not those of the last extraction that was completed.

    Args:
        tables: metadata by feature set.
        recorded: what `extract.json` says of its tables: the provenance by feature set.
        folder: of the tables.

    Raises:
        UserError: a table was made otherwise, as by another recognizer.
    """
    for name in (name for name in tables if name in recorded):
        for field, value in recorded[name].items():
            if (found := tables[name].get(field)) != value:
                raise UserError(
                    f"{folder / name}.parquet: its {field} is {found!r}, that of the whole "
                    f"extraction {value!r}; an extraction was stopped: run emoasr.extract again"
                )
