"""What every provider offers the proxy."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

PASSED_HEADERS = ("content-type", "retry-after")
PASSED_PREFIXES = ("openai-", "x-ratelimit-")


@dataclass
class ProviderResponse:
    """A provider's answer: status, the headers a client may see, and its bytes as they come."""

    status: int
    headers: dict[str, str]
    chunks: AsyncIterator[bytes]
    close: Any

    async def read(self) -> bytes:
        """Read the whole body."""
        return b"".join([chunk async for chunk in self.chunks])


class Provider(Protocol):
    """A service that answers chat completions in OpenAI's wire format."""

    name: str
    takes_usage_option: bool

    async def send(self, path: str, body: bytes) -> ProviderResponse:
        """POST the body. Raises `ProxyError` when there is no answer to pass on."""
        ...

    async def close(self) -> None:
        """Let go of connections."""
        ...


def passed_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Keep the response headers that clients rely on; an allow-list."""
    return {
        name.lower(): value
        for name, value in headers.items()
        if name.lower() in PASSED_HEADERS or name.lower().startswith(PASSED_PREFIXES)
    }
