"""Asks context assembly for the block of memories. Any failure means: go on without."""

import time
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import grpc
import grpc.aio
import orjson

from context.proto import context_pb2, context_pb2_grpc
from proxy import metrics
from proxy.store import Route

FROZEN_FOR_S = 3600
MAX_QUERY_CHARACTERS = 16_000


@dataclass
class Context:
    """What came back: the block (empty when nothing matters) and how it was made."""

    block: str = ""
    items: list[dict[str, Any]] = field(default_factory=list)
    tokens: int = 0
    level: str = "L3"
    trace: dict[str, Any] | None = None
    elapsed_ms: float = 0.0

    @property
    def is_fallback(self) -> bool:
        """Whether the answer went on without what retrieval might have found."""
        return self.level in {"L2", "L3"}

    def to_json(self) -> bytes:
        """Freeze it for the rest of a tool loop."""
        frozen = {"block": self.block, "items": self.items, "tokens": self.tokens}
        return orjson.dumps({**frozen, "level": self.level, "trace": self.trace})

    @classmethod
    def from_json(cls, frozen: bytes) -> "Context":
        """Read a frozen context back."""
        return cls(**orjson.loads(frozen))


def freeze_key(org_id: UUID, session_id: UUID, digest: str) -> str:
    """Return the Redis key of a frozen block."""
    return f"{org_id}:freeze:{session_id}:{digest}"


class ContextClient:
    """One channel to the context service, with the proxy's own deadline."""

    def __init__(self, address: str, service_token: str, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        self._metadata = (("authorization", f"Bearer {service_token}"),)
        options = [
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 1000),
        ]
        self._channel = grpc.aio.insecure_channel(address, options=options)
        self._stub = context_pb2_grpc.ContextAssemblyStub(self._channel)  # type: ignore[no-untyped-call]

    async def connect(self) -> None:
        """Begin to connect, so that the first request does not wait for it."""
        self._channel.get_state(try_to_connect=True)

    async def check(self) -> None:
        """Raise unless the channel is up, for the readiness check."""
        state = self._channel.get_state(try_to_connect=True)
        if state not in {grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.IDLE}:
            raise ConnectionError(state.name)

    async def assemble(
        self, route: Route, *, subject: str | None, session_id: UUID | None, query: str
    ) -> Context:
        """Return the context for one message; level L3 when there was none in time."""
        request = context_pb2.AssembleRequest(
            org_id=str(route.org_id),
            agent_id=str(route.agent_id),
            subject=subject or "",
            session_id=str(session_id or ""),
            memory_scope=route.memory_scope or "",
            query=_ends(query),
            budget_tokens=route.memory_budget_tokens or 0,
            max_items=route.max_injected_memories or 0,
        )
        started = time.perf_counter()
        try:
            answer = await self._stub.Assemble(
                request, timeout=self._deadline_s, metadata=self._metadata
            )
            context = _read(answer)
        except grpc.aio.AioRpcError as error:
            context = Context(trace={"error": error.code().name})
        elapsed = time.perf_counter() - started
        context.elapsed_ms = elapsed * 1000
        metrics.CONTEXT_SECONDS.observe(elapsed)
        metrics.CONTEXT_LEVELS.labels(context.level).inc()
        return context

    async def close(self) -> None:
        """Close the channel."""
        await self._channel.close()


def _ends(query: str) -> str:
    """Return a long message's beginning and end: what is asked stands at one of them."""
    half = MAX_QUERY_CHARACTERS // 2
    return query if len(query) <= MAX_QUERY_CHARACTERS else f"{query[:half]}\n{query[-half:]}"


def _read(answer: context_pb2.AssembleResponse) -> Context:
    items = [
        {"id": item.id, "kind": item.kind, "rank": rank, "score": round(item.score, 4)}
        for rank, item in enumerate(answer.items, start=1)
    ]
    trace = orjson.loads(answer.trace) if answer.trace else None
    return Context(answer.block, items, answer.tokens, answer.level, trace)
