"""A session that counted a turn twice is archived after all; one that lost a turn is refused."""

from pathlib import Path

import pytest
from django.db.models import F
from prometheus_client import REGISTRY

from analytics.models import RequestRecord
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from sessions.errors import ArchiveIncomplete
from sessions.models import Session
from sessions.recounting import recount
from tests.conftest import World
from tests.sessions.archives import archive, change, end, ended_and_archived, files, fresh, lines
from tests.sessions.test_record_calls import call_of, record

pytestmark = pytest.mark.usefixtures("folder")


def recorded(world: World, turns: int, *, failed: int = 0) -> Session:
    """Record calls of one session as the proxy does: 10 tokens in and 1 out each."""
    for _ in range(turns):
        record(call_of(world.scout, "one"))
    with tenant(world.acme):
        session = Session.objects.get(agent=world.scout)
    for _ in range(failed):
        call = call_of(world.scout, "one", failed=True)
        call.session_id = session.pk
        record(call)
    return session


def count_once_more(session: Session) -> None:
    """Leave the counters as a group that was counted twice has left them."""
    change(
        session,
        turn_count=F("turn_count") + 1,
        tokens_in=F("tokens_in") + 10,
        tokens_out=F("tokens_out") + 1,
        error_count=F("error_count") + 1,
    )


def counters(session: Session) -> tuple[int, int, int, int]:
    row = fresh(session)
    return row.turn_count, row.tokens_in, row.tokens_out, row.error_count


def audited(session: Session) -> list[AuditEvent]:
    with tenant(session.org_id):
        return list(AuditEvent.objects.filter(action="session.recount", target_id=session.pk))


def recounts(outcome: str) -> float:
    name = "ibex_sessions_recounted_total"
    return REGISTRY.get_sample_value(name, {"outcome": outcome}) or 0.0


def test_a_turn_that_was_counted_twice_at_the_end_is_counted_once(world: World) -> None:
    session = recorded(world, 2, failed=1)
    before = recounts("corrected")
    count_once_more(session)
    row = ended_and_archived(session)
    header, *turns = lines(session)
    assert [turn["index"] for turn in turns] == [0, 1]
    assert (header["turn_count"], header["tokens_in"], row.archive_turns) == (2, 20, 2)
    assert row.archive_after is None
    assert counters(session) == (2, 20, 2, 1)
    assert recounts("corrected") == before + 1
    (event,) = audited(session)
    assert event.actor_type == "system"
    assert event.before == {"turn_count": 3, "tokens_in": 30, "tokens_out": 3, "error_count": 2}
    assert event.after == {"turn_count": 2, "tokens_in": 20, "tokens_out": 2, "error_count": 1}


def test_a_turn_that_was_counted_twice_between_others_leaves_a_gap(world: World) -> None:
    """The count numbers the next turn, so it stays above the last index: nothing is overwritten."""
    session = recorded(world, 1)
    count_once_more(session)
    recorded(world, 1)
    row = ended_and_archived(session)
    header, *turns = lines(session)
    assert [turn["index"] for turn in turns] == [0, 2]
    assert (header["turn_count"], row.archive_turns) == (2, 2)
    assert counters(session) == (3, 20, 2, 0)
    recorded(world, 1)
    assert ended_and_archived(session).archive_version == 2
    assert [turn["index"] for turn in lines(session)[1:]] == [0, 2, 3]
    assert len(audited(session)) == 1


def test_a_turn_that_comes_from_a_spool_later_is_in_the_next_version(world: World) -> None:
    session = recorded(world, 1)
    count_once_more(session)
    ended_and_archived(session)
    recorded(world, 1)
    assert counters(session) == (2, 20, 2, 0)
    assert ended_and_archived(session).archive_turns == 2
    assert [turn["index"] for turn in lines(session)[1:]] == [0, 1]


def refused(session: Session, folder: Path) -> None:
    before = counters(session)
    end(session)
    with pytest.raises(ArchiveIncomplete):
        archive(session)
    assert fresh(session).archive_after is not None
    assert files(folder) == []
    assert counters(session) == before
    assert audited(session) == []


def test_a_turn_that_was_recorded_and_is_gone_is_missed(world: World, folder: Path) -> None:
    session = recorded(world, 1)
    count_once_more(session)
    with tenant(world.acme):
        known = RequestRecord.objects.get(session_id=session.pk)
        known.id, known.turn_id = uuid7(), uuid7()
        known.save(force_insert=True)
    before = recounts("refused")
    refused(session, folder)
    assert recounts("refused") == before + 1


def test_without_the_records_nothing_is_certain(world: World, folder: Path) -> None:
    session = recorded(world, 2)
    count_once_more(session)
    with tenant(world.acme):
        RequestRecord.objects.filter(session_id=session.pk).first().delete()  # type: ignore[union-attr]
    refused(session, folder)


def test_a_session_that_goes_on_meanwhile_is_tried_again(
    world: World,
) -> None:
    session = recorded(world, 1)
    count_once_more(session)
    end(session)
    stale = fresh(session)
    recorded(world, 1)
    with pytest.raises(ArchiveIncomplete):
        recount(stale)
    assert counters(session) == (3, 30, 3, 1)
    assert ended_and_archived(session).archive_turns == 2


def test_what_a_session_counts_rightly_is_left_alone(world: World) -> None:
    session = recorded(world, 2)
    ended_and_archived(session)
    assert counters(session) == (2, 20, 2, 0)
    assert audited(session) == []
