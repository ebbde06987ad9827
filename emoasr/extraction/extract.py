"""What `emoasr.extract` does."""

import dataclasses
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import ml_collections

from emoasr.corpora import Corpus, open_corpus
from emoasr.errors import UserError
from emoasr.extraction import (
    egemaps,
    finished_tables,
    listeners,
    passes,
    provenance,
    ray_engine,
    row_store,
    run_summary,
    shards,
)  # fmt: skip
from emoasr.extraction.listeners import Listener
from emoasr.extraction.provenance import Metadata
from emoasr.extraction.row_store import RowStore
from emoasr.extraction.run_summary import Findings, joined
from emoasr.files import parquet
from emoasr.files.writing import ensure_folder
from emoasr.inference import compilation_cache
from emoasr.settings import feature_sets
from emoasr.settings.extraction import Asked
from emoasr.settings.feature_sets import FeatureSets
from emoasr.system import limits


def run(
    config: ml_collections.ConfigDict, asked: Asked, workdir: Path, overwrite: bool = False
) -> None:
    """Extracts as `emoasr.extract.main` says, with settings that it has checked."""
    limits.share_freed_memory()
    whole = open_corpus(config.corpus, workdir)
    if config.engine == "ray":
        ray_engine.start(config.ray)
    corpus, folder, beside = whole, workdir, list[Path]()
    if asked.shard:
        corpus, folder = shards.part_of(whole, asked.shard), asked.shard.folder(workdir)
        beside = [workdir, *workdir.glob("shards/*")]
    ensure_folder(folder / "features")
    for entry in asked.sets.external:
        print(f"{entry}: an external table, left to emoasr.eval")
    for name in asked.sets.sums:
        print(f"{name}: a sum of sets, left to emoasr.eval")
    if lacking := [name for name in config.eval.targets if name not in corpus.table]:
        print(f"{corpus.name}: has no {', '.join(lacking)}; eval needs other --config.eval.targets")
    sets, opened = _sets_of_run(config, whole, folder, beside, overwrite)
    _extract(config, sets, corpus, whole, opened, folder)


def _sets_of_run(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    folder: Path,
    beside: Iterable[Path],
    overwrite: bool,
) -> tuple[FeatureSets, list[Listener]]:
    """The feature sets that are asked for, and those of this run that have a table already.

    Args:
        config: all settings.
        corpus: that of `config.corpus`.
        folder: of the run.
        beside: folders that hold other parts of the same run.
        overwrite: whether what another run left there may be replaced.

    Returns:
        The sets, and the recognizers that give them.

    Raises:
        UserError: another run is finished there, and may not be replaced; or a recognizer cannot be
            opened, or has not what the settings ask of it.
    """
    asked = feature_sets.names(config.feature_sets)
    finished = [name for name in finished_tables.names_in(folder) if name not in asked]
    entries = finished_tables.entries_of(folder, finished, asked)
    sets = feature_sets.parse((*config.feature_sets, *entries), config.seed)
    opened = listeners.of_run(config, sets)
    made = provenance.of_run(config, corpus, sets, opened)
    others = finished_tables.of_another_run(folder, made, overwrite)
    for other in beside:
        finished_tables.of_another_run(other, made, overwrite)
    stay = [name for name in finished if name not in others]
    entries = finished_tables.entries_of(folder, stay, asked)
    sets = feature_sets.parse((*config.feature_sets, *entries), config.seed)
    return sets, [one for one in opened if not one.folder or one.trained in sets.recognizers]


def _extract(
    config: ml_collections.ConfigDict,
    sets: FeatureSets,
    corpus: Corpus,
    whole: Corpus,
    opened: Sequence[Listener],
    folder: Path,
) -> None:
    """Extracts a corpus that is a part of the whole, or all of it.

    Nothing finished is replaced before all rows are there: tables, labels and summary change last,
    one after the other.
    """
    started = time.monotonic()
    opened = [listener.calibrated(whole) for listener in opened]
    keys = corpus.fingerprints()
    made = provenance.of_run(config, whole, sets, opened)
    expected = provenance.up_to_date(made, sets, keys, listeners.calibrations(opened))
    kept = finished_tables.kept(folder, expected, corpus)
    found = joined(Findings(corpus.skipped), *(table.findings for table in kept.values()))
    stores = _row_stores(config, opened, expected, kept, keys, folder)
    for listener in opened:
        on_device = {name: stores[name] for name in listener.names if name in stores}
        if not on_device:
            continue
        compilation_cache.enable_cache()
        part = dataclasses.replace(listener.at_its_rate(whole), table=corpus.table)
        pooler = listener.pooler(config, on_device)
        more = passes.device_pass(config, part, keys, pooler, on_device)
        if len(more.skipped) == len(whole):  # of a part, all may: the others have something
            why = more.skipped[0].reason
            raise UserError(f"no utterance of {whole.name} could be read; the first: {why}")
        found = joined(found, more)
    if "egemaps" in stores:
        unreadable = [(s.file, s.start, s.end) for s in found.skipped if s.step == "audio"]
        more = passes.egemaps_pass(config, corpus, keys, stores["egemaps"], unreadable)
        found = joined(found, more)
    tables = {name: table.outline for name, table in kept.items()}
    for name, rows in stores.items():
        path = finished_tables.path_of(folder, name)
        tables[name] = _write_table(path, rows, corpus, keys, expected[name], found)
    finished_tables.remove_others(folder, sets.built_in)
    found = joined(found, Findings(metrics={"seconds": round(time.monotonic() - started, 2)}))
    in_order = {name: tables[name] for name in sets.built_in}
    config = config.copy_and_resolve_references()
    config.feature_sets, config.tap = sets.entries, opened[0].tap
    run_summary.finish(config, corpus, in_order, found, folder)


def _row_stores(
    config: ml_collections.ConfigDict,
    opened: Iterable[Listener],
    expected: Mapping[str, Metadata],
    kept: Container[str],
    keys: Sequence[bytes],
    folder: Path,
) -> dict[str, RowStore]:
    """The row store of each feature set that is to be made, with the rows of its finished table.

    Raises:
        UserError: there is too little room on the disk.
    """
    new = [name for name in expected if name not in kept]
    named: dict[str, list[str]] = {}
    for listener in opened:
        named |= listener.columns(new, config.pooling)
    if "egemaps" in new:
        named["egemaps"] = egemaps.column_names()
    needed = sum(row_store.bytes_needed(len(keys), len(names)) for names in named.values())
    limits.check_room(folder, needed, f"{len(keys)} rows of {', '.join(named)}")
    on_gpu = "gpu" if config.ray.gpus else "cpu"
    platform = on_gpu if config.engine == "ray" else None
    stores = {}
    for name in new:
        here = provenance.environment(name, platform)
        made_with = provenance.of_rows(expected[name], here)
        rows = stores[name] = RowStore(folder / ".rows" / name, made_with, named[name])
        table = finished_tables.path_of(folder, name)
        rows.take_over(table)
        there = finished_tables.metadata_of(table).get("environment", here)
        if there != here:
            print(f"{table}: was made with {there}; all rows are made anew, with {here}")
        if n_rows := sum(key in rows for key in keys):
            print(f"{name}: {n_rows} of {len(keys)} rows are there already")
    return stores


def _write_table(
    path: Path,
    rows: RowStore,
    corpus: Corpus,
    keys: Sequence[bytes],
    expected: Metadata,
    found: Findings,
) -> parquet.Outline:
    """Writes the table of a feature set whose rows are complete; it takes their place."""
    done = [i for i, key in enumerate(keys) if key in rows]
    done_keys = [keys[i] for i in done]
    metadata = {
        **expected,
        "environment": rows.made_with["environment"],
        "skipped": [dataclasses.asdict(s) for s in found.skipped if s.step in (path.stem, "audio")],
        "warnings": found.warnings,
        "rows": rows.write_key_index(done_keys),
    }
    index = corpus.table.index[done]
    parquet.write(rows.tables(done_keys, index), path, metadata)
    rows.clear()
    return parquet.Outline(index, len(rows.columns), metadata)
