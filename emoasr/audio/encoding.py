"""Samples as 16-bit numbers, and as a file that every browser plays."""

import io

import numpy as np
import soundfile


def int16(wave_N: np.ndarray) -> np.ndarray:
    """Samples in [-1, 1] as 16-bit numbers; what is beyond is clipped."""
    return np.clip(np.rint(wave_N * 32768), -32768, 32767).astype(np.int16)


def flac(wave_N: np.ndarray, rate: int) -> bytes:
    """A FLAC file of mono samples, 16 bits; full scale is 1."""
    file = io.BytesIO()
    soundfile.write(file, np.clip(wave_N, -1, 1), rate, format="FLAC", subtype="PCM_16")
    return file.getvalue()
