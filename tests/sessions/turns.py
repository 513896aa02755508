"""Recording turns as the proxy does: compressed bodies, a due column, a counted session."""

import json
import zlib
from datetime import timedelta
from typing import Any

from django.utils import timezone

from agents.models import Agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from sessions.models import Session, Turn


def make_session(agent: Agent, *, subject: str | None = None, **fields: Any) -> Session:
    with tenant(agent.org_id):
        return Session.objects.create(
            org_id=agent.org_id, agent=agent, external_id=str(uuid7()), subject=subject, **fields
        )


def plain_answer(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    body = {"object": "chat.completion", "choices": [{"index": 0, "message": message}]}
    return json.dumps(body).encode()


def streamed_answer(text: str) -> bytes:
    pieces = [text[i : i + 5] for i in range(0, len(text), 5)]
    events = [{"choices": [{"index": 0, "delta": {"content": piece}}]} for piece in pieces]
    lines = [f"data: {json.dumps(event)}\n\n" for event in events]
    return "".join([*lines, "data: [DONE]\n\n"]).encode()


def record_turn(
    session: Session,
    said: str | list[dict[str, Any]],
    answer: str = "Noted.",
    *,
    is_streaming: bool = False,
    due_in: timedelta = timedelta(0),
    **fields: Any,
) -> Turn:
    """Store a turn and mark its session as due, at once unless told otherwise."""
    messages = [{"role": "user", "content": said}] if isinstance(said, str) else said
    raw = (streamed_answer if is_streaming else plain_answer)(answer)
    with tenant(session.org_id):
        row = Session.objects.select_for_update().get(pk=session.pk)
        turn = Turn.objects.create(
            org_id=row.org_id,
            agent_id=row.agent_id,
            session=row,
            subject=row.subject,
            index=row.turn_count,
            request=zlib.compress(json.dumps({"model": "m", "messages": messages}).encode()),
            completion=zlib.compress(raw),
            model="m",
            provider="local",
            is_streaming=is_streaming,
            latency_ms=1.0,
            request_id=str(uuid7()),
            **fields,
        )
        now = timezone.now()
        row.turn_count += 1
        row.first_unextracted_at = row.first_unextracted_at or now
        row.extract_after = now + due_in
        row.completes_at = now + timedelta(minutes=30)
        row.status = Session.Status.ACTIVE
        row.save()
    return turn
