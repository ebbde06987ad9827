import itertools

import numpy as np
import pytest

from emoasr.report import style

# What dichromats see, of linear RGB: Machado, Oliveira and Fernandes (2009), severity 1
SEEN = {
    "all": np.eye(3),
    "no red": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "no green": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "no blue": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array([[0.4125, 0.3576, 0.1804], [0.2127, 0.7152, 0.0722], [0.0193, 0.1192, 0.9503]])
WHITE = TO_XYZ.sum(1)


def linear(colour):
    value = np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    x, y, z = np.cbrt(np.maximum(TO_XYZ @ np.clip(rgb, 0, 1) / WHITE, 0.008856))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def distance(a, b):
    """Between two colours, for those who distinguish them worst (CIE 1976; 2.3 is just seen)."""
    return min(np.linalg.norm(lab(m @ linear(a)) - lab(m @ linear(b))) for m in SEEN.values())


def contrast(a, b):
    low, high = sorted(0.05 + TO_XYZ[1] @ linear(colour) for colour in (a, b))
    return high / low


@pytest.mark.parametrize("dark", [False, True])
def test_colour_blind_readers_can_tell_feature_sets_apart(dark):
    def shown(colour):
        return style.DARK.get(colour, colour) if dark else colour

    sets = [shown(look.colour) for look in style.palette("abcdefgh").values()]
    paper = shown(style.PAPER).replace("#fff", "#ffffff") if not dark else shown(style.PAPER)
    for a, b in itertools.combinations(sets, 2):
        assert distance(a, b) > 9, (a, b)
    assert distance(shown(style.BLUE), shown(style.VERMILION)) > 30
    for colour in (*sets, shown(style.BLUE), shown(style.VERMILION), shown(style.INK)):
        assert contrast(colour, paper) > 2.7, colour


def test_a_feature_set_has_one_colour_and_nothing_else_has_it():
    sets = ["neural", "random", "mfcc", "egemaps", "x", "y", "mean"]
    palette = style.palette(sets)
    assert len({look.colour for look in palette.values()}) == len(sets)
    assert not {style.BLUE, style.VERMILION} & {look.colour for look in palette.values()}
    other = style.palette(["y", "egemaps", "neural"])
    assert all(other[name] == palette[name] for name in ("egemaps", "neural"))
    many = style.palette(map(str, range(20)))
    assert len({(look.colour, look.sign) for look in many.values()}) == 21
