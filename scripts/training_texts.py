r"""Texts for synthetic speech and language models: a corpus', and WordNet's example sentences.

    apt-get install wordnet-base
    python scripts/training_texts.py CORPUS [--wordnet=/usr/share/wordnet] >TEXTS

CORPUS is a folder with `metadata.csv` (file, speaker, split, text), see `configs/english.py`. Of
its texts those of the training split are taken, and none, not WordNet's either, that its other
splits have; each once, whatever its case and punctuation.
"""

import re
from pathlib import Path

import pandas as pd
from absl import app, flags

from emoasr.asr import text
from emoasr.corpora import transcribed
from emoasr.errors import UserError

_WORDNET = flags.DEFINE_string("wordnet", "/usr/share/wordnet", "Folder with WordNet's data.*.")


def main(argv: list[str]) -> None:
    """Prints them, a line each."""
    if len(argv) != 2:
        raise app.UsageError("give the folder of a corpus")
    try:
        rows = transcribed.read_rows(Path(argv[1]), parts=True)
    except UserError as error:
        raise SystemExit(f"error: {error}") from error
    print(*of(rows), sep="\n")


def of(rows: pd.DataFrame) -> list[str]:
    """Texts of a corpus' training split and of WordNet, but for those with digits.

    Args:
        rows: of the corpus, with the columns split and text.

    Raises:
        SystemExit: WordNet is not there.
    """
    train = rows["split"] == "train"
    held_out = set(rows["text"][~train].map(text.normalise))
    given = pd.concat([rows["text"][train], _examples()])
    given = given[~given.map(text.has_digits)].map(lambda t: t.lower() if t.isupper() else t)
    known = given.map(text.normalise)
    return given[(known != "") & ~known.isin(held_out) & ~known.duplicated()].tolist()


def _examples() -> pd.Series:
    """WordNet's example sentences: what stands in quotes in its glosses."""
    wordnet, quotes = Path(_WORDNET.value), list[str]()
    for name in ("data.adj", "data.adv", "data.noun", "data.verb"):
        try:
            lines = (wordnet / name).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            why = getattr(error, "strerror", None) or "not UTF-8"
            raise SystemExit(
                f"error: no WordNet in --wordnet={wordnet}: {name}: {why}; see --help"
            ) from None
        for line in lines:
            quotes += re.findall(r'"([^"]+)"', line.partition(" | ")[2])
    return pd.Series(quotes, dtype=object)


if __name__ == "__main__":
    app.run(main)
