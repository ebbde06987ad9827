"""librosa, whose compiled functions are compiled when they are called, not all at its import.

In a new environment that takes twenty seconds, for functions that no test calls.
"""

import librosa
import numba

__all__ = ["librosa"]

_guvectorize = numba.guvectorize
numba.guvectorize = lambda types, layout, **how: _guvectorize(layout, **how)
