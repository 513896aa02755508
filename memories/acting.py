"""Whom a request of the agent-facing API is about: its agent and its end user."""

from uuid import UUID

from django.db.models import Q
from rest_framework.request import Request

from agents.models import Agent
from ibex.errors import DomainError
from memories.models import Memory, MemoryQuerySet
from orgs.authentication import Caller
from orgs.refusals import AgentNotAuthorized, AgentSuspended, MissingAgentId

MAX_SUBJECT = 128


class InvalidSubject(DomainError):
    """A subject is short and printable, and a request has one at most."""

    code = "VALIDATION_ERROR"
    param = "subject"


def acting_agent(request: Request, caller: Caller, named: UUID | None = None) -> Agent:
    """Return the agent of `X-IBEX-Agent-ID`, of the body, or the token's own.

    Raises `MissingAgentId`, `AgentNotAuthorized` (foreign, absent and malformed look the same)
    and `AgentSuspended`. Call it inside the caller's tenant.
    """
    given = (caller.agent_id, named, _header_agent(request))
    wanted = {agent_id for agent_id in given if agent_id is not None}
    if not wanted:
        raise MissingAgentId
    agents = Agent.objects.filter(org=caller.org_id, pk__in=wanted)
    agent = agents.first() if len(wanted) == 1 else None
    if agent is None:
        raise AgentNotAuthorized
    if agent.status != Agent.Status.ACTIVE:
        raise AgentSuspended(agent.status)
    return agent


def acting_subject(request: Request, named: str | None = None) -> str | None:
    """Return the end user of `X-IBEX-Subject-ID` or of the body. Raises `InvalidSubject`."""
    header = request.headers.get("X-IBEX-Subject-ID", "").strip()
    named = (named or "").strip()
    if header and named and header != named:
        raise InvalidSubject("The header and the body name different subjects.")
    given = header or named
    if len(given) > MAX_SUBJECT or not given.isprintable():
        raise InvalidSubject(f"A subject has at most {MAX_SUBJECT} printable characters.")
    return given or None


def visible_to(memories: MemoryQuerySet, agent: Agent, subject: str | None) -> MemoryQuerySet:
    """Keep what a request may see: everyone's memories and the subject's own, none deleted.

    For an agent of scope `subject`, everyone's are only those that operators wrote or pinned,
    as in retrieval (`memories/retrieval/scope.py`). A session's own memories stay with it.
    """
    wide = Q(subject=None)
    if agent.memory_scope == Agent.MemoryScope.SUBJECT:
        wide &= Q(pinned=True) | Q(source=Memory.Source.USER_PROVIDED)
    mine = wide if subject is None else wide | Q(subject=subject)
    kept = memories.filter(mine, agent=agent).exclude(visibility=Memory.Visibility.SESSION)
    return kept.exclude(status=Memory.Status.DELETED)


def _header_agent(request: Request) -> UUID | None:
    """Read the header; a malformed id names nobody's agent."""
    given = request.headers.get("X-IBEX-Agent-ID", "").strip()
    if not given:
        return None
    try:
        return UUID(given)
    except ValueError:
        raise AgentNotAuthorized from None
