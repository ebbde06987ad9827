"""Files, folders and tables that a user names, as one corpus."""

import contextlib
import sys
from collections.abc import Sequence
from pathlib import Path

import audformat
import ml_collections
import pandas as pd

from emoasr.corpora import folder, table
from emoasr.corpora.base import Corpus
from emoasr.errors import UserError
from emoasr.files import places, storage

_TABLES = (".csv", ".parquet")


def of(arguments: Sequence[str]) -> Corpus:
    """Opens what a command's arguments name, in their order.

    Args:
        arguments: paths or URLs: audio files, as a rule; folders, of which every audio file is
            taken; tables, see `table.load`.

    Raises:
        UserError: an empty argument, a folder without audio, a table that cannot be read, or a name
            that is not UTF-8.
    """
    if not all(arguments):  # a variable that is not set, as a rule; as a path, the current folder
        raise UserError(
            f"input {list(arguments).index('')} is empty; name a file, folder or table, '.' for "
            "the current folder"
        )
    with contextlib.redirect_stdout(sys.stderr):  # loaders print; stdout is for predictions
        corpora = [_opened(argument) for argument in arguments]
    tables = [corpus.table.set_axis(_paths(corpus)) for corpus in corpora]
    if any(t.index.nlevels > 1 for t in tables):
        tables = [t.set_axis(audformat.utils.to_segmented_index(t.index)) for t in tables]
    return Corpus(
        "input",
        Path(),
        pd.concat(tables),
        skipped=tuple(skipped for corpus in corpora for skipped in corpus.skipped),
    )


def _opened(argument: str) -> Corpus:
    path = argument if "://" in argument else str(places.local(argument))
    config = ml_collections.ConfigDict({"path": path, "root": ""})
    storage.check_utf8(path, path)
    place = storage.path(path)
    try:
        if place.suffix.lower() in _TABLES:
            return table.load(config, Path())
        if isinstance(place, Path) and place.is_dir():
            return folder.load(config, Path())
    except UserError as error:  # the user has given no such field
        raise UserError(str(error).removeprefix("config.corpus.path=")) from None
    return Corpus("input", Path(), pd.DataFrame(index=audformat.filewise_index([path])))


def _paths(corpus: Corpus) -> pd.Index:
    """The corpus's index with each file as it is found from the current folder."""
    index = corpus.table.index
    files = [str(storage.joined(corpus.root, corpus.key(i)[0])) for i in range(len(corpus))]
    if index.nlevels == 1:
        return audformat.filewise_index(files)
    levels = (index.get_level_values(name) for name in ("start", "end"))
    return audformat.segmented_index(files, *levels)
