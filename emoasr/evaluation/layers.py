"""Layers of a network's features: how their columns are named, and some layers as a feature set."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.settings.choices import BASELINE

NEURAL = "neural"  # the set of `config.recognizer`


class Layout(NamedTuple):
    """Where in a table of D columns the layers are.

    Attributes:
        n_layers: of the network.
        n_units: of each layer.
        layer_D: of each column.
        statistics: of each unit, all units of one after the other; "" where there is but one.
    """

    n_layers: int
    n_units: int
    layer_D: np.ndarray
    statistics: tuple[str, ...]

    @property
    def first(self) -> slice:
        """The columns of the first statistic, one a unit; of several it is the mean."""
        return slice(self.n_layers * self.n_units)


def layout(columns: pd.Index, feature_set: str = NEURAL) -> Layout:
    """The layers in columns named `layer00.unit000` and on, or `layer00.unit000.mean` and on.

    Raises:
        UserError: the names are others.
    """
    found = columns.astype(str).str.extract(r"^layer(\d+)\.unit(\d+)(?:\.(mean|std))?$")
    layer_D, unit_D = found[0].astype(float), found[1].astype(float)
    n_layers, n_units = layer_D.nunique(), unit_D.nunique()
    statistic_D = found[2].fillna("")
    statistics = tuple(statistic_D.unique())
    expected = [(i, j, how) for how in statistics for i in range(n_layers) for j in range(n_units)]
    if not expected or list(zip(layer_D, unit_D, statistic_D, strict=True)) != expected:
        raise UserError(
            f"feature set {feature_set!r}: its columns are not layer00.unit000, layer00.unit001, "
            "... in order; run python -m emoasr.extract again"
        )
    return Layout(n_layers, n_units, layer_D.to_numpy().astype(int), statistics)


def each(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, pd.DataFrame]]:
    """Each layer as a feature set, of every set that a network gives.

    Args:
        tables: feature sets by name; what is called `neural` must be of a network.

    Returns:
        By set, the layers by name, from the first on: `layer00` of `neural`, `NAME.layer00` of
        others.

    Raises:
        UserError: the columns of `neural` are others.
    """
    found = {}
    for name, table in tables.items():
        try:
            of_columns = layout(table.columns, name)
        except UserError:
            if name == NEURAL:
                raise
            continue
        prefix = "" if name == NEURAL else f"{name}."
        found[name] = {
            f"{prefix}layer{i:02d}": table.loc[:, of_columns.layer_D == i]
            for i in range(of_columns.n_layers)
        }
    return found


def network_of(layer: str) -> str:
    """The set of whose layers one is, by its name as `each` gives it."""
    return layer.rpartition(".")[0] or NEURAL


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
        n_layers, _, layer_D, _ = layout(tables[NEURAL].columns)
        if not numbers or not all(-n_layers <= n < n_layers for n in numbers):
            raise UserError(
                f"{field}={tuple(numbers)}: must be layers from 0 to {n_layers - 1}, or from "
                f"-{n_layers} to -1, counted from the end"
            )
        kept = np.isin(layer_D, [n % n_layers for n in numbers])
        found[name] = tables[NEURAL].loc[:, kept]
    return found
