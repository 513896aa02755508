"""Sessions in the console: listed, and read as conversations."""

import json
import zlib
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ibex import http
from ibex.ids import uuid7
from ibex.tenancy import tenant
from orgs.models import AuditEvent
from sessions import beside
from sessions.models import Session
from tests.conftest import SignIn, World
from tests.console.conftest import Story, store_turn
from tests.sessions.turns import make_session, record_turn


def body(session: Session, sign_in: SignIn, world: World, query: str = "") -> str:
    answer = sign_in(world.alice).get(f"/sessions/{session.pk}/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def test_a_session_reads_as_a_conversation(world: World, sign_in: SignIn, story: Story) -> None:
    text = body(story.session, sign_in, world).split('id="turn-0"')[1]
    assert text.index("We ship on Fridays.") < text.index("Noted.") < text.index("When do we ship?")
    assert 'id="turn-1"' in text
    assert "directive 1" in text


def test_beside_a_turn_stands_what_it_read_and_what_was_learned(
    world: World, sign_in: SignIn, story: Story
) -> None:
    text = body(story.session, sign_in, world)
    told, asked = text.split('id="turn-1"')
    link = f"/memories/{story.memory.pk}/"
    assert "Learned 1" in told
    assert link in told
    assert "Read 1" in asked
    assert link in asked
    assert "0.91" in asked


def test_a_memory_that_was_erased_leaves_its_place(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    record_turn(session, "When?", injected=[{"id": str(uuid7()), "kind": "memory", "rank": 1}])
    assert "Erased since." in body(session, sign_in, world)


def packed(value: Any) -> bytes:
    text = value if isinstance(value, str) else json.dumps(value)
    return zlib.compress(text.encode())


@pytest.mark.parametrize("is_streaming", [False, True])
def test_tool_calls_are_folded(world: World, sign_in: SignIn, is_streaming: bool) -> None:
    session = make_session(world.scout)
    call = {"index": 0, "id": "c1", "function": {"name": "lookup", "arguments": '{"service":'}}
    rest = {"index": 0, "function": {"arguments": ' "orders"}'}}
    said = [{"role": "tool", "content": "Release 4.13"}, {"role": "user", "content": "And now?"}]
    if is_streaming:
        events = [{"choices": [{"delta": {"tool_calls": [piece]}}]} for piece in (call, rest)]
        answer = "".join(f"data: {json.dumps(event)}\n\n" for event in events)
    else:
        call["function"] = {"name": "lookup", "arguments": '{"service": "orders"}'}
        answer = json.dumps({"choices": [{"message": {"tool_calls": [call], "content": None}}]})
    store_turn(
        session, packed({"messages": said}), packed(answer), index=0, is_streaming=is_streaming
    )
    text = body(session, sign_in, world)
    assert "lookup" in text
    assert "{ &quot;service&quot;: &quot;orders&quot; }" in text
    assert "{\n  &quot;service&quot;: &quot;orders&quot;\n}" in text
    assert "Result of a tool" in text


def test_a_turn_is_shown_raw_on_request(world: World, sign_in: SignIn, story: Story) -> None:
    text = body(story.session, sign_in, world, "?raw=1")
    assert "&quot;content&quot;: &quot;When do we ship?&quot;" in text
    client = sign_in(world.alice)
    whole = client.get(f"/sessions/{story.session.pk}/turns/1/request/")
    assert json.loads(whole.content)["messages"][0]["content"] == "When do we ship?"
    assert client.get(f"/sessions/{story.session.pk}/turns/9/request/").status_code == 404


def test_whoever_reads_a_body_as_it_was_sent_is_written_down(
    world: World, sign_in: SignIn, story: Story
) -> None:
    address = f"/sessions/{story.session.pk}/turns/1/request/"
    sign_in(world.mallory).get(address)
    sign_in(world.alice).get(f"/sessions/{story.session.pk}/")
    with tenant(world.acme):
        assert not AuditEvent.objects.filter(action="turn.body_read").exists()
    sign_in(world.alice).get(address)
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="turn.body_read")
    assert event.actor_id == world.alice.pk
    assert event.after == {"part": "request", "session": str(story.session.pk), "turn": 1}
    assert "ship" not in str(event.after)


def test_one_unreadable_turn_does_not_cost_the_page(
    world: World, sign_in: SignIn, story: Story
) -> None:
    store_turn(story.session, b"not zlib", b"nor this", index=2)
    text = body(story.session, sign_in, world)
    assert "cannot be read" in text
    assert "When do we ship?" in text
    assert body(story.session, sign_in, world, "?raw=2")


@pytest.mark.parametrize("messages", ["x", [1, None], [{"content": [{"type": "image"}]}], {"a": 1}])
@pytest.mark.parametrize(
    "injected", [{}, ["x"], [{"id": "x"}], [{"id": str(uuid7()), "rank": "a"}]]
)
def test_malformed_turns_are_shown_as_far_as_they_go(
    world: World, sign_in: SignIn, messages: Any, injected: Any
) -> None:
    session = make_session(world.scout)
    answer = packed({"choices": [{"message": {"content": "Noted."}}]})
    odd = {"injected": injected, "assembly": {"candidates": [1, {}]}}
    store_turn(session, packed({"messages": messages}), answer, index=0, **odd)
    assert "Noted." in body(session, sign_in, world)


def walk(session: Session, sign_in: SignIn, world: World, rel: str, start: str = "") -> list[Any]:
    """Follow the links to the next page, or to the one before; return the turns of each."""
    address, seen = start, []
    for _ in range(9):
        text = body(session, sign_in, world, address)
        seen.append([int(part.split('"')[0]) for part in text.split('data-index="')[1:]])
        if f'rel="{rel}"' not in text:
            return seen
        link = text.split(f'rel="{rel}"')[1].split('href="')[1].split('"')[0]
        address = link.replace("&amp;", "&")
    raise AssertionError(seen)


def test_a_long_session_opens_at_its_end_and_pages_by_turn(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "TURNS", 2)
    session = make_session(world.scout)
    for number in range(5):
        record_turn(session, f"Said {number}")
    assert walk(session, sign_in, world, "prev") == [[3, 4], [1, 2], [0]]
    assert walk(session, sign_in, world, "next", "?begin=0") == [[0, 1], [2, 3], [4]]
    assert "Begin at the first" in body(session, sign_in, world, "?begin=99")


def test_large_turns_end_a_page_early(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(beside, "MAX_PAGE_BYTES", 10)
    session = make_session(world.scout)
    for number in range(2):
        record_turn(session, f"Said {number}")
    assert walk(session, sign_in, world, "prev") == [[1], [0]]
    assert walk(session, sign_in, world, "next", "?begin=0") == [[0], [1]]


def test_silence_between_turns_is_shown(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    record_turn(session, "Hello", created_at=timezone.now() - timedelta(minutes=6, seconds=1))
    record_turn(session, "Still there?")
    assert "6 min idle" in body(session, sign_in, world)


def test_sessions_are_found_by_name_subject_and_status(world: World, sign_in: SignIn) -> None:
    ada = make_session(world.scout, subject="ada")
    eve = make_session(world.scout, subject="eve", status="completed")
    client = sign_in(world.alice)
    for path in ("/sessions/", f"/agents/{world.scout.pk}/sessions/"):
        for query, found in [
            ({}, {ada, eve}),
            ({"q": "ada"}, {ada}),
            ({"q": eve.external_id}, {eve}),
            ({"status": "completed"}, {eve}),
            ({"q": "nobody"}, set()),
        ]:
            text = client.get(path, query).content.decode()
            assert {s for s in (ada, eve) if f"session-{s.pk}" in text} == found, query


def test_sessions_page_by_keyset_and_htmx_gets_the_results_alone(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "ROWS", 2)
    made = [make_session(world.scout) for _ in range(3)]
    client = sign_in(world.alice)
    for path in ("/sessions/", f"/agents/{world.scout.pk}/sessions/"):
        first = client.get(path, headers={"HX-Request": "true"}).content.decode()
        assert "<html" not in first
        link = first.split('rel="next"')[0].rsplit('href="', 1)[1].split('"')[0]
        second = client.get(link).content.decode()
        assert [str(s.pk) in first for s in made] == [False, True, True]
        assert [f"session-{s.pk}" in second for s in made] == [True, False, False]


def test_an_archive_is_linked_once_there_is_one(
    world: World, sign_in: SignIn, story: Story
) -> None:
    address = f"/sessions/{story.session.pk}/archive/"
    client = sign_in(world.alice)
    early_page = body(story.session, sign_in, world)
    assert 'disabled title="The archive is written when the session has ended."' in early_page
    assert f'action="{address}"' not in early_page
    early = client.post(address, follow=True)
    assert b"when the session has ended" in early.content
    with tenant(world.acme):
        Session.objects.filter(pk=story.session.pk).update(
            archive_key="acme/scout/2026/11/x.ndjson", archive_version=1, archive_size=12
        )
    page = body(story.session, sign_in, world)
    assert f'action="{address}"' in page
    assert "The archive is written when" not in page
    other = f"/sessions/{make_session(world.scout).pk}/"
    assert client.post(address)["Location"] == f"/sessions/{story.session.pk}/"
    assert b"Download version 1" not in client.get(other).content
    assert b"Download version 1" in client.get(f"/sessions/{story.session.pk}/").content
    assert b"Download version 1" not in client.get(f"/sessions/{story.session.pk}/").content
    with tenant(world.acme):
        assert AuditEvent.objects.filter(action="session.archive_read").count() == 1
    assert sign_in(world.mallory).post(address).status_code == 404
    assert sign_in(world.member("viewer")).post(address).status_code == 403
