"""MSP-IMPROV (Busso et al., IEEE Trans. Affective Computing 2017): actors improvise in pairs.

Facts are from public programs that read the release: its file of consensus labels, spelt
`Evalution.txt`, has a line a turn, `UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:2.6; V:3.1; D:3; N:4.1;`,
and the audio is `MSP-IMPROV-S01A-F01-P-FM01.wav`. A name is the scenario and its target emotion,
the speaker, the kind of turn, and who speaks to whom.
"""

import re
from pathlib import Path, PurePosixPath

import ml_collections
import pandas as pd

from emoasr.corpora import folder, table
from emoasr.corpora.base import Corpus, contents, folder_of
from emoasr.errors import UserError, one_line
from emoasr.files import storage

EMOTIONS = {"A": "anger", "H": "happiness", "N": "neutral", "O": "other", "S": "sadness"}
LABEL_FILES = ("Evalution.txt", "Evaluation.txt")
KINDS_OF_TURN = {
    "P": "natural", "R": "improvised", "S": "improvised target", "T": "read target"
}  # fmt: skip

_NO_AGREEMENT = "X"
_LINE = re.compile(
    r"UTD-(?P<name>IMPROV-S[0-9]{2}[A-Z]-(?P<speaker>[FM](?P<session>[0-9]{2}))-(?P<turn>[PRST])"
    r"-[FM]{2}[0-9]{2})\.avi; *(?P<emotion>[A-Z]); *A: *(?P<arousal>[0-9.]+);"
    r" *V: *(?P<valence>[0-9.]+); *D: *(?P<dominance>[0-9.]+);"
    r"(?: *N: *(?P<naturalness>[0-9.]+);?)?"
)


def load(config: ml_collections.ConfigDict, workdir: Path) -> Corpus:
    """Reads MSP-IMPROV.

    `arousal` (the release calls it activation), `valence` and `dominance` are consensus ratings
    from 1 to 5; `emotion` is missing where raters did not agree; `session` is the pair of actors.
    Further columns are `naturalness` (1 to 5), `sex`, and `turn`, one of `KINDS_OF_TURN`.

    Args:
        config: `path`, the release's folder, with its labels; its audio lies anywhere below.
        workdir: unused.

    Raises:
        UserError: the folder, its labels, or all of its audio are missing or not MSP-IMPROV's.
    """
    root = folder_of(config)
    seen, closed = folder.files_below(root)
    source = next((root / f for f in sorted(seen) if PurePosixPath(f).name in LABEL_FILES), None)
    if source is None:
        raise UserError(
            f"config.corpus.path={root}: has no {LABEL_FILES[0]}; give the folder of MSP-IMPROV; "
            f"{contents(root)}"
        )
    frame = _labels(source)
    there = {PurePosixPath(f).stem: f for f in sorted(seen, reverse=True) if folder.is_audio(f)}
    names = "MSP-" + frame["name"]
    files = names.map(there)
    where = f", such as {names.iloc[0]}.wav"
    frame, skipped = table.with_audio(frame.drop(columns="name"), files, names, root, where)
    return table.build(frame, "MSP-IMPROV", root, source, (*closed, *skipped))


def _labels(source: storage.Place) -> pd.DataFrame:
    """A row a turn; lines with single raters' labels, and empty ones, are passed over."""
    text = source.read_bytes().decode("utf-8", errors="replace")
    rows = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.startswith("UTD-"):
            continue
        if not (match := _LINE.match(line)):
            raise UserError(
                f"{source}: line {number}: {one_line(line)[:80]!r} is not like a turn's"
            )
        rows[number - 1] = match.groupdict()
    if not rows:
        raise UserError(f"{source}: has no line that begins with UTD-, as those of turns do")
    frame = pd.DataFrame.from_dict(rows, orient="index")  # rows are the file's lines
    for row in frame.index[~frame["emotion"].isin((*EMOTIONS, _NO_AGREEMENT))][:1]:
        raise UserError(
            f"{source}: {frame['name'][row]}: {frame['emotion'][row]!r} is none of its emotions, "
            f"{', '.join((*EMOTIONS, _NO_AGREEMENT))}"
        )
    return frame.assign(
        emotion=frame["emotion"].map(EMOTIONS),
        sex=frame["speaker"].str[0].map({"F": "female", "M": "male"}),
        turn=frame["turn"].map(KINDS_OF_TURN),
    )
