"""One HTTP request as the proxy sees it, and how an answer is sent. Raw ASGI, no framework."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ibex.request_ids import accept_request_id
from proxy.errors import ProxyError

MAX_BODY_BYTES = 4 * 1024 * 1024
MAX_HEADER_BYTES = 64 * 1024
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
        "content-length",
    }
)


class ClientLeft(Exception):
    """The client closed the connection before its answer was complete."""


@dataclass
class Request:
    """One HTTP request: its headers in lower case, and the ASGI channels."""

    method: str
    path: str
    query: bytes
    headers: dict[str, str]
    client_ip: str
    receive: Any
    send: Any
    request_id: str
    started: float = field(default_factory=time.perf_counter)
    sent_start: bool = False

    @classmethod
    def from_scope(
        cls, scope: Any, receive: Any, send: Any, trusted_proxies: frozenset[str]
    ) -> "Request":
        """Wrap an ASGI scope. Routing and authorization decide from the same raw path."""
        headers = {k.decode("latin-1"): v.decode("latin-1") for k, v in scope["headers"]}
        raw_path = scope.get("raw_path") or scope["path"].encode()
        peer = scope["client"][0] if scope.get("client") else ""
        return cls(
            method=scope["method"],
            path=raw_path.split(b"?", 1)[0].decode("latin-1"),
            query=scope["query_string"],
            headers=headers,
            client_ip=_client_ip(peer, headers, trusted_proxies),
            receive=receive,
            send=send,
            request_id=accept_request_id(headers.get("x-request-id")),
        )

    def check_headers(self) -> None:
        """Refuse headers that are larger than any client needs."""
        if sum(len(k) + len(v) for k, v in self.headers.items()) > MAX_HEADER_BYTES:
            raise ProxyError(400, "INVALID_REQUEST", "The request headers exceed 64 KiB.")

    async def body(self) -> bytes:
        """Read the whole body. Raises `ProxyError` 413 over 4 MiB, `ClientLeft` on a hang-up."""
        declared = self.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            raise _too_large()
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise ClientLeft
            chunk = message.get("body", b"")
            size += len(chunk)
            if size > MAX_BODY_BYTES:
                raise _too_large()
            chunks.append(chunk)
            if not message.get("more_body"):
                return b"".join(chunks)

    async def start(self, status: int, headers: Iterable[tuple[str, str]]) -> None:
        """Send status and headers; the request id goes on every answer."""
        self.sent_start = True
        pairs = [(k.lower().encode("latin-1"), v.encode("latin-1")) for k, v in headers]
        pairs.append((b"x-request-id", self.request_id.encode()))
        await self.send({"type": "http.response.start", "status": status, "headers": pairs})

    async def write(self, chunk: bytes, *, more: bool) -> None:
        """Send a part of the body."""
        await self.send({"type": "http.response.body", "body": chunk, "more_body": more})

    async def answer(self, status: int, body: bytes, headers: Mapping[str, str]) -> None:
        """Send a whole answer."""
        await self.start(status, [*headers.items(), ("content-length", str(len(body)))])
        await self.write(body, more=False)

    async def fail(self, error: ProxyError, headers: Mapping[str, str] | None = None) -> None:
        """Send an error in the contract's envelope."""
        merged = {"content-type": "application/json", **(headers or {}), **error.headers}
        await self.answer(error.status, error.body(self.request_id), merged)

    def elapsed_ms(self) -> float:
        """Return the milliseconds since the request came in."""
        return (time.perf_counter() - self.started) * 1000


def _too_large() -> ProxyError:
    return ProxyError(413, "PAYLOAD_TOO_LARGE", "The request body exceeds 4 MiB.")


def _client_ip(peer: str, headers: Mapping[str, str], trusted: frozenset[str]) -> str:
    """Believe `X-Forwarded-For` only from a trusted proxy, and then its last untrusted hop."""
    if peer not in trusted:
        return peer
    hops = [hop.strip() for hop in headers.get("x-forwarded-for", "").split(",") if hop.strip()]
    return next((hop for hop in reversed(hops) if hop not in trusted), peer)
