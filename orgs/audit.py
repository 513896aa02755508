"""Who acts, and the record of what they did."""

from dataclasses import dataclass
from typing import Any, Self
from uuid import UUID

from django.db import models

from ibex.tenancy import current_org_id
from orgs.models import AuditEvent


@dataclass(frozen=True)
class Actor:
    """Whoever causes a change: an operator, a token, or IBEX itself."""

    type: AuditEvent.Actor
    id: UUID | None
    label: str
    ip: str | None = None
    request_id: str = ""

    @classmethod
    def system(cls, label: str) -> Self:
        """Name a part of IBEX that acts on nobody's behalf."""
        return cls(AuditEvent.Actor.SYSTEM, None, label)


def record(
    action: str,
    target: models.Model,
    *,
    actor: Actor,
    before: dict[str, Any] | None = None,
    after: dict[str, Any] | None = None,
    reason: str = "",
    subject: str | None = None,
) -> AuditEvent:
    """Write down one change inside the current tenant and transaction.

    `before` and `after` take hashes, lengths and settings; never memory or directive text.
    """
    org_id = current_org_id()
    if org_id is None:
        raise RuntimeError("An audit row is written inside a tenant.")
    return AuditEvent.objects.create(
        org_id=org_id,
        actor_type=actor.type,
        actor_id=actor.id,
        actor_label=actor.label,
        action=action,
        target_type=target._meta.label_lower,  # noqa: SLF001 - Django's documented options
        target_id=target.pk,
        before=before,
        after=after,
        reason=reason,
        ip=actor.ip,
        request_id=actor.request_id,
        subject_details=None if subject is None else {"subject": subject},
    )
