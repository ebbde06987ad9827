"""What `emoasr.extract` does."""

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ml_collections

from emoasr.asr import saved
from emoasr.asr.frontend import FrontEndConfig
from emoasr.asr.networks.gated import GatedConvNet
from emoasr.asr.saved import SavedRecognizer
from emoasr.audio.reading import AudioError, Segment, read
from emoasr.corpora import Corpus, Skipped, open_corpus
from emoasr.errors import UserError
from emoasr.extraction import egemaps, passes, provenance, ray_engine, shards, untrained
from emoasr.extraction.row_store import RowStore, remove_parts
from emoasr.extraction.run_summary import Findings, joined, print_summary, write_summary
from emoasr.files import parquet, storage
from emoasr.files.writing import ensure_folder
from emoasr.inference import columns, compilation_cache
from emoasr.inference.pooling import Pooler
from emoasr.settings import feature_sets
from emoasr.system import limits


def run(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Extracts as `emoasr.extract.main` says, with settings that it has checked."""
    limits.share_freed_memory()
    whole = open_corpus(config.corpus, workdir)
    if config.engine == "ray":
        ray_engine.start(config.ray)
    recognizer = saved.load(config.recognizer or None)
    shard = shards.parse(config)
    corpus = shard.of(whole) if shard else whole
    _extract(config, corpus, whole, recognizer, shard.folder(workdir) if shard else workdir)


def _extract(
    config: ml_collections.ConfigDict,
    corpus: Corpus,
    whole: Corpus,
    recognizer: SavedRecognizer,
    workdir: Path,
) -> None:
    """Extracts a corpus that is a part of the whole, or all of it."""
    folder = ensure_folder(workdir / "features")
    for entry in filter(feature_sets.is_external, config.feature_sets):
        print(f"{entry}: an external table, left to emoasr.eval")
    expected = provenance.expected_metadata(config, corpus, recognizer)
    kept = {name: _kept(folder, name, fields, corpus) for name, fields in expected.items()}
    earlier = {name: findings for name, findings in kept.items() if findings is not None}
    found = joined(Findings(corpus.skipped), *earlier.values())
    new = [name for name in expected if name not in earlier]
    keys = corpus.fingerprints()
    started = time.monotonic()
    if on_device := [name for name in new if name != "egemaps"]:
        compilation_cache.enable_cache()
        frontend = recognizer.config.frontend
        pooler, sets = device_sets(config, whole, recognizer, on_device, workdir)
        _print_resumed(sets, keys)
        more = passes.device_pass(config, _heard_by(frontend, corpus), keys, pooler, sets)
        if len(more.skipped) == len(whole):  # of a part, all may: the others have something
            why = more.skipped[0].reason
            raise UserError(f"no utterance of {whole.name} could be read; the first: {why}")
        found = joined(found, more)
        for name, rows in sets.items():
            _write_table(folder / f"{name}.parquet", rows, corpus, keys, expected[name], found)
    if "egemaps" in new:
        rows = _open(workdir, "egemaps", provenance.of_egemaps_rows(), egemaps.column_names())
        _print_resumed({"egemaps": rows}, keys)
        unreadable = [(s.file, s.start, s.end) for s in found.skipped if s.step == "audio"]
        found = joined(found, passes.egemaps_pass(config, corpus, keys, rows, unreadable))
        _write_table(folder / "egemaps.parquet", rows, corpus, keys, expected["egemaps"], found)
    seconds = round(time.monotonic() - started, 2)
    found = joined(found, Findings(metrics={"seconds": seconds, "tables": expected}))
    tables = [folder / f"{name}.parquet" for name in expected]
    summary = write_summary(config, corpus, tables, found, workdir)
    print_summary(summary, corpus, tables, workdir)


def device_sets(
    config: ml_collections.ConfigDict,
    whole: Corpus,
    recognizer: SavedRecognizer,
    names: Sequence[str],
    workdir: Path,
) -> tuple[Pooler, dict[str, RowStore]]:
    """What computes feature sets on the device, and the row store of each.

    Args:
        config: `tap`, `pooling`, `compute_dtype`, `seed`.
        whole: the corpus whose speech gives untrained networks their statistics.
        recognizer: the trained network and its front end.
        names: feature sets.
        workdir: the run's folder.

    Raises:
        UserError: no utterance could be read.
    """
    frontend, model = recognizer.config.frontend, recognizer.config.model
    networks: dict[str, GatedConvNet] = {"neural": recognizer.model} if "neural" in names else {}
    if seeds := feature_sets.seeds(config, list(names)):
        waves = untrained.calibration_waves(_heard_by(frontend, whole))
        networks |= {
            name: untrained.untrained(model, frontend, waves, seed) for name, seed in seeds.items()
        }
    made_with = provenance.of_rows(config, frontend, networks)
    columns_of = columns.of_sets(names, model, frontend)
    sets = {name: _open(workdir, name, made_with[name], columns_of[name]) for name in names}
    networks = {name: net.computing_in(config.compute_dtype) for name, net in networks.items()}
    return Pooler(networks, frontend, config.tap, config.pooling, "mfcc" in names), sets


def _heard_by(frontend: FrontEndConfig, corpus: Corpus) -> Corpus:
    """The corpus with the samples that a front end takes."""
    rate, antialias = frontend.sample_rate, frontend.antialias
    return dataclasses.replace(corpus, sample_rate=rate, antialias=antialias)


def _open(workdir: Path, name: str, made_with: dict[str, Any], columns: list[str]) -> RowStore:
    """The row store of a feature set, with the rows of its finished table."""
    rows = RowStore(workdir / ".rows" / name, made_with, columns)
    rows.take_over(workdir / "features" / f"{name}.parquet")
    return rows


def _print_resumed(sets: dict[str, RowStore], keys: Sequence[bytes]) -> None:
    for name, rows in sets.items():
        if there := sum(key in rows for key in keys):
            print(f"{name}: {there} of {len(keys)} rows are there already")


def _write_table(
    path: Path,
    rows: RowStore,
    corpus: Corpus,
    keys: Sequence[bytes],
    expected: dict[str, Any],
    found: Findings,
) -> None:
    """Writes the table of a feature set whose rows are complete; it takes their place."""
    done = [i for i, key in enumerate(keys) if key in rows]
    done_keys = [keys[i] for i in done]
    skipped = [dataclasses.asdict(s) for s in found.skipped if s.step in (path.stem, "audio")]
    beside = {
        "skipped": skipped,
        "warnings": found.warnings,
        "rows": rows.write_key_index(done_keys),
    }
    parquet.write(rows.tables(done_keys, corpus.table.index[done]), path, {**expected, **beside})
    rows.clear()


def _kept(folder: Path, name: str, expected: dict[str, Any], corpus: Corpus) -> Findings | None:
    """What was found when the table on disk was made; None: it is not the expected one."""
    path = folder / f"{name}.parquet"
    if not path.exists():
        return None
    try:
        _, _, metadata = parquet.outline(path)
    except UserError as error:
        print(f"warning: {error}; it is made anew")
        return None
    skipped = [Skipped(**s) for s in metadata.pop("skipped", [])]
    warnings = metadata.pop("warnings", [])
    metadata.pop("rows", None)
    if metadata != expected or any(_readable_now(corpus, s) for s in skipped if s.step == "audio"):
        return None
    print(f"{path}: kept, made from the same files with the same settings")
    remove_parts(folder.parent / ".rows" / name)
    return Findings(skipped, warnings)


def _readable_now(corpus: Corpus, skipped: Skipped) -> bool:
    """Whether what was unreadable is not now: rights change neither a file's size nor time."""
    try:
        path = storage.joined(corpus.root, skipped.file)
        read(Segment(path, skipped.start or 0.0, skipped.end))
    except AudioError:
        return False
    return True
