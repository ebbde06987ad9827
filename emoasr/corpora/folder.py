"""Any folder of audio files, without labels."""

from pathlib import Path

import ml_collections
import pandas as pd
import soundfile

from emoasr.corpora import table
from emoasr.corpora.base import Corpus, folder_of
from emoasr.errors import UserError

_COMMON = {"aif", "aifc", "mp2", "oga", "opus", "snd", "sph", "wave"}  # not named like their format
SUFFIXES = {f.lower() for f in soundfile.available_formats()} - {"raw"} | _COMMON


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Lists the audio files under `config.path`, recursively, sorted by name.

    Files are told by their suffix; hidden ones, and those in hidden folders, are ignored. A broken
    link is listed, so that extraction says why it has no features.

    Raises:
        UserError: not a folder, or no audio file in it.
    """
    root = folder_of(config)
    relative = sorted(p.relative_to(root) for p in root.rglob("*") if not p.is_dir())
    seen = [p for p in relative if not any(part.startswith(".") for part in p.parts)]
    files = [p.as_posix() for p in seen if p.suffix[1:].lower() in SUFFIXES]
    if not files:
        raise UserError(
            f"config.corpus.path={root}: no audio file in it (wav, flac, ogg, opus, mp3, ...)"
        )
    print(f"{root}: {len(files)} audio files, {len(seen) - len(files)} others ignored")
    return table.build(pd.DataFrame({"file": files}), root.resolve().name, root, root)
