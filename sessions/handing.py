"""Handing a link to an archive from the form that asked for it to the page that shows it, once."""

from dataclasses import asdict
from datetime import datetime

from django.http import HttpRequest
from django.utils import timezone

from sessions.archive import ArchiveLink
from sessions.models import Session

KEY = "archive-link"


def hand_over(request: HttpRequest, session: Session, link: ArchiveLink) -> None:
    """Keep a link for the next page of the session, in the operator's own browser session."""
    kept = {**asdict(link), "expires_at": link.expires_at.isoformat()}
    request.session[KEY] = {"of": str(session.pk), "link": kept}


def take_over(request: HttpRequest, session: Session) -> ArchiveLink | None:
    """Return the session's link if one was just asked for, and forget it."""
    if request.session.get(KEY, {}).get("of") != str(session.pk):
        return None
    kept = request.session.pop(KEY)["link"]
    link = ArchiveLink(**{**kept, "expires_at": datetime.fromisoformat(kept["expires_at"])})
    return link if link.expires_at > timezone.now() else None
