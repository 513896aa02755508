"""Every write to agents."""

from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.utils import timezone

from agents.errors import AgentArchived
from agents.models import Agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from ibex.versions import ChangedMeanwhile, version_of
from orgs import audit
from orgs.audit import Actor
from orgs.models import Organization

EDITABLE = frozenset(
    {
        "name",
        "description",
        "memory_enabled",
        "extraction_enabled",
        "max_injected_memories",
        "memory_budget_tokens",
        "memory_position",
        "default_model",
    }
)


def create_agent(
    *,
    org: Organization,
    name: str,
    slug: str,
    memory_scope: str,
    actor: Actor,
    agent_id: UUID | None = None,
    **config: Any,
) -> Agent:
    """Create an agent. `memory_scope` has no default: who shares memories is a decision.

    Raises `ValidationError` for a slug that another agent of the organization has.
    """
    with tenant(org):
        agent = Agent(id=agent_id or uuid7(), org=org, name=name.strip(), slug=slug)
        agent.memory_scope = memory_scope
        _apply(agent, config)
        agent.full_clean()
        _insert(agent)
        after = {"slug": slug, "memory_scope": memory_scope}
        audit.record("agent.create", agent, actor=actor, after=after)
    return agent


def _insert(agent: Agent) -> None:
    """Insert an agent; who loses a race for its slug is told what a later one would be."""
    try:
        with transaction.atomic():
            agent.save(force_insert=True)
    except IntegrityError:
        agent.full_clean()
        raise


def update_agent(*, agent: Agent, actor: Actor, base_version: str = "", **changes: Any) -> Agent:
    """Change an agent's configuration; its slug and memory scope never change.

    With the version that the editor saw, a later one raises `ChangedMeanwhile`.
    """
    with tenant(agent.org_id):
        locked = _lock(agent)
        if base_version not in {"", version_of(locked.updated_at)}:
            raise ChangedMeanwhile(locked.name)
        before = {name: getattr(locked, name) for name in changes}
        _apply(locked, changes)
        locked.full_clean()
        locked.save()
        audit.record("agent.update", locked, actor=actor, before=before, after=changes)
    return locked


def pause_agent(*, agent: Agent, actor: Actor, reason: str = "") -> Agent:
    """Refuse the agent's requests until it is activated again."""
    return _set_status(agent, Agent.Status.PAUSED, actor, reason)


def activate_agent(*, agent: Agent, actor: Actor, reason: str = "") -> Agent:
    """Serve the agent's requests again."""
    return _set_status(agent, Agent.Status.ACTIVE, actor, reason)


def archive_agent(*, agent: Agent, actor: Actor, reason: str = "") -> Agent:
    """Retire the agent for good; its history stays."""
    return _set_status(agent, Agent.Status.ARCHIVED, actor, reason)


def _set_status(agent: Agent, status: str, actor: Actor, reason: str) -> Agent:
    with tenant(agent.org_id):
        locked = _lock(agent)
        before = {"status": locked.status}
        locked.status = status
        locked.updated_at = timezone.now()
        locked.save(update_fields=["status", "updated_at"])
        after = {"status": status}
        audit.record(
            f"agent.{status}", locked, actor=actor, before=before, after=after, reason=reason
        )
    return locked


def _lock(agent: Agent) -> Agent:
    locked = Agent.objects.select_for_update().get(pk=agent.pk)
    if locked.status == Agent.Status.ARCHIVED:
        raise AgentArchived(locked.name)
    return locked


def _apply(agent: Agent, changes: dict[str, Any]) -> None:
    for name, value in changes.items():
        if name not in EDITABLE:
            raise TypeError(f"{name} of an agent cannot be set.")
        setattr(agent, name, value)
    agent.updated_at = timezone.now()
