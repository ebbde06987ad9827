"""From a Vega-Lite description to a picture, and what draws one in a browser.

All of it comes with vl-convert: Vega, Vega-Lite and fonts, so that neither a browser nor a display
nor the network is needed.
"""

import dataclasses
import functools
import struct
import zlib
from pathlib import Path
from typing import Any

import vl_convert

from emoasr.errors import UserError
from emoasr.files.writing import file_of, write_atomically
from emoasr.report import style

SCALE = 1.6  # pixels of a picture to one of the page


@dataclasses.dataclass(frozen=True)
class Picture:
    """A chart, which notebooks show.

    Attributes:
        description: in Vega-Lite.
    """

    description: dict[str, Any] = dataclasses.field(repr=False)

    def save(self, path: Path | str) -> None:
        """Writes it. Raises: UserError: its name ends in none of these, or it cannot be written."""
        path = file_of(path, "path")
        made = pictures(self.description)
        if (kind := path.suffix.lower().removeprefix(".")) not in made:
            raise UserError(f"{path}: a picture's name must end in .{', .'.join(made)}")
        write_atomically(path, made[kind])

    def _repr_png_(self) -> bytes:
        return pictures(self.description)["png"]


def pictures(description: dict[str, Any]) -> dict[str, bytes]:
    """The chart as the bytes of a PNG, an SVG and a PDF file, by the files' suffix.

    Vega draws once: that takes most of the time.
    """
    svg = vl_convert.vegalite_to_svg(description, config=style.CONFIG)
    png = _compressed(vl_convert.svg_to_png(svg, scale=SCALE))
    return {"png": png, "svg": svg.encode(), "pdf": vl_convert.svg_to_pdf(svg)}


@functools.cache
def script() -> str:
    """JavaScript that defines `vegaEmbed`, with Vega and Vega-Lite."""
    return vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")


def _compressed(png: bytes) -> bytes:
    """The same picture in a quarter of the bytes: vl-convert hardly compresses."""
    signature, at, chunks = png[:8], 8, []
    while at < len(png):
        (length,) = struct.unpack_from(">I", png, at)
        chunks.append((png[at + 4 : at + 8], png[at + 8 : at + 8 + length]))
        at += length + 12
    pixels = zlib.decompress(b"".join(body for kind, body in chunks if kind == b"IDAT"))
    others = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
    return signature + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
        for kind, body in (*others[:-1], (b"IDAT", zlib.compress(pixels)), others[-1])
    )
