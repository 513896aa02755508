"""Drafts: what an operator types is kept, and nobody else's saving touches it."""

import pytest

from directives.errors import DirectiveSize, DraftConflict, UnknownVersion
from directives.models import MAX_DRAFT_BYTES, DirectiveDraft
from directives.services import discard_draft, push_directive, save_draft
from ibex.tenancy import tenant
from orgs.audit import Actor
from orgs.models import AuditEvent
from tests.conftest import TESTS, World
from tests.directives.test_push_directive import operator


def kept(world: World, actor: Actor) -> DirectiveDraft:
    with tenant(world.acme):
        return DirectiveDraft.objects.of(world.scout, actor).get()


def test_a_draft_is_kept_with_its_base_and_its_reason(world: World) -> None:
    push_directive(agent=world.scout, content="Be brief.", actor=TESTS)
    alice = operator(world.alice)
    first = save_draft(agent=world.scout, actor=alice, content="Be", base_version=1, reason="Why")
    second = save_draft(agent=world.scout, actor=alice, content="Be kind.", base_version=1)
    assert (first.revision, second.revision) == (1, 2)
    draft = kept(world, alice)
    assert (draft.content, draft.base_version, draft.reason) == ("Be kind.", 1, "Why")
    assert draft.injection_mode is None


def test_each_operator_and_token_has_a_draft_of_their_own(world: World) -> None:
    bob, token = world.member("member"), world.token_row(world.token())
    machine = Actor(AuditEvent.Actor.TOKEN, token.pk, "a token")
    for actor in (operator(world.alice), operator(bob), machine):
        save_draft(agent=world.scout, actor=actor, content=f"By {actor.label}", base_version=0)
    for actor in (operator(world.alice), operator(bob), machine):
        assert kept(world, actor).content == f"By {actor.label}"
    with pytest.raises(TypeError):
        save_draft(agent=world.scout, actor=TESTS, content="x", base_version=0)


def test_another_window_of_the_same_person_is_noticed(world: World) -> None:
    alice = operator(world.alice)
    save_draft(agent=world.scout, actor=alice, content="Here", base_version=0, revision=0)
    with pytest.raises(DraftConflict) as refused:
        save_draft(agent=world.scout, actor=alice, content="There", base_version=0, revision=0)
    assert kept(world, alice).content == "Here"
    revision = refused.value.revision
    save_draft(agent=world.scout, actor=alice, content="There", base_version=0, revision=revision)
    assert kept(world, alice).content == "There"


def test_an_empty_first_draft_on_top_of_a_later_save_is_noticed(world: World) -> None:
    alice = operator(world.alice)
    with pytest.raises(DraftConflict):
        save_draft(agent=world.scout, actor=alice, content="", base_version=0, revision=3)
    with tenant(world.acme):
        assert not DirectiveDraft.objects.of(world.scout, alice).exists()


def test_a_draft_may_be_empty_or_too_long_to_push(world: World) -> None:
    alice = operator(world.alice)
    for content in ("", "x" * MAX_DRAFT_BYTES):
        save_draft(agent=world.scout, actor=alice, content=content, base_version=0)
        assert kept(world, alice).content == content
    with pytest.raises(DirectiveSize):
        save_draft(
            agent=world.scout, actor=alice, content="x" * MAX_DRAFT_BYTES + "x", base_version=0
        )


def test_a_draft_begins_from_a_version_that_there_is(world: World) -> None:
    with pytest.raises(UnknownVersion):
        save_draft(agent=world.scout, actor=operator(world.alice), content="x", base_version=3)


def test_a_push_ends_the_draft_that_it_was_and_no_other(world: World) -> None:
    alice, bob = operator(world.alice), operator(world.member("admin"))
    for actor in (alice, bob):
        save_draft(agent=world.scout, actor=actor, content="Be kind.", base_version=0)
    push_directive(agent=world.scout, content="Be kind.", actor=alice, base_version=0)
    assert kept(world, bob).content == "Be kind."
    save_draft(agent=world.scout, actor=alice, content="Be kinder.", base_version=1)
    push_directive(agent=world.scout, content="Be brief.", actor=alice, base_version=1)
    assert kept(world, alice).content == "Be kinder."


def test_a_draft_is_thrown_away(world: World) -> None:
    alice, bob = operator(world.alice), operator(world.member("member"))
    for actor in (alice, bob):
        save_draft(agent=world.scout, actor=actor, content="Be kind.", base_version=0)
    for _twice in range(2):
        discard_draft(agent=world.scout, actor=alice)
    with tenant(world.acme):
        assert not DirectiveDraft.objects.of(world.scout, alice).exists()
    assert kept(world, bob).content == "Be kind."


def test_another_orgs_drafts_do_not_exist(world: World) -> None:
    save_draft(agent=world.scout, actor=operator(world.alice), content="Secret", base_version=0)
    with tenant(world.elsewhere):
        assert not DirectiveDraft.objects.exists()
    with tenant(world.acme):
        assert DirectiveDraft.objects.exists()


def test_saving_leaves_no_text_in_the_audit(world: World) -> None:
    save_draft(agent=world.scout, actor=operator(world.alice), content="Zanzibar", base_version=0)
    with tenant(world.acme):
        assert not any("Zanzibar" in str(vars(event)) for event in AuditEvent.objects.all())
