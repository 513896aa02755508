"""An archive is read through a link that works for 15 minutes; each link is on record."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from asgiref.sync import sync_to_async
from django.core.signing import TimestampSigner
from django.test import AsyncClient

from ibex.tenancy import tenant
from orgs.models import AuditEvent
from orgs.permissions import ALL, Permission
from sessions.archive import archive_url
from sessions.errors import ArchiveNotReady
from sessions.models import Session
from tests.api.conftest import Api, MakeApi, alice, api, api_urls, mallory, refused
from tests.conftest import TESTS, World
from tests.sessions.archives import change, end, ended_and_archived, fresh, raw
from tests.sessions.turns import make_session, record_turn

__all__ = ["alice", "api", "api_urls", "mallory"]

pytestmark = pytest.mark.usefixtures("api_urls", "folder")

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


@pytest.fixture
def session(world: World) -> Session:
    session = make_session(world.scout, subject="ada")
    record_turn(session, "Hello \U0001f389" + "x" * 600_000)
    return ended_and_archived(session)


def path(session: Session) -> str:
    return f"/api/v1/sessions/{session.pk}/archive-url"


def signed_path(session: Session) -> str:
    return archive_url(session=session, actor=TESTS).url


def audited(session: Session) -> list[AuditEvent]:
    with tenant(session.org_id):
        return list(AuditEvent.objects.filter(action="session.archive_read"))


def download(address: str) -> Any:
    return AsyncClient(raise_request_exception=False).get(address.removeprefix("http://testserver"))


async def body_of(answer: Any) -> bytes:
    return b"".join([chunk async for chunk in answer.streaming_content])


def test_a_link_comes_with_what_proves_the_archive(alice: Api, session: Session) -> None:
    with time_machine.travel(NOW, tick=False):
        answer = alice.post(path(session))
    assert answer.status_code == 200
    link = answer.json()
    assert set(link) == {"url", "expires_at", "sha256", "size", "version"}
    assert link["url"].startswith("http://testserver/api/v1/archives/")
    assert datetime.fromisoformat(link["expires_at"]) == NOW + timedelta(minutes=15)
    assert (link["sha256"], link["version"]) == (session.archive_sha256, 1)
    assert link["size"] == len(raw(session))


def test_each_link_is_audited_with_who_asked(alice: Api, session: Session) -> None:
    alice.post(path(session))
    alice.post(path(session))
    first, second = audited(session)
    assert first.actor_type == second.actor_type == "token"
    assert first.target_id == session.pk
    assert first.after == {"version": 1, "sha256": session.archive_sha256}
    assert first.subject_details == {"subject": "ada"}


async def test_a_link_streams_the_archive_as_a_download(session_link: tuple[str, bytes]) -> None:
    address, content = session_link
    answer = await download(address)
    assert answer.status_code == 200
    assert answer.is_async  # a plain iterator would be read whole into memory
    assert answer["Content-Type"] == "application/x-ndjson"
    assert answer["Content-Length"] == str(len(content))
    assert answer["Content-Disposition"].startswith('attachment; filename="')
    assert answer["Content-Disposition"].endswith('.ndjson"')
    assert answer["Cache-Control"] == "private, no-store"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert await body_of(answer) == content
    await sync_to_async(answer.close)()  # it may meet the database


@pytest.fixture
def session_link(session: Session) -> tuple[str, bytes]:
    return signed_path(session), raw(session)


def test_a_head_request_says_how_large_it_is(session: Session, api: MakeApi) -> None:
    answer = api().call("HEAD", signed_path(session))
    assert (answer.status_code, answer["Content-Length"]) == (200, str(session.archive_size))


def test_a_link_ends_after_15_minutes(session: Session, api: MakeApi) -> None:
    with time_machine.travel(NOW, tick=False) as clock:
        address = signed_path(session)
        clock.shift(timedelta(minutes=15))
        assert api().call("HEAD", address).status_code == 200
        clock.shift(timedelta(seconds=1))
        refused(api().get(address), 403, "ARCHIVE_LINK_INVALID")


def test_a_changed_link_is_refused(session: Session, api: MakeApi) -> None:
    base, _, signed = signed_path(session).rpartition("/")
    value, stamp, signature = signed.split(":")
    other = TimestampSigner(salt="another salt").sign_object(session.archive_key)
    outside = TimestampSigner(key="guessed", salt="ibex.archives").sign_object("../../etc/passwd")
    for changed in (
        f"x{value}:{stamp}:{signature}",
        f"{value}:{stamp}x:{signature}",
        f"{value}:{stamp}:{signature[:-1]}",
        f"{value}:{signature}",
        value,
        other,
        outside,
    ):
        refused(api().get(f"{base}/{changed}"), 403, "ARCHIVE_LINK_INVALID")


def test_a_link_to_an_archive_that_was_erased_finds_nothing(
    session: Session, api: MakeApi, folder: Path
) -> None:
    address = signed_path(session)
    (folder / session.archive_key).unlink()
    refused(api().get(address), 404, "NOT_FOUND")


def test_a_link_for_the_folder_opens_nothing_in_a_bucket(
    session: Session, api: MakeApi, bucket: str
) -> None:
    signed = TimestampSigner(salt="ibex.archives").sign_object(session.archive_key)
    refused(api().get(f"/api/v1/archives/{signed}"), 403, "ARCHIVE_LINK_INVALID")


def test_before_the_end_there_is_no_archive(world: World, alice: Api) -> None:
    session = make_session(world.scout)
    refused(alice.post(path(session)), 409, "ARCHIVE_NOT_READY")
    end(session)
    refused(alice.post(path(session)), 409, "ARCHIVE_NOT_READY")
    assert audited(session) == []


def test_while_an_archive_is_written_anew_nobody_gets_the_wrong_checksum(session: Session) -> None:
    record_turn(session, "One more")
    assert archive_url(session=session, actor=TESTS).version == 1
    end(session)
    with pytest.raises(ArchiveNotReady):
        archive_url(session=session, actor=TESTS)
    change(session, archive_after=None, archive_attempts=1)  # reopened while it was written
    with pytest.raises(ArchiveNotReady):
        archive_url(session=session, actor=TESTS)


def test_another_orgs_archive_looks_missing(
    alice: Api, mallory: Api, session: Session, world: World
) -> None:
    refused(mallory.post(path(session)), 404, "NOT_FOUND")
    assert audited(session) == []
    assert alice.post(path(session)).status_code == 200
    session.org_id = world.elsewhere.pk
    with pytest.raises(Session.DoesNotExist):
        archive_url(session=session, actor=TESTS)


def test_reading_sessions_is_not_enough_to_take_them_away(
    world: World, api: MakeApi, session: Session
) -> None:
    reader = api(world.token(permissions=ALL & ~Permission.SESSION_EXPORT))
    refused(reader.post(path(session)), 403, "INSUFFICIENT_PERMISSIONS")
    assert api(world.token(permissions=Permission.SESSION_EXPORT)).post(path(session)).json()


def test_a_link_takes_nothing(alice: Api, session: Session) -> None:
    answer = alice.post(path(session), {"minutes": 600})
    assert refused(answer, 400, "VALIDATION_ERROR")["param"] == "minutes"
    assert fresh(session).archive_version == 1
