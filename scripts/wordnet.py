"""WordNet's example sentences: plain English for the scripts that need texts."""

import re
from pathlib import Path

import pandas as pd
from absl import flags

_WORDNET = flags.DEFINE_string("wordnet", "/usr/share/wordnet", "Folder with WordNet's data.*.")


def example_sentences() -> pd.Series:
    """WordNet's example sentences: what stands in quotes in its glosses."""
    if not Path(_WORDNET.value, "data.noun").exists():
        raise SystemExit(f"error: no WordNet in --wordnet={_WORDNET.value}; see --help")
    quotes = []
    for name in ("data.adj", "data.adv", "data.noun", "data.verb"):
        for line in (Path(_WORDNET.value) / name).read_text().splitlines():
            quotes += re.findall(r'"([^"]+)"', line.partition(" | ")[2])
    return pd.Series(quotes)
