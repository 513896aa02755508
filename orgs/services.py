"""Every write to organizations and tokens; `orgs.members` writes who is in them."""

from datetime import datetime
from ipaddress import ip_network
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from agents.models import Agent
from ibex.ids import uuid7
from ibex.tenancy import tenant
from ibex.versions import ChangedMeanwhile, version_of
from orgs import audit
from orgs.audit import Actor
from orgs.credentials import new_token, token_digest, token_prefix
from orgs.errors import PermissionElevation, TokenExists
from orgs.models import AuditEvent, Organization, Token
from orgs.permissions import Permission, api_names

MAX_NETWORKS = 50
SETTINGS = frozenset(
    {
        "name",
        "data_retention_days",
        "memory_extraction_enabled",
        "mfa_required",
        "rpm",
        "monthly_token_budget",
    }
)


def create_organization(
    *, name: str, slug: str, actor: Actor, org_id: UUID | None = None
) -> Organization:
    """Create a tenant. Raises `ValidationError` for a taken or malformed slug."""
    org = Organization(id=org_id or uuid7(), name=name.strip(), slug=slug)
    with tenant(org.pk):
        org.full_clean()
        org.save(force_insert=True)
        audit.record("organization.create", org, actor=actor, after={"slug": slug})
    return org


def update_organization(
    *,
    org: Organization,
    actor: Actor,
    reason: str = "",
    base_version: str = "",
    **changes: Any,
) -> Organization:
    """Change settings of an organization. Raises `ValidationError` for a value out of range.

    With the version that the editor saw, a later one raises `ChangedMeanwhile`.
    """
    if unknown := set(changes) - SETTINGS:
        raise TypeError(f"{sorted(unknown)} of an organization cannot be set.")
    with tenant(org):
        row = Organization.objects.select_for_update(no_key=True).get(pk=org.pk)
        if base_version not in {"", version_of(row.updated_at)}:
            raise ChangedMeanwhile(row.name)
        before = {name: getattr(row, name) for name in changes}
        for name, value in changes.items():
            setattr(row, name, value)
        row.full_clean()
        row.save()
        audit.record(
            "organization.update", row, actor=actor, before=before, after=changes, reason=reason
        )
    return row


def issue_token(
    *,
    org: Organization,
    name: str,
    permissions: Permission,
    actor: Actor,
    held: Permission,
    agent: Agent | None = None,
    expires_at: datetime | None = None,
    allowed_ips: list[str] | None = None,
    text: str | None = None,
    token_id: UUID | None = None,
    replaces: Token | None = None,
    reason: str = "",
) -> tuple[Token, str]:
    """Create a token; return it with its text, which is not kept and cannot be shown again.

    `held` is what the issuer may do: nobody grants more (`PermissionElevation`). With a `token_id`
    that is taken, the same request came twice (`TokenExists`). What `replaces` another is made by
    `orgs.rotation`.
    """
    if missing := permissions & ~held:
        raise PermissionElevation(missing)
    identity = token_id or uuid7()
    secret = text or new_token(identity)
    with tenant(org):
        token = Token(
            id=identity,
            org=org,
            agent=agent,
            name=name.strip(),
            digest=token_digest(secret, settings.TOKEN_KEY),
            prefix=token_prefix(secret),
            permissions=int(permissions),
            expires_at=expires_at,
            allowed_ips=_networks(allowed_ips or []),
            created_by_id=actor.id if actor.type == AuditEvent.Actor.OPERATOR else None,
            replaces=replaces,
        )
        if expires_at is not None and expires_at <= timezone.now():
            raise ValidationError({"expires_at": "The token would have expired already."})
        if Token.objects.filter(pk=identity).exists():
            raise TokenExists
        token.full_clean()
        token.save(force_insert=True)
        after = _grant(token) | ({"replaces": str(replaces.pk)} if replaces else {})
        audit.record("token.create", token, actor=actor, after=after, reason=reason)
    return token, secret


def revoke_token(*, token: Token, actor: Actor, reason: str = "") -> Token:
    """Refuse a token from now on. Revoking it twice changes nothing."""
    with tenant(token.org_id):
        locked = Token.objects.select_for_update().get(pk=token.pk)
        if locked.revoked_at is None:
            locked.revoked_at = timezone.now()
            locked.save(update_fields=["revoked_at"])
            before = _grant(locked)
            audit.record("token.revoke", locked, actor=actor, before=before, reason=reason)
    return locked


def _grant(token: Token) -> dict[str, Any]:
    """Say what a token opens, for the audit."""
    return {
        "name": token.name,
        "prefix": token.prefix,
        "permissions": api_names(token.permissions),
        "agent": str(token.agent_id) if token.agent_id else None,
        "allowed_ips": token.allowed_ips,
        "expires_at": token.expires_at.isoformat() if token.expires_at else None,
    }


def _networks(texts: list[str]) -> list[str]:
    """Read addresses and networks, each once; the error names every one that is none."""
    wrong, networks = [], []
    for text in dict.fromkeys(texts):
        try:
            networks.append(str(ip_network(text.strip(), strict=False)))
        except ValueError:
            wrong.append(f"{text[:60]} is neither an IP address nor a network like 192.0.2.0/24.")
    if len(networks) > MAX_NETWORKS:
        wrong.append(f"A token takes at most {MAX_NETWORKS} addresses and networks.")
    if wrong:
        raise ValidationError({"allowed_ips": wrong})
    return list(dict.fromkeys(networks))
