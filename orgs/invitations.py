"""Inviting people by mail: a link that works once, for seven days."""

import secrets
import smtplib
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import connection
from django.utils import timezone

from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from orgs.credentials import token_digest
from orgs.errors import (
    AlreadyInvited,
    AlreadyMember,
    InvitationClosed,
    InvitationForAnother,
    RoleOutOfReach,
)
from orgs.members import add_member, lock_members, may_give
from orgs.models import AuditEvent, Invitation, Membership, Operator, Organization
from orgs.permissions import Permission

VALID_FOR = timedelta(days=7)
FIND = "SELECT org_id, id, org_name FROM ibex_invitation(%s)"
MAIL = """\
{inviter} invites you to {org} on IBEX, as {role}.

Open this link to join. It works once, until {until} UTC:

{link}

If you do not expect this, leave it: without the link nothing happens.
"""

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class OpenInvitation:
    """An invitation whose link works, and the organization that it leads into."""

    org_id: UUID
    org_name: str
    invitation: Invitation
    has_account: bool


def invite(
    *,
    org: Organization,
    email: str,
    role: str,
    actor: Actor,
    held: Permission,
    reason: str = "",
) -> tuple[Invitation, str]:
    """Invite the person of an address; return the invitation with the secret of its link.

    Raises `RoleOutOfReach`, `AlreadyMember`, `AlreadyInvited` and `ValidationError`.
    """
    email, secret = email.strip().lower(), _secret()
    with tenant(org):
        _refuse_out_of_reach(role, held)
        lock_members(org.pk)
        if Membership.objects.filter(org=org, operator__email=email).exists():
            raise AlreadyMember
        if Invitation.objects.filter(org=org, email=email).waiting().exists():
            raise AlreadyInvited
        invitation = Invitation(
            org=org,
            email=email,
            role=role,
            digest=_digest(secret),
            expires_at=timezone.now() + VALID_FOR,
            invited_by_id=actor.id if actor.type == AuditEvent.Actor.OPERATOR else None,
        )
        invitation.full_clean()
        invitation.save(force_insert=True)
        after = {"email": email, "role": role}
        audit.record("invitation.create", invitation, actor=actor, after=after, reason=reason)
    return invitation, secret


def renew_invitation(
    *, invitation: Invitation, actor: Actor, held: Permission, reason: str = ""
) -> tuple[Invitation, str]:
    """Make a new link for seven days; the old one works no longer. Raises `InvitationClosed`."""
    secret = _secret()
    with tenant(invitation.org_id):
        row = _waiting(invitation)
        _refuse_out_of_reach(row.role, held)
        row.digest, row.sent_at = _digest(secret), None
        row.expires_at = timezone.now() + VALID_FOR
        row.save(update_fields=["digest", "sent_at", "expires_at"])
        after = {"email": row.email, "role": row.role}
        audit.record("invitation.renew", row, actor=actor, after=after, reason=reason)
    return row, secret


def withdraw_invitation(*, invitation: Invitation, actor: Actor, reason: str = "") -> Invitation:
    """Let the link work no longer. Raises `InvitationClosed` when it does not anyway."""
    with tenant(invitation.org_id):
        row = _waiting(invitation)
        row.withdrawn_at = timezone.now()
        row.save(update_fields=["withdrawn_at"])
        before = {"email": row.email, "role": row.role}
        audit.record("invitation.withdraw", row, actor=actor, before=before, reason=reason)
    return row


def send_invitation(*, invitation: Invitation, org_name: str, inviter: str, link: str) -> bool:
    """Mail the link, outside any transaction; say whether a server took it."""
    if not settings.SENDS_MAIL:
        return False
    until = f"{invitation.expires_at:%Y-%m-%d %H:%M}"
    text = MAIL.format(inviter=inviter, org=org_name, role=invitation.role, until=until, link=link)
    subject = f"Join {' '.join(org_name.split())} on IBEX"
    try:
        send_mail(subject, text, None, [invitation.email])
    except (OSError, smtplib.SMTPException) as error:
        log.warning("invitation_not_sent", error=type(error).__name__)
        return False
    with tenant(invitation.org_id):
        Invitation.objects.filter(pk=invitation.pk).update(sent_at=timezone.now())
    return True


def link_of(request: Any, secret: str) -> str:
    """Write the address of an invitation's page: on the console's host, or on this one."""
    path = f"/invitations/{secret}/"
    base = settings.CONSOLE_URL.rstrip("/")
    return f"{base}{path}" if base else str(request.build_absolute_uri(path))


def find_invitation(secret: str) -> OpenInvitation:
    """Look up what a link leads to. Raises `InvitationClosed`."""
    with connection.cursor() as cursor:
        cursor.execute(FIND, [_digest(secret)])
        row = cursor.fetchone()
    if row is None:
        raise InvitationClosed
    org_id, invitation_id, org_name = row
    with tenant(org_id):
        invitation = Invitation.objects.get(pk=invitation_id)
    if invitation.state != "waiting":
        raise InvitationClosed
    has_account = Operator.objects.filter(email=invitation.email).exists()
    return OpenInvitation(org_id, org_name, invitation, has_account)


def accept_as_operator(*, secret: str, operator: Operator, actor: Actor) -> OpenInvitation:
    """Join the organization with an account. Raises `InvitationClosed`, `InvitationForAnother`."""
    found = find_invitation(secret)
    if operator.email != found.invitation.email:
        raise InvitationForAnother
    _join(found, operator, actor)
    return found


def accept_as_newcomer(
    *, secret: str, name: str, password: str, ip: str | None = None, request_id: str = ""
) -> OpenInvitation:
    """Make an account for the invited address, and join the organization with it.

    Raises `InvitationClosed`, `InvitationForAnother` when the address has an account, and
    `ValidationError` for a password that is too weak.
    """
    found = find_invitation(secret)
    with tenant(found.org_id):
        lock_members(found.org_id)
        found = find_invitation(secret)  # again, for another may have come first
        if found.has_account:
            raise InvitationForAnother
        operator = Operator(email=found.invitation.email, name=name.strip())
        try:
            validate_password(password, operator)
        except ValidationError as error:
            raise ValidationError({"password": error.messages}) from error
        operator.set_password(password)
        operator.full_clean()
        operator.save(force_insert=True)
        kind = AuditEvent.Actor.OPERATOR
        _join(found, operator, Actor(kind, operator.pk, operator.email, ip, request_id))
    return found


def _join(found: OpenInvitation, operator: Operator, actor: Actor) -> None:
    """Make the membership; of two at once, one finds the invitation used."""
    with tenant(found.org_id):
        org = lock_members(found.org_id)
        row = _waiting(found.invitation)
        if row.state != "waiting" or bytes(row.digest) != bytes(found.invitation.digest):
            raise InvitationClosed
        if Membership.objects.filter(org=org, operator=operator).exists():
            raise AlreadyMember
        add_member(org=org, operator=operator, role=row.role, actor=actor)
        row.accepted_at = timezone.now()
        row.save(update_fields=["accepted_at"])
        after = {"email": row.email, "role": row.role}
        audit.record("invitation.accept", row, actor=actor, after=after)


def _waiting(invitation: Invitation) -> Invitation:
    rows = Invitation.objects.select_for_update().filter(pk=invitation.pk).waiting()
    row = rows.first()
    if row is None:
        raise InvitationClosed
    return row


def _refuse_out_of_reach(role: str, held: Permission) -> None:
    if role in Membership.Role.values and role not in dict(may_give(held)):
        raise RoleOutOfReach(role)


def _secret() -> str:
    return secrets.token_urlsafe(32)


def _digest(secret: str) -> bytes:
    """Keep invitations apart from tokens, though one key serves both."""
    return token_digest(f"invitation:{secret}", settings.TOKEN_KEY)
