"""Zip files from untrusted sources: members are read in place, and nothing is ever extracted.

A zip within a zip is a member like any other; its content is not read.
"""

import re
import stat
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

from emoasr.errors import UserError
from emoasr.files.untrusted import quoted

_MOST_MEMBERS = 1_000_000
_MOST_BYTES = 1 << 30  # unpacked, of a member: it is read as a whole
_MOST_IN_ALL = 1 << 38
_SMALL = 1 << 26  # bytes; up to here any ratio is allowed: silence packs tightly
_MOST_RATIO = 200  # unpacked over packed; recordings have 4, texts 10, deflate's limit is 1032

_METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)  # Python unpacks others without a limit
_KINDS = (0, stat.S_IFREG, stat.S_IFDIR)  # 0: made where files have no mode


class Member(zipfile.Path):
    """A file or folder in a zip that `open_zip` has checked."""

    def read_bytes(self) -> bytes:
        """The file's content, limited to the size that the zip's directory gives.

        zipfile's own method would unpack the whole stream before it cuts it off.

        Raises:
            zipfile.BadZipFile: the content does not agree with the directory.
            OSError: it cannot be read.
        """
        size = self.root.getinfo(self.at).file_size
        try:
            with self.open("rb") as file:
                content = file.read(size)
        except (zlib.error, EOFError, ValueError, RuntimeError) as error:  # of damaged members
            raise zipfile.BadZipFile(str(error)) from None
        if len(content) != size:
            raise zipfile.BadZipFile(f"holds {len(content)} bytes of {size}")
        return content


def open_zip(path: Path) -> Member:
    """Opens a zip for reading.

    Returns:
        Its top folder.

    Raises:
        UserError: it is not a complete zip, or has members that lead out of it, are links, unpack
            to too many bytes, or cannot be read.
    """
    what = f"config.corpus.path={path}"
    try:
        archive = zipfile.ZipFile(path)
        fault = next(_faults(archive.infolist(), path.stat().st_size), None)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise UserError(f"{what}: neither a folder nor a complete zip ({error})") from None
    if fault:
        archive.close()
        raise UserError(f"{what}: {fault}; refused, as the zip may be damaged or harmful")
    return Member(archive)


def _faults(members: list[zipfile.ZipInfo], size: int) -> Iterator[str]:
    """Why a zip of `size` bytes is refused."""
    if len(members) > _MOST_MEMBERS:
        yield f"has {len(members)} members; at most {_MOST_MEMBERS} are allowed"
    names = set()
    for info in members:
        name = info.filename.rstrip("/")
        if fault := "appears twice" if name in names else _fault(info):
            yield f"member {quoted(info.orig_filename)} {fault}"
        names.add(name)
    if sum(info.compress_size for info in members) > size:
        yield "its members overlap: they claim more bytes than it has"
    unpacked = sum(info.file_size for info in members)
    if unpacked > min(_MOST_IN_ALL, max(_SMALL, _MOST_RATIO * size)):
        yield f"claims to unpack from {size} to {unpacked} bytes"


def _fault(info: zipfile.ZipInfo) -> str | None:
    """Why a zip with this member is refused."""
    name = info.orig_filename
    if name.startswith("/") or re.match("[A-Za-z]:", name) or re.search(r"[\\\0]", name):
        return "is not a relative path with / between its folders"
    if ".." in name.split("/"):
        return "leads out of the zip"
    if stat.S_IFMT(info.external_attr >> 16) not in _KINDS:
        return "is a link or a device, not a file"
    if info.flag_bits & 1:
        return "is encrypted"
    if info.compress_type not in _METHODS:
        return f"is compressed by method {info.compress_type}, not by deflate"
    if info.file_size > min(_MOST_BYTES, max(_SMALL, _MOST_RATIO * info.compress_size)):
        return f"claims to unpack from {info.compress_size} to {info.file_size} bytes"
    return None
