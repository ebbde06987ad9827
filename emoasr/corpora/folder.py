"""Any folder of audio files, without labels."""

import dataclasses
import os
from collections import Counter
from pathlib import Path

import ml_collections
import pandas as pd
import soundfile

from emoasr.corpora import table
from emoasr.corpora.base import Corpus, Skipped, folder_of
from emoasr.errors import UserError, one_line

_COMMON = {"aif", "aifc", "mp2", "oga", "opus", "snd", "sph", "wave"}  # not named like their format
_FOREIGN = {"aac", "ac3", "amr", "ape", "m4a", "m4b", "mka", "webm", "wma", "wv"}  # not decodable
SUFFIXES = {f.lower() for f in soundfile.available_formats()} - {"raw"} | _COMMON | _FOREIGN


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Lists the audio files under `config.path`, recursively, sorted by name.

    Files are told by their suffix; hidden ones, and those in hidden folders, are ignored. A broken
    link, and audio that libsndfile cannot decode, is listed, so that extraction says why it has no
    features. What cannot be listed is skipped: names that are not UTF-8 (no table can hold them),
    links to folders (they may lead in circles), and folders that cannot be read.

    Raises:
        UserError: not a folder, or no audio file in it.
    """
    root = folder_of(config)
    seen, skipped = _search(root)
    audio = [p.as_posix() for p in sorted(seen) if _is_audio(p)]
    files = [file for file in audio if _is_utf8(file)]
    skipped += [
        Skipped(one_line(file), "its name is not UTF-8; rename it")
        for file in audio
        if not _is_utf8(file)
    ]
    if not files:
        why = "".join(f"; {s.file}: {s.reason}" for s in skipped[:1])
        raise UserError(
            f"config.corpus.path={root}: no audio file in it (wav, flac, ogg, opus, mp3, ...){why}"
        )
    others = Counter(p.suffix.lower() or "no suffix" for p in seen if not _is_audio(p))
    which = ", ".join(f"{one_line(suffix)} {n}" for suffix, n in others.most_common(5))
    note = f"{len(audio)} audio files, {others.total()} others ignored" + f" ({which})" * bool(
        which
    )
    print(f"{one_line(root)}: {note}")
    frame = pd.DataFrame({"file": files})
    corpus = table.build(frame, root.resolve().name, root, root, tuple(skipped))
    return dataclasses.replace(corpus, notes=(note,))


def _search(root: Path) -> tuple[list[Path], list[Skipped]]:
    """Files that are not hidden, relative to the root; and what was not searched, and why."""
    files, closed, named = [], [], []  # named: folders that are called like audio

    def tell(error: OSError) -> None:
        where = Path(error.filename).relative_to(root)
        closed.append(Skipped(one_line(where), f"folder that cannot be read ({error.strerror})"))

    for name, folders, names in os.walk(root, onerror=tell):
        here = Path(name).relative_to(root)
        folders[:] = sorted(folder for folder in folders if not folder.startswith("."))
        linked = [here / folder for folder in folders if (root / here / folder).is_symlink()]
        closed += [Skipped(one_line(p), "link to a folder, which is not followed") for p in linked]
        named += [here / folder for folder in folders if _is_audio(Path(folder))]
        files += [here / file for file in names if not file.startswith(".")]
    holding = {parent for file in files if _is_audio(file) for parent in file.parents}
    told = {skipped.file for skipped in closed}
    empty = [p for p in named if p not in holding and one_line(p) not in told]
    return files, closed + [Skipped(one_line(p), "is a folder, not an audio file") for p in empty]


def _is_audio(path: Path) -> bool:
    return path.suffix[1:].lower() in SUFFIXES


def _is_utf8(name: str) -> bool:
    """Whether a name came from valid UTF-8; if not, Python holds its bytes as lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in name)
