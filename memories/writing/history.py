"""What is written down beside every change: a version of the memory, and an audit row."""

from collections.abc import Mapping
from typing import Any

from django.db.models import Max

from memories.models import Memory, MemoryRelationship, MemoryVersion
from orgs import audit
from orgs.audit import Actor

VERSIONED = (
    "status",
    "category",
    "confidence",
    "usefulness",
    "source",
    "visibility",
    "subject",
    "subject_key",
    "pinned",
    "tags",
)
VERSIONED_TIMES = ("valid_from", "valid_until", "observed_at", "expires_at")


def record_creation(
    memory: Memory, labels: Mapping[str, float], *, actor: Actor, reason: str = ""
) -> MemoryVersion:
    """Append the first version of a memory that was just inserted with these labels."""
    values = snapshot(memory, labels)
    return _append(memory, MemoryVersion.Operation.CREATE, 1, values, actor, reason)


def record_change(
    memory: Memory,
    operation: MemoryVersion.Operation,
    *,
    actor: Actor,
    reason: str = "",
    before: dict[str, Any] | None = None,
    action: str = "",
) -> MemoryVersion:
    """Append how the memory stands now, who changed it and why, and audit the same.

    Call it inside the change's transaction with the memory locked: versions are numbered.
    """
    labels = dict(memory.labels.values_list("label", "confidence"))
    values = snapshot(memory, labels)
    number = latest_number(memory) + 1
    return _append(memory, operation, number, values, actor, reason, before, action)


def latest_number(memory: Memory) -> int:
    """Return the number of a memory's newest version; 0 when none is kept."""
    newest = MemoryVersion.objects.filter(memory=memory).aggregate(Max("number"))["number__max"]
    return newest or 0


def _append(
    memory: Memory,
    operation: MemoryVersion.Operation,
    number: int,
    values: dict[str, Any],
    actor: Actor,
    reason: str,
    before: dict[str, Any] | None = None,
    action: str = "",
) -> MemoryVersion:
    version = MemoryVersion.objects.create(
        org_id=memory.org_id,
        memory=memory,
        number=number,
        operation=operation,
        content=memory.content,
        fields=values,
        actor_type=actor.type,
        actor_id=actor.id,
        actor_label=actor.label,
        reason=reason,
        request_id=actor.request_id,
    )
    audit.record(
        f"memory.{action or operation.value}",
        memory,
        actor=actor,
        before=before,
        after=outline(memory),
        reason=reason,
        subject=memory.subject,
    )
    return version


def snapshot(memory: Memory, labels: Mapping[str, float]) -> dict[str, Any]:
    """Return the values, other than the content, that an operator can see and change."""
    values: dict[str, Any] = {name: getattr(memory, name) for name in VERSIONED}
    for name in VERSIONED_TIMES:
        moment = getattr(memory, name)
        values[name] = moment.isoformat() if moment else None
    values["labels"] = dict(labels)
    return values


def outline(memory: Memory) -> dict[str, Any]:
    """Return what the audit may hold of a memory: its hash, length and status, never its text."""
    return {
        "sha256": memory.content_hash,
        "bytes": len(memory.content.encode()),
        "status": memory.status,
    }


def relate(source: Memory, target: Memory, kind: MemoryRelationship.Type) -> None:
    """Draw an edge, unless it is there already."""
    MemoryRelationship.objects.get_or_create(
        org_id=source.org_id, source=source, target=target, type=kind
    )
