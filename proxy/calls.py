"""One call on its way to the provider and back: what is sent, and what becomes of its record."""

import asyncio
import time
from dataclasses import dataclass, field

from proxy import metrics
from proxy.conversations import digest_of
from proxy.errors import ProxyError
from proxy.http import Request
from proxy.providers.base import ProviderResponse
from proxy.requests import ChatRequest
from proxy.services import Services
from proxy.sse import Answer
from proxy.turns import CallRecord

PATH = "/chat/completions"
BYTES_PER_TOKEN = 4
MAX_FINISH_REASON = 64


@dataclass
class Call:
    """A prepared call. `body` are the bytes for the provider; `headers` go to the client."""

    request: Request
    services: Services
    record: CallRecord
    chat: ChatRequest
    body: bytes
    withhold_usage: bool
    remember_node: bool
    headers: dict[str, str]
    sent_at: float = field(default=0.0)
    provider_ms: float = field(default=0.0)

    async def send(self) -> ProviderResponse:
        """Send the body to the provider. A failure leaves a request record without a turn."""
        self.sent_at = time.perf_counter()
        provider = self.services.provider
        try:
            response = await provider.send(PATH, self.body)
        except ProxyError as error:
            await self.record_failure(error.status, error.code)
            error.headers = {**self.headers, **error.headers}
            raise
        self.record.ttfb_ms = (time.perf_counter() - self.sent_at) * 1000
        return response

    def overhead_ms(self) -> float:
        """Return the time that is not the provider's: all but its own, up to now."""
        return self.request.elapsed_ms() - self.provider_ms

    async def record_failure(self, status: int, code: str) -> None:
        """Write down a call that got no answer: numbers only, no turn."""
        self.record.is_turn = False
        self.record.is_complete = False
        self.record.status = status
        self.record.error_code = code
        await self._write()

    async def record_answer(self, answer: Answer, raw: bytes, *, complete: bool) -> None:
        """Make the turn durable. The client may then have the end of its answer."""
        record = self.record
        record.is_complete = complete
        record.finish_reason = answer.finish_reason.replace("\x00", "")[:MAX_FINISH_REASON]
        if not answer.has_usage:
            self._estimate_usage(answer)
        record.tokens_in = record.tokens_in or answer.tokens_in
        record.tokens_out = record.tokens_out or answer.tokens_out
        record.tokens_cached = answer.tokens_cached
        record.set_completion(raw)
        if complete and self.remember_node:
            history = digest_of(self.chat.messages)
            record.node = digest_of([answer.message], history).hex()
        await self._write()

    def partial(self, answer: Answer, raw: bytes) -> CallRecord:
        """Fill in the record as it stands in the middle of a stream."""
        self.record.is_complete = False
        self._estimate_usage(answer)
        self.record.set_completion(raw)
        self.record.latency_ms = self.request.elapsed_ms()
        return self.record

    def _estimate_usage(self, answer: Answer) -> None:
        """Estimate tokens from bytes where the provider did not count; marked as such."""
        content = answer.message.get("content")
        said = content if isinstance(content, str) else ""
        self.record.usage_estimated = True
        self.record.tokens_in = len(self.body) // BYTES_PER_TOKEN
        self.record.tokens_out = len(said.encode()) // BYTES_PER_TOKEN

    async def _write(self) -> None:
        self.record.latency_ms = self.request.elapsed_ms()
        if self.record.overhead_ms is None:
            self.record.overhead_ms = self.overhead_ms()
        metrics.OVERHEAD_SECONDS.observe(self.record.overhead_ms / 1000)
        await asyncio.shield(self.services.recorder.record(self.record))
