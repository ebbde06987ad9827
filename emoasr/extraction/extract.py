"""What `emoasr.extract` does."""

import dataclasses
import time
from collections.abc import Container, Iterable, Mapping, Sequence
from pathlib import Path

import ml_collections

from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.base import Network
from emoasr.asr.saved import SavedRecognizer
from emoasr.corpora import Corpus, open_corpus
from emoasr.errors import UserError, check_choice
from emoasr.extraction import (
    egemaps,
    finished_tables,
    passes,
    provenance,
    ray_engine,
    row_store,
    run_summary,
    shards,
    untrained,
)  # fmt: skip
from emoasr.extraction.provenance import Metadata
from emoasr.extraction.row_store import RowStore
from emoasr.extraction.run_summary import Findings, joined
from emoasr.extraction.untrained import Calibration
from emoasr.files import parquet
from emoasr.files.writing import ensure_folder
from emoasr.inference import columns, compilation_cache
from emoasr.inference.pooling import Pooler
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
    recognizer = saved.load(config.recognizer or None)
    _check_recognizer(config, recognizer)
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
    sets = _sets_of_run(config, recognizer, whole, folder, beside, overwrite)
    _extract(config, sets, corpus, whole, recognizer, folder)


def _check_recognizer(config: ml_collections.ConfigDict, recognizer: SavedRecognizer) -> None:
    """Raises a UserError where the recognizer does not have what the settings ask of it."""
    check_choice("config.tap", config.tap, recognizer.model.TAPS)
    if "mfcc" in config.feature_sets and not isinstance(recognizer.config.frontend, FrontEndConfig):
        raise UserError(
            f"config.feature_sets='mfcc': {config.recognizer} hears no MFCCs; leave mfcc out"
        )


def _sets_of_run(
    config: ml_collections.ConfigDict,
    recognizer: SavedRecognizer,
    corpus: Corpus,
    folder: Path,
    beside: Iterable[Path],
    overwrite: bool,
) -> FeatureSets:
    """The feature sets that are asked for, and those of this run that have a table already.

    Args:
        config: all settings.
        recognizer: that of `config.recognizer`.
        corpus: that of `config.corpus`.
        folder: of the run.
        beside: folders that hold other parts of the same run.
        overwrite: whether what another run left there may be replaced.

    Raises:
        UserError: another run is finished there, and may not be replaced.
    """
    finished = [n for n in finished_tables.names_in(folder) if n not in config.feature_sets]
    sets = feature_sets.parse((*config.feature_sets, *finished), config.seed)
    made = provenance.of_run(config, corpus, sets, recognizer)
    others = finished_tables.of_another_run(folder, made, overwrite)
    for other in beside:
        finished_tables.of_another_run(other, made, overwrite)
    stay = [name for name in finished if name not in others]
    return feature_sets.parse((*config.feature_sets, *stay), config.seed)


def _extract(
    config: ml_collections.ConfigDict,
    sets: FeatureSets,
    corpus: Corpus,
    whole: Corpus,
    recognizer: SavedRecognizer,
    folder: Path,
) -> None:
    """Extracts a corpus that is a part of the whole, or all of it.

    Nothing finished is replaced before all rows are there: tables, labels and summary change last,
    one after the other.
    """
    started = time.monotonic()
    frontend = recognizer.config.frontend
    heard = whole.at(frontend.sample_rate, frontend.antialias)
    calibration = untrained.calibrate(heard) if sets.seeds else None
    keys = corpus.fingerprints()
    made = provenance.of_run(config, whole, sets, recognizer)
    of_speech = calibration.metadata if calibration else {}
    expected = provenance.up_to_date(made, sets, keys, of_speech)
    kept = finished_tables.kept(folder, expected, corpus)
    found = joined(Findings(corpus.skipped), *(table.findings for table in kept.values()))
    stores = _row_stores(config, recognizer, expected, kept, keys, folder)
    if on_device := {name: rows for name, rows in stores.items() if name != "egemaps"}:
        compilation_cache.enable_cache()
        pooler = make_pooler(config, recognizer, list(on_device), sets.seeds, calibration)
        part = dataclasses.replace(heard, table=corpus.table)
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
    config.feature_sets = sets.entries
    run_summary.finish(config, corpus, in_order, found, folder)


def make_pooler(
    config: ml_collections.ConfigDict,
    recognizer: SavedRecognizer,
    names: Sequence[str],
    seeds: Mapping[str, int],
    calibration: Calibration | None,
) -> Pooler:
    """What computes feature sets on the device.

    Args:
        config: `tap`, `pooling`, `compute_dtype`.
        recognizer: the trained network and its front end.
        names: feature sets.
        seeds: of those that come from untrained networks.
        calibration: speech that gives these their statistics.
    """
    frontend, model = recognizer.config.frontend, recognizer.config.model
    networks: dict[str, Network] = {"neural": recognizer.model} if "neural" in names else {}
    if calibration is not None:
        networks |= {
            name: untrained.untrained(model, frontend, calibration.waves, seed)
            for name, seed in seeds.items()
            if name in names
        }
    networks = {name: net.computing_in(config.compute_dtype) for name, net in networks.items()}
    return Pooler(networks, frontend, config.tap, config.pooling, "mfcc" in names)


def _row_stores(
    config: ml_collections.ConfigDict,
    recognizer: SavedRecognizer,
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
    model, frontend = recognizer.config.model, recognizer.config.frontend
    named = columns.of_sets(new, model, frontend, config.pooling)
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
