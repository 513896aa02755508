"""The browsers in which an operator is signed in."""

import time
from dataclasses import dataclass
from datetime import datetime

from allauth.usersessions.models import UserSession
from django.http import HttpRequest

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
    """List where the operator is signed in, this browser first, then the latest seen."""
    sessions = UserSession.objects.purge_and_list(request.user)
    found = [_device(session, request.session.session_key) for session in sessions]
    return sorted(found, key=lambda device: (device.is_this, device.seen), reverse=True)


def end(operator: Operator, device_id: int) -> bool:
    """Sign one browser of this operator out; False when it is none of theirs."""
    session = UserSession.objects.filter(user=operator, pk=device_id).first()
    if session is None:
        return False
    session.end()
    return True


def end_others(request: HttpRequest) -> int:
    """Sign the operator out everywhere but here; return in how many browsers."""
    others = UserSession.objects.filter(user=request.user.pk).exclude(
        session_key=request.session.session_key
    )
    ended = list(others)
    for session in ended:
        session.end()
    return len(ended)


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
