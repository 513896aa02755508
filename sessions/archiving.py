"""Writing the archive of a session that ended (ADR 0044).

Reading, uploading and noting it down are separate steps, and no transaction is open while the
store works. Each step may be repeated: a version is written under the same name until its row
says so, and only then is the next one begun.
"""

import hashlib
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from tempfile import SpooledTemporaryFile
from typing import IO, Any
from uuid import UUID

import structlog
from django.core.files import File
from django.core.files.storage import storages
from django.db import connection
from django.db.models.functions import Length
from django.utils import timezone

from ibex import due
from ibex.tenancy import tenant
from sessions.archive_format import header, turn_line
from sessions.errors import ArchiveIncomplete
from sessions.models import Session, Turn
from sessions.recounting import recount

ALIAS = "archive"
"""The archives' entry in Django's STORAGES."""
CONTENT_TYPE = "application/x-ndjson"
IN_MEMORY_BYTES = 4 * 1024 * 1024
CHUNK_TURNS = 100
CHUNK_BYTES = 4 * 1024 * 1024
"""Compressed bodies that are read at once, unless a single turn has more."""
PAUSE = timedelta(seconds=2.5)
"""The wait after a failure is this, doubled with every attempt."""
LONGEST_WAIT = timedelta(hours=1)
SHORTEST_OUTAGE_S = 1.0
OUTAGE_FACTOR = 2
"""A process leaves a store that failed alone for so many times as long as it waited for it."""
TRY_LOCK = "SELECT pg_try_advisory_lock(hashtextextended('ibex.archive:' || %s, 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended('ibex.archive:' || %s, 0))"

log = structlog.get_logger(__name__)


class Ndjson(File):  # type: ignore[type-arg] # not subscriptable at run time
    """A file that tells its storage what it holds."""

    content_type = CONTENT_TYPE


@dataclass
class Written:
    """The archive while it is written: what goes into the file, and what its row will say."""

    file: IO[bytes]
    size: int = 0
    turns: int = 0
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, line: bytes) -> None:
        """Append one line."""
        self.file.write(line)
        self.digest.update(line)
        self.size += len(line)


@dataclass
class Outage:
    """What this process knows of the store being away: other work must not wait for it."""

    until: float = 0.0

    @property
    def left(self) -> timedelta:
        """Return for how long the store is still left alone; zero when it is not."""
        return timedelta(seconds=max(0.0, self.until - time.monotonic()))

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Begin an outage if the store fails."""
        began = time.monotonic()
        try:
            yield
        except OSError:
            now = time.monotonic()
            self.until = now + max(SHORTEST_OUTAGE_S, OUTAGE_FACTOR * (now - began))
            raise


OUTAGE = Outage()


def archive_key(session: Session) -> str:
    """Return the name of a session's archive, by the month in which it began."""
    began = session.created_at.astimezone(UTC)
    return f"{session.org_id}/{session.agent_id}/{began:%Y/%m}/{session.pk}.ndjson"


def archive_session(*, org_id: UUID, session_id: UUID) -> None:
    """Write the archive that is due, if any; nothing happens while another worker is at it.

    When the store is away the session stays due, and is tried again after a while that doubles
    with every attempt. Raises what the store raised, `OSError`, once that is written down.
    """
    if OUTAGE.left:
        _claim(org_id, session_id, OUTAGE.left)
        return
    with _alone(session_id) as is_alone:
        session = _begin(org_id, session_id) if is_alone else None
        if session is None:
            return
        try:
            written = _write_or_recount(session)
        except OSError:
            _claim(org_id, session_id, _wait(PAUSE, session.archive_attempts))
            raise
        _note(session, written)


@contextmanager
def _alone(session_id: UUID) -> Iterator[bool]:
    """Hold a lock on the connection, across transactions: a lost connection frees it."""
    with connection.cursor() as cursor:
        cursor.execute(TRY_LOCK, [str(session_id)])
        row = cursor.fetchone()
    taken = bool(row and row[0])
    try:
        yield taken
    finally:
        if taken and connection.is_usable():
            with connection.cursor() as cursor:
                cursor.execute(UNLOCK, [str(session_id)])


def _begin(org_id: UUID, session_id: UUID) -> Session | None:
    """Read the session as it ended, and count the attempt before anything can go wrong."""
    with tenant(org_id):
        session = Session.objects.select_for_update().filter(pk=session_id).first()
        if session is None or session.archive_after is None:
            return None
        due.begin("archive", session.archive_after)
        wait = _wait(due.short_lease(), session.archive_attempts)
        session.archive_claimed_until = timezone.now() + wait
        session.archive_attempts += 1
        session.save(update_fields=["archive_claimed_until", "archive_attempts"])
        return session


def _wait(first: timedelta, attempts: int) -> timedelta:
    return min(first * float(2 ** min(attempts, 20)), max(LONGEST_WAIT, first))


def _claim(org_id: UUID, session_id: UUID, wait: timedelta) -> None:
    """Have the session tried again after a while; nothing else of it changes."""
    with tenant(org_id):
        due_again = timezone.now() + wait
        Session.objects.filter(pk=session_id).update(archive_claimed_until=due_again)


def _write_or_recount(session: Session) -> Written:
    """Write the archive; of a session that counts turns it never had, those that it has."""
    try:
        return _write(session, session.turn_count)
    except ArchiveIncomplete:
        return _write(session, recount(session))


def _write(session: Session, turns: int) -> Written:
    with SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as file:
        written = Written(file)
        written.add(header(session, version=session.archive_version + 1, turns=turns))
        for turn in _turns(session):
            written.add(turn_line(turn))
            written.turns += 1
        if written.turns != turns:
            raise ArchiveIncomplete
        file.seek(0)
        with OUTAGE.watch():
            storages[ALIAS].save(archive_key(session), Ndjson(file))
    return written


def _turns(session: Session) -> Iterator[Turn]:
    """Read the turns that the session had when it ended, some at a time, each time anew."""
    following = 0
    while following < session.turn_count:
        with tenant(session.org_id):
            turns = list(_chunk(session, following))
        if not turns:
            return
        yield from turns
        following = turns[-1].index + 1


def _chunk(session: Session, following: int) -> Iterator[Turn]:
    rest = Turn.objects.filter(
        session=session, index__gte=following, index__lt=session.turn_count
    ).order_by("index")
    sizes = rest.annotate(size=Length("request") + Length("completion"))
    total, last = 0, following
    for index, size in sizes.values_list("index", "size")[:CHUNK_TURNS]:
        total += size
        if total > CHUNK_BYTES and index > following:
            break
        last = index
    return rest.filter(index__lte=last).defer("assembly").iterator()


def _note(session: Session, written: Written) -> None:
    """Say on the row what the store holds; a newer end of the session stays due.

    A session that was erased meanwhile takes its archive with it.
    """
    with tenant(session.org_id):
        row = Session.objects.select_for_update().filter(pk=session.pk).first()
        if row is None:
            storages[ALIAS].delete(archive_key(session))
            return
        if row.archive_after == session.archive_after:
            row.archive_after = None
        row.archive_claimed_until = None
        row.archive_attempts = 0
        row.archive_key = archive_key(session)
        row.archive_sha256 = written.digest.hexdigest()
        row.archive_size = written.size
        row.archive_version = session.archive_version + 1
        row.archive_turns = written.turns
        row.archived_at = timezone.now()
        row.save(
            update_fields=[
                "archive_after",
                "archive_claimed_until",
                "archive_attempts",
                "archive_key",
                "archive_sha256",
                "archive_size",
                "archive_version",
                "archive_turns",
                "archived_at",
            ]
        )
    log.info("session archived", session=str(session.pk), turns=written.turns, size=written.size)
