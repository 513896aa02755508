"""Plain functions that make rows for tests, straight into the tables."""

import hashlib
import zlib
from datetime import datetime, timedelta
from typing import Any

import orjson
from django.utils import timezone

from agents.models import Agent
from analytics.models import RequestRecord
from ibex.ids import uuid7
from ibex.tenancy import tenant
from jobs.models import Job
from memories.models import DeadLetter, Memory, MemoryLabel
from orgs.audit import Actor
from orgs.invitations import invite
from orgs.members import add_member
from orgs.models import Invitation, Membership, Operator, Token
from orgs.permissions import ALL, CHAT
from orgs.services import issue_token
from sessions.models import Session, Turn


def make_memory(agent: Agent, content: str = "Ships on Fridays", **fields: Any) -> Memory:
    """Store one memory as it would be after the write pipeline, without a vector."""
    with tenant(agent.org_id):
        memory = Memory.objects.create(
            org_id=agent.org_id,
            agent=agent,
            content=content,
            content_hash=hashlib.sha256(content.encode()).hexdigest(),
            **fields,
        )
        MemoryLabel.objects.create(
            org_id=agent.org_id, memory=memory, label=memory.category, confidence=0.9
        )
    return memory


def make_session(agent: Agent, external_id: str | None = None, **fields: Any) -> Session:
    """Start a session without turns."""
    with tenant(agent.org_id):
        return Session.objects.create(
            org_id=agent.org_id, agent=agent, external_id=external_id or str(uuid7()), **fields
        )


def make_turn(
    session: Session,
    index: int = 0,
    said: str = "Hello",
    answered: str = "Hi there",
    created_at: datetime | None = None,
) -> Turn:
    """Record one turn of a chat completion."""
    request = {"model": "gpt", "messages": [{"role": "user", "content": said}]}
    answer = {"choices": [{"message": {"role": "assistant", "content": answered}}]}
    times = {"created_at": created_at} if created_at else {}
    with tenant(session.org_id):
        turn = Turn.objects.create(
            org_id=session.org_id,
            agent_id=session.agent_id,
            session=session,
            subject=session.subject,
            index=index,
            request=zlib.compress(orjson.dumps(request)),
            completion=zlib.compress(orjson.dumps(answer)),
            model="gpt",
            provider="local",
            latency_ms=1.0,
            request_id=str(uuid7()),
            **times,
        )
        Session.objects.filter(pk=session.pk).update(turn_count=index + 1)
    return turn


def make_call(agent: Agent, **fields: Any) -> RequestRecord:
    """Record one call of an agent that was answered."""
    answered: dict[str, Any] = {
        "request_id": str(uuid7()),
        "status": 200,
        "model": "m",
        "provider": "local",
        "is_streaming": False,
        "is_complete": True,
        "latency_ms": 1.0,
    }
    with tenant(agent.org_id):
        return RequestRecord.objects.create(
            id=uuid7(), org_id=agent.org_id, agent_id=agent.pk, **answered | fields
        )


def make_dead_letter(session: Session, **fields: Any) -> DeadLetter:
    """Set the first turn of a session aside."""
    with tenant(session.org_id):
        return DeadLetter.objects.create(
            org_id=session.org_id,
            agent_id=session.agent_id,
            session=session,
            first_turn=0,
            last_turn=0,
            reason=DeadLetter.Reason.SCHEMA,
            extractor="llm-1/gpt",
            **fields,
        )


def make_job(agent: Agent, **fields: Any) -> Job:
    """Queue background work about an agent, which no worker of the suite will find."""
    fields = {"kind": "tests.none", "title": "Write items", "owner_type": "system", **fields}
    if fields.get("finished_at") is None:
        fields.setdefault("run_after", timezone.now() + timedelta(days=365))
    with tenant(agent.org_id):
        return Job.objects.create(org_id=agent.org_id, agent=agent, owner_label="tests", **fields)


def make_token(agent: Agent, **options: Any) -> Token:
    """Issue a token of one agent; its text is of no interest."""
    token, _text = issue_token(
        org=agent.org,
        name="A token",
        permissions=CHAT,
        held=ALL,
        actor=Actor.system("tests"),
        agent=agent,
        **options,
    )
    return token


def make_member(agent: Agent, role: str = "viewer") -> Membership:
    """Put somebody new into the agent's organization."""
    operator = Operator.objects.create(email=f"{uuid7()}@example.com")
    return add_member(org=agent.org, operator=operator, role=role, actor=Actor.system("tests"))


def make_invitation(agent: Agent, role: str = "viewer") -> Invitation:
    """Invite somebody new into the agent's organization."""
    invitation, _secret = invite(
        org=agent.org,
        email=f"{uuid7()}@example.com",
        role=role,
        actor=Actor.system("tests"),
        held=ALL,
    )
    return invitation
