import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from emoasr.report import style

SOURCES = [
    path
    for path in sorted(Path(style.__file__).parent.iterdir())
    if path.suffix in (".css", ".js", ".jinja", ".py") and path.name != "style.py"
]

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


def on_page(colours, dark):
    return [style.DARK[colour] if dark else colour for colour in colours]


def along(colours, steps=40):
    """Colours of a scale, evenly from its first to its last, as Vega interpolates them."""
    values = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in colours]
    places = np.linspace(0, len(colours) - 1, steps * (len(colours) - 1) + 1)
    stops, channels = range(len(colours)), zip(*values, strict=True)
    mixed = [np.interp(places, stops, channel) for channel in channels]
    return ["#{:02x}{:02x}{:02x}".format(*rgb) for rgb in np.round(mixed).astype(int).T.tolist()]


FROM_ZERO = {  # each scale from its zero to an end
    "negative": style.DIVERGING[2::-1],
    "positive": style.DIVERGING[2:],
    "shares": style.SHARES,
}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("scale", FROM_ZERO)
def test_what_is_near_zero_recedes_into_the_page(scale, dark):
    colours = along(on_page(FROM_ZERO[scale], dark))
    sheet = style.css().split("@media")[dark]
    assert f"--paper: {colours[0]};" in sheet
    strength = [contrast(colour, colours[0]) for colour in colours]
    assert strength[2] < 1.25  # a twentieth of the way
    assert strength[-1] > 7
    assert (np.diff(strength) > -0.005).all()
    (undefined,) = on_page([style.UNDEFINED], dark)
    assert min(distance(undefined, colour) for colour in colours) > 4 or scale == "shares"


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_a_sign_is_as_strong_as_the_other(dark):
    low, *_, high = on_page(style.DIVERGING, dark)
    assert abs(lab(linear(low))[0] - lab(linear(high))[0]) < 8


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
def test_numbers_can_be_read_on_every_share(dark):
    colours = along(on_page(style.SHARES, dark))
    ink, paper = on_page((style.INK, style.PAPER), dark)
    for share, colour in zip(np.linspace(0, 1, len(colours)), colours, strict=True):
        assert contrast(colour, paper if share > style.HALFWAY else ink) > 3.5, share


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.name)
def test_colours_are_named_in_one_place(path):
    colour = r"#(?:[\da-fA-F]{3}){1,2}\b|\brgba?\(|\"scheme\"|\"(?:white|black)\""
    assert not re.findall(colour, path.read_text(encoding="utf-8"))


@pytest.mark.parametrize("dark", [False, True])
def test_colour_blind_readers_can_tell_feature_sets_apart(dark):
    sets = on_page([look.colour for look in style.palette("abcdefgh").values()], dark)
    paper, *others = on_page((style.PAPER, style.BLUE, style.VERMILION, style.INK), dark)
    for a, b in itertools.combinations(sets, 2):
        assert distance(a, b) > 9, (a, b)
    assert distance(*others[:2]) > 30
    for colour in (*sets, *others):
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
