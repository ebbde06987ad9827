"""What a run's folder holds already: tables, which run made them, and which can be kept."""

import shutil
from collections.abc import Container, Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from emoasr.audio.reading import AudioError, Segment, read
from emoasr.corpora import Corpus, Skipped
from emoasr.errors import UserError
from emoasr.extraction import provenance
from emoasr.extraction.provenance import Metadata
from emoasr.extraction.row_store import remove_parts
from emoasr.extraction.run_summary import Findings
from emoasr.files import parquet, storage
from emoasr.files.finished import check_same_run
from emoasr.settings import feature_sets


class Kept(NamedTuple):
    """A table that need not be made.

    Attributes:
        outline: its index, width and metadata.
        findings: what was found when it was made.
    """

    outline: parquet.Outline
    findings: Findings


def path_of(workdir: Path, name: str) -> Path:
    """Where the table of a feature set lies, or that of the labels."""
    folder = workdir if name == provenance.LABELS else workdir / "features"
    return folder / f"{name}.parquet"


def names_in(workdir: Path) -> list[str]:
    """The feature sets made by extract that have a table in a run's folder."""
    there = sorted(path.stem for path in (workdir / "features").glob("*.parquet"))
    return [n for n in there if feature_sets.is_built_in(n) or _folder_of(workdir, n)]


def check_before_opening(
    workdir: Path, names: Iterable[str], source: Metadata, overwrite: bool
) -> None:
    """Refuses to replace a user's own tables; before opening, as that writes the demo's corpus.

    Args:
        workdir: a run's folder.
        names: of the feature sets that are asked for.
        source: see `provenance.source_of`.
        overwrite: whether what is finished there may be replaced.

    Raises:
        UserError: a table there is the corpus's own or not made by extract, or one is of another
            corpus and may not be replaced.
    """
    there = (*names_in(workdir), provenance.LABELS)
    for name in (*there, *names):
        path = path_of(workdir, name)
        if str(path.resolve()) == source.get("path"):
            raise UserError(
                f"config.corpus.path={path}: this run's own table of that name would replace it; "
                "give another --workdir"
            )
        if _is_strangers(path) and not (
            name == provenance.LABELS and (workdir / "extract.json").exists()  # of an old version
        ):
            raise UserError(
                f"{path}: was not made by extract, which would replace it; move it, or give "
                "another --workdir"
            )
    of_another_run(workdir, {name: {"source": source} for name in there}, overwrite)


def _is_strangers(path: Path) -> bool:
    """Whether there is a table without extract's metadata; a broken one may be extract's."""
    try:
        return not parquet.metadata_of(pq.read_schema(path), path)
    except (OSError, UserError, pa.ArrowException):
        return False


def check_external(workdir: Path, external: Iterable[str]) -> None:
    """Refuses external tables whose names are those of tables that extract has made.

    Args:
        workdir: a run's folder.
        external: entries of `config.feature_sets`.

    Raises:
        UserError: it names the entry, and says whether it is the run's own table.
    """
    there = names_in(workdir)
    for entry in external:
        if (name := feature_sets.name_of(entry)) in there:
            own, given = path_of(workdir, name), storage.path(entry)
            is_own = isinstance(given, Path) and given.resolve() == own.resolve()
            remedy = f"give its name, {name}" if is_own else "rename the file of the other table"
            raise UserError(
                f"config.feature_sets={entry!r}: {own} is a table of this run, made by extract; "
                f"{remedy}"
            )


def entries_of(workdir: Path, names: Iterable[str], asked: Container[str]) -> list[str]:
    """The entries of `config.feature_sets` that ask for tables in a run's folder.

    Args:
        workdir: the run's folder.
        names: of some of `names_in`. The untrained twin of a further recognizer needs that one too.
        asked: names of sets that are asked for already.

    Raises:
        UserError: the folder of a further recognizer is no longer there.
    """
    found = {}
    for name in names:
        if folder := _folder_of(workdir, name):
            trained = feature_sets.twin_of(name) or name
            if trained not in asked and "://" not in folder and not Path(folder).is_dir():
                raise UserError(
                    f"{path_of(workdir, name)}: its recognizer, {folder}, is no longer there; say "
                    f"where it is by {trained}=FOLDER in config.feature_sets, or remove the table"
                )
            found[trained] = f"{trained}={folder}"
        found.setdefault(name, name)
    return [entry for name, entry in found.items() if name not in asked]


def _folder_of(workdir: Path, name: str) -> str:
    """The folder of the further recognizer that a table was made with; empty: with none."""
    return str(metadata_of(path_of(workdir, name)).get("folder") or "")


def of_another_run(workdir: Path, made: Mapping[str, Metadata], overwrite: bool) -> set[str]:
    """The tables that were made from another corpus or with other settings.

    Args:
        workdir: a run's folder.
        made: of each feature set that may have a table there, and of the labels: corpus, settings.
        overwrite: whether what is finished there may be replaced.

    Returns:
        Their names.

    Raises:
        UserError: there are some, and they may not be replaced.
    """
    others = set()
    for name, expected in made.items():
        metadata = metadata_of(path_of(workdir, name))
        then, now = provenance.identity(metadata), provenance.identity(expected)
        shared = [key for key in now if key in then]  # older versions stored less
        then, now = ({key: values[key] for key in shared} for values in (then, now))
        place = metadata.get("source", {}).get("path")
        made_from = f"{metadata.get('corpus', 'another corpus')}" + (f" ({place})" if place else "")
        if check_same_run(workdir, made_from, then, now, overwrite):
            others.add(name)
    return others


def kept(workdir: Path, expected: Mapping[str, Metadata], corpus: Corpus) -> dict[str, Kept]:
    """The tables that are as expected."""
    found = {}
    for name in filter(expected.keys().__contains__, names_in(workdir)):
        path = path_of(workdir, name)
        try:
            table = parquet.outline(path)
        except UserError as error:
            print(f"warning: {error}; it is made anew")
            continue
        findings = findings_of(table.metadata)
        unreadable = (s for s in findings.skipped if s.step == "audio")
        made, wanted = map(provenance.without_outcome, (table.metadata, expected[name]))
        if made == wanted and not any(_readable_now(corpus, s) for s in unreadable):
            print(f"{path}: kept, made from the same files with the same settings")
            found[name] = Kept(table, findings)
    return found


def tidy(workdir: Path, names: Container[str]) -> None:
    """Removes other runs' tables of built-in sets, all but `names`; and parts of finished rows.

    Such parts are left behind by a command that was killed before it removed them.
    """
    for name in names_in(workdir):
        if name in names:
            remove_parts(workdir / ".rows" / name)
        else:
            path_of(workdir, name).unlink()
            print(f"{path_of(workdir, name)}: removed, of the run that was overwritten")
            shutil.rmtree(workdir / ".rows" / name, ignore_errors=True)


def metadata_of(path: Path) -> Metadata:
    """A table's metadata; {} where there is no such table, or a broken one."""
    try:
        return parquet.metadata_of(pq.read_schema(path), path)
    except (OSError, UserError, pa.ArrowException):
        return {}


def findings_of(metadata: Metadata) -> Findings:
    """What was found when a table was made."""
    skipped = [Skipped(**s) for s in metadata.get("skipped", [])]
    return Findings(skipped, metadata.get("warnings", []))


def _readable_now(corpus: Corpus, skipped: Skipped) -> bool:
    """Whether an unreadable file can be read now: permissions change neither its size nor time."""
    try:
        path = storage.joined(corpus.root, skipped.file)
        read(Segment(path, skipped.start or 0.0, skipped.end))
    except AudioError:
        return False
    return True
