"""The demo's organization: who it is, whether it is there, and how it goes."""

from uuid import UUID

from django.core.files.storage import storages
from django.db import connection
from redis import Redis

from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from orgs.members import add_member
from orgs.models import AuditEvent, Membership, Operator, Organization
from orgs.services import create_organization
from privacy.registry import KEYS
from sessions.models import Session

DEMO_ORG_ID = UUID("00000000-0000-0000-0000-00000000de30")
SLUG = "demo"
NAME = "Demo Outfitters"
DEMO = Actor.system("demo data")
"""Whoever the removing function believes to have made the organization."""
FILLED = "organization.filled"
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
