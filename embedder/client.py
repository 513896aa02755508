"""How other processes get embeddings: `EmbedderClient`, on an event loop or in any thread."""

import os
import threading
from collections.abc import Sequence
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import urlsplit
from uuid import UUID

import aiohttp

from embedder.errors import EmbeddingUnavailable, TextRefused
from embedder.limits import Kind, Vectors
from embedder.wire import PATH, no_vectors, read_answer, request_body, request_headers

__all__ = ["EmbedderClient", "EmbeddingUnavailable", "TextRefused"]

KEEP_ALIVE_S = 30


class EmbedderClient:
    """A client with kept connections; make one per process (and, for `embed`, per event loop).

    `base_url` has no path (`http://127.0.0.1:8004`). Both calls return float32 (n, 384), raise
    `TextRefused` when the texts are at fault, and `EmbeddingUnavailable` when the service is.
    No texts make no call.
    """

    def __init__(self, base_url: str, service_token: str, timeout_s: float) -> None:
        self._url = base_url.rstrip("/") + PATH
        self._token = service_token
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._local = threading.local()

    async def embed(self, org_id: UUID, texts: Sequence[str], kind: Kind) -> Vectors:
        """Embed texts of one org, in `timeout_s` altogether."""
        if not texts:
            return no_vectors()
        body = request_body(texts, kind)
        headers = request_headers(self._token, org_id)
        try:
            async with self._open_session().post(self._url, data=body, headers=headers) as answer:
                return read_answer(answer.status, await answer.read(), len(texts))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise EmbeddingUnavailable(type(error).__name__) from error

    async def close(self) -> None:
        """Close the connections of `embed`."""
        if self._session:
            await self._session.close()

    def embed_sync(self, org_id: UUID, texts: Sequence[str], kind: Kind) -> Vectors:
        """Embed texts without an event loop, waiting at most `timeout_s` for each sign of life.

        Each thread, and each forked process, has its own connection.
        """
        if not texts:
            return no_vectors()
        body = request_body(texts, kind)
        headers = request_headers(self._token, org_id)
        try:
            status, answer = self._post(body, headers)
        except (HTTPException, OSError) as error:
            raise EmbeddingUnavailable(type(error).__name__) from error
        return read_answer(status, answer, len(texts))

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(keepalive_timeout=KEEP_ALIVE_S),
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, bytes]:
        connection = self._connection()
        kept = connection.sock is not None
        try:
            return _exchange(connection, body, headers)
        except (ConnectionError, HTTPException):  # the server may have closed a kept connection
            connection.close()
            if not kept:
                raise
        except OSError:
            connection.close()
            raise
        return _exchange(connection, body, headers)

    def _connection(self) -> HTTPConnection:
        if getattr(self._local, "process", None) != os.getpid():
            parts = urlsplit(self._url)
            secure = parts.scheme == "https"
            make = HTTPSConnection if secure else HTTPConnection
            self._local.connection = make(parts.netloc, timeout=self._timeout_s)
            self._local.process = os.getpid()
        connection: HTTPConnection = self._local.connection
        return connection


def _exchange(
    connection: HTTPConnection, body: bytes, headers: dict[str, str]
) -> tuple[int, bytes]:
    connection.request("POST", PATH, body, headers)
    answer = connection.getresponse()
    return answer.status, answer.read()
