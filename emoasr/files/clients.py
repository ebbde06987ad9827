"""fsspec's clients of object stores: how they are made, and their errors as plain messages."""

import contextlib
import copy
import errno
import os
from collections.abc import Iterator
from typing import Any

from emoasr.system import extras

_REFUSED = ("dask",)  # its client unpickles what the other end sends

# Seconds and attempts. With the defaults of botocore and s3fs, which multiply, it takes ten minutes
# until an error says that there is no answer.
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
    """The client of a URL's store; fsspec caches them."""
    protocol = url.partition("://")[0]
    if protocol in _REFUSED:
        raise ValueError(f"{protocol}:// is refused: its server could run programs here")
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
    """A file for C libraries, which exceptions cannot pass through.

    Attributes:
        error: the first exception, to be raised once the library has returned.
    """

    def __init__(self, file: Any, url: str):
        """Wraps an open file of fsspec's."""
        self._file, self._url = file, url
        self.error: OSError | None = None

    def tell(self) -> int:
        """The position of the next byte."""
        return self._file.tell()

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Moves the position; one before the beginning is ignored, as for files on disk."""
        with contextlib.suppress(ValueError):
            self._file.seek(offset, whence)
        return self.tell()

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer as far as the file goes.

        Returns:
            The number of bytes read, 0 after an error.
        """
        try:
            with plain_errors(self._url):
                content = self._file.read(len(buffer))
        except OSError as error:
            self.error = self.error or error
            return 0
        buffer[: len(content)] = content
        return len(content)


class UnreachableError(OSError):
    """The store does not answer at all, or refuses this user: other files would fail as well."""


@contextlib.contextmanager
def plain_errors(url: str) -> Iterator[None]:
    """Turns any exception of a client into an OSError whose `strerror` is meant for the user."""
    try:
        yield
    except Exception as error:
        raise _as_os_error(error, url) from error


def _as_os_error(error: Exception, url: str) -> OSError:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    text = " ".join(text.split())
    kinds = {kind.__name__ for kind in type(error).__mro__}
    if kinds & _NO_CREDENTIALS or "token has expired" in text:
        return UnreachableError(
            errno.EACCES, f"no credentials: {text}; set them as for the store's own tools, such as "
            "AWS_PROFILE; for a public bucket set FSSPEC_S3_ANON=true", url,
        )  # fmt: skip
    if kinds & _NO_ANSWER:
        return UnreachableError(errno.ETIMEDOUT, f"the store does not answer: {text}", url)
    if isinstance(error, FileNotFoundError):
        no_bucket = "bucket does not exist" in text
        return FileNotFoundError(errno.ENOENT, text if no_bucket else "nothing of that name", url)
    if isinstance(error, PermissionError):
        return PermissionError(errno.EACCES, f"the store refuses access: {text}", url)
    if isinstance(error, ImportError):
        text += f"; to read s3://, install: {extras.installing('remote')}"
        return UnreachableError(errno.EPROTO, text, url)
    return OSError(errno.EPROTO, text, url)
