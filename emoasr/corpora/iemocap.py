"""IEMOCAP (Busso et al., 2008), read straight from the licensed folder `IEMOCAP_full_release`.

A turn's name, `Ses01F_impro01_M000`, says that in session 1 the woman wore the markers and the
*man* speaks. The speaker is `Ses01_M`, from the last letter: `Ses01F` stands for two people, and
would put the same person into training and test folds.
"""

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import ml_collections
import numpy as np
import pandas as pd

from emoasr.corpora import iemocap_files, published, table
from emoasr.corpora.base import RATINGS, Corpus, Skipped, contents, folder_of, misnamed
from emoasr.errors import UserError

if TYPE_CHECKING:
    from emoasr.corpora import prepared

COLUMNS = (
    "dialogue",  # Ses01F_impro01
    "style",  # improvised or scripted
    "gender",  # female or male
    # As JSON, by annotator: {"E2": 3.0, "F1": 2.0}; of the emotion {"E2": ["Neutral", "Anger"]}.
    # E1, E2, ... are listeners; F... and M... are actors about themselves, who count in no mean.
    *iemocap_files.RATERS,
)

MAX_SPREAD = 1.0  # highest minus lowest of consistent listeners' ratings: neighbouring values

_TURNS = {  # by speaker: all, without xxx
    "Ses01_F": (873, 655), "Ses01_M": (946, 749), "Ses02_F": (859, 660), "Ses02_M": (952, 715),
    "Ses03_F": (1048, 738), "Ses03_M": (1088, 826), "Ses04_F": (987, 729), "Ses04_M": (1116, 810),
    "Ses05_F": (1033, 766), "Ses05_M": (1137, 884),
}  # fmt: skip
PUBLISHED = {
    "turns": 10039,
    "turns without xxx": 7532,
    **{speaker: every for speaker, (every, _) in _TURNS.items()},
    **{f"{speaker} without xxx": labelled for speaker, (_, labelled) in _TURNS.items()},
    **{"fru": 1849, "neu": 1708, "ang": 1103, "sad": 1084, "exc": 1041, "hap": 595, "sur": 107},
    **{"fea": 40, "oth": 3, "dis": 2, "xxx": 2507},
}


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads IEMOCAP; prints whether its counts are the published ones, and what is unusual.

    `arousal` (the release calls it activation), `valence` and `dominance` are the release's means
    over listeners, also where they lie outside of 1..5. `emotion` is the release's category, `neu`,
    `fru` and so on, `xxx` where listeners agree on none. `session` is `Ses01`, `speaker` `Ses01_M`,
    `text` the transcript; `COLUMNS` says the rest.

    Args:
        config: `path`, the release's folder or the one around it; `consistent`, which turns stay:
            empty, all; `category`, those that are not `xxx`; `rating`, those that two or more
            listeners rated, none more than `MAX_SPREAD` from another, in arousal and in valence.
        workdir: unused.

    Raises:
        UserError: the folder holds no session of IEMOCAP, or no annotated turn with its recording.
    """
    how = config.consistent
    if how not in ("", "category", "rating"):
        raise UserError(
            f"config.corpus.consistent={how!r}: must be 'category', 'rating' or empty (all turns)"
        )
    release = iemocap_files.read(folder_of(config))
    frame, skipped = _match(release)
    if frame.empty:
        raise UserError(
            f"config.corpus.path={release.top}: no turn has both its annotation and its recording, "
            f"a .wav in SessionN/sentences/wav; {contents(release.top)}"
        )
    notes = (compare_counts(frame), *_notes(frame, release))
    print(*(f"IEMOCAP: {note}" for note in notes), sep="\n")
    if how:
        why = _disagreement(frame, how)
        skipped += [Skipped(f, w) for f, w in zip(frame["file"], why, strict=True) if w]
        frame = frame[[not w for w in why]].reset_index(drop=True)
        if frame.empty:
            raise UserError(
                f"config.corpus.consistent={how!r}: no turn is consistent; leave it empty"
            )
    name = f"IEMOCAP (consistent by {how})" if how else "IEMOCAP"
    return table.build(frame, name, release.top, release.top, tuple(skipped), notes)


def compare_counts(frame: pd.DataFrame) -> str:
    """One line: whether counts are those of `PUBLISHED`, and which are not.

    Args:
        frame: columns `speaker` and `emotion`, a row a turn that has annotation and recording.
    """
    found = Counter({"turns": len(frame)})
    found.update(frame["speaker"])
    found.update(frame["emotion"])
    labelled = frame[frame["emotion"] != "xxx"]
    found["turns without xxx"] = len(labelled)
    found.update(labelled["speaker"] + " without xxx")
    return published.compare(found, PUBLISHED, ("turns", "turns without xxx"))


def prepare(corpus: Corpus, data_dir: str = "") -> "prepared.Builder":
    """Makes a TFDS set of the corpus, a split a session, without TensorFlow.

        source = iemocap.prepare(corpus).as_data_source("Ses01")

    Args:
        corpus: what `load` gave.
        data_dir: where the set goes (1.5 GB); empty: TFDS's default folder.

    Returns:
        The prepared builder. Its examples have `audio` (int16 at 16 kHz), `digest`, `n_samples`,
        `file` and the table's columns; its `skipped` names the recordings that could not be read.

    Raises:
        UserError: none could be read.
    """
    from emoasr.corpora import prepared  # TFDS is slow to import, and extraction does without

    session = corpus.table["session"]
    rows = {str(name): np.flatnonzero(session == name) for name in session.unique()}
    return prepared.prepare("emoasr_iemocap", corpus, corpus.table, lambda: rows, data_dir)


def _match(release: iemocap_files.Release) -> tuple[pd.DataFrame, list[Skipped]]:
    """Annotations with their recordings and texts; and what lacks one of the first two."""
    rows, recordings = [], dict(release.recordings)
    skipped = [*map(misnamed, release.misnamed)]
    skipped += [Skipped(f, "annotated again; the first one counts") for f in release.repeated]
    for name, turn in sorted(release.turns.items()):
        files = recordings.pop(name.lower(), [])
        if not files:
            skipped.append(Skipped(turn["file"], "annotated, but its recording is not there"))
            continue
        raters = {column: json.dumps(turn[column]) for column in iemocap_files.RATERS}
        rows.append({**turn, **raters, "file": files[0], "text": release.texts.get(name) or None})
        skipped += [Skipped(file, "another recording of the same turn") for file in files[1:]]
    for name, file in sorted(release.damaged.items()):
        if name not in release.turns:
            files = recordings.pop(name.lower(), [file])
            skipped += [Skipped(f, "its line in EmoEvaluation cannot be read") for f in files]
    for _, files in sorted(recordings.items()):
        skipped += [Skipped(file, "recorded, but not annotated") for file in files]
    return pd.DataFrame(rows), skipped


def _notes(frame: pd.DataFrame, release: iemocap_files.Release) -> Iterator[str]:
    """Lines that say what is missing or unusual."""
    there = {session.name.lower() for session in release.sessions}
    if missing := [f"Session{n}" for n in range(1, 6) if f"session{n}" not in there]:
        yield f"warning: {release.top} has no {', '.join(missing)}"
    outside = {label: (~frame[label].between(1, 5)).sum() for label in RATINGS}
    if any(outside.values()):
        counts = ", ".join(f"{n} of {label}" for label, n in outside.items() if n)
        yield f"ratings outside of 1..5, kept as they are: {counts}"
    silent = frame["file"][frame["text"].isna()]
    if len(silent):
        yield f"turns without a transcript: {len(silent)}, the first {silent.iloc[0]}"
    if unknown := sorted(set(release.texts) - set(release.turns)):
        yield f"transcripts of turns that are not annotated: {len(unknown)}, the first {unknown[0]}"
    if release.nameless:
        yield f"lines of the transcriptions that name no turn: {release.nameless}"
    if release.odd:
        yield f"lines not understood: {len(release.odd)}, the first {release.odd[0]}"


def _disagreement(frame: pd.DataFrame, how: str) -> list[str]:
    """Why each turn counts as inconsistent; empty where it does not."""
    if how == "category":
        unsure = "its listeners agree on no category (xxx)"
        return [unsure if emotion == "xxx" else "" for emotion in frame["emotion"]]
    columns = (frame["arousal_ratings"], frame["valence_ratings"])
    return [_apart(*ratings) for ratings in zip(*columns, strict=True)]


def _apart(*ratings: str) -> str:
    """Why listeners' ratings, one JSON a dimension, are not consistent; empty where they are."""
    heard = [
        [value for who, value in json.loads(cell).items() if who.startswith("E")]
        for cell in ratings
    ]
    if min(map(len, heard)) < 2:
        return "fewer than two listeners rated its arousal and valence"
    if max(max(values) - min(values) for values in heard) > MAX_SPREAD:
        return f"its listeners' ratings of arousal or valence are more than {MAX_SPREAD:g} apart"
    return ""
