"""Names of the columns of our feature tables."""

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # JAX is not needed for names
    from emoasr.asr.frontend import FrontEnd
    from emoasr.asr.networks.base import Sizes


def unit_names(n_layers: int = 15, n_units: int = 128) -> list[str]:
    """Columns of a tap: `layer00.unit000` and on, layers in processing order."""
    return [f"layer{i:02d}.unit{j:03d}" for i in range(n_layers) for j in range(n_units)]


def of_sets(names: Iterable[str], model: "Sizes", frontend: "FrontEnd") -> dict[str, list[str]]:
    """Columns of feature sets: `mfcc00.mean` and on, the units for every other one."""
    units = unit_names(model.n_layers, model.n_channels)
    n_mfcc = getattr(frontend, "n_mfcc", 0)
    mfcc = [f"mfcc{i:02d}.{how}" for how in ("mean", "std") for i in range(n_mfcc)]
    return {name: mfcc if name == "mfcc" else units for name in names}
