"""CREMA-D (Cao et al., IEEE Trans. Affective Computing 2014): 91 actors, twelve sentences.

Facts are from the release's own description (github.com/CheyneyComputerScience/CREMA-D): a name is
the actor, the sentence, the emotion and its intensity; 7442 clips. One has no sound and one holds
every emotion; of one the intensity is cut off in its name (`1040_ITH_SAD_X`).
"""

import re
from pathlib import Path

import ml_collections
import pandas as pd

from emoasr.corpora import cells, file_names, table
from emoasr.corpora.base import Corpus, folder_of
from emoasr.files import storage

EMOTIONS = {
    "ANG": "anger", "DIS": "disgust", "FEA": "fear", "HAP": "happiness", "NEU": "neutral",
    "SAD": "sadness",
}  # fmt: skip
DEMOGRAPHICS = "VideoDemographics.csv"

_TEXTS = {
    "DFA": "Don't forget a jacket", "IEO": "It's eleven o'clock",
    "IOM": "I'm on my way to the meeting", "ITH": "I think I have a doctor's appointment",
    "ITS": "I think I've seen this before", "IWL": "I would like a new alarm clock",
    "IWW": "I wonder what this is about", "MTI": "Maybe tomorrow it will be cold",
    "TAI": "The airplane is almost full", "TIE": "That is exactly what happened",
    "TSI": "The surface is slick", "WSI": "We'll stop in a couple of minutes",
}  # fmt: skip
_INTENSITIES = {"LO": "low", "MD": "medium", "HI": "high"}
_PATTERN = re.compile(
    rf"(?P<speaker>10[0-9]{{2}})_(?P<sentence>{'|'.join(_TEXTS)})_(?P<emotion>{'|'.join(EMOTIONS)})"
    r"_(?P<intensity>LO|MD|HI|XX?)"
)
_BROKEN = {
    "1076_MTI_SAD_XX": "known to have no sound",
    "1064_IEO_DIS_MD": "known to hold every emotion, not one",
}
_PUBLISHED = {  # without these two
    "recordings": 7440, "speakers": 91, "anger": 1271, "disgust": 1270, "fear": 1271,
    "happiness": 1271, "neutral": 1087, "sadness": 1270,
}  # fmt: skip


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads CREMA-D; prints whether its counts are the published ones.

    `speaker` is the actor, `emotion` the acted one; further columns are `intensity` (low, medium,
    high, or missing), `sentence`, and, where `VideoDemographics.csv` is there, `sex` and `age`.

    Args:
        config: `path`, the release's folder, or one with its audio; where it has a clip as WAV and
            as MP3, the WAV file is taken.
        workdir: unused.

    Raises:
        UserError: no such folder, or no CREMA-D audio in it.
    """
    root = folder_of(config)
    frame, skipped = file_names.read(root, _PATTERN, _labels, "1001_DFA_ANG_XX", _BROKEN)
    if (source := root / DEMOGRAPHICS).is_file():
        frame = frame.join(_people(source), on="speaker")
    return file_names.corpus(frame, "CREMA-D", root, skipped, _PUBLISHED)


def _labels(parts: file_names.Labels) -> file_names.Labels:
    return {
        "speaker": parts["speaker"],
        "emotion": EMOTIONS[parts["emotion"]],
        "text": _TEXTS[parts["sentence"]],
        "intensity": _INTENSITIES.get(parts["intensity"], ""),
        "sentence": parts["sentence"],
    }


def _people(source: storage.Place) -> pd.DataFrame:
    """`sex` and `age` of each actor."""
    frame = table.read_frame(source)
    table.require(frame, ["ActorID", "Age", "Sex"], source)
    actors = cells.texts(frame, "ActorID", source)
    known = actors.dropna()
    table.check_unique(pd.Index(known), known, source)
    found = {"sex": cells.texts(frame, "Sex", source).str.lower(), "age": frame["Age"]}
    return pd.DataFrame(found).set_axis(actors)
