"""Joins what the shards of a corpus have extracted: `python -m emoasr.extract --merge`."""

from pathlib import Path
from typing import Any

import ml_collections
import pyarrow.parquet as pq

from emoasr.asr.saved import load
from emoasr.corpora import Skipped, open_corpus
from emoasr.errors import UserError
from emoasr.extraction import provenance
from emoasr.extraction.row_store import join_keys
from emoasr.extraction.run_summary import Findings, joined, print_summary, read, write_summary
from emoasr.extraction.shards import Shard, finished
from emoasr.files import parquet
from emoasr.files.writing import ensure_folder
from emoasr.settings import bounds


def main(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Joins the tables of all shards (--config.shard) into those of the whole corpus.

    What is left is what a run without shards leaves, `python -m emoasr.extract` goes on from it.

    Args:
        config: as of `extract.main`; its `shard` is ignored.
        workdir: the run's folder, with all shards in `shards`.

    Raises:
        UserError: shards are missing, or were made of other files or with other settings.
    """
    bounds.check(config)
    config.shard = ""
    shards = finished(workdir)
    corpus = open_corpus(config.corpus, workdir)
    recognizer = load(config.recognizer or None)
    expected = provenance.expected_metadata(config, corpus, recognizer)
    summaries = {shard: read(shard.folder(workdir)) for shard in shards}
    for shard, summary in summaries.items():
        of_shard = provenance.expected_metadata(config, shard.of(corpus), recognizer)
        _check(shard, summary["tables"], of_shard, workdir)
    folder = ensure_folder(workdir / "features")
    for name, fields in expected.items():
        parquet.join(
            [shard.folder(workdir) / "features" / f"{name}.parquet" for shard in shards],
            folder / f"{name}.parquet",
            {**fields, **_also_stored(name, shards, workdir)},
        )
    of_shards = (
        Findings([Skipped(**s) for s in summary["skipped"]], summary["warnings"])
        for summary in summaries.values()
    )
    metrics = {
        "shards": len(shards),
        "seconds": round(sum(summary["seconds"] for summary in summaries.values()), 2),
        "tables": expected,
    }
    found = joined(Findings(corpus.skipped, metrics=metrics), *of_shards)
    tables = [folder / f"{name}.parquet" for name in expected]
    print_summary(write_summary(config, corpus, tables, found, workdir), corpus, tables, workdir)
    print(f"{workdir / 'shards'}: joined; it can be removed")


def _check(shard: Shard, made: dict[str, Any], expected: dict[str, Any], workdir: Path) -> None:
    """Refuses a shard that an extraction with these settings would not leave as it is."""
    where = shard.folder(workdir)
    again = f"run emoasr.extract --config.shard={shard} again, with the settings of this run"
    for name, fields in expected.items():
        odd = [field for field in fields if made.get(name, {}).get(field) != fields[field]]
        if name not in made:
            raise UserError(f"{where}: has no {name}; {again}")
        if "inputs" in odd:
            raise UserError(f"{where}: {name}: files have changed since; {again}")
        if odd:
            found, not_this = made[name].get(odd[0]), fields[odd[0]]
            raise UserError(f"{where}: its {odd[0]} is {found!r}, not {not_this!r}; {again}")


def _also_stored(name: str, shards: list[Shard], workdir: Path) -> dict[str, Any]:
    """What the metadata of the joined table holds beside its provenance."""
    fields: dict[str, Any] = {"skipped": [], "warnings": []}
    for shard in shards:
        path = shard.folder(workdir) / "features" / f"{name}.parquet"
        metadata = parquet.metadata_of(pq.read_schema(path), path)
        fields["skipped"] += metadata.get("skipped", [])
        fields["warnings"] += metadata.get("warnings", [])
    parts = [shard.folder(workdir) / ".rows" / name for shard in shards]
    return {**fields, "rows": join_keys(parts, workdir / ".rows" / name)}
