"""Corpora of acted emotions, whose labels are in the names of their files."""

import re
from collections import Counter
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

import pandas as pd

from emoasr.corpora import folder, published, table
from emoasr.corpora.base import Corpus, Skipped, contents
from emoasr.errors import UserError, one_line
from emoasr.files import storage

Labels = dict[str, str]


def read(
    root: storage.Place,
    pattern: re.Pattern[str],
    labels_of: Callable[[Labels], Labels],
    example: str,
    broken: Mapping[str, str],
) -> tuple[pd.DataFrame, list[Skipped]]:
    """Lists the audio under a folder, however deep, with the labels that names hold.

    Of copies of a recording (one name, in another folder or format) one is taken: a WAV file if
    there is one, else the first by path.

    Args:
        root: the folder.
        pattern: what a name is without its suffix.
        labels_of: turns the pattern's groups into labels.
        example: such a name, for messages.
        broken: recordings that are known not to be usable, by name, and why.

    Returns:
        `file`, relative to the root, and labels; and the audio that was left out, and why.

    Raises:
        UserError: no name is like that.
    """
    seen, skipped = folder.files_below(root)
    rows: list[Labels] = []
    taken: dict[str, str] = {}
    for file in sorted(filter(folder.is_audio, seen), key=_wav_first):
        name = PurePosixPath(file).stem
        if not (match := pattern.fullmatch(name)):
            skipped.append(Skipped(one_line(file), f"its name is not like {example}"))
        elif name in broken:
            skipped.append(Skipped(file, broken[name]))
        elif (first := taken.setdefault(name, file)) != file:
            skipped.append(Skipped(file, f"a copy, by its name, of {first}"))
        else:
            rows.append({"file": file} | labels_of(match.groupdict()))
    if not rows:
        raise UserError(
            f"config.corpus.path={root}: no audio file with a name like {example}; {contents(root)}"
        )
    return pd.DataFrame(rows).sort_values("file", ignore_index=True), skipped


def corpus(
    frame: pd.DataFrame,
    name: str,
    root: storage.Place,
    skipped: list[Skipped],
    counts: Mapping[str, int],
) -> Corpus:
    """A corpus of what `read` gave; prints whether its counts are the published ones.

    Args:
        frame: a row a recording.
        name: what reports call it.
        root: the folder.
        skipped: what was left out.
        counts: published ones: of `recordings`, of `speakers`, and of each emotion.
    """
    found = Counter({"recordings": len(frame), "speakers": frame["speaker"].nunique()})
    found.update(frame["emotion"])
    note = published.compare(found, counts, ("recordings", "speakers"))
    print(f"{name}: {note}")
    return table.build(frame, name, root, root, tuple(skipped), (note,))


def _wav_first(file: str) -> tuple[bool, PurePosixPath]:
    path = PurePosixPath(file)
    return path.suffix.lower() != ".wav", path
