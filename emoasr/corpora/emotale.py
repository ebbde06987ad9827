"""EmoTale, as its authors lay it out: `annotations.csv`, `speaker_info.csv`, `wav/`."""

import json
from pathlib import Path

import ml_collections
import pandas as pd

from emoasr.corpora import cells, table
from emoasr.corpora.base import Corpus, Skipped, contents, folder_of
from emoasr.errors import UserError
from emoasr.files import storage

LANGUAGES = ("DK", "EN")
EMOTIONS = {"A": "anger", "H": "happiness", "B": "boredom", "S": "sadness", "N": "neutral"}

_ANNOTATORS = ("a1", "a2", "a3")
_LETTERS = {"arousal": "A", "valence": "V", "dominance": "D"}
_NAME = r"^(?P<session>DK|EN)_(?P<speaker>\d+)_[A-Z]_\d+\.wav$"


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads EmoTale from the folder `config.path`.

    Arousal, valence and dominance are means of the three annotators' ratings (1 to 5); `emotion`
    is the acted one; `language` and `session` are DK or EN; `arousal_ratings` and so on are JSON,
    the ratings by annotator; `gender` (F, M) is from `speaker_info.csv`, where it is there. A
    speaker number is one person in both languages: `speaker_info.csv` lists 18 numbers, the corpus
    has 18 speakers, and each number's voices have the same pitch. 14 speak both, so leaving a
    speaker out leaves both languages of the person out.

    Args:
        config: `path`; `language`, `DK`, `EN`, or empty for both.
        workdir: unused.

    Raises:
        UserError: the folder, its annotations or all of its audio are missing or not EmoTale's.
    """
    if config.language not in ("", *LANGUAGES):
        raise UserError(f"config.corpus.language={config.language!r}: must be DK, EN or empty")
    root = folder_of(config)
    source = root / "annotations.csv"
    beside = _files(root)
    if source.name not in beside:
        raise UserError(
            f"config.corpus.path={root}: has no annotations.csv; give the folder of EmoTale; "
            f"{contents(root)}"
        )
    frame = _labels(table.read_frame(source), source)
    if config.language:
        frame = frame[frame["session"] == config.language]
    there = _files(root / "wav")
    files = frame["file"].map(lambda name: _find(there, name))
    found = files.notna()
    if not found.any():
        raise UserError(
            f"config.corpus.path={root}: no annotated file is in wav/, as .wav or .flac; "
            f"{contents(root)}"
        )
    skipped = tuple(
        Skipped(f"wav/{name}", "annotated, but neither its .wav nor its .flac is there")
        for name in frame["file"][~found]
    )
    frame = frame.assign(file=files)[found]  # rows are counted as in annotations.csv
    if (people := root / "speaker_info.csv").name in beside:
        frame["gender"] = frame["speaker"].map(_genders(people))
    name = f"EmoTale ({config.language})" if config.language else "EmoTale"
    return table.build(frame, name, root, source, skipped)


def _labels(annotations: pd.DataFrame, source: storage.Place) -> pd.DataFrame:
    """One row an annotation: `file` as annotated, speaker, session, mean ratings, emotion."""
    columns_of = {
        label: [f"{annotator}_{letter}" for annotator in _ANNOTATORS]
        for label, letter in _LETTERS.items()
    }
    columns = ["file", *(c for three in columns_of.values() for c in three), "gt_emotion"]
    table.require(annotations, columns, source)
    frame = annotations[["file"]].join(annotations["file"].str.extract(_NAME))
    for label, three in columns_of.items():
        each = [cells.numbers(annotations, column, source) for column in three]
        ratings = pd.concat(each, axis=1, keys=_ANNOTATORS)
        frame[label] = ratings.mean(axis=1)
        frame[f"{label}_ratings"] = [
            json.dumps(row.dropna().to_dict()) for _, row in ratings.iterrows()
        ]
    frame["language"] = frame["session"]
    frame["emotion"] = annotations["gt_emotion"].map(EMOTIONS)
    for row in frame.index[frame[["speaker", "emotion"]].isna().any(axis=1)][:1]:
        raise UserError(
            f"{source}: row {row + 1}: {frame['file'][row]!r}, "
            f"{annotations['gt_emotion'][row]!r} are not a file name and an emotion of EmoTale; "
            "use its annotations.csv as published"
        )
    return frame


def _files(folder: storage.Place) -> set[str]:
    """Names of the files, in one request: a store takes a long time for each."""
    try:
        return {path.name for path in folder.iterdir() if path.is_file()}
    except FileNotFoundError:
        return set()
    except OSError as error:
        raise UserError(f"{folder}: cannot be listed ({error.strerror})") from None


def _genders(source: storage.Place) -> dict[str, str]:
    """By speaker, F or M."""
    people = table.read_frame(source)
    table.require(people, ["speaker", "gender"], source)
    return dict(zip(people["speaker"], people["gender"], strict=True))


def _find(there: set[str], name: str) -> str | None:
    """The annotated recording, relative to the root, as .wav or else as .flac."""
    for suffix in (".wav", ".flac"):
        file = Path(name).with_suffix(suffix).name
        if file in there:
            return f"wav/{file}"
    return None
