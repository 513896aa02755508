"""Rotating a token: another with the same rights, while the old one still works for a while.

The grace is the old token's own expiry, moved nearer: whatever enforces expiry enforces it, and
proxies hear of it as of any other change to a token.
"""

from datetime import datetime, timedelta

from django.db import models
from django.utils import timezone

from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from orgs.errors import PermissionElevation, TokenEnded, TokenRotated
from orgs.models import Organization, Token
from orgs.permissions import Permission
from orgs.services import issue_token


class Grace(models.TextChoices):
    """How long a rotated token still works."""

    NOW = "now", "It is refused at once"
    HOUR = "1h", "For 1 hour"
    DAY = "24h", "For 24 hours"
    WEEK = "7d", "For 7 days"


SPANS = {
    Grace.NOW: timedelta(0),
    Grace.HOUR: timedelta(hours=1),
    Grace.DAY: timedelta(hours=24),
    Grace.WEEK: timedelta(days=7),
}


def rotate_token(
    *, token: Token, grace: str, actor: Actor, held: Permission, reason: str = ""
) -> tuple[Token, str]:
    """Replace a token; return the new one with its text, which is not kept.

    Name, permissions, agent, addresses and expiry are the old one's, which works for the `grace`,
    never beyond its own expiry; at once is revoked. Raises `PermissionElevation` for what the
    caller does not hold, `TokenRotated` the second time, and `TokenEnded`.
    """
    with tenant(token.org_id):
        locked = Token.objects.select_for_update(of=("self",)).select_related("agent")
        old = locked.get(pk=token.pk)
        refuse_rotation(old, held)
        before = {"expires_at": _written(old.expires_at)}
        new, secret = issue_token(
            org=Organization.objects.get(pk=old.org_id),
            name=old.name,
            permissions=Permission(old.permissions),
            actor=actor,
            held=held,
            agent=old.agent,
            expires_at=old.expires_at,
            allowed_ips=old.allowed_ips,
            replaces=old,
            reason=reason,
        )
        _end(old, Grace(grace))
        after = {
            "replaced_by": str(new.pk),
            "grace": grace,
            "expires_at": _written(old.expires_at),
            "revoked_at": _written(old.revoked_at),
        }
        audit.record("token.rotate", old, actor=actor, before=before, after=after, reason=reason)
    return new, secret


def refuse_rotation(token: Token, held: Permission) -> None:
    """Raise why somebody with these permissions may not rotate a token, if they may not."""
    if missing := Permission(token.permissions) & ~held:
        raise PermissionElevation(missing)
    if token.successor is not None:
        raise TokenRotated(token.successor)
    if token.state != Token.State.ACTIVE:
        raise TokenEnded(token.state)


def _end(old: Token, grace: Grace) -> None:
    """Let a token work for the grace alone."""
    now = timezone.now()
    if grace == Grace.NOW:
        old.revoked_at = now
    else:
        last = now + SPANS[grace]
        old.expires_at = last if old.expires_at is None else min(old.expires_at, last)
    old.save(update_fields=["revoked_at", "expires_at"])


def _written(at: datetime | None) -> str | None:
    return at.isoformat() if at else None
