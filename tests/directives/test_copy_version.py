"""A version becomes one's own draft for another agent; no draft there is lost by it."""

import pytest

from agents.errors import AgentArchived
from agents.models import Agent
from agents.services import archive_agent, create_agent
from directives.errors import CopyToItself, DraftConflict
from directives.models import DirectiveDraft, DirectiveVersion
from directives.services import copy_version, push_directive, save_draft
from ibex.tenancy import tenant
from tests.conftest import TESTS, World
from tests.directives.test_push_directive import operator


@pytest.fixture
def other(world: World) -> Agent:
    return create_agent(
        org=world.acme, name="Billing", slug="billing", memory_scope="agent", actor=TESTS
    )


@pytest.fixture
def version(world: World) -> DirectiveVersion:
    return push_directive(
        agent=world.scout, content="Be kind.", actor=TESTS, injection_mode="user_prepend"
    )


def copied(
    world: World, version: DirectiveVersion, to: Agent, **replaces: int | object
) -> DirectiveDraft:
    with tenant(world.acme):
        return copy_version(version=version, to=to, actor=operator(world.alice), **replaces)  # type: ignore[arg-type]


def test_text_and_place_are_a_draft_on_top_of_what_the_other_agent_runs(
    world: World, version: DirectiveVersion, other: Agent
) -> None:
    first = copied(world, version, other)
    assert (first.agent_id, first.content, first.base_version) == (other.pk, "Be kind.", 0)
    assert (first.injection_mode, first.reason) == (
        "user_prepend",
        "Copied from version 1 of Scout",
    )
    for content in ("Be exact.", "Be brief."):
        push_directive(agent=other, content=content, actor=TESTS)
    again = copied(world, version, other, revision=1, draft_id=first.pk)
    assert again.revision == 1  # it reads like the version: left as it is
    save_draft(agent=other, actor=operator(world.alice), content="Mine", base_version=2)
    later = copied(world, version, other, revision=2, draft_id=first.pk)
    assert (later.content, later.base_version, later.revision) == ("Be kind.", 2, 3)
    with tenant(world.acme):
        assert DirectiveVersion.objects.of_agent(other).count() == 2  # nothing was pushed
        assert not DirectiveDraft.objects.of(world.scout, operator(world.alice)).exists()


@pytest.mark.parametrize(
    "written", [("Hours of work.", "user_prepend"), ("Be kind.", "system_append")]
)
def test_a_draft_that_reads_otherwise_is_replaced_by_name_alone(
    world: World, version: DirectiveVersion, other: Agent, written: tuple[str, str]
) -> None:
    alice = operator(world.alice)
    content, mode = written
    said = {"content": content, "base_version": 0, "injection_mode": mode}
    mine = save_draft(agent=other, actor=alice, **said)
    for replaces in ({}, {"revision": 1, "draft_id": version.pk}, {"revision": 7}):
        with pytest.raises(DraftConflict):
            copied(world, version, other, **replaces)
    with tenant(world.acme):
        kept = DirectiveDraft.objects.of(other, alice).get()
    assert (kept.content, kept.injection_mode, kept.revision) == (content, mode, 1)
    found = copied(world, version, other, revision=1, draft_id=mine.pk)
    assert (found.content, found.injection_mode) == ("Be kind.", "user_prepend")


def test_a_draft_that_leaves_the_place_as_it_is_may_read_like_the_version(
    world: World, other: Agent
) -> None:
    version = push_directive(agent=world.scout, content="Be kind.", actor=TESTS)
    said = {"content": "Be kind.", "base_version": 0}
    save_draft(agent=other, actor=operator(world.alice), **said)
    assert copied(world, version, other).revision == 1


def test_a_colleagues_draft_is_no_concern_of_a_copy(
    world: World, version: DirectiveVersion, other: Agent
) -> None:
    bob = operator(world.member("member"))
    save_draft(agent=other, actor=bob, content="Theirs", base_version=0)
    copied(world, version, other)
    with tenant(world.acme):
        assert DirectiveDraft.objects.of(other, bob).get().content == "Theirs"


def test_a_version_goes_to_another_agent_that_is_not_archived(
    world: World, version: DirectiveVersion, other: Agent
) -> None:
    with pytest.raises(CopyToItself):
        copied(world, version, world.scout)
    archive_agent(agent=other, actor=TESTS)
    with pytest.raises(AgentArchived):
        copied(world, version, other)
    with tenant(world.acme):
        assert not DirectiveDraft.objects.exists()
