"""Files in object stores, read through fsspec: `s3://`, `gs://`, and whatever else it knows.

A user's text that is a URL becomes a `Remote`, which has the methods of `Path` that readers of
corpora, tables and recognizers need; any other text becomes a `Path`. Any exception of a store's
client becomes an OSError with a plain message, so that code that reads files need not know about
stores.

Why not universal-pathlib: its `is_file` says False where the store refuses access, it lists the
marker of a folder as a file within, keeps `..` as a name, and imports fsspec in every run.
"""

import contextlib
import dataclasses
import errno
import io
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePath, PurePosixPath
from typing import Any, NamedTuple

from emoasr.errors import UserError
from emoasr.files.clients import Stream, UnreachableError, client_of, plain_errors

LEAST_AHEAD = 1 << 16  # bytes; a request for fewer takes as long
MOST_AHEAD = 1 << 23

# Stores that any table may name, even an untrusted one: their clients only fetch bytes.
_STORES = ("s3", "s3a", "gs", "gcs", "az", "abfs")
_ON_DISK = ("file", "local")
_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+)://")

# Stores' names for what changes with a file's content; the first that is there counts.
_MARKS = (
    "ETag", "etag", "md5Hash", "content_md5", "Content-MD5", "generation", "mtime", "LastModified",
    "last_modified", "Last-Modified", "updated", "created",
)  # fmt: skip


class Stat(NamedTuple):
    """A file's size and version in a store.

    Attributes:
        st_size: bytes; of a folder, 0.
        mark: a text that changes with the content, such as an ETag; empty where there is none.
    """

    st_size: int
    mark: str


@dataclasses.dataclass(frozen=True)
class Remote:
    """A file or folder in a store; methods that contact the store raise OSError.

    Attributes:
        url: without a slash at its end.
    """

    url: str

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, name: str) -> "Remote":
        steps = self.url.split("/")
        for step in name.split("/"):
            if step == "..":  # as on disk, though to a store it is a name like others
                steps = steps[:-1] if len(steps) > 3 else steps
            elif step != ".":
                steps.append(step)
        return Remote("/".join(steps))

    @property
    def name(self) -> str:
        """What follows the last slash."""
        return self.url.rpartition("/")[2]

    @property
    def stem(self) -> str:
        """The name without its suffix."""
        return PurePosixPath(self.name).stem

    @property
    def suffix(self) -> str:
        """The name's ending, from its dot on."""
        return PurePosixPath(self.name).suffix

    @property
    def parent(self) -> "Remote":
        """The folder around it."""
        return self / ".."

    def is_dir(self) -> bool:
        """Whether there is a folder, which in most stores is a common beginning of names."""
        return self._kind() == "directory"

    def is_file(self) -> bool:
        """Whether there is a file."""
        return self._kind() == "file"

    def stat(self) -> Stat:
        """Its size and mark."""
        return _stat(self._ask("info"))

    def iterdir(self) -> Iterator["Remote"]:
        """The files and folders in a folder."""
        return (self / name for name in self.listed())

    def listed(self) -> dict[str, Stat]:
        """The entries of a folder, by name; a request lists about 1000 entries."""
        found = {info["name"].rstrip("/"): _stat(info) for info in self._ask("ls", detail=True)}
        found.pop(self._ask("_strip_protocol").rstrip("/"), None)  # an empty object of its name
        return {name.rpartition("/")[2]: stat for name, stat in found.items()}

    def files(self) -> list[str]:
        """Names of all files below a folder, relative to it; requests as for `listed`."""
        own = len(self._ask("_strip_protocol"))
        names = [name[own:].lstrip("/") for name in self._ask("find")]
        return [name for name in names if name and not name.endswith("/")]

    def read_bytes(self, most: int | None = None) -> bytes:
        """The file's content, or its first `most` bytes."""
        with self.streamed(MOST_AHEAD) as stream:
            size = stream.seek(0, os.SEEK_END)
            content = bytearray(size if most is None else min(size, most))
            stream.seek(0)
            n_read = stream.readinto(content)
        if n_read < len(content):
            raise OSError(errno.EPROTO, f"ends after {n_read} bytes of {size}", self.url)
        return bytes(content)

    @contextlib.contextmanager
    def streamed(self, ahead: int) -> Iterator[Stream]:
        """Opens the file; at the end, an error of reading is raised before any other.

        Args:
            ahead: how many bytes to fetch beyond those needed, in the same request.
        """
        file = self._ask("open", mode="rb", block_size=ahead)
        stream = Stream(file, self.url)
        try:
            stream.readinto(bytearray(1))  # now: soundfile opens one file at a time
            stream.seek(0)
            yield stream
        finally:
            file.close()
            if stream.error is not None:
                raise stream.error

    def _kind(self) -> str | None:
        try:
            return self._ask("info")["type"]
        except FileNotFoundError:
            return None

    def _ask(self, what: str, **how: Any) -> Any:
        """Calls a method of fsspec's client with this URL."""
        with plain_errors(self.url):
            return getattr(client_of(self.url), what)(self.url, **how)


Place = Path | Remote


def path(text: str | os.PathLike) -> Place:
    """The place that a user's text names: on disk (`~` is the home folder) or in a store.

    Raises:
        UserError: fsspec does not know the store, or the package that reads it is not installed.
    """
    place = _placed(os.fspath(text))
    if isinstance(place, Remote):
        try:
            with plain_errors(place.url):  # an earlier command's listing may be out of date
                client_of(place.url).invalidate_cache()
        except OSError as error:
            raise UserError(f"{text}: {error.strerror}") from None
    return place


def at_hand(place: Place) -> Path | io.BytesIO:
    """A place as pandas and Arrow read it: a path, or a store's file in memory. Raises: OSError."""
    return io.BytesIO(place.read_bytes()) if isinstance(place, Remote) else place


def check_there(place: Place, what: str) -> None:
    """Raises a UserError that begins with `what` unless the file or folder exists."""
    try:
        place.stat()
    except (OSError, ValueError) as error:  # ValueError: a zero byte
        gone = isinstance(error, FileNotFoundError | NotADirectoryError | ValueError)
        why = getattr(error, "strerror", None) or error
        lack = "no such file or folder" if gone else "cannot be opened"
        raise UserError(f"{what}: {lack} ({why})") from None


def is_utf8(name: object) -> bool:
    """Whether a name is valid UTF-8; if not, Python represents its bytes as lone surrogates."""
    return not any("\ud800" <= c <= "\udfff" for c in str(name))


def check_utf8(name: object, what: str) -> None:
    """Raises a UserError that begins with `what` unless a name can be in tables and JSON."""
    if not is_utf8(name):
        raise UserError(f"{what}: a name in this path is not UTF-8; rename it")


def joined(root: Any, file: str) -> Any:
    """The place of a file that a table names: below the root, unless the name is absolute or a URL.

    Only URLs of object stores and of the root's own kind are followed: tables may be untrusted, and
    some clients do more than fetch bytes. Any other URL is taken for a name, which does not exist.
    """
    if url := _URL.match(file):
        kind = url[0].lower()
        own = isinstance(root, Remote) and root.url.startswith(kind)
        return _placed(file) if own or kind[:-3] in (*_STORES, *_ON_DISK) else root / file
    return Path(file) if isinstance(root, Remote) and file.startswith("/") else root / file


def below(folder: Place, place: Place) -> str:
    """The path of a place relative to a folder around it, with slashes."""
    return PurePath(str(place)).relative_to(str(folder)).as_posix()


def states(files: Iterable[Remote]) -> dict[Remote, str]:
    """A text for each file that exists, which changes with its content; from listings of folders.

    Raises:
        UserError: a store does not answer.
    """
    by_folder: dict[Remote, list[Remote]] = defaultdict(list)
    for file in files:
        by_folder[file.parent].append(file)
    found = {}
    for folder, own in by_folder.items():
        try:
            there = folder.listed()
        except UnreachableError as error:
            raise UserError(f"{folder}: {error.strerror}") from None
        except FileNotFoundError:
            continue
        except OSError:  # a user may be allowed to read, but not to list
            there = {file.name: Stat(0, "") for file in own}
        for file in own:
            if (stat := there.get(file.name)) is None:
                continue
            with contextlib.suppress(OSError):
                found[file] = "{} {}".format(*(stat if stat.mark else file.stat()))
    return found


def _placed(text: str) -> Place:
    url = _URL.match(text)
    if url is None:
        with contextlib.suppress(RuntimeError):  # `~name` of an unknown user stays as it is
            return Path(text).expanduser()
        return Path(text)
    kind, rest = url[0].lower(), text[url.end() :]
    return Path(rest) if kind[:-3] in _ON_DISK else Remote(kind + rest.rstrip("/"))


def _stat(info: dict[str, Any]) -> Stat:
    return Stat(info.get("size") or 0, next((str(info[m]) for m in _MARKS if info.get(m)), ""))
