"""The clients that fsspec reads stores with: how they are made, and what they raise, in words."""

import contextlib
import copy
import errno
import os
from collections.abc import Iterator
from typing import Any

from emoasr.system import extras

_REFUSED = ("dask",)  # its client unpickles what the other end sends

# Seconds and attempts. With those of botocore and s3fs, which multiply, it takes ten minutes to say
# that nobody answers.
_S3 = {"connect_timeout": 3, "read_timeout": 10, "retries": {"total_max_attempts": 2}}
_S3FS_ATTEMPTS = 2

# Names of exceptions, or of those above them, in botocore, aiohttp, google-auth, and Python.
_NO_CREDENTIALS = {
    "NoCredentialsError", "PartialCredentialsError", "CredentialRetrievalError", "ProfileNotFound",
    "TokenRetrievalError", "SSOError", "GoogleAuthError",
}  # fmt: skip
_NO_ANSWER = {
    "HTTPClientError", "ClientConnectionError", "ClientPayloadError", "ConnectionError",
    "TimeoutError",
}  # fmt: skip


def client_of(url: str) -> Any:
    """The client of a URL's store; fsspec keeps them."""
    protocol = url.partition("://")[0]
    if protocol in _REFUSED:
        raise ValueError(f"{protocol}:// is not read: who answers could run programs here")
    import fsspec  # slow, and most runs need none

    options = {}
    if protocol in ("s3", "s3a"):
        given = fsspec.config.conf.get("s3", {}).get("config_kwargs", {})
        options = {"config_kwargs": copy.deepcopy({**_S3, **given})}  # botocore adds to them
    client, _ = fsspec.url_to_fs("/".join(url.split("/")[:3]), **options)
    if options:
        client.retries = _S3FS_ATTEMPTS
    return client


class Stream:
    """A file for C libraries, which no exception gets through: the first one is kept.

    Attributes:
        error: that one.
    """

    def __init__(self, file: Any, url: str):
        """Takes an open file of fsspec's."""
        self._file, self._url = file, url
        self.error: OSError | None = None

    def tell(self) -> int:
        """Where the next byte is read."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Goes elsewhere; before the beginning is nowhere, as for the system's files."""
        with contextlib.suppress(ValueError):
            self._file.seek(offset, whence)
        return self.tell()

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer as far as the file goes; gives the number of bytes, 0 after an error."""
        try:
            with in_words(self._url):
                content = self._file.read(len(buffer))
        except OSError as error:
            self.error = self.error or error
            return 0
        buffer[: len(content)] = content
        return len(content)


class UnreachableError(OSError):
    """The store does not answer, or not to this user or package: so with every other file."""


@contextlib.contextmanager
def in_words(url: str) -> Iterator[None]:
    """Turns what a client raises into an OSError whose `strerror` is for the user."""
    try:
        yield
    except Exception as error:
        raise _in_words(error, url) from error


def _in_words(error: Exception, url: str) -> OSError:
    told = getattr(error, "strerror", None) or str(error) or type(error).__name__
    told = " ".join(told.split())
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & _NO_CREDENTIALS or "token has expired" in told:
        return UnreachableError(
            errno.EACCES, f"no credentials: {told}; set them as for the store's own tools, such as "
            "AWS_PROFILE; for a public bucket set FSSPEC_S3_ANON=true", url,
        )  # fmt: skip
    if kinds & _NO_ANSWER:
        return UnreachableError(errno.ETIMEDOUT, f"the store does not answer: {told}", url)
    if isinstance(error, FileNotFoundError):
        no_bucket = "bucket does not exist" in told
        return FileNotFoundError(errno.ENOENT, told if no_bucket else "nothing of that name", url)
    if isinstance(error, PermissionError):
        return PermissionError(errno.EACCES, f"the store refuses access: {told}", url)
    if isinstance(error, ImportError):
        told += f"; what reads s3:// comes with {extras.installing('remote')}"
        return UnreachableError(errno.EPROTO, told, url)
    return OSError(errno.EPROTO, told, url)
