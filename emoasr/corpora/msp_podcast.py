"""MSP-Podcast (Lotfian & Busso, IEEE Trans. Affective Computing 2019): rated turns of podcasts.

Releases differ in size, in the name of the file with the consensus labels, and in splits; facts are
from public programs that read them. Scales go from 1 to 7.
"""

from pathlib import Path

import ml_collections
import pandas as pd

from emoasr.corpora import cells, table
from emoasr.corpora.base import Corpus, contents, folder_of
from emoasr.errors import UserError
from emoasr.files import storage
from emoasr.system.output import counted

EMOTIONS = {
    "A": "anger", "C": "contempt", "D": "disgust", "F": "fear", "H": "happiness", "N": "neutral",
    "O": "other", "S": "sadness", "U": "surprise",
}  # fmt: skip
LABEL_FILES = tuple(
    f"{folder}{name}.csv"
    for folder in ("Labels/", "labels/", "")
    for name in ("labels_consensus", "labels_concensus")  # spelt so up to release 1.8 at least
)

_AUDIO = ("Audios", "Audio", "audios", "audio", "")
_NO_AGREEMENT = "X"
_NAMES = {
    "FileName": "file", "EmoClass": "emotion", "EmoAct": "arousal", "EmoVal": "valence",
    "EmoDom": "dominance", "SpkrID": "speaker", "Gender": "sex", "Split_Set": "split",
}  # fmt: skip
_SPLITS = {"development": "dev", "validation": "dev"}


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads MSP-Podcast; prints its turns by split.

    `arousal` (the release calls it activation), `valence` and `dominance` are consensus ratings
    from 1 to 7; `emotion` is missing where raters did not agree; `speaker` where it is "Unknown";
    `split` is `train`, `dev`, `test1` and so on, or `test`. A further column is `sex`.

    Args:
        config: `path`, the release's folder, with its labels and audio.
        workdir: unused.

    Raises:
        UserError: the folder, its labels, or all of its audio are missing or not MSP-Podcast's.
    """
    root = folder_of(config)
    source = next((root / name for name in LABEL_FILES if (root / name).is_file()), None)
    if source is None:
        raise UserError(
            f"config.corpus.path={root}: has no {LABEL_FILES[0]}; give the folder of MSP-Podcast; "
            f"{contents(root)}"
        )
    frame = _labels(table.read_frame(source), source)
    audio, there = _audio(root, set(frame["file"]))
    names = audio + frame["file"]
    files = names.where(frame["file"].isin(there))
    where = f" in {' or '.join(_AUDIO[:2])}"
    frame, skipped = table.with_audio(frame, files, names, root, where)
    counts = ", ".join(f"{split} {n}" for split, n in frame["split"].value_counts().items())
    unknown = frame["speaker"].isna().sum()
    note = f"{counted(len(frame), 'turn')} ({counts}), {unknown} of them by unknown speakers"
    print(f"MSP-Podcast: {note}")
    return table.build(frame, "MSP-Podcast", root, source, skipped, (note,))


def _labels(frame: pd.DataFrame, source: storage.Place) -> pd.DataFrame:
    """The release's columns under our names."""
    required = [name for name in _NAMES if name != "Gender"]
    table.require(frame, required, source)
    table.check_unique(pd.Index(frame["FileName"]), frame["FileName"], source)
    frame = frame[[name for name in _NAMES if name in frame]].rename(columns={"FileName": "file"})
    ratings = {name: cells.numbers(frame, name, source) for name in ("EmoAct", "EmoVal", "EmoDom")}
    frame = frame.assign(**ratings).rename(columns=_NAMES)
    known = {*EMOTIONS, _NO_AGREEMENT}
    for row in frame.index[~frame["emotion"].isin(known)][:1]:
        raise UserError(
            f"{source}: row {row + 1} ({frame['file'][row]}), column EmoClass: "
            f"{frame['emotion'][row]!r} is none of {', '.join(sorted(known))}"
        )
    split = frame["split"].str.strip().str.lower()
    return frame.assign(
        emotion=frame["emotion"].map(EMOTIONS),
        speaker=frame["speaker"].mask(frame["speaker"].str.strip().str.casefold() == "unknown"),
        split=split.replace(_SPLITS),
    )


def _audio(root: storage.Place, wanted: set[str]) -> tuple[str, set[str]]:
    """The folder of the audio, as a prefix, and which of the wanted files it has."""
    for name in _AUDIO:
        folder = root / name if name else root
        there = wanted & {path.name for path in folder.iterdir()} if folder.is_dir() else set()
        if there:
            return f"{name}/" if name else "", there
    return "", set()
