"""Samples as a file that every browser plays."""

import io

import numpy as np
import soundfile


def flac(wave_N: np.ndarray, rate: int) -> bytes:
    """A FLAC file of mono samples, 16 bits; full scale is 1."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(wave_N, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
