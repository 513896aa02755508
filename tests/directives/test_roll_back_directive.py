"""Rolling back: an old text becomes a new version that remembers where it came from."""

import pytest

from directives.errors import DirectiveConflict
from directives.models import Directive, DirectiveVersion
from directives.services import push_directive, roll_back_directive
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from tests.conftest import TESTS, World


@pytest.fixture
def first(world: World) -> DirectiveVersion:
    version = push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    push_directive(agent=world.scout, content="Be rude.", actor=TESTS)
    return version


def test_the_old_text_is_a_new_version_with_a_link(world: World, first: DirectiveVersion) -> None:
    again = roll_back_directive(
        agent=world.scout, to=first, actor=TESTS, reason="Complaints", base_version=2
    )
    with tenant(world.acme):
        row = DirectiveVersion.objects.get(pk=again.pk)
        (event,) = AuditEvent.objects.filter(action="directive.roll_back")
    assert (row.number, row.content, row.sha256) == (3, "Be brief.", first.sha256)
    assert (row.rolled_back_from_id, row.reason) == (first.pk, "Complaints")
    assert event.after == {
        "number": 3,
        "bytes": 9,
        "sha256": first.sha256,
        "injection_mode": "system_first",
        "rolled_back_from": 1,
    }


def test_the_old_place_in_the_prompt_comes_back_too(world: World, first: DirectiveVersion) -> None:
    push_directive(
        agent=world.scout, content="Be brief.", actor=TESTS, injection_mode="user_prepend"
    )
    for _twice in range(2):
        again = roll_back_directive(agent=world.scout, to=first, actor=TESTS, base_version=3)
        assert (again.number, again.content) == (4, "Be brief.")
    with tenant(world.acme):
        directive = Directive.objects.get(agent=world.scout)
        row = DirectiveVersion.objects.get(pk=again.pk)
        places = DirectiveVersion.objects.order_by("number").values_list(
            "injection_mode", flat=True
        )
        assert list(places) == ["system_first", "system_first", "user_prepend", "system_first"]
    assert (row.rolled_back_from_id, directive.injection_mode) == (first.pk, "system_first")


def test_a_push_meanwhile_is_not_rolled_back_unseen(world: World, first: DirectiveVersion) -> None:
    push_directive(agent=world.scout, content="Be fair.", actor=TESTS)
    with pytest.raises(DirectiveConflict):
        roll_back_directive(agent=world.scout, to=first, actor=TESTS, base_version=2)
    with tenant(world.acme):
        assert DirectiveVersion.objects.count() == 3


def test_a_text_that_is_active_already_is_not_copied(world: World, first: DirectiveVersion) -> None:
    again = roll_back_directive(agent=world.scout, to=first, actor=TESTS, base_version=2)
    twice = roll_back_directive(agent=world.scout, to=first, actor=TESTS, base_version=2)
    assert twice.pk == again.pk
