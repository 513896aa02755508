"""Every write to directives."""

import hashlib

from agents.models import Agent
from directives.errors import DirectiveSize
from directives.models import MAX_BYTES, Directive, DirectiveVersion
from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor


def push_directive(
    *,
    agent: Agent,
    content: str,
    actor: Actor,
    reason: str = "",
    injection_mode: str | None = None,
    copied_from: DirectiveVersion | None = None,
) -> DirectiveVersion:
    """Make a new version and activate it: the agent's next request carries it.

    Raises `DirectiveSize`. The audit row holds the text's hash and length, never the text.
    """
    size = len(content.encode())
    if not 0 < size <= MAX_BYTES:
        raise DirectiveSize(size, MAX_BYTES)
    with tenant(agent.org_id):
        directive, _made = Directive.objects.get_or_create(org_id=agent.org_id, agent=agent)
        directive = Directive.objects.select_for_update().get(pk=directive.pk)
        latest = directive.versions.order_by("-number").first()
        version = DirectiveVersion(
            org_id=agent.org_id,
            directive=directive,
            number=latest.number + 1 if latest else 1,
            content=content,
            sha256=hashlib.sha256(content.encode()).hexdigest(),
            reason=reason,
            copied_from=copied_from,
        )
        version.full_clean()
        version.save(force_insert=True)
        directive.active_version = version
        directive.injection_mode = injection_mode or directive.injection_mode
        directive.full_clean()
        directive.save()
        after = {"number": version.number, "sha256": version.sha256, "bytes": size}
        audit.record("directive.push", directive, actor=actor, after=after, reason=reason)
    return version
