"""Joins what the shards of a corpus have extracted: `python -m emoasr.extract --merge`."""

import contextlib
from collections.abc import Container, Mapping, Sequence
from pathlib import Path

import ml_collections

from emoasr.corpora import open_corpus
from emoasr.errors import UserError
from emoasr.extraction import finished_tables, listeners, provenance, run_summary
from emoasr.extraction.provenance import Metadata
from emoasr.extraction.row_store import join_keys
from emoasr.extraction.run_summary import Findings, joined
from emoasr.extraction.shards import finished, part_of
from emoasr.files import parquet
from emoasr.files.run_lock import run_lock
from emoasr.files.writing import ensure_folder
from emoasr.settings import feature_sets
from emoasr.settings.extraction import Asked
from emoasr.settings.shards import Shard


def join_shards(
    config: ml_collections.ConfigDict, asked: Asked, workdir: Path, overwrite: bool = False
) -> None:
    """Joins the tables of all shards (--config.shard) into those of the whole corpus.

    The result is that of a run without shards, and `python -m emoasr.extract` continues from it.
    All numbers come from the shards' tables themselves.

    Args:
        config: as of `extract.main`.
        asked: the settings, checked, without a shard.
        workdir: the run's folder, with all shards in `shards`.
        overwrite: whether what another run has finished in `workdir` may be replaced.

    Raises:
        UserError: shards are missing, at work, or made of other files or with other settings.
    """
    shards = finished(workdir)
    with contextlib.ExitStack() as held:
        for shard in shards:
            held.enter_context(run_lock(workdir, shard.lock_name))
        _join(config, asked, shards, workdir, overwrite)


def _join(
    config: ml_collections.ConfigDict,
    asked: Asked,
    shards: Sequence[Shard],
    workdir: Path,
    overwrite: bool,
) -> None:
    source, names = provenance.source_of(config.corpus), asked.sets.built_in
    finished_tables.check_before_opening(workdir, names, source, overwrite)
    finished_tables.check_external(workdir, asked.sets.external)
    corpus = open_corpus(config.corpus, workdir)
    beside = [n for n in finished_tables.names_in(workdir) if n not in asked.sets.built_in]
    others = finished_tables.entries_of(workdir, beside, asked.sets.built_in)
    sets = feature_sets.parse((*asked.sets.entries, *others), asked.seed)
    opened = [one.calibrated(corpus) for one in listeners.of_run(config.recognizer, sets, asked)]
    of_corpus = provenance.of_corpus(config.corpus, corpus)
    made = provenance.of_run(of_corpus, sets, opened, asked.how)
    finished_tables.of_another_run(workdir, made, overwrite)
    of_speech = listeners.calibrations(opened)
    keys = corpus.fingerprints()
    stored, first = {}, 0
    for shard in shards:
        last = first + len(part_of(corpus, shard))
        expected = provenance.up_to_date(made, asked.sets, keys[first:last], of_speech)
        stored[shard] = _metadata_of(shard, expected, workdir)
        first = last
    of_whole = provenance.up_to_date(made, sets, keys, of_speech)
    kept = finished_tables.kept(workdir, {name: of_whole[name] for name in beside}, corpus)
    _check_others(workdir, [name for name in beside if name not in kept], overwrite)
    ensure_folder(workdir / "features")
    tables = {name: table.outline for name, table in kept.items()}
    found = [Findings(corpus.skipped), *(table.findings for table in kept.values())]
    for name in asked.sets.built_in:
        parts = {shard: stored[shard][name] for shard in shards}
        found += map(finished_tables.findings_of, parts.values())
        tables[name] = _joined(name, parts, of_whole[name]["inputs"], workdir)
    finished_tables.tidy(workdir, tables)
    config = config.copy_and_resolve_references()
    others = finished_tables.entries_of(workdir, kept, asked.sets.built_in)
    config.feature_sets = (*asked.sets.entries, *others)
    config.tap = opened[0].tap
    found.append(Findings(metrics={"shards": len(shards)}))
    run_summary.finish(config, of_corpus, corpus, tables, joined(*found), workdir)
    _say_what_is_joined(workdir, shards, tables)


def _say_what_is_joined(workdir: Path, shards: Sequence[Shard], tables: Container[str]) -> None:
    """Says whether the shards can be removed, or which of their feature sets are nowhere else."""
    there = {name for s in shards for name in finished_tables.names_in(s.folder(workdir))}
    if left := sorted(name for name in there if name not in tables):
        print(
            f"{workdir / 'shards'}: joined, but for {', '.join(left)}; to join these too, name "
            "them in --config.feature_sets"
        )
    else:
        print(f"{workdir / 'shards'}: joined; it can be removed")


def _metadata_of(
    shard: Shard, expected: Mapping[str, Metadata], workdir: Path
) -> dict[str, Metadata]:
    """Metadata of a shard's tables; refuses tables that another extraction would change.

    Raises:
        UserError: a table is missing, or was made of other files or with other settings.
    """
    where, stored = shard.folder(workdir), {}
    again = f"run emoasr.extract --config.shard={shard} again, with the settings of this run"
    for name, fields in expected.items():
        stored[name] = finished_tables.metadata_of(finished_tables.path_of(where, name))
        if not stored[name]:
            raise UserError(f"{where}: has no {name}; {again}")
        made, now = (provenance.described(m) for m in (stored[name], fields))
        odd = [field for field in now if made.get(field) != now[field]]
        if "calibration" in odd:
            raise UserError(f"{where}: {name}: the speech that it was fitted to changed; {again}")
        if odd == ["inputs"]:
            raise UserError(f"{where}: {name}: files have changed since; {again}")
        if odd:
            there, here = made.get(odd[0]), now[odd[0]]
            raise UserError(f"{where}: {name}: its {odd[0]} is {there!r}, not {here!r}; {again}")
    return stored


def _check_others(workdir: Path, others: Sequence[str], overwrite: bool) -> None:
    """Refuses to leave, or to remove, tables of other files than those joined.

    Raises:
        UserError: there are some, and they may not be replaced.
    """
    if others and not overwrite:
        raise UserError(
            f"{workdir}: its finished {others[0]} is of other files than the shards; name it in "
            "--config.feature_sets of every shard, or give another --workdir, or --overwrite"
        )


def _joined(
    name: str, parts: Mapping[Shard, Metadata], inputs: str, workdir: Path
) -> parquet.Outline:
    """Joins the tables of a feature set.

    Raises:
        UserError: they were made on different kinds of devices or by different libraries.
    """
    folders = {shard: shard.folder(workdir) for shard in parts}
    first = next(iter(parts.values()))
    for shard, made in parts.items():
        if made["environment"] != first["environment"]:
            path = finished_tables.path_of(folders[shard], name)
            raise UserError(
                f"{path}: was made with {made['environment']}, those before it with "
                f"{first['environment']}; remove it and run emoasr.extract --config.shard={shard} "
                "as for the others"
            )
    of_keys = {folders[s] / ".rows" / name: made["rows"] for s, made in parts.items()}
    metadata = {
        **first,
        "inputs": inputs,
        "skipped": [s for made in parts.values() for s in made["skipped"]],
        "warnings": [line for made in parts.values() for line in made["warnings"]],
        "rows": join_keys(of_keys, workdir / ".rows" / name),
    }
    path = finished_tables.path_of(workdir, name)
    parquet.join([finished_tables.path_of(f, name) for f in folders.values()], path, metadata)
    return parquet.outline(path)
