"""Ending sessions and reading the archives that are left of them."""

import hashlib
import json
from pathlib import Path
from typing import Any

from django.core.files.storage import storages

from ibex.tenancy import tenant
from sessions.archiving import ALIAS, archive_session
from sessions.models import Session
from sessions.services import complete_session
from tests.conftest import TESTS

Line = dict[str, Any]


def fresh(session: Session) -> Session:
    with tenant(session.org_id):
        return Session.objects.get(pk=session.pk)


def change(session: Session, **fields: Any) -> None:
    with tenant(session.org_id):
        Session.objects.filter(pk=session.pk).update(**fields)


def end(session: Session) -> Session:
    return complete_session(session=session, actor=TESTS, how="completed")


def archive(session: Session) -> Session:
    """Do what the worker does for a session that is due; return its row."""
    archive_session(org_id=session.org_id, session_id=session.pk)
    return fresh(session)


def ended_and_archived(session: Session) -> Session:
    end(session)
    return archive(session)


def raw(session: Session) -> bytes:
    """Read the archive's bytes, and check that its row describes them."""
    row = fresh(session)
    with storages[ALIAS].open(row.archive_key) as file:
        content: bytes = file.read()
    assert len(content) == row.archive_size
    assert hashlib.sha256(content).hexdigest() == row.archive_sha256
    return content


def lines(session: Session) -> list[Line]:
    """Read the archive as a reader of NDJSON does."""
    content = raw(session)
    assert content.endswith(b"\n")
    return [json.loads(line) for line in content.split(b"\n")[:-1]]


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
