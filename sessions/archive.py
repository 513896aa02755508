"""Reading archives: links that open one for 15 minutes, each of them audited (ADR 0044)."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core.files.storage import storages
from django.core.signing import BadSignature, TimestampSigner
from django.utils import timezone

from ibex.tenancy import tenant
from orgs import audit
from orgs.audit import Actor
from sessions.archiving import ALIAS
from sessions.errors import ArchiveGone, ArchiveLinkRefused, ArchiveNotReady
from sessions.folder import SALT, ArchiveFolder
from sessions.models import Session

LIFETIME = timedelta(minutes=15)


@dataclass(frozen=True)
class ArchiveLink:
    """Where an archive can be read, until when, and how to tell that all of it arrived.

    `url` is pre-signed for an object store. For the local folder it is a path of the role `api`.
    """

    url: str
    expires_at: datetime
    sha256: str
    size: int
    version: int


@dataclass(frozen=True)
class OpenArchive:
    """An archive that a signed link has opened; whoever sends it closes the file."""

    file: Any
    filename: str
    size: int


def archive_url(*, session: Session, actor: Actor) -> ArchiveLink:
    """Make a link to the session's archive, and write down who asked for it.

    Raises `ArchiveNotReady` before the first archive, and while a later one is being written:
    the checksum would be of one and the content of the other.
    """
    with tenant(session.org_id):
        row = Session.objects.get(pk=session.pk)
        if not row.archive_key or row.archive_after is not None or row.archive_attempts:
            raise ArchiveNotReady
        link = ArchiveLink(
            url=storages[ALIAS].link(row.archive_key, LIFETIME),  # type: ignore[attr-defined]
            expires_at=timezone.now() + LIFETIME,
            sha256=row.archive_sha256,
            size=row.archive_size or 0,
            version=row.archive_version,
        )
        audit.record(
            "session.archive_read",
            row,
            actor=actor,
            after={"version": link.version, "sha256": link.sha256},
            subject=row.subject,
        )
    return link


def open_signed(signed: str) -> OpenArchive:
    """Open what a link of the local folder names.

    Raises `ArchiveLinkRefused` for a link that was changed or is older than 15 minutes, and
    `ArchiveGone` when the file is no longer there.
    """
    storage = storages[ALIAS]
    if not isinstance(storage, ArchiveFolder):
        raise ArchiveLinkRefused
    try:
        name = TimestampSigner(salt=SALT).unsign_object(signed, max_age=LIFETIME)
    except BadSignature:
        raise ArchiveLinkRefused from None
    try:
        file = storage.open(name)
    except FileNotFoundError:
        raise ArchiveGone from None
    return OpenArchive(file, name.rpartition("/")[2], file.size)
