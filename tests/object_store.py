"""An S3 server in this process, on a free port, that notes what it is asked for."""

import contextlib
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import boto3
from moto.server import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server


class Request(NamedTuple):
    """What was asked for, and how many bytes came back."""

    method: str
    key: str  # or the prefix listed, with "?" before it
    n_bytes: int
    status: int


class Store:
    """Buckets, and the requests for them."""

    def __init__(self, endpoint: str):
        self.endpoint = endpoint
        self.requests: list[Request] = []

    def client(self, service: str = "s3"):
        """A client with the environment's credentials."""
        return boto3.client(service, endpoint_url=self.endpoint)

    def put(self, url: str, content: bytes | Path) -> str:
        """Stores a file, or a folder with all that is in it; gives the URL."""
        bucket, _, key = url.removeprefix("s3://").partition("/")
        client = self.client()
        with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
            client.create_bucket(Bucket=bucket)
        if isinstance(content, bytes):
            client.put_object(Bucket=bucket, Key=key, Body=content)
        else:
            for path in (p for p in content.rglob("*") if p.is_file()):
                name = f"{key}/{path.relative_to(content).as_posix()}"
                client.put_object(Bucket=bucket, Key=name, Body=path.read_bytes())
        return url

    @contextlib.contextmanager
    def noted(self) -> Iterator[list[Request]]:
        """The requests of a while."""
        first, found = len(self.requests), list[Request]()
        yield found
        found += self.requests[first:]

    def __call__(self, environ, start_response):
        """Answers a request."""
        status = []

        def begun(line, headers, *more):
            status.append(int(line.split()[0]))
            return start_response(line, headers, *more)

        answer = b"".join(self._moto(environ, begun))
        key = environ["PATH_INFO"].removeprefix("/")
        if "list-type=2" in environ["QUERY_STRING"]:
            key = f"?{environ['QUERY_STRING']}"
        self.requests.append(Request(environ["REQUEST_METHOD"], key, len(answer), status[-1]))
        return [answer]

    _moto = staticmethod(DomainDispatcherApplication(create_backend_app))


class _Quiet(MotoRequestHandler):
    def log_request(self, *_):
        pass


@contextlib.contextmanager
def serving() -> Iterator[Store]:
    """A server at work."""
    store = Store("")
    server = make_server("127.0.0.1", 0, store, threaded=True, request_handler=_Quiet)
    store.endpoint = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield store
    server.shutdown()
    thread.join()


def methods(requests: list[Request]) -> Counter:
    """How often each method was used; a listing counts as LIST."""
    return Counter("LIST" if r.key.startswith("?") else r.method for r in requests)
