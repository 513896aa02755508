"""The browsers in which an operator is signed in."""

import time
from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Count, Exists, OuterRef, QuerySet, Subquery
from django.db.models.functions import Coalesce
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from orgs.access import OrgRequest
from orgs.models import Operator

SEEN_AFTER_S = 60
MAX_REMEMBERED = 10_000
BROWSERS = {
    "Edg": "Edge",
    "OPR": "Opera",
    "Firefox": "Firefox",
    "Chrome": "Chrome",
    "Safari": "Safari",
    "curl": "curl",
}
SYSTEMS = {
    "iPhone": "iPhone",
    "iPad": "iPad",
    "Android": "Android",
    "Windows": "Windows",
    "Mac OS X": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}


@dataclass(frozen=True)
class Device:
    """One signed-in browser, as its owner recognises it."""

    id: int
    browser: str
    ip: str
    since: datetime
    seen: datetime
    is_this: bool


def devices_of(request: OrgRequest) -> list[Device]:
    """List where the operator is signed in, this browser first, then the latest seen.

    Two queries however many they are, and one more when some have ended.
    """
    known = list(UserSession.objects.filter(user=request.user))
    living = _living(request.user, known)
    ended = [one.pk for one in known if one.session_key not in living]
    if ended:
        UserSession.objects.filter(pk__in=ended).delete()
    found = [
        _device(one, request.session.session_key) for one in known if one.session_key in living
    ]
    return sorted(found, key=lambda device: (device.is_this, device.seen), reverse=True)


def end(operator: Operator, device_id: int) -> bool:
    """Sign one browser of this operator out; False when it is none of theirs."""
    found = UserSession.objects.filter(user=operator, pk=device_id)
    if not found.exists():
        return False
    _end(found)
    return True


def end_others(request: HttpRequest) -> int:
    """Sign the operator out everywhere but here; return in how many browsers."""
    others = UserSession.objects.filter(user=request.user.pk)
    return _end(others.exclude(session_key=request.session.session_key))


def end_all(operator: Operator) -> int:
    """Sign an operator out everywhere; return in how many browsers."""
    return _end(UserSession.objects.filter(user=operator))


def browsers_of(operator: OuterRef) -> Coalesce:
    """Count, within a query, in how many browsers an operator is signed in."""
    stored = Session.objects.filter(
        session_key=OuterRef("session_key"), expire_date__gt=timezone.now()
    )
    living = UserSession.objects.filter(Exists(stored), user=operator).order_by()
    counted = living.values("user").annotate(browsers=Count("pk")).values("browsers")
    return Coalesce(Subquery(counted), 0)


def browser_name(user_agent: str) -> str:
    """Name a browser and its system: `Firefox on Linux`. What it does not know, it quotes."""
    browser = next((name for sign, name in BROWSERS.items() if sign in user_agent), "")
    system = next((name for sign, name in SYSTEMS.items() if sign in user_agent), "")
    return " on ".join(filter(None, (browser, system))) or user_agent[:60] or "Unknown"


_seen: dict[str, float] = {}


def note_seen(request: HttpRequest) -> None:
    """Note that a session is in use: at most one write a minute and process."""
    key, now = request.session.session_key, time.monotonic()
    if key is None or now - _seen.get(key, -SEEN_AFTER_S) < SEEN_AFTER_S:
        return
    if len(_seen) >= MAX_REMEMBERED:
        _seen.clear()
    _seen[key] = now
    UserSession.objects.create_from_request(request)


def _device(session: UserSession, current: str | None) -> Device:
    return Device(
        session.pk,
        browser_name(session.user_agent),
        session.ip,
        session.created_at,
        session.last_seen_at,
        session.session_key == current,
    )


def _living(operator: Operator, known: list[UserSession]) -> set[str]:
    """Return the keys of the sessions that still let the operator in, in one query.

    A session from before the password changed does not, though its row may be there.
    """
    keys = [one.session_key for one in known]
    stored = Session.objects.filter(session_key__in=keys, expire_date__gt=timezone.now())
    hashes = [operator.get_session_auth_hash(), *operator.get_session_auth_fallback_hash()]
    return {row.session_key for row in stored if _lets_in(row, operator, hashes)}


def _lets_in(session: Session, operator: Operator, hashes: list[str]) -> bool:
    said = session.get_decoded()
    proof = str(said.get(HASH_SESSION_KEY, ""))
    is_theirs = said.get(SESSION_KEY) == str(operator.pk)
    return is_theirs and any(constant_time_compare(proof, one) for one in hashes)


def _end(sessions: QuerySet[UserSession]) -> int:
    """End sessions, in three queries; return how many still let somebody in."""
    with transaction.atomic():
        keys = list(sessions.values_list("session_key", flat=True))
        ended, _ = Session.objects.filter(session_key__in=keys).delete()
        UserSession.objects.filter(session_key__in=keys).delete()
    return ended
