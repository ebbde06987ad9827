"""What `emoasr.extract` does."""

import dataclasses
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import ml_collections

from emoasr.corpora import Corpus, open_corpus
from emoasr.corpora.base import RATINGS
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
from emoasr.system import limits, output


def run(
    config: ml_collections.ConfigDict, asked: Asked, workdir: Path, overwrite: bool = False
) -> None:
    """Extracts as `emoasr.extract.main` says, with settings that it has checked.

    Nothing finished is replaced before all rows are there: tables, labels and summary change last,
    one after the other.
    """
    limits.share_freed_memory()
    folder, beside = workdir, list[Path]()
    if asked.shard:
        folder = asked.shard.folder(workdir)
        beside = [workdir, *workdir.glob("shards/*")]  # other parts of the same run
    source, names = provenance.source_of(config.corpus), asked.sets.built_in
    for place in (folder, *beside):
        finished_tables.check_before_opening(place, names, source, overwrite)
        finished_tables.check_external(place, asked.sets.external)
    whole = open_corpus(config.corpus, workdir)
    corpus = shards.part_of(whole, asked.shard) if asked.shard else whole
    if asked.work.cluster:
        ray_engine.start(asked.work.cluster.address)
    ensure_folder(folder / "features")
    _say_what_is_left_to_eval(asked.sets)
    _say_what_eval_needs(whole, config.eval.targets)
    there = [name for name in finished_tables.names_in(folder) if name not in names]
    entries = finished_tables.entries_of(folder, there, names)
    sets = feature_sets.parse((*asked.sets.entries, *entries), asked.seed)
    opened = listeners.of_run(config.recognizer, sets, asked)
    of_corpus = provenance.of_corpus(config.corpus, whole)
    made = provenance.of_run(of_corpus, sets, opened, asked.how)
    others = finished_tables.of_another_run(folder, made, overwrite)
    for other in beside:
        finished_tables.of_another_run(other, made, overwrite)
    stay = [name for name in there if name not in others]  # to be brought up to date
    entries = finished_tables.entries_of(folder, stay, names)
    sets = feature_sets.parse((*asked.sets.entries, *entries), asked.seed)
    opened = [one for one in opened if not one.folder or one.trained in sets.recognizers]
    tables, found = _extract(asked, sets, made, corpus, whole, opened, folder)
    finished_tables.tidy(folder, sets.built_in)
    config = config.copy_and_resolve_references()
    config.feature_sets, config.tap = sets.entries, opened[0].tap
    run_summary.finish(config, of_corpus, corpus, tables, found, folder)


def _say_what_is_left_to_eval(sets: FeatureSets) -> None:
    """Names the feature sets that are not extracted."""
    for entry in sets.external:
        print(f"{entry}: an external table, left to emoasr.eval")
    for name in sets.sums:
        print(f"{name}: a sum of sets, left to emoasr.eval")


def _say_what_eval_needs(corpus: Corpus, targets: Sequence[str]) -> None:
    """Names the targets that a corpus lacks, and what can be had of it instead."""
    known = [name for name, column in corpus.table.items() if column.notna().any()]
    lacking = [name for name in targets if name not in known]
    instead = [name for name in (*targets, *RATINGS, "emotion") if name in known]
    if lacking and instead:
        print(f"{corpus.name}: has no {', '.join(lacking)}; "
              f"evaluate with --config.eval.targets={instead[0]}")  # fmt: skip
    elif lacking:
        print(f"{corpus.name}: has no {', '.join(lacking)}: emoasr predict needs none, emoasr eval "
              "takes any column with --config.eval.targets")  # fmt: skip


def _extract(
    asked: Asked,
    sets: FeatureSets,
    made: Mapping[str, Metadata],
    corpus: Corpus,
    whole: Corpus,
    opened: Sequence[Listener],
    folder: Path,
) -> tuple[dict[str, parquet.Outline], Findings]:
    """Makes the tables that cannot be kept, of a corpus that is a shard of the whole, or all of it.

    Returns:
        The outline of each set's table, and what was found on the way.
    """
    started = time.monotonic()
    opened = [listener.calibrated(whole) for listener in opened]
    keys = corpus.fingerprints()
    expected = provenance.up_to_date(made, sets, keys, listeners.calibrations(opened))
    kept = finished_tables.kept(folder, expected, corpus)
    found = joined(Findings(corpus.skipped), *(table.findings for table in kept.values()))
    stores = _row_stores(asked, opened, expected, kept, keys, folder)
    for listener in opened:
        on_device = {name: stores[name] for name in listener.names if name in stores}
        if not on_device:
            continue
        compilation_cache.enable_cache()
        part = dataclasses.replace(listener.at_its_rate(whole), table=corpus.table)
        pooler = listener.pooler(asked.how, on_device)
        found = joined(found, passes.device_pass(asked.work, part, keys, pooler, on_device))
        _check_some(whole, keys, on_device.values(), found)
    if "egemaps" in stores:
        unreadable = [(s.file, s.start, s.end) for s in found.skipped if s.step == "audio"]
        more = passes.egemaps_pass(asked.work, corpus, keys, stores["egemaps"], unreadable)
        found = joined(found, more)
        _check_some(whole, keys, [stores["egemaps"]], found)
    tables = {name: table.outline for name, table in kept.items()}
    for name, rows in stores.items():
        path = finished_tables.path_of(folder, name)
        tables[name] = _write_table(path, rows, corpus, keys, expected[name], found)
    seconds = Findings(metrics={"seconds": round(time.monotonic() - started, 2)})
    return {name: tables[name] for name in sets.built_in}, joined(found, seconds)


def _check_some(
    whole: Corpus, keys: Sequence[bytes], stores: Iterable[RowStore], found: Findings
) -> None:
    """Refuses tables without rows, but for a shard, which may lose all its utterances.

    Args:
        whole: the corpus.
        keys: of the utterances of the whole, or of a shard.
        stores: of the feature sets that a pass has computed.
        found: up to the end of that pass.

    Raises:
        UserError: none could be read, or eGeMAPS has none that is long enough.
    """
    if len(keys) == len(whole) and not any(key in rows for rows in stores for key in keys):
        first = next(s for s in found.skipped if s.step != "corpus")
        why = first.reason if first.file in first.reason else f"{first.file}: {first.reason}"
        raise UserError(f"no utterance of {whole.name} could be read; the first: {why}")


def _row_stores(
    asked: Asked,
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
        named |= listener.columns(new, asked.how.pooling)
    if "egemaps" in new:
        named["egemaps"] = egemaps.column_names()
    needed = sum(row_store.bytes_needed(len(keys), len(names)) for names in named.values())
    limits.check_room(folder, needed, f"{output.counted(len(keys), 'row')} of {', '.join(named)}")
    stores = {}
    for name in new:
        here = provenance.environment(name, asked.work.platform)
        made_with = provenance.of_rows(expected[name], here)
        rows = stores[name] = RowStore(folder / ".rows" / name, made_with, named[name])
        table = finished_tables.path_of(folder, name)
        rows.take_over(table)
        there = finished_tables.metadata_of(table).get("environment", here)
        if there != here:
            print(f"{table}: was made with {there}; all rows are made anew, with {here}")
        if n_rows := sum(key in rows for key in keys):
            print(f"{name}: {n_rows} of {output.counted(len(keys), 'row')} are there already")
    return stores


def _write_table(
    path: Path,
    rows: RowStore,
    corpus: Corpus,
    keys: Sequence[bytes],
    expected: Metadata,
    found: Findings,
) -> parquet.Outline:
    """Writes the table of a feature set whose rows are complete; it replaces them."""
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
    parquet.write_numbers(rows.values(done_keys), index, rows.columns, path, metadata)
    rows.clear()
    return parquet.Outline(index, len(rows.columns), metadata)
