"""A version in the console is copied to another agent: as a draft there, and never unasked."""

from typing import Any

import pytest

from agents.models import Agent
from agents.services import archive_agent, create_agent
from directives import copying
from directives.models import DirectiveDraft
from directives.services import push_directive, save_draft
from ibex.tenancy import tenant
from tests.conftest import TESTS, SignIn, World
from tests.directives.test_push_directive import operator


def make_agent(world: World, name: str) -> Agent:
    slug = name.lower()
    return create_agent(org=world.acme, name=name, slug=slug, memory_scope="agent", actor=TESTS)


@pytest.fixture
def billing(world: World) -> Agent:
    push_directive(
        agent=world.scout, content="Be kind.", actor=TESTS, injection_mode="user_prepend"
    )
    return make_agent(world, "Billing")


def there(world: World) -> str:
    return f"/agents/{world.scout.pk}/directive/versions/1/copy/"


def draft_of(world: World, agent: Agent) -> DirectiveDraft | None:
    with tenant(world.acme):
        return DirectiveDraft.objects.of(agent, operator(world.alice)).first()


def test_a_version_is_copied_and_the_other_editor_opens(
    world: World, sign_in: SignIn, billing: Agent
) -> None:
    gone = make_agent(world, "Gone")
    archive_agent(agent=gone, actor=TESTS)
    client = sign_in(world.alice)
    for page in ("", "versions/1/"):
        text = client.get(f"/agents/{world.scout.pk}/directive/{page}").content.decode()
        assert f'href="{there(world)}"' in text
    text = client.get(there(world)).content.decode()
    assert f'value="{billing.pk}">Billing</option>' in text
    for other in (gone, world.scout, world.spy):
        assert str(other.pk) not in text.split("<select")[1].split("</select>")[0]
    answer = client.post(there(world), {"agent": billing.pk})
    assert answer["Location"] == f"/agents/{billing.pk}/directive/"
    draft = draft_of(world, billing)
    assert draft is not None
    assert (draft.content, draft.injection_mode) == ("Be kind.", "user_prepend")
    text = client.get(answer["Location"]).content.decode()
    assert "Your draft for Billing begins with version 1 of Scout." in text
    assert "Be kind." in text
    assert "Billing, you have a draft</option>" in client.get(there(world)).content.decode()


def test_a_draft_there_is_named_before_it_is_replaced(
    world: World, sign_in: SignIn, billing: Agent
) -> None:
    save_draft(agent=billing, actor=operator(world.alice), content="Hours of work.", base_version=0)
    client = sign_in(world.alice)
    for _twice in range(2):
        answer = client.post(there(world), {"agent": billing.pk})
        text = answer.content.decode()
        assert answer.status_code == 409
        assert "Replace your draft for <bdi>Billing</bdi>?" in text
        assert "14 bytes, saved" in text
        assert "<del>Hours of work.</del>" in text
        assert "<ins>Be kind.</ins>" in text
        assert "now: </span>Before the user&#x27;s message</ins>" in text
        assert f'href="/agents/{billing.pk}/directive/">Keep it</a>' in text
    draft = draft_of(world, billing)
    assert draft is not None
    assert draft.content == "Hours of work."
    seen = {"agent": billing.pk, "draft": draft.pk, "revision": 1}
    for name, value in seen.items():
        assert f'name="{name}" value="{value}"' in text
    assert client.post(there(world), seen).status_code == 302
    draft = draft_of(world, billing)
    assert draft is not None
    assert draft.content == "Be kind."


def test_a_save_after_the_question_is_asked_about_anew(
    world: World, sign_in: SignIn, billing: Agent
) -> None:
    alice = operator(world.alice)
    for content in ("Hours of work.", "Hours more of it."):
        mine = save_draft(agent=billing, actor=alice, content=content, base_version=0)
    seen = {"agent": billing.pk, "draft": mine.pk, "revision": 1}
    answer = sign_in(world.alice).post(there(world), seen)
    assert answer.status_code == 409
    assert "<del>Hours more of it.</del>" in answer.content.decode()
    draft = draft_of(world, billing)
    assert draft is not None
    assert draft.content == "Hours more of it."


@pytest.mark.parametrize("wrong", ["itself", "elsewhere", "archived", "nonsense", "nothing"])
def test_only_another_agent_of_the_organization_can_be_chosen(
    world: World, sign_in: SignIn, billing: Agent, wrong: str
) -> None:
    if wrong == "archived":
        archive_agent(agent=billing, actor=TESTS)
    chosen: dict[str, Any] = {
        "itself": world.scout.pk,
        "elsewhere": world.spy.pk,
        "archived": billing.pk,
        "nonsense": "x",
        "nothing": "",
    }
    answer = sign_in(world.alice).post(there(world), {"agent": chosen[wrong]})
    assert answer.status_code == 400
    assert "Choose one of the agents that are not archived." in answer.content.decode()
    with tenant(world.acme):
        assert not DirectiveDraft.objects.exists()


def test_among_very_many_agents_one_looks_for_a_name(
    world: World, sign_in: SignIn, billing: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_agent(world, "Shipping")
    client = sign_in(world.alice)
    assert 'role="search"' not in client.get(there(world)).content.decode().split("<main")[1]
    monkeypatch.setattr(copying, "MAX_AGENTS", 1)
    first = client.get(there(world)).content.decode()
    assert ">Billing</option>" in first
    assert ">Shipping</option>" not in first
    found = client.get(f"{there(world)}?name=ship").content.decode()
    assert ">Shipping</option>" in found
    assert ">Billing</option>" not in found
    assert "No agent of that name" in client.get(f"{there(world)}?name=zzz").content.decode()
    assert client.get(f"{there(world)}?name=%00").status_code == 404


def test_who_may_not_write_sees_that_it_is_there(
    world: World, sign_in: SignIn, billing: Agent
) -> None:
    client = sign_in(world.member("viewer"))
    for page in ("", "versions/1/"):
        text = client.get(f"/agents/{world.scout.pk}/directive/{page}").content.decode()
        assert there(world) not in text
        button = text.split("Copy to another agent")[0].rsplit("<button", 1)[1]
        assert "disabled" in button.split(">")[0]
        assert "Your role, viewer, does not write directives." in text
    assert client.post(there(world), {"agent": billing.pk}).status_code == 403


def test_the_page_reads_a_fixed_number_of_queries(
    world: World, sign_in: SignIn, billing: Agent, django_assert_num_queries: Any
) -> None:
    client = sign_in(world.alice)
    client.get(there(world))
    for grown in range(2):
        with django_assert_num_queries(10):
            client.get(there(world))
        for number in range(5):
            make_agent(world, f"More-{number}-{grown}")
