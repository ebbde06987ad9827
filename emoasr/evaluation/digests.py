"""What an evaluation was made from: short digests of its tables and labels."""

import hashlib
from collections.abc import Iterable, Mapping

import pandas as pd

_LETTERS = 12


def of_inputs(
    tables: Mapping[str, pd.DataFrame], labels: pd.DataFrame, used: Iterable[str]
) -> dict[str, str]:
    """Digests of index, columns and values, by names that a user knows.

    Args:
        tables: feature sets by name.
        labels: speakers, sessions and ratings.
        used: the columns of the labels that results depend on; those that are not there are left
            out.
    """
    of_labels = labels[[name for name in dict.fromkeys(used) if name in labels]]
    digests = {f"feature set {name}": of_table(table) for name, table in tables.items()}
    return {**digests, "labels": of_table(of_labels)}


def of_table(table: pd.DataFrame) -> str:
    """A digest of one table."""
    found = hashlib.sha256(pd.util.hash_pandas_object(table).to_numpy().tobytes())
    found.update(repr([*table.columns, *table.index.names]).encode(errors="backslashreplace"))
    return found.hexdigest()[:_LETTERS]
