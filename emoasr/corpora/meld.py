"""MELD (Poria et al., ACL 2019): turns of the series Friends, seven emotions, three splits.

Facts are from the release (github.com/declare-lab/MELD): `train_sent_emo.csv` and the like, and
clips `dia0_utt0`, numbered anew in each split, so that one name is a clip in each. It has videos;
their sound is extracted by the user, for example with ffmpeg, into folders named as those of the
clips. A few clips are missing or broken.
"""

import re
from pathlib import Path, PurePosixPath

import ml_collections
import pandas as pd

from emoasr.corpora import folder, table
from emoasr.corpora.base import Corpus, contents, folder_of
from emoasr.errors import UserError
from emoasr.files import storage

SPLITS = ("train", "dev", "test")

_CLIP = re.compile(r"dia[0-9]+_utt[0-9]+")
_SPLIT = re.compile(f"(?<![a-z])({'|'.join(SPLITS)})(?![a-z])")  # not that of `latest`
_NAMES = {
    "Utterance": "text", "Speaker": "speaker", "Emotion": "emotion", "Sentiment": "sentiment",
    "Dialogue_ID": "dialogue", "Utterance_ID": "utterance",
}  # fmt: skip


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads MELD: the splits whose labels and audio are there.

    `speaker` is the character, and most are in all splits; `session` the dialogue; `split` is
    `train`, `dev` or `test`. A further column is `sentiment`.

    Args:
        config: `path`, a folder with the labels and the audio, which lies below folders whose
            names have the word `train`, `dev` or `test`; the nearest one counts.
        workdir: unused.

    Raises:
        UserError: the folder, its labels, or all of its audio are missing or not MELD's.
    """
    root = folder_of(config)
    seen, closed = folder.files_below(root)
    sources = {
        split: root / file
        for split in SPLITS
        for file in sorted(seen, reverse=True)
        if PurePosixPath(file).name == f"{split}_sent_emo.csv"
    }
    if not sources:
        raise UserError(
            f"config.corpus.path={root}: has no train_sent_emo.csv; give the folder of MELD; "
            f"{contents(root)}"
        )
    there = _clips(seen)
    frame = pd.concat(
        [_labels(source, split) for split, source in sources.items()], ignore_index=True
    )
    files = frame["clip"].map(there)
    where = f", such as {frame['clip'].iloc[0]}.wav in a folder of that split"
    frame, skipped = table.with_audio(frame, files, frame["clip"], root, where)
    frame = frame.drop(columns="clip")
    return table.build(frame, "MELD", root, root, (*closed, *skipped))


def _labels(source: storage.Place, split: str) -> pd.DataFrame:
    frame = table.read_frame(source)
    table.require(frame, list(_NAMES), source)
    frame = frame[list(_NAMES)].rename(columns=_NAMES)
    clip = f"{split}/dia" + frame["dialogue"] + "_utt" + frame["utterance"]
    table.check_unique(pd.Index(clip), clip.rename("Utterance_ID"), source)
    session = f"{split} " + frame["dialogue"]
    frame = frame.assign(clip=clip, session=session, split=split)
    return frame.drop(columns=["dialogue", "utterance"])


def _clips(seen: list[str]) -> dict[str, str]:
    """The audio of each clip, `SPLIT/NAME`."""
    found = {}
    for file in sorted(filter(folder.is_audio, seen), reverse=True):
        path = PurePosixPath(file)
        if _CLIP.fullmatch(path.stem):
            named = (set(_SPLIT.findall(part.lower())) for part in reversed(path.parts[:-1]))
            within = next(filter(None, named), set())
            if len(within) == 1:
                found[f"{within.pop()}/{path.stem}"] = file
    return found
