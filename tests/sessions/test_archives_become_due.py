"""However a session ends, its archive is due in the same transaction; a new turn takes it back."""

from datetime import timedelta
from typing import Any

import orjson
import pytest
from django.db import connection
from django.utils import timezone

from ibex.ids import uuid7
from ibex.tenancy import tenant
from proxy.store import TERMINATE
from proxy.turns import CallRecord
from sessions.models import Session
from sessions.services import complete_idle_session
from tests.conftest import World
from tests.sessions.archives import archive, change, end, ended_and_archived, fresh, lines
from tests.sessions.turns import make_session

pytestmark = pytest.mark.usefixtures("folder")


def record(session: Session, *, ends: bool = False) -> None:
    """Record one turn with the statement that the proxy uses."""
    call = CallRecord(
        org_id=session.org_id,
        agent_id=session.agent_id,
        session_id=session.pk,
        external_id=session.external_id,
        subject=session.subject,
        request_id=str(uuid7()),
        model="m",
        provider="local",
        is_streaming=False,
        ends=ends,
    )
    call.set_request({"model": "m"}, [{"role": "user", "content": "Hello"}])
    call.set_completion(orjson.dumps({"choices": [{"message": {"content": "Hi"}}]}))
    with tenant(session.org_id), connection.cursor() as cursor:
        items = orjson.dumps([call.columns(1)]).decode()
        cursor.execute(
            "SELECT ibex_record(%s, %s::bytea[], %s::bytea[], %s)",
            [items, [call.request], [call.completion], timedelta(minutes=30)],
        )


def terminate(session: Session) -> None:
    """End a session with the statement that the proxy uses."""
    values: dict[str, Any] = {
        "agent": session.agent_id,
        "external_id": session.external_id,
        "subject": session.subject,
    }
    with tenant(session.org_id), connection.cursor() as cursor:
        cursor.execute(TERMINATE, values)


def is_due(session: Session) -> bool:
    row = fresh(session)
    assert row.archive_claimed_until is None
    return row.archive_after is not None and row.archive_after <= timezone.now()


def test_completing_a_session_makes_its_archive_due(world: World) -> None:
    session = make_session(world.scout, archive_claimed_until=timezone.now() + timedelta(hours=1))
    assert end(session).archive_after == fresh(session).completed_at
    assert is_due(session)


def test_an_idle_session_is_due_when_it_is_abandoned(world: World) -> None:
    session = make_session(world.scout, completes_at=timezone.now() - timedelta(seconds=1))
    complete_idle_session(org_id=world.acme.pk, session_id=session.pk)
    assert is_due(session)


def test_terminating_through_the_proxy_makes_it_due_once(world: World) -> None:
    session = make_session(world.scout, subject="ada")
    record(session)
    terminate(session)
    assert is_due(session)
    archive(session)
    terminate(session)
    assert fresh(session).archive_after is None


def test_a_request_that_ends_its_session_makes_it_due(world: World) -> None:
    session = make_session(world.scout)
    record(session)
    assert not is_due(session)
    record(session, ends=True)
    assert is_due(session)
    archive(session)
    assert [line["type"] for line in lines(session)] == ["session", "turn", "turn"]


def test_a_request_that_reopens_a_session_takes_its_archive_back(world: World) -> None:
    session = make_session(world.scout)
    record(session, ends=True)
    change(session, archive_claimed_until=timezone.now() + timedelta(hours=1))
    record(session)
    assert not is_due(session)
    assert fresh(session).status == Session.Status.ACTIVE
    archive(session)
    assert fresh(session).archive_version == 0


def test_a_reopened_session_keeps_its_archive_until_its_next_end(world: World) -> None:
    session = make_session(world.scout)
    record(session)
    first = ended_and_archived(session)
    record(session)
    assert fresh(session).archive_sha256 == first.archive_sha256
    assert len(lines(session)) == 2
    terminate(session)
    second = archive(session)
    assert (second.archive_version, second.archive_turns) == (2, 2)
    assert lines(session)[0]["archive_version"] == 2


def test_a_late_turn_from_the_spool_is_in_the_next_archive(world: World) -> None:
    """It was answered before the end, and stored after it: the row counts what is stored."""
    session = make_session(world.scout)
    record(session)
    terminate(session)
    archive(session)
    record(session, ends=True)
    assert archive(session).archive_turns == 2
    assert len(lines(session)) == 3
