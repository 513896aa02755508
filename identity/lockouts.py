"""Sign-ins that failed too often: who is locked out, for how long, and how that is lifted.

axes counts in Postgres, for each pair of address typed and client; refused passwords and refused
codes alike. It counts addresses that nobody has in the same way, so a lockout says nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from axes.handlers.proxy import AxesProxyHandler
from axes.helpers import get_cool_off
from axes.models import AccessAttempt
from django.conf import settings
from django.db.models import Max, Min, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone

from orgs import audit
from orgs.audit import Actor
from orgs.models import Membership, Operator

TOO_MANY = 429
MAX_SHOWN = 100


@dataclass(frozen=True)
class Lockout:
    """One member who is turned away from one client's address until a moment."""

    id: int
    operator: Operator
    ip: str
    attempts: int
    until: datetime


def address_typed(request: HttpRequest, credentials: dict[str, Any] | None) -> str:
    """Return the address a sign-in is about, as addresses are compared: without case."""
    said = credentials or request.POST
    address = said.get("email") or said.get("username") or said.get("login") or ""
    return str(address).strip().lower()[:254].replace("\0", "")


def is_locked(request: HttpRequest, email: str) -> bool:
    """Say whether sign-ins for this address are turned away from this client."""
    return not AxesProxyHandler.is_allowed(request, {"email": email})


def count_failure(request: HttpRequest, email: str) -> None:
    """Count a refused code; the last one of those allowed locks out."""
    AxesProxyHandler.user_login_failed(None, {"email": email}, request)


def forget(email: str) -> None:
    """Start the count of one address anew, wherever it was typed."""
    AxesProxyHandler.reset_attempts(username=email)


def lockout_page(
    request: HttpRequest,
    _response: HttpResponse | None = None,
    _credentials: dict[str, Any] | None = None,
) -> HttpResponse:
    """Say how long sign-in is closed, and what can be done; the same for any address."""
    minutes = int(settings.AXES_COOLOFF_TIME.total_seconds() // 60)
    context = {"minutes": minutes, "attempts": settings.AXES_FAILURE_LIMIT}
    return render(request, "identity/locked_out.html", context, status=TOO_MANY)


def lockouts_of(org_id: UUID, operator: Operator | None = None) -> list[Lockout]:
    """List lockouts of an organization's members, inside its tenant; the next to end first.

    At most `MAX_SHOWN`: whoever knows the members' addresses can lock out all of them. With an
    operator, theirs alone.
    """
    counted = _counted(org_id)
    if operator is not None:
        counted = counted.filter(username=operator.email)
    return _read(counted.order_by("latest", "first")[:MAX_SHOWN])


def locked_out(emails: Iterable[str]) -> set[str]:
    """Return which of these addresses are locked out from anywhere, in one query."""
    failures = _running().filter(username__in=list(emails)).values("username", "ip_address")
    counted = failures.annotate(attempts=Sum("failures_since_start"))
    return set(
        counted.filter(attempts__gte=settings.AXES_FAILURE_LIMIT).values_list("username", flat=True)
    )


def lift(*, org_id: UUID, lockout_id: int, actor: Actor) -> Lockout | None:
    """Let a member of this organization try again at once; None when there is nothing to lift."""
    found = next(iter(_read(_counted(org_id).filter(first=lockout_id))), None)
    if found is None:
        return None
    AxesProxyHandler.reset_attempts(ip_address=found.ip, username=found.operator.email)
    audit.record("sign_in.lockout_lifted", found.operator, actor=actor, after={"ip": found.ip})
    return found


def _counted(org_id: UUID) -> Any:
    """Count the failures of each member from each address, where they are enough to lock out."""
    members = Membership.objects.filter(org=org_id).values("operator__email")
    return (
        _running()
        .filter(username__in=members)
        .values("username", "ip_address")
        .annotate(first=Min("pk"), attempts=Sum("failures_since_start"), latest=Max("attempt_time"))
        .filter(attempts__gte=settings.AXES_FAILURE_LIMIT)
    )


def _read(counted: Any) -> list[Lockout]:
    rows = list(counted)
    emails = {row["username"] for row in rows}
    operators = {one.email: one for one in Operator.objects.filter(email__in=emails)}
    return [
        Lockout(
            row["first"],
            operators[row["username"]],
            row["ip_address"] or "",
            row["attempts"],
            row["latest"] + settings.AXES_COOLOFF_TIME,
        )
        for row in rows
    ]


def _running() -> Any:
    cool_off = get_cool_off()
    return AccessAttempt.objects.filter(attempt_time__gt=timezone.now() - cool_off)
