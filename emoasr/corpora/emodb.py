"""EmoDB (Burkhardt et al., Interspeech 2005): ten actors, ten German sentences, seven emotions.

Facts are from the release's own description (emodb.bilderbar.info): a name is the speaker (two
digits), the sentence (`a01`), the emotion's German initial, and the version.
"""

import re
from pathlib import Path

import ml_collections

from emoasr.corpora import file_names
from emoasr.corpora.base import Corpus, folder_of

EMOTIONS = {
    "W": "anger", "L": "boredom", "E": "disgust", "A": "fear", "F": "happiness", "T": "sadness",
    "N": "neutral",
}  # fmt: skip

_MEN = ("03", "10", "11", "12", "15")
_PATTERN = re.compile(
    r"(?P<speaker>03|08|09|1[0-6])(?P<sentence>[ab][0-9]{2})(?P<emotion>[WLEAFTN])[a-z]"
)
_PUBLISHED = {
    "recordings": 535, "speakers": 10, "anger": 127, "boredom": 81, "disgust": 46, "fear": 69,
    "happiness": 71, "sadness": 62, "neutral": 79,
}  # fmt: skip


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads EmoDB; prints whether its counts are the published ones.

    `emotion` is the acted one; further columns are `sex` and `sentence`.

    Args:
        config: `path`, the release's folder or its `wav`.
        workdir: unused.

    Raises:
        UserError: no such folder, or no EmoDB audio in it.
    """
    root = folder_of(config)
    frame, skipped = file_names.read(root, _PATTERN, _labels, "03a01Fa", {})
    return file_names.corpus(frame, "EmoDB", root, skipped, _PUBLISHED)


def _labels(parts: file_names.Labels) -> file_names.Labels:
    return {
        "speaker": parts["speaker"],
        "emotion": EMOTIONS[parts["emotion"]],
        "sex": "male" if parts["speaker"] in _MEN else "female",
        "sentence": parts["sentence"],
    }
