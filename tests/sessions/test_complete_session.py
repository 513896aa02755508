"""A session ends once, and what is left of it is learned at once."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ibex.tenancy import tenant
from orgs.models import AuditEvent
from sessions.models import Session
from sessions.services import complete_idle_session, complete_session
from tests.conftest import TESTS, World
from tests.sessions.turns import make_session, record_turn


def audited(session: Session) -> list[str]:
    with tenant(session.org_id):
        events = AuditEvent.objects.filter(target_id=session.pk).order_by("at")
        return list(events.values_list("action", flat=True))


def test_a_completed_session_is_due_for_learning_at_once(world: World) -> None:
    session = make_session(world.scout)
    record_turn(session, "My host is a.", due_in=timedelta(seconds=30))
    ended = complete_session(session=session, actor=TESTS, how="completed")
    assert ended.status == Session.Status.COMPLETED
    assert ended.completes_at is None
    assert ended.extract_after is not None
    assert ended.extract_after <= timezone.now()
    assert audited(session) == ["session.complete"]


def test_ending_a_session_twice_changes_nothing(world: World) -> None:
    session = make_session(world.scout)
    first = complete_session(session=session, actor=TESTS, how="completed")
    again = complete_session(session=session, actor=TESTS, how="abandoned")
    assert (again.status, again.completed_at) == (first.status, first.completed_at)
    assert audited(session) == ["session.complete"]


def test_an_idle_session_is_abandoned(world: World) -> None:
    session = make_session(world.scout, completes_at=timezone.now() - timedelta(seconds=1))
    complete_idle_session(org_id=world.acme.pk, session_id=session.pk)
    with tenant(world.acme):
        assert Session.objects.get(pk=session.pk).status == Session.Status.ABANDONED
    assert audited(session) == ["session.abandon"]


def test_a_newer_turn_keeps_a_session_alive(world: World) -> None:
    session = make_session(
        world.scout, completion_claimed_until=timezone.now() + timedelta(minutes=1)
    )
    record_turn(session, "Still here.")
    complete_idle_session(org_id=world.acme.pk, session_id=session.pk)
    with tenant(world.acme):
        row = Session.objects.get(pk=session.pk)
    assert row.status == Session.Status.ACTIVE
    assert row.completion_claimed_until is None


def test_a_session_that_is_gone_is_no_error(world: World) -> None:
    complete_idle_session(org_id=world.acme.pk, session_id=world.scout.pk)


def test_another_orgs_session_is_missing(world: World) -> None:
    session = make_session(world.scout, completes_at=timezone.now() - timedelta(seconds=1))
    complete_idle_session(org_id=world.elsewhere.pk, session_id=session.pk)
    with tenant(world.acme):
        assert Session.objects.get(pk=session.pk).status == Session.Status.ACTIVE
    session.org_id = world.elsewhere.pk
    with pytest.raises(Session.DoesNotExist):
        complete_session(session=session, actor=TESTS, how="completed")
