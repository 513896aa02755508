"""Every write to memberships. One at a time in an organization: its row is locked first.

Nobody gives or takes a role that may do more than they may themselves, so an admin neither makes
nor unmakes owners, and nobody raises themselves.
"""

from uuid import UUID

from django.utils import timezone

from ibex.tenancy import tenant
from identity import devices
from orgs import audit
from orgs.audit import Actor
from orgs.errors import LastOwner, MemberGone, OwnSignOut, OwnSuspension, RoleOutOfReach
from orgs.models import Membership, Operator, Organization
from orgs.permissions import ALL, ROLE_PERMISSIONS, Permission

Role = Membership.Role


def add_member(
    *, org: Organization, operator: Operator, role: str, actor: Actor, reason: str = ""
) -> Membership:
    """Give an operator a role in `org`. Raises `ValidationError` when they already have one."""
    with tenant(org):
        membership = Membership(org=org, operator=operator, role=role)
        membership.full_clean()
        membership.save(force_insert=True)
        after = {"email": operator.email, "role": role}
        audit.record("membership.create", membership, actor=actor, after=after, reason=reason)
    return membership


def change_role(
    *,
    membership: Membership,
    role: str,
    actor: Actor,
    held: Permission = ALL,
    reason: str = "",
) -> Membership:
    """Change a member's role; the same role again changes nothing.

    Raises `LastOwner` rather than leave an org without one, and `RoleOutOfReach`.
    """
    with tenant(membership.org_id):
        row = _locked(membership)
        if row.role == role:
            return row
        _within_reach(role, held)
        _within_reach(row.role, held)
        if row.role == Role.OWNER:
            _keep_an_owner(row)
        before, row.role = {"role": row.role}, role
        row.full_clean()
        row.save(update_fields=["role"])
        after = {"role": role}
        audit.record(
            "membership.update", row, actor=actor, before=before, after=after, reason=reason
        )
    return row


def suspend_member(
    *, membership: Membership, actor: Actor, held: Permission = ALL, reason: str = ""
) -> Membership:
    """Let a member in no longer, from their next request on. Twice changes nothing.

    Raises `LastOwner`, `RoleOutOfReach` and `OwnSuspension`.
    """
    with tenant(membership.org_id):
        row = _locked(membership)
        _within_reach(row.role, held)
        if row.operator_id == actor.id:
            raise OwnSuspension
        if row.suspended_at is None:
            _keep_an_owner(row)
            row.suspended_at = timezone.now()
            row.save(update_fields=["suspended_at"])
            after = {"role": row.role}
            audit.record("membership.suspend", row, actor=actor, after=after, reason=reason)
    return row


def unsuspend_member(
    *, membership: Membership, actor: Actor, held: Permission = ALL, reason: str = ""
) -> Membership:
    """Let a suspended member in again. Raises `RoleOutOfReach`."""
    with tenant(membership.org_id):
        row = _locked(membership)
        _within_reach(row.role, held)
        if row.suspended_at is not None:
            row.suspended_at = None
            row.save(update_fields=["suspended_at"])
            after = {"role": row.role}
            audit.record("membership.unsuspend", row, actor=actor, after=after, reason=reason)
    return row


def sign_out_member(
    *, membership: Membership, actor: Actor, held: Permission = ALL, reason: str = ""
) -> int:
    """End a member's sessions in every browser; return how many there were.

    They may sign in again, and their tokens keep working. A session is the person's, not the
    organization's, so it ends for the others they work in too. Where none lives, nothing is
    written down. Raises `RoleOutOfReach` and `OwnSignOut`.
    """
    with tenant(membership.org_id):
        row = _locked(membership)
        _within_reach(row.role, held)
        if row.operator_id == actor.id:
            raise OwnSignOut
        ended = devices.end_all(row.operator)
        if ended:
            after = {"browsers": ended}
            audit.record("membership.sign_out", row, actor=actor, after=after, reason=reason)
    return ended


def remove_member(
    *, membership: Membership, actor: Actor, held: Permission = ALL, reason: str = ""
) -> None:
    """End a membership; the account and what the person made stay.

    Raises `LastOwner`, `RoleOutOfReach`, and `MemberGone` when it has ended already.
    """
    with tenant(membership.org_id):
        row = _locked(membership)
        _within_reach(row.role, held)
        _keep_an_owner(row)
        before = {"email": row.operator.email, "role": row.role}
        audit.record("membership.remove", row, actor=actor, before=before, reason=reason)
        row.delete()


def may_give(held: Permission) -> list[tuple[str, str]]:
    """Return the roles, with their labels, that somebody with these permissions may give."""
    return [(role, label) for role, label in Role.choices if not ROLE_PERMISSIONS[role] & ~held]


def last_owner(org_id: UUID) -> UUID | None:
    """Return the membership of the only owner who may enter; None while there are several."""
    owners = Membership.objects.filter(org=org_id, role=Role.OWNER, suspended_at=None)
    found = list(owners.order_by("pk").values_list("pk", flat=True)[:2])
    return found[0] if len(found) == 1 else None


def lock_members(org_id: UUID) -> Organization:
    """Wait until nobody else changes who is in the organization. Call inside the tenant."""
    return Organization.objects.select_for_update(no_key=True).get(pk=org_id)


def _locked(membership: Membership) -> Membership:
    lock_members(membership.org_id)
    row = Membership.objects.select_related("operator").filter(pk=membership.pk).first()
    if row is None:
        raise MemberGone
    return row


def _within_reach(role: str, held: Permission) -> None:
    if role in ROLE_PERMISSIONS and ROLE_PERMISSIONS[role] & ~held:
        raise RoleOutOfReach(role)


def _keep_an_owner(leaving: Membership) -> None:
    """Refuse to lose the last owner who may enter."""
    if leaving.role != Role.OWNER or leaving.suspended_at is not None:
        return
    others = Membership.objects.filter(org=leaving.org_id, role=Role.OWNER, suspended_at=None)
    if not others.exclude(pk=leaving.pk).exists():
        raise LastOwner
