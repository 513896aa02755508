"""Recording a conversation as the proxy does: the same record, the same statement."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

import orjson
from django.db import connection
from django.utils import timezone

from agents.models import Agent
from context.packing import pack
from context.trace import trace
from ibex.demo.story import Conversation, Exchange
from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.browsing.finding import query_vector
from memories.retrieval import Query, estimate_tokens, retrieve_sync
from proxy.store import RECORD
from proxy.turns import CallRecord

IDLE = timedelta(minutes=30)
MAX_ITEMS = 6
BUDGET_TOKENS = 600
FAILED = ((429, "RATE_LIMITED"), (502, "PROVIDER_ERROR"), (504, "PROVIDER_TIMEOUT"))
SHARE_FAILED = 0.015
PIECE = 12


def record_conversation(agent: Agent, conversation: Conversation, version: int | None) -> UUID:
    """Record every turn of a conversation, in one statement; return the session's id."""
    session_id = uuid7()
    random = Random(conversation.external_id)  # noqa: S311 - a story, not a secret
    records = list(_records(agent, conversation, session_id, version, random))
    items = orjson.dumps([record.columns(n) for n, record in enumerate(records, start=1)])
    bodies = [r.request for r in records], [r.completion for r in records]
    values: list[Any] = [items.decode(), *bodies, IDLE]
    with connection.cursor() as cursor:
        cursor.execute(RECORD, values)
    return session_id


def _records(
    agent: Agent,
    conversation: Conversation,
    session_id: UUID,
    version: int | None,
    random: Random,
) -> Iterator[CallRecord]:
    moment, history = conversation.begins, 0
    for exchange in conversation.exchanges:
        if random.random() < SHARE_FAILED:
            yield _failure(_call(agent, conversation, session_id, version, moment), random)
        record = _call(agent, conversation, session_id, version, moment)
        if exchange.is_question:
            _remember(record, agent, exchange)
        _speak(record, exchange, random, history)
        yield record
        history += record.tokens_out + estimate_tokens(exchange.asked)
        moment += exchange.after


def _call(
    agent: Agent,
    conversation: Conversation,
    session_id: UUID,
    version: int | None,
    moment: datetime,
) -> CallRecord:
    return CallRecord(
        org_id=agent.org_id,
        agent_id=agent.pk,
        session_id=session_id,
        external_id=conversation.external_id,
        subject=conversation.subject,
        request_id=str(uuid7()),
        model=conversation.role.model,
        provider="local",
        is_streaming=conversation.is_streaming,
        directive_version=version,
        at=moment,
    )


def _failure(record: CallRecord, random: Random) -> CallRecord:
    """Make a call that brought no answer: a request record, and no turn."""
    record.is_turn = False
    record.status, record.error_code = random.choice(FAILED)
    record.is_complete = False
    record.latency_ms = random.uniform(5, 900)
    return record


def _speak(record: CallRecord, exchange: Exchange, random: Random, history: int) -> None:
    """Give a call its words, and numbers that go with them."""
    body = {"model": record.model, "stream": record.is_streaming}
    record.set_request(body, [{"role": "user", "content": exchange.asked}])
    raw = _streamed(exchange.answer) if record.is_streaming else _plain(exchange.answer)
    record.set_completion(raw)
    record.finish_reason = "stop"
    record.tokens_in = estimate_tokens(exchange.asked) + history + record.context_tokens + 60
    record.tokens_out = estimate_tokens(exchange.answer)
    record.tokens_cached = history // 2
    record.ttfb_ms = round(random.lognormvariate(5.6, 0.35), 1)
    record.latency_ms = round(record.ttfb_ms + record.tokens_out * random.uniform(9, 16), 1)
    record.overhead_ms = round(random.lognormvariate(1.6, 0.4), 2)


def _remember(record: CallRecord, agent: Agent, exchange: Exchange) -> None:
    """Put into the prompt what is known by now, found as the context service finds it."""
    query = Query(
        org_id=agent.org_id,
        agent_id=agent.pk,
        text=exchange.asked,
        now=record.at,
        subject=record.subject,
        memory_scope="agent" if agent.memory_scope == Agent.MemoryScope.AGENT else "subject",
        vector=query_vector(agent.org_id, exchange.asked, "hybrid"),
        limit=4 * MAX_ITEMS,
    )
    with tenant(agent.org_id), connection.cursor() as cursor:
        found = retrieve_sync(cursor, query)
    packed = pack(found.candidates, budget_tokens=BUDGET_TOKENS, max_items=MAX_ITEMS)
    record.injected = [
        {"id": str(item.id), "kind": item.kind, "rank": rank, "score": round(item.score, 4)}
        for rank, item in enumerate(packed.taken, start=1)
    ]
    noted: dict[str, Any] = orjson.loads(trace(found, packed, {}))
    record.assembly = {**noted, "level": found.level, "tokens": packed.tokens}
    record.context_level = found.level
    record.context_tokens = packed.tokens
    record.memories_injected = len(packed.taken)
    record.context_ms = round(4 + found.pool / 60, 2)


def _plain(answer: str) -> bytes:
    message = {"role": "assistant", "content": answer}
    body = {
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return json.dumps(body).encode()


def _streamed(answer: str) -> bytes:
    pieces = [answer[i : i + PIECE] for i in range(0, len(answer), PIECE)]
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def now() -> datetime:
    """Return the real time, to the second, from which the story is told backwards."""
    return timezone.now().replace(microsecond=0)
