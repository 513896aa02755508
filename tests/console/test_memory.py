"""One memory in the console: where it came from, how it changed, and changing it."""

import re

import pytest

from ibex.tenancy import tenant
from memories.browsing import detail
from memories.learning.recalls import note_recalls
from memories.models import Memory, MemoryVersion
from memories.services import edit_memory, write_memory
from orgs.models import AuditEvent
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story
from tests.sessions.turns import record_turn

BECAUSE = {"reason": "It is wrong."}


def page(story: Story, action: str = "") -> str:
    return f"/memories/{story.memory.pk}/{f'{action}/' if action else ''}"


def status_of(world: World, memory: Memory) -> str:
    with tenant(world.acme):
        return Memory.objects.get(pk=memory.pk).status


def test_a_memory_leads_to_the_turn_it_came_from(
    world: World, sign_in: SignIn, story: Story
) -> None:
    text = sign_in(world.alice).get(page(story)).content.decode()
    assert "We ship on Fridays." in text
    assert f"/sessions/{story.session.pk}/?begin=0#turn-0" in text


def test_a_memory_shows_the_turns_that_used_it(world: World, sign_in: SignIn, story: Story) -> None:
    text = sign_in(world.alice).get(page(story)).content.decode()
    assert f"/sessions/{story.session.pk}/?begin=1#turn-1" in text
    assert "0.91" in text


def test_the_recall_log_goes_back_page_by_page(
    world: World, sign_in: SignIn, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(detail, "MAX_RECALLS", 2)
    used = story.asked.injected
    turns = [record_turn(story.session, f"{number}?", injected=used) for number in range(2)]
    with tenant(world.acme):
        note_recalls([story.asked, *turns])
    client, seen, address = sign_in(world.alice), [], page(story)
    while address:
        log = client.get(address).content.decode().split('id="recalls"')[1].split("</section>")[0]
        seen.append(re.findall(r">Turn (\d+)</a>", log))
        links = re.findall(r'href="([^"]*)">Earlier recalls', log)
        assert ("Latest recalls" in log) == (len(seen) > 1)
        address = links[0] if links else ""
    assert seen == [["3", "2"], ["1"]]
    assert f'href="/sessions/{story.session.pk}/turns/1/why/"' in log
    assert client.get(f"{page(story)}?recalls=nonsense").status_code == 404


def test_versions_show_what_changed(world: World, sign_in: SignIn, story: Story) -> None:
    edit_memory(
        memory=story.memory, actor=TESTS, content="The team ships on Mondays.", reason="It moved"
    )
    text = sign_in(world.alice).get(page(story)).content.decode()
    assert "<del>Fridays.</del>" in text
    assert "<ins>Mondays.</ins>" in text
    assert "It moved" in text


def test_what_replaced_a_memory_is_linked(world: World, sign_in: SignIn) -> None:
    old = write_memory(
        agent=world.scout, content="Host is walrus.", actor=TESTS, subject_key="host"
    )
    new = write_memory(
        agent=world.scout, content="Host is narwhal.", actor=TESTS, subject_key="host"
    )
    client = sign_in(world.alice)
    assert "Was replaced by" in client.get(f"/memories/{old.memory.pk}/").content.decode()
    assert (
        f"/memories/{old.memory.pk}/" in client.get(f"/memories/{new.memory.pk}/").content.decode()
    )


def test_an_operator_deletes_a_memory_and_restores_it(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client = sign_in(world.alice)
    answer = client.post(page(story, "delete"), BECAUSE, follow=True)
    assert answer.redirect_chain == [(page(story), 302)]
    assert "Deleted. It can be restored." in answer.content.decode()
    assert status_of(world, story.memory) == "deleted"
    client.post(page(story, "restore"), BECAUSE)
    assert status_of(world, story.memory) == "active"
    with tenant(world.acme):
        version = MemoryVersion.objects.filter(memory=story.memory).first()
        assert version is not None
        assert (version.actor_label, version.reason) == (world.alice.email, "It is wrong.")
        event = AuditEvent.objects.filter(target_id=story.memory.pk).first()
        assert event is not None
        assert event.ip == "127.0.0.1"
        assert event.request_id


def test_htmx_gets_the_memory_as_it_stands_now(world: World, sign_in: SignIn, story: Story) -> None:
    answer = sign_in(world.alice).post(
        page(story, "archive"), BECAUSE, headers={"HX-Request": "true"}
    )
    assert answer.status_code == 200
    assert answer.content.strip().startswith(f'<div id="memory-{story.memory.pk}">'.encode())
    assert b"Archived." in answer.content
    assert b"Restore" in answer.content
    assert status_of(world, story.memory) == "archived"


def test_a_quarantined_memory_is_accepted(world: World, sign_in: SignIn, story: Story) -> None:
    with tenant(world.acme):
        Memory.objects.filter(pk=story.memory.pk).update(status="quarantined")
    client = sign_in(world.member("member"))
    assert b"Accept" in client.get(page(story)).content
    client.post(page(story, "accept"), BECAUSE)
    assert status_of(world, story.memory) == "active"


def test_a_change_needs_a_reason(world: World, sign_in: SignIn, story: Story) -> None:
    answer = sign_in(world.alice).post(page(story, "delete"), {"reason": "  "})
    assert answer.status_code == 400
    assert b"This field is required." in answer.content
    assert status_of(world, story.memory) == "active"


def test_a_change_that_does_not_fit_is_explained(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client = sign_in(world.alice)
    client.post(page(story, "delete"), BECAUSE)
    for headers in ({}, {"HX-Request": "true"}):
        answer = client.post(page(story, "archive"), BECAUSE, headers=headers)
        assert answer.status_code == 409
        assert b"A memory that is deleted cannot be archived." in answer.content


@pytest.mark.parametrize("action", ["archive", "restore", "accept", "delete"])
def test_a_viewer_changes_nothing_and_is_told_why(
    world: World, sign_in: SignIn, story: Story, action: str
) -> None:
    client = sign_in(world.member("viewer"))
    text = client.get(page(story)).content.decode()
    assert text.count("disabled>") == 8
    assert "reads memories but does not change them" in text
    assert client.post(page(story, action), BECAUSE).status_code == 403
    assert status_of(world, story.memory) == "active"


def test_a_member_archives_and_does_not_delete(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.member("member"))
    assert client.post(page(story, "delete"), BECAUSE).status_code == 403
    assert "does not delete memories" in client.get(page(story)).content.decode()
    client.post(page(story, "archive"), BECAUSE)
    assert status_of(world, story.memory) == "archived"


@pytest.mark.parametrize("action", ["archive", "restore", "accept", "delete"])
def test_another_orgs_memory_is_missing_and_unharmed(
    world: World, sign_in: SignIn, story: Story, action: str
) -> None:
    client = sign_in(world.mallory)
    assert client.post(page(story, action), BECAUSE).status_code == 404
    assert client.get(page(story, action)).status_code == 405
    assert status_of(world, story.memory) == "active"
