"""What `emoasr.extract` does."""

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ml_collections

from emoasr.audio.reading import AudioError, Segment, read
from emoasr.corpora import Corpus, Skipped, open_corpus
from emoasr.errors import UserError
from emoasr.extraction import provenance, ray_engine, shards
from emoasr.extraction.passes import Pass
from emoasr.extraction.row_store import Rows, remove_parts
from emoasr.extraction.run_summary import Report, tell
from emoasr.files import parquet, storage
from emoasr.files.writing import ensure_folder
from emoasr.settings import feature_sets
from emoasr.system import limits

if TYPE_CHECKING:  # JAX is imported within functions: openSMILE's processes do without it
    from emoasr.asr.saved import SavedRecognizer


def run(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Extracts as `emoasr.extract.main` says, with settings that it has checked."""
    limits.share_freed_memory()
    from emoasr.asr.saved import load

    shard = shards.wanted(config)
    whole = open_corpus(config.corpus, workdir)
    if config.engine == "ray":
        ray_engine.start(config.ray)
    recognizer = load(config.recognizer or None)
    corpus = shard.of(whole) if shard else whole
    workdir = shard.folder(workdir) if shard else workdir
    folder = ensure_folder(workdir / "features")
    report = Report(list(corpus.skipped))
    for given in filter(feature_sets.is_given, config.feature_sets):
        print(f"{given}: a given table, left to emoasr.eval")
    wanted = provenance.wanted(config, corpus, recognizer)
    new = [name for name in wanted if not _kept(folder, name, wanted[name], corpus, report)]
    over = Pass(config, corpus, workdir, report, whole)
    started = time.monotonic()
    for name, rows in _extract(over, recognizer, new):
        skipped = [dataclasses.asdict(s) for s in report.skipped if s.step in (name, "audio")]
        done = [i for i, key in enumerate(over.keys) if key in rows]
        keys = [over.keys[i] for i in done]
        told = {"skipped": skipped, "warnings": report.warnings, "rows": rows.seal(keys)}
        parts = rows.tables(keys, corpus.table.index[done])
        parquet.write(parts, folder / f"{name}.parquet", {**wanted[name], **told})
        rows.clear()
    report.figures["seconds"] = round(time.monotonic() - started, 2)
    report.figures["tables"] = wanted
    tell(config, corpus, [folder / f"{name}.parquet" for name in wanted], report, workdir)


def _kept(folder: Path, name: str, wanted: dict[str, Any], corpus: Corpus, report: Report) -> bool:
    """Whether the table on disk is the wanted one; what it skipped and warned of is told again."""
    path = folder / f"{name}.parquet"
    if not path.exists():
        return False
    try:
        _, _, metadata = parquet.outline(path)
    except UserError as error:
        print(f"warning: {error}; it is made anew")
        return False
    skipped = [Skipped(**s) for s in metadata.pop("skipped", [])]
    warnings = metadata.pop("warnings", [])
    metadata.pop("rows", None)
    if metadata != wanted or any(_readable_now(corpus, s) for s in skipped if s.step == "audio"):
        return False
    print(f"{path}: kept, made from the same files with the same settings")
    remove_parts(folder.parent / ".rows" / name)
    report.add(skipped, warnings)
    return True


def _readable_now(corpus: Corpus, skipped: Skipped) -> bool:
    """Whether what was unreadable is not now: rights change neither a file's size nor time."""
    try:
        path = storage.joined(corpus.root, skipped.file)
        read(Segment(path, skipped.start or 0.0, skipped.end))
    except AudioError:
        return False
    return True


def _extract(
    run: Pass, recognizer: "SavedRecognizer", new: list[str]
) -> Iterator[tuple[str, Rows]]:
    """Rows of the sets that there are no tables of."""
    if on_device := [name for name in new if name != "egemaps"]:
        yield from run.on_device(recognizer, on_device).items()
    if "egemaps" in new:
        yield "egemaps", run.by_opensmile()
