"""Any folder of audio files, on disk or in a store, without labels."""

import os
import re
from collections import Counter
from pathlib import Path, PurePosixPath

import ml_collections
import pandas as pd
import soundfile

from emoasr.corpora import base, table
from emoasr.corpora.base import Corpus, Skipped, folder_of
from emoasr.errors import UserError, one_line
from emoasr.files import storage
from emoasr.system.output import counted

_COMMON = {"aif", "aifc", "mp2", "oga", "opus", "snd", "sph", "wave"}  # not named like their format
_FOREIGN = {"aac", "ac3", "amr", "ape", "m4a", "m4b", "mka", "webm", "wma", "wv"}  # not decodable
SUFFIXES = {f.lower() for f in soundfile.available_formats()} - {"raw"} | _COMMON | _FOREIGN


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Lists the audio files under `config.path`, recursively, sorted by name.

    Audio files are recognized by their suffix; hidden files and folders are ignored. Broken links,
    and audio that libsndfile cannot decode, are listed, so that extraction says why they have no
    features. Skipped are names that are not UTF-8 (no table can hold them), links to folders (they
    may form a loop), and folders that cannot be read.

    Raises:
        UserError: not a folder, or no audio file in it.
    """
    root = folder_of(config)
    seen, skipped = files_below(root)
    files = sorted(filter(is_audio, seen), key=PurePosixPath)
    if not files:
        why = "".join(f"; {s.file}: {s.reason}" for s in skipped[:1])
        raise UserError(
            f"config.corpus.path={root}: no audio file in it (wav, flac, ogg, opus, mp3, ...){why}"
        )
    others = Counter(_suffix(p) or "no suffix" for p in seen if not is_audio(p))
    which = ", ".join(f"{one_line(suffix)} {n}" for suffix, n in others.most_common(5))
    counts = counted(len(files), "audio file"), counted(others.total(), "other")
    note = f"{', '.join(counts)} ignored" + f" ({which})" * bool(which)
    print(f"{one_line(root)}: {note}")
    frame = pd.DataFrame({"file": files})
    name = root.resolve().name if isinstance(root, Path) else root.name
    return table.build(frame, name, root, root, tuple(skipped), (note,))


def files_below(root: storage.Place) -> tuple[list[str], list[Skipped]]:
    """Files that are not hidden, relative to the root; and what was left out, and why.

    That is what could not be searched, and audio whose name, or a folder's, no table can hold.
    """
    seen, skipped = _listed(root) if isinstance(root, storage.Remote) else _search(root)
    misnamed = {file for file in seen if is_audio(file) and not storage.is_utf8(file)}
    files = [file for file in seen if file not in misnamed]
    return files, [*skipped, *map(base.misnamed, sorted(misnamed, key=PurePosixPath))]


def is_audio(name: str) -> bool:
    """Whether a file's suffix is one of audio."""
    return _suffix(name)[1:] in SUFFIXES


def _listed(root: storage.Remote) -> tuple[list[str], list[Skipped]]:
    """As `files_below`, in a store."""
    try:
        return [name for name in root.files() if not re.search(r"(^|/)\.", name)], []
    except OSError as error:
        raise UserError(f"config.corpus.path={root}: cannot be listed ({error.strerror})") from None


def _search(root: Path) -> tuple[list[str], list[Skipped]]:
    """As `files_below`, on disk."""
    files, closed, named = [], [], []  # named: folders with the suffix of audio

    def note(error: OSError) -> None:
        where = Path(error.filename).relative_to(root)
        closed.append(Skipped(one_line(where), f"folder that cannot be read ({error.strerror})"))

    for name, folders, names in os.walk(root, onerror=note):
        here = Path(name).relative_to(root)
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        linked = [here / folder for folder in folders if (root / here / folder).is_symlink()]
        closed += [Skipped(one_line(p), "link to a folder, which is not followed") for p in linked]
        named += [here / folder for folder in folders if is_audio(folder)]
        files += [here / file for file in names if not file.startswith(".")]
    holding = {parent for file in files if is_audio(file.name) for parent in file.parents}
    noted = {skipped.file for skipped in closed}
    empty = [p for p in named if p not in holding and one_line(p) not in noted]
    closed += [Skipped(one_line(p), "is a folder, not an audio file") for p in empty]
    return [file.as_posix() for file in files], closed


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()
