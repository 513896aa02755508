"""Directives: each push is a version that stays as it was."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.db import connection
from django.db.utils import ProgrammingError

from agents.errors import AgentArchived
from agents.services import archive_agent
from directives.errors import DirectiveBlank, DirectiveConflict, DirectiveSize
from directives.models import MAX_BYTES, Directive, DirectiveDraft, DirectiveVersion
from directives.services import change_injection_mode, push_directive, save_draft
from ibex.tenancy import tenant
from orgs.audit import Actor
from orgs.models import AuditEvent, Operator
from tests.conftest import TESTS, World


def operator(person: Operator) -> Actor:
    return Actor(AuditEvent.Actor.OPERATOR, person.pk, person.email)


def places(world: World) -> list[str]:
    """Where the text of each version goes; the directive says the same as the last of them."""
    with tenant(world.acme):
        found = list(
            DirectiveVersion.objects.order_by("number").values_list("injection_mode", flat=True)
        )
        assert Directive.objects.get(agent=world.scout).injection_mode == found[-1]
    return found


def texts(world: World) -> list[str]:
    with tenant(world.acme):
        return list(DirectiveVersion.objects.order_by("number").values_list("content", flat=True))


def test_each_push_is_a_new_active_version(world: World) -> None:
    first = push_directive(agent=world.scout, content="Be brief.", actor=TESTS, reason="start")
    second = push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    assert (first.number, second.number) == (1, 2)
    with tenant(world.acme):
        directive = Directive.objects.get(agent=world.scout)
        assert directive.active_version_id == second.pk
        assert DirectiveVersion.objects.get(number=1).content == "Be brief."
    assert places(world) == ["system_first", "system_first"]


def test_a_version_remembers_who_pushed_it(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=operator(world.alice))
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    with tenant(world.acme):
        first, second = DirectiveVersion.objects.order_by("number")
    assert (first.created_by, first.author) == (world.alice, world.alice.email)
    assert (second.created_by, second.author) == (None, "tests")
    assert (first.pushed_by, second.pushed_by) == ("Alice", "tests")


@pytest.mark.parametrize("change", [{"content": "Be rude."}, {"injection_mode": "user_prepend"}])
def test_a_version_cannot_be_changed(world: World, change: dict[str, str]) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    with pytest.raises(ProgrammingError, match="permission denied"), tenant(world.acme):
        DirectiveVersion.objects.update(**change)


def test_the_size_is_counted_in_bytes(world: World) -> None:
    version = push_directive(agent=world.scout, content="é" * (MAX_BYTES // 2), actor=TESTS)
    assert version.size == MAX_BYTES
    for content in ("", "é" * (MAX_BYTES // 2 + 1)):
        with pytest.raises(DirectiveSize):
            push_directive(agent=world.scout, content=content, actor=TESTS)
    with pytest.raises(DirectiveBlank):
        push_directive(agent=world.scout, content=" \n", actor=TESTS)
    with tenant(world.acme):
        assert DirectiveVersion.objects.count() == 1


def test_a_push_on_top_of_an_older_version_is_refused(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS, base_version=0)
    with pytest.raises(DirectiveConflict) as refused:
        push_directive(agent=world.scout, content="Be kind.", actor=TESTS, base_version=0)
    assert (refused.value.base, refused.value.active) == (0, 1)
    assert "Be kind" not in refused.value.message
    with pytest.raises(DirectiveConflict):
        push_directive(agent=world.scout, content="Be kind.", actor=TESTS, base_version=7)
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS, base_version=1)
    assert texts(world) == ["Be brief.", "Be kind."]


def test_the_same_text_again_makes_no_version(world: World) -> None:
    first = push_directive(agent=world.scout, content="Be brief.", actor=TESTS, base_version=0)
    again = push_directive(agent=world.scout, content="Be brief.", actor=TESTS, base_version=0)
    assert again.pk == first.pk
    with tenant(world.acme):
        assert AuditEvent.objects.filter(action="directive.push").count() == 1


def test_a_stale_push_of_the_active_text_moves_it_nowhere(world: World) -> None:
    def push(mode: str, base: int) -> DirectiveVersion:
        return push_directive(
            agent=world.scout,
            content="Be brief.",
            actor=TESTS,
            base_version=base,
            injection_mode=mode,
        )

    for _twice in range(2):  # a repeated first push is no change
        assert push("system_append", 0).number == 1
    for _twice in range(2):
        with pytest.raises(DirectiveConflict):
            push("user_prepend", 0)
    assert places(world) == ["system_append"]
    for _twice in range(2):  # a repeated change of the place alone is no further change
        assert push("user_prepend", 1).number == 2
    assert places(world) == ["system_append", "user_prepend"]
    assert texts(world) == ["Be brief.", "Be brief."]
    with tenant(world.acme):
        assert AuditEvent.objects.filter(action="directive.push").count() == 2


def test_a_push_that_names_no_place_leaves_it_as_it_is(world: World) -> None:
    for content, more in (("Be brief.", {"injection_mode": "user_prepend"}), ("Be kind.", {})):
        push_directive(agent=world.scout, content=content, actor=TESTS, **more)
    again = push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    assert again.number == 2
    assert places(world) == ["user_prepend", "user_prepend"]


def test_a_draft_that_goes_elsewhere_than_what_was_pushed_is_kept(world: World) -> None:
    alice = operator(world.alice)
    said = {"agent": world.scout, "content": "Be brief.", "actor": alice}
    save_draft(**said, base_version=0, injection_mode="user_prepend")
    push_directive(**said)
    with tenant(world.acme):
        assert DirectiveDraft.objects.of(world.scout, alice).exists()
    push_directive(**said, injection_mode="user_prepend")
    with tenant(world.acme):
        assert not DirectiveDraft.objects.of(world.scout, alice).exists()


def test_two_pushes_at_once_with_the_same_base_make_one_version(committed_world: World) -> None:
    def push(content: str) -> str:
        try:
            push_directive(
                agent=committed_world.scout, content=content, actor=TESTS, base_version=0
            )
        except DirectiveConflict:
            return "refused"
        finally:
            connection.close()
        return content

    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(push, [f"Be number {n}." for n in range(8)]))
    (winner,) = [text for text in said if text != "refused"]
    assert said.count("refused") == 7
    assert texts(committed_world) == [winner]


def test_an_archived_agent_takes_no_directive(world: World) -> None:
    archive_agent(agent=world.scout, actor=TESTS)
    with pytest.raises(AgentArchived):
        push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    assert texts(world) == []


def test_the_audit_row_has_a_hash_and_no_text(world: World) -> None:
    push_directive(agent=world.scout, content="Never mention Zanzibar.", actor=TESTS)
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="directive.push")
    assert event.after == {
        "number": 1,
        "bytes": 23,
        "sha256": hashlib.sha256(b"Never mention Zanzibar.").hexdigest(),
        "injection_mode": "system_first",
    }
    assert "Zanzibar" not in str(vars(event))


def move(world: World, mode: str, **more: Any) -> Directive:
    return change_injection_mode(
        agent=world.scout, injection_mode=mode, actor=TESTS, reason="Theirs first", **more
    )


def test_moving_the_text_is_a_version_with_the_same_text(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    for _twice in range(2):
        assert move(world, "system_append").active_number == 2
    assert texts(world) == ["Be brief.", "Be brief."]
    assert places(world) == ["system_first", "system_append"]
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="directive.configure")
        version = DirectiveVersion.objects.get(number=2)
    assert version.reason == event.reason == "Theirs first"
    assert event.before == {"injection_mode": "system_first"}
    assert event.after == {
        "number": 2,
        "bytes": 9,
        "sha256": hashlib.sha256(b"Be brief.").hexdigest(),
        "injection_mode": "system_append",
    }
    with pytest.raises(ValidationError):
        move(world, "nonsense")


def test_a_text_is_moved_on_top_of_the_active_version_alone(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    with pytest.raises(DirectiveConflict):
        move(world, "system_append", base_version=1)
    assert places(world) == ["system_first", "system_first"]
    move(world, "system_append", base_version=2)
    move(world, "system_append", base_version=2)  # repeated: it goes there already
    assert places(world) == ["system_first", "system_first", "system_append"]


def test_before_the_first_push_the_place_alone_is_set(world: World) -> None:
    for _twice in range(2):
        assert move(world, "user_prepend").active_number == 0
    assert texts(world) == []
    with tenant(world.acme):
        (event,) = AuditEvent.objects.filter(action="directive.configure")
    assert (event.before, event.after) == (
        {"injection_mode": "system_first"},
        {"injection_mode": "user_prepend"},
    )
    with pytest.raises(ValidationError):
        move(world, "nonsense")
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    assert places(world) == ["user_prepend"]


def test_another_orgs_directive_looks_missing(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    with tenant(world.elsewhere):
        assert not Directive.objects.exists()
    with tenant(world.acme):
        assert Directive.objects.exists()
