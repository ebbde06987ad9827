"""Layers of a network's features: how their columns are named, and some layers as a feature set."""

import itertools
from collections.abc import Collection, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd

from emoasr.errors import UserError
from emoasr.settings.choices import BASELINE, is_untrained

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


def networks(tables: Mapping[str, pd.DataFrame]) -> dict[str, Layout]:
    """The feature sets that a network gives, and their layers.

    Args:
        tables: feature sets by name; what is called `neural` must be of a network.

    Raises:
        UserError: the columns of `neural` are others.
    """
    found = {}
    for name, table in tables.items():
        try:
            found[name] = layout(table.columns, name)
        except UserError:
            if name == NEURAL:
                raise
    return found


def recognizers(tables: Mapping[str, pd.DataFrame]) -> dict[str, Layout]:
    """Those of `networks` that are trained."""
    return {name: found for name, found in networks(tables).items() if not is_untrained(name)}


def each(tables: Mapping[str, pd.DataFrame]) -> dict[str, dict[str, pd.DataFrame]]:
    """Each layer as a feature set, of every set that a network gives: see `networks`.

    Returns:
        By set, the layers by name, from the first on: `layer00` of `neural`, `NAME.layer00` of
        others.
    """
    return {
        name: {
            _part_of(name, f"layer{i:02d}"): tables[name].loc[:, of_columns.layer_D == i]
            for i in range(of_columns.n_layers)
        }
        for name, of_columns in networks(tables).items()
    }


def network_of(part: str) -> str:
    """The set that a layer or subset is part of, by its name as `each` or `subsets` gives it."""
    return part.rpartition(".")[0] or NEURAL


def is_subset(name: str, tables: Collection[str], wanted: Collection[str]) -> bool:
    """Whether a feature set is one that `subsets` made of another."""
    return network_of(name) in tables and name.rpartition(".")[2] in wanted


def subsets(
    tables: Mapping[str, pd.DataFrame], wanted: Mapping[str, Sequence[int]]
) -> dict[str, pd.DataFrame]:
    """Feature sets made of some layers of each recognizer's features.

    Args:
        tables: feature sets by name, `neural` among them where a subset is wanted.
        wanted: layer numbers of `neural` by the new set's name; -1 is the last layer. Of a network
            with more or fewer layers, those at the same depth are taken, see `at_depth`.

    Returns:
        The new sets: `SUBSET` of `neural`, `NAME.SUBSET` of others.

    Raises:
        UserError: there is no such layer, or the name is taken.
    """
    found: dict[str, pd.DataFrame] = {}
    shapes = recognizers(tables) if wanted else {}
    for (subset, numbers), (name, of_columns) in itertools.product(wanted.items(), shapes.items()):
        field, part = f"config.eval.layers.{subset}", _part_of(name, subset)
        if part in tables or part == BASELINE:
            raise UserError(f"{field}: another feature set has that name; choose a different one")
        n_layers = shapes[NEURAL].n_layers
        if not numbers or not all(-n_layers <= n < n_layers for n in numbers):
            raise UserError(
                f"{field}={tuple(numbers)}: must be layers from 0 to {n_layers - 1}, or from "
                f"-{n_layers} to -1, counted from the end"
            )
        kept = at_depth([n % n_layers for n in numbers], n_layers, of_columns.n_layers)
        found[part] = tables[name].loc[:, np.isin(of_columns.layer_D, kept)]
    return found


def at_depth(numbers: Collection[int], n_layers: int, n_wanted: int) -> list[int]:
    """Layers of one network at the same relative depth as some layers of another.

    Args:
        numbers: of layers, from 0.
        n_layers: of their network.
        n_wanted: layers of the other.

    Returns:
        The other's layers whose middles lie within those given; if none does, the nearest.

    Example:
        >>> at_depth([0, 1, 2], 15, 15), at_depth([0, 1, 2], 15, 25), at_depth([7], 15, 4)
        ([0, 1, 2], [0, 1, 2, 3, 4], [1])
    """
    middles = [(i + 0.5) * n_layers / n_wanted for i in range(n_wanted)]
    kept = [i for i, middle in enumerate(middles) if int(middle) in numbers]
    return kept or [
        min(range(n_wanted), key=lambda i: min(abs(middles[i] - n - 0.5) for n in numbers))
    ]


def _part_of(network: str, part: str) -> str:
    return part if network == NEURAL else f"{network}.{part}"
