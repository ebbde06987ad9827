"""Layers of the neural features: how their columns are named, and some layers as a feature set."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.settings.choices import BASELINE


def layer_shape(columns: pd.Index) -> tuple[int, int]:
    """Numbers of layers and of units in each, from names `layer00.unit000` and on.

    Raises:
        UserError: the names are others.
    """
    numbers = columns.astype(str).str.extract(r"^layer(\d+)\.unit(\d+)$").astype(float)
    n_layers, n_units = numbers[0].nunique(), numbers[1].nunique()
    expected = [(i, j) for i in range(n_layers) for j in range(n_units)]
    if not expected or list(numbers.itertuples(index=False, name=None)) != expected:
        raise UserError(
            "feature set 'neural': its columns are not layer00.unit000, layer00.unit001, ... in "
            "order; run python -m emoasr.extract again"
        )
    return n_layers, n_units


def subsets(
    tables: Mapping[str, pd.DataFrame], wanted: Mapping[str, Sequence[int]]
) -> dict[str, pd.DataFrame]:
    """Feature sets made of some layers of the neural features.

    Args:
        tables: feature sets by name, `neural` among them where a subset is wanted.
        wanted: layer numbers by the new set's name; -1 is the last layer.

    Raises:
        UserError: there is no such layer, or the name is taken.
    """
    found = {}
    for name, numbers in wanted.items():
        field = f"config.eval.layers.{name}"
        if name in tables or name == BASELINE:
            raise UserError(f"{field}: another feature set has that name; choose a different one")
        columns = tables["neural"].columns
        n_layers, _ = layer_shape(columns)
        if not numbers or not all(-n_layers <= n < n_layers for n in numbers):
            raise UserError(
                f"{field}={tuple(numbers)}: must be layers from 0 to {n_layers - 1}, or from "
                f"-{n_layers} to -1, counted from the end"
            )
        layer_of_column = np.repeat(np.arange(n_layers), len(columns) // n_layers)
        kept = np.isin(layer_of_column, [n % n_layers for n in numbers])
        found[name] = tables["neural"].loc[:, kept]
    return found
