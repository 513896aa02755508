"""The demo's organization: who it is, whether it is there, and how it goes."""

from uuid import UUID

from django.core.files.storage import storages
from django.db import connection
from redis import Redis

from ibex.demo.identity import DEMO_ORG_ID
from ibex.tenancy import tenant
from jobs.models import Job
from memories.models import Memory
from orgs import audit
from orgs.audit import Actor
from orgs.members import add_member
from orgs.models import AuditEvent, Membership, Operator, Organization
from orgs.services import create_organization
from privacy.registry import KEYS
from sessions.models import Session, Turn

SLUG = "demo"
NAME = "Demo Outfitters"
DEMO = Actor.system("demo data")
"""Whoever the removing function believes to have made the organization."""
FILLED = "organization.filled"
FILLING = "organization.filling"
REMOVE = "SELECT ibex_remove_demo_organization(%s)"
KEYS_AT_ONCE = 500


def find_demo() -> Organization | None:
    """Return the demo's organization if it is there."""
    with tenant(DEMO_ORG_ID):
        return Organization.objects.filter(pk=DEMO_ORG_ID).first()


def is_filled(org: Organization) -> bool:
    """Say whether an earlier run came to its end."""
    with tenant(org):
        return AuditEvent.objects.filter(org_id=org.pk, action=FILLED).exists()


def note_filled(org: Organization, counts: dict[str, int]) -> None:
    """Write down that a run came to its end."""
    with tenant(org):
        audit.record(FILLED, org, actor=DEMO, after=counts)


def note_filling(org: Organization, job: Job) -> None:
    """Write down which job fills it."""
    with tenant(org):
        after = {"org": str(job.org_id), "job": str(job.pk)}
        audit.record(FILLING, org, actor=DEMO, after=after)


def filling_job(org: Organization) -> tuple[UUID, UUID] | None:
    """Return the organization and the id of the job that began to fill it; None for a command."""
    with tenant(org):
        events = AuditEvent.objects.filter(org_id=org.pk, action=FILLING)
        said = events.order_by("-at", "-pk").values_list("after", flat=True).first()
    return (UUID(said["org"]), UUID(said["job"])) if said else None


def count_rows() -> dict[str, int]:
    """Count what people look at, to be told before it goes and when it is there."""
    with tenant(DEMO_ORG_ID):
        models = {"sessions": Session, "turns": Turn, "memories": Memory}
        return {name: model._default_manager.count() for name, model in models.items()}  # noqa: SLF001 - documented


def create_demo(owner_email: str) -> Organization:
    """Create the organization; the operator of that address, if there is one, owns it."""
    org = create_organization(name=NAME, slug=SLUG, actor=DEMO, org_id=DEMO_ORG_ID)
    owner = Operator.objects.filter(email=owner_email).first()
    if owner is not None:
        add_member(org=org, operator=owner, role=Membership.Role.OWNER, actor=DEMO)
    return org


def remove_demo(org: Organization, redis_url: str) -> int:
    """Delete its archives, its keys in Redis and all its rows; return how many rows.

    The workers leave an organization alone that is being deleted, so nothing comes after.
    """
    with tenant(org):
        Organization.objects.filter(pk=org.pk).update(status=Organization.Status.DELETING)
        archived = Session.objects.exclude(archive_key="")
        names = list(archived.values_list("archive_key", flat=True))
    for name in names:
        storages["archive"].delete(name)
    _delete_keys(org.pk, redis_url)
    with tenant(org), connection.cursor() as cursor:
        cursor.execute(REMOVE, [org.pk])
        row = cursor.fetchone()
    return int(row[0]) if row else 0


def _delete_keys(org_id: UUID, redis_url: str) -> None:
    with Redis.from_url(redis_url) as redis:
        for pattern in [pattern for store in KEYS for pattern in store.of_org(org_id)]:
            for key in redis.scan_iter(match=pattern, count=KEYS_AT_ONCE):
                redis.delete(key)
