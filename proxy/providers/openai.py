"""OpenAI, and whatever speaks its wire format at another base URL."""

import asyncio
import random
import time
from collections.abc import AsyncIterator

import aiohttp

from proxy import metrics
from proxy.errors import ProxyError
from proxy.providers.base import ProviderResponse, passed_headers

RETRIED = frozenset({429, 500, 502, 503, 504})
TRIES = 3
FIRST_DELAY_S = 0.2
MAX_RETRY_AFTER_S = 5.0
BREAKER_FAILURES = 5
BREAKER_REST_S = 5.0


class Breaker:
    """Stops calls to a provider that failed several times in a row; lets one through to probe."""

    def __init__(self) -> None:
        self._failures = 0
        self._open_until = 0.0

    def check(self) -> None:
        """Raise PROVIDER_UNAVAILABLE while the provider rests."""
        if self._failures >= BREAKER_FAILURES and time.monotonic() < self._open_until:
            raise unavailable()
        if self._failures >= BREAKER_FAILURES:
            self._open_until = time.monotonic() + BREAKER_REST_S

    def note(self, *, success: bool) -> None:
        """Count a call's outcome."""
        self._failures = 0 if success else self._failures + 1
        if self._failures >= BREAKER_FAILURES:
            self._open_until = time.monotonic() + BREAKER_REST_S


class OpenAIProvider:
    """Sends requests to one base URL over connections that live as long as the process.

    Retries with jitter on 429, 5xx and failed connects, before the first byte only.
    """

    takes_usage_option = True

    def __init__(
        self, *, name: str, base_url: str, api_key: str, timeout_s: float, connect_s: float
    ) -> None:
        self.name = name
        self._base_url = base_url
        self._timeout_s = timeout_s
        self._headers = {"authorization": f"Bearer {api_key}", "content-type": "application/json"}
        self._breaker = Breaker()
        timeout = aiohttp.ClientTimeout(
            total=None, connect=connect_s, sock_connect=connect_s, sock_read=timeout_s
        )
        self._client = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ttl_dns_cache=60),
            timeout=timeout,
            auto_decompress=True,
            skip_auto_headers={"user-agent"},
        )

    async def send(self, path: str, body: bytes) -> ProviderResponse:
        """POST the body; see `Provider.send`."""
        self._breaker.check()
        delay = FIRST_DELAY_S
        for attempt in range(1, TRIES + 1):
            last = attempt == TRIES
            try:
                response = await self._post(path, body)
            except (aiohttp.ClientConnectionError, TimeoutError) as error:
                self._failed(error)
                if last or not isinstance(error, aiohttp.ClientConnectorError):
                    raise _failure(error) from error
            else:
                if response.status not in RETRIED or last:
                    return self._accept(response)
                delay = max(delay, _retry_after(response))
                self._breaker.note(success=response.status == 429)  # noqa: PLR2004 - it is alive
                response.release()
            await asyncio.sleep(delay * random.uniform(0.5, 1.5))  # noqa: S311 - jitter
            delay *= 2
        raise unavailable()

    async def close(self) -> None:
        """Close all connections."""
        await self._client.close()

    async def _post(self, path: str, body: bytes) -> aiohttp.ClientResponse:
        async with asyncio.timeout(self._timeout_s):
            return await self._client.post(
                f"{self._base_url}{path}", data=body, headers=self._headers, allow_redirects=False
            )

    def _accept(self, response: aiohttp.ClientResponse) -> ProviderResponse:
        server_error = response.status >= 500  # noqa: PLR2004 - the class of server errors
        self._breaker.note(success=not server_error)
        if response.status in {401, 403}:
            response.close()
            metrics.PROVIDER_FAILURES.labels(self.name, "credential").inc()
            message = "The provider refused the credential that IBEX holds for it."
            raise ProxyError(503, "PROVIDER_UNAVAILABLE", message)
        if server_error:
            response.close()
            metrics.PROVIDER_FAILURES.labels(self.name, str(response.status)).inc()
            message = f"The provider failed with status {response.status}."
            raise ProxyError(502, "PROVIDER_ERROR", message)
        return ProviderResponse(
            status=response.status,
            headers=passed_headers(response.headers),
            chunks=_chunks(response),
            close=response.close,
        )

    def _failed(self, error: Exception) -> None:
        self._breaker.note(success=False)
        metrics.PROVIDER_FAILURES.labels(self.name, type(error).__name__).inc()


def unavailable() -> ProxyError:
    """Say that the provider cannot be reached."""
    message = "The provider cannot be reached; try again shortly."
    return ProxyError(503, "PROVIDER_UNAVAILABLE", message, headers={"retry-after": "5"})


def _failure(error: Exception) -> ProxyError:
    if isinstance(error, TimeoutError):
        return ProxyError(504, "PROVIDER_TIMEOUT", "The provider did not answer in time.")
    return unavailable()


def _retry_after(response: aiohttp.ClientResponse) -> float:
    try:
        return min(float(response.headers.get("retry-after", "0")), MAX_RETRY_AFTER_S)
    except ValueError:
        return 0.0


async def _chunks(response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
    """Yield bytes as they come. Raises `ProxyError` when the provider breaks off."""
    try:
        async for chunk in response.content.iter_any():
            yield chunk
    except TimeoutError as error:
        raise ProxyError(504, "PROVIDER_TIMEOUT", "The provider stopped answering.") from error
    except aiohttp.ClientError as error:
        message = "The provider broke off its answer."
        raise ProxyError(502, "PROVIDER_ERROR", message) from error
