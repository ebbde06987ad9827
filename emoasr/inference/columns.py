"""Names of the columns of our feature tables."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from emoasr.settings.choices import POOLINGS

if TYPE_CHECKING:  # JAX is not needed for names
    from emoasr.asr.frontend import FrontEnd
    from emoasr.asr.networks.base import Sizes


def unit_names(n_layers: int = 15, n_units: int = 128, pooling: str = "mean") -> list[str]:
    """Columns of a tap: `layer00.unit000` and on, layers in processing order.

    Where a pooling gives several statistics: all units' `layer00.unit000.mean` and on, then all
    units' `layer00.unit000.std` and on.
    """
    names = [f"layer{i:02d}.unit{j:03d}" for i in range(n_layers) for j in range(n_units)]
    statistics = POOLINGS[pooling]
    return names if len(statistics) == 1 else [f"{n}.{how}" for how in statistics for n in names]


def of_sets(
    names: Iterable[str], model: "Sizes", frontend: "FrontEnd", pooling: str
) -> dict[str, list[str]]:
    """Columns of feature sets: `mfcc00.mean` and on, the units for every other one."""
    units = unit_names(model.n_layers, model.n_channels, pooling)
    n_mfcc = getattr(frontend, "n_mfcc", 0)
    mfcc = [f"mfcc{i:02d}.{how}" for how in ("mean", "std") for i in range(n_mfcc)]
    return {name: mfcc if name == "mfcc" else units for name in names}
