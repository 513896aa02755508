"""Who is calling the APIs: an agent's token, or an operator's browser session (ADR 0016)."""

import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, ClassVar
from uuid import UUID

from django.conf import settings
from django.db import connection
from django.db.models import Q
from django.http import HttpRequest
from django.utils import timezone
from rest_framework.authentication import BaseAuthentication, CSRFCheck
from rest_framework.request import Request

from ibex.tenancy import tenant
from orgs.access import accesses_of, chosen_access, lacks_second_factor
from orgs.addresses import is_allowed
from orgs.audit import Actor
from orgs.credentials import TOKEN_SHAPE, token_digest, token_prefix
from orgs.models import AuditEvent, Operator, Organization, Token
from orgs.permissions import Permission
from orgs.refusals import (
    CsrfRefused,
    InvalidToken,
    IpNotAllowed,
    NoOrganization,
    OrgSuspended,
    SecondFactorRequired,
)

ROUTE = """
SELECT token_id, org_id, token_agent_id, permissions, expires_at, revoked_at, allowed_ips,
       org_status
FROM ibex_route(%s, NULL, NULL, NULL, NULL)
"""
TOUCH_AFTER_S = 60
MAX_REMEMBERED_TOUCHES = 10_000


@dataclass(frozen=True)
class Caller:
    """Whoever calls an API: the org they act in, what they may do, and how audit names them."""

    org_id: UUID
    permissions: Permission
    actor: Actor
    agent_id: UUID | None = None
    """The only agent that exists for this caller; None is any agent of the org."""
    is_authenticated: ClassVar[bool] = True


@dataclass(frozen=True)
class Credential:
    """What one query says about a token and its organization."""

    token_id: UUID
    org_id: UUID
    agent_id: UUID | None
    permissions: int
    expires_at: datetime | None
    revoked_at: datetime | None
    allowed_ips: list[str]
    org_status: str

    @property
    def is_valid(self) -> bool:
        """Say whether the token has neither expired nor been revoked."""
        expired = self.expires_at is not None and self.expires_at <= timezone.now()
        return not expired and self.revoked_at is None


class TokenAuthentication(BaseAuthentication):
    """An agent's token, from `Authorization: Bearer` or `x-api-key`."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the caller twice, as DRF's user and auth; None when there is no token."""
        text = read_token(request._request)  # noqa: SLF001 - DRF's way to Django's request
        if not text:
            return None
        credential = find_credential(text)
        if credential is None or not credential.is_valid:
            raise InvalidToken
        ip = request.META.get("REMOTE_ADDR")
        if credential.allowed_ips and not is_allowed(ip, credential.allowed_ips):
            raise IpNotAllowed
        if credential.org_status != Organization.Status.ACTIVE:
            raise OrgSuspended
        touch(credential)
        actor = Actor(
            AuditEvent.Actor.TOKEN, credential.token_id, token_prefix(text), **_origin(request)
        )
        permissions = Permission(credential.permissions)
        caller = Caller(credential.org_id, permissions, actor, credential.agent_id)
        return caller, caller

    def authenticate_header(self, request: Request) -> str:  # noqa: ARG002 - DRF passes it
        """Name the scheme for `WWW-Authenticate`."""
        return "Bearer"


class OperatorAuthentication(BaseAuthentication):
    """A signed-in operator's browser: Django's session, with CSRF for every change."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Return the operator and their caller; None when nobody is signed in."""
        django_request: HttpRequest = request._request  # noqa: SLF001 - the session's own user
        operator = getattr(django_request, "user", None)
        if not isinstance(operator, Operator) or not operator.is_active:
            return None
        refuse_forgery(django_request)
        access = chosen_access(django_request.session, accesses_of(operator))
        if access is None:
            raise NoOrganization
        if lacks_second_factor(operator, access):
            raise SecondFactorRequired
        actor = Actor(AuditEvent.Actor.OPERATOR, operator.pk, operator.email, **_origin(request))
        return operator, Caller(access.org_id, access.permissions, actor)


def read_token(request: HttpRequest) -> str:
    """Return the token's text, empty when there is none. Read exactly as the proxy does."""
    scheme, _, credential = request.headers.get("Authorization", "").partition(" ")
    token = credential.strip() if scheme.lower() == "bearer" else ""
    return token or request.headers.get("X-Api-Key", "").strip()


def find_credential(text: str) -> Credential | None:
    """Look a token up by its digest, in one query.

    The shape decides first: a malformed text never reaches the query, but the digest of nothing
    does, so that the refusal takes as long as that of an unknown token.
    """
    digest = token_digest(text if TOKEN_SHAPE.fullmatch(text) else "", settings.TOKEN_KEY)
    with connection.cursor() as cursor:
        cursor.execute(ROUTE, [digest])
        row = cursor.fetchone()
    return Credential(*row) if row else None


def refuse_forgery(request: HttpRequest) -> None:
    """Check CSRF as Django's middleware would. Raises `CsrfRefused`; reads pass."""
    check = CSRFCheck(lambda _request: None)  # type: ignore[arg-type]
    check.process_request(request)
    if check.process_view(request, None, (), {}):  # type: ignore[arg-type]
        raise CsrfRefused


_touched: dict[UUID, float] = {}


def touch(credential: Credential) -> None:
    """Note that a token was used: at most one write a minute, whichever process sees it."""
    now = time.monotonic()
    if now - _touched.get(credential.token_id, -TOUCH_AFTER_S) < TOUCH_AFTER_S:
        return
    if len(_touched) >= MAX_REMEMBERED_TOUCHES:
        _touched.clear()
    _touched[credential.token_id] = now
    used_at = timezone.now()
    stale = Q(last_used_at=None) | Q(last_used_at__lt=used_at - timedelta(seconds=TOUCH_AFTER_S))
    with tenant(credential.org_id):
        Token.objects.filter(stale, pk=credential.token_id).update(last_used_at=used_at)


def _origin(request: Request) -> dict[str, Any]:
    """Say where the request came from, for audit."""
    ip = request.META.get("REMOTE_ADDR") or None
    return {"ip": ip, "request_id": getattr(request._request, "request_id", "")}  # noqa: SLF001
