"""Any folder of audio files, without labels."""

import logging
from pathlib import Path

import ml_collections
import pandas as pd
import soundfile

from emoasr.corpora import table
from emoasr.corpora.base import Corpus, folder_of
from emoasr.errors import UserError

_COMMON = {"aif", "aifc", "mp2", "oga", "opus", "snd", "sph", "wave"}  # not named like their format
SUFFIXES = {f.lower() for f in soundfile.available_formats()} - {"raw"} | _COMMON

_log = logging.getLogger(__name__)


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Lists the audio files under `config.path`, recursively, sorted by name.

    Files are told by their suffix; hidden ones, and those in hidden folders, are ignored.

    Raises:
        UserError: not a folder, or no audio file in it.
    """
    root = folder_of(config)
    relative = sorted(p.relative_to(root) for p in root.rglob("*") if p.is_file())
    seen = [p for p in relative if not any(part.startswith(".") for part in p.parts)]
    files = [p.as_posix() for p in seen if p.suffix[1:].lower() in SUFFIXES]
    if not files:
        raise UserError(
            f"config.corpus.path={root}: no audio file in it (wav, flac, ogg, opus, mp3, ...)"
        )
    _log.info("%s: %d audio files, %d others ignored", root, len(files), len(seen) - len(files))
    return table.build(pd.DataFrame({"file": files}), root.resolve().name, root, root)
