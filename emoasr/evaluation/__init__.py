"""Dataset, splits, regression, cross-validation, intervals, ablations; no JAX, no audio."""
