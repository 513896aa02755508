"""A conversation in the console: every shape, every place in it, and what happens while reading."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ibex.tenancy import tenant
from orgs.models import AuditEvent
from sessions import conversation, searching
from sessions.models import Session
from tests.api.rows import make_call
from tests.conftest import SignIn, World
from tests.console.conftest import Story, store_turn
from tests.console.test_sessions import body, packed
from tests.sessions.turns import make_session, record_turn


def answer(message: Any) -> bytes:
    return packed({"choices": [{"index": 0, "message": message}]})


IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64," + "A" * 4_000}}
LINKED = {"type": "image_url", "image_url": {"url": "https://example.com/cat.png", "detail": "low"}}
AUDIO = {"type": "input_audio", "input_audio": {"data": "A" * 400, "format": "wav"}}
FILE = {
    "type": "file",
    "file": {"filename": "plan.pdf", "file_data": "data:application/pdf;base64,AAAA"},
}
ANTHROPIC = {
    "type": "message",
    "role": "assistant",
    "content": [
        {"type": "thinking", "thinking": "Let me see."},
        {"type": "text", "text": "I will look."},
        {"type": "tool_use", "id": "t1", "name": "lookup", "input": {"service": "orders"}},
    ],
}


@pytest.mark.parametrize(
    ("part", "words"),
    [
        (IMAGE, "Image, image/png, about 3,000 bytes"),
        (LINKED, "Image, low, at https://example.com/cat.png"),
        (AUDIO, "Audio, wav, about 300 bytes"),
        (FILE, "File, plan.pdf, application/pdf, about 3 bytes"),
        ({"type": "hologram", "hologram": 1}, "Hologram"),
        ({"type": "refusal", "refusal": "I would rather not."}, "I would rather not."),
        (7, "Part in a shape of its own"),
    ],
)
def test_what_is_no_text_is_named_and_never_loaded(
    world: World, sign_in: SignIn, part: Any, words: str
) -> None:
    session = make_session(world.scout)
    said = {"messages": [{"role": "user", "content": [{"type": "text", "text": "Look:"}, part]}]}
    store_turn(session, packed(said), answer({"content": "I see."}), index=0)
    text = body(session, sign_in, world)
    assert words in text
    assert "Look:" in text
    assert "I see." in text
    assert "<img" not in text.split("<main")[1]


@pytest.mark.parametrize(
    ("request_body", "completion", "shown"),
    [
        ({"input": "Hello responses"}, {"output": [{"type": "message"}]}, "Hello responses"),
        ({"messages": []}, ANTHROPIC, "I will look."),
        ({"messages": []}, ANTHROPIC, "lookup"),
        ({"messages": []}, ANTHROPIC, "Thinking"),
        ({"messages": [5, "six"]}, {"error": {"code": "odd"}}, "&quot;odd&quot;"),
        ([1, 2], "no json at all", "no json at all"),
        ({"messages": [{"role": "user", "content": {"a": 1}}]}, {}, "&quot;a&quot;: 1"),
    ],
)
def test_an_unknown_shape_is_shown_as_it_is(
    world: World, sign_in: SignIn, request_body: Any, completion: Any, shown: str
) -> None:
    session = make_session(world.scout)
    record_turn(session, "The one before")
    store_turn(session, packed(request_body), packed(completion), index=1)
    text = body(session, sign_in, world)
    assert shown in text
    assert "The one before" in text


def test_every_choice_of_an_answer_can_be_seen(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    choices = [{"index": n, "message": {"content": f"Choice {n}"}} for n in range(2)]
    store_turn(session, packed({"messages": []}), packed({"choices": choices}), index=0)
    text = body(session, sign_in, world)
    assert "Choice 0" in text
    assert "Choice 1" in text


def test_a_stream_that_was_cut_shows_the_message_that_it_made(
    world: World, sign_in: SignIn
) -> None:
    session = make_session(world.scout)
    record_turn(session, "Go on", "Once upon a time", is_streaming=True, is_complete=False)
    text = body(session, sign_in, world)
    assert "Once upon a time" in text
    assert "The answer was cut short." in text


def test_a_result_names_the_tool_that_was_called(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    call = {"id": "c1", "function": {"name": "lookup_release", "arguments": "{}"}}
    store_turn(session, packed({"messages": []}), answer({"tool_calls": [call]}), index=0)
    result = [{"role": "tool", "tool_call_id": "c1", "content": '{"release": "4.13"}'}]
    store_turn(session, packed({"messages": result}), answer({"content": "4.13"}), index=1)
    text = body(session, sign_in, world).split('id="turn-1"')[1]
    assert 'Result of <span class="mono">lookup_release</span>' in text


def test_a_broken_turn_costs_only_itself(
    world: World, sign_in: SignIn, story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    reading = conversation.all_pieces

    def breaks(turn: Any, tools: Any = None) -> Any:
        if turn.index == 1:
            raise ZeroDivisionError
        return reading(turn, tools)

    monkeypatch.setattr(conversation, "all_pieces", breaks)
    text = body(story.session, sign_in, world)
    assert "We ship on Fridays." in text
    assert "cannot be read" in text


NASTY = "\x00 and \ud800 and \u202etxt.exe <script>alert(1)</script>"


def test_nul_and_lone_surrogates_are_shown_harmlessly(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    said = {"messages": [{"role": "user", "content": NASTY}]}
    call = {"function": {"name": NASTY, "arguments": json.dumps({"a": NASTY})}}
    store_turn(session, packed(said), answer({"content": NASTY, "tool_calls": [call]}), index=0)
    for query in ("", "?view=raw", "?raw=0", "?q=txt.exe"):
        text = body(session, sign_in, world, query)
        assert "\x00" not in text
        assert "<script>" not in text
    page = sign_in(world.alice).get(f"/sessions/{session.pk}/turns/0/pieces/0/")
    assert b"\xef\xbf\xbd and ? and" in page.content


def test_a_long_text_is_cut_and_its_rest_is_loaded(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    record_turn(session, "x" * 1_000_000 + "END", "y" * 30_000)
    text = body(session, sign_in, world)
    assert len(text) < 200_000
    assert "Load the rest, 980,003 more characters" in text
    assert "Load the rest, 10,000 more characters" in text
    client = sign_in(world.alice)
    address = f"/sessions/{session.pk}/turns/0/pieces/0/"
    plain = client.get(address)
    assert plain["Content-Type"] == "text/plain; charset=utf-8"
    assert plain.content.endswith(b"END")
    fragment = client.get(address, headers={"HX-Request": "true"}).content.decode()
    assert fragment.count('class="piece"') == 1
    assert "Load the rest" not in fragment
    assert client.get(f"/sessions/{session.pk}/turns/0/pieces/9/").status_code == 404
    assert sign_in(world.mallory).get(address).status_code == 404


def test_thousands_of_messages_in_one_turn_are_counted(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    record_turn(session, [{"role": "user", "content": f"Line {n}"} for n in range(2_000)])
    text = body(session, sign_in, world)
    assert "Line 199<" in text
    assert "Line 200<" not in text
    assert "1,801 more pieces" in text


def test_the_whole_page_can_be_read_raw(world: World, sign_in: SignIn, story: Story) -> None:
    text = body(story.session, sign_in, world, "?view=raw")
    assert "&quot;content&quot;: &quot;We ship on Fridays.&quot;" in text
    assert "&quot;content&quot;: &quot;When do we ship?&quot;" in text
    assert 'class="bubble' not in text


@pytest.mark.parametrize(("query", "first", "last"), [("?view=raw", 0, 1), ("?raw=1", 1, 1)])
def test_whoever_reads_turns_raw_is_written_down(
    world: World, sign_in: SignIn, story: Story, query: str, first: int, last: int
) -> None:
    body(story.session, sign_in, world)
    with tenant(world.acme):
        assert not AuditEvent.objects.filter(action="session.raw_read").exists()
    body(story.session, sign_in, world, query)
    with tenant(world.acme):
        event = AuditEvent.objects.get(action="session.raw_read")
    assert (event.actor_id, event.target_id) == (world.alice.pk, story.session.pk)
    assert event.after == {"first_turn": first, "last_turn": last}


def test_a_link_to_a_turn_leads_to_its_place(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    for number in range(50):
        record_turn(session, f"Said {number}")
    client = sign_in(world.alice)
    link = client.get(f"/sessions/{session.pk}/turns/7/")
    assert link["Location"] == f"/sessions/{session.pk}/?begin=5#turn-7"
    assert 'id="turn-7"' in client.get(link["Location"].split("#")[0]).content.decode()
    jump = client.get(f"/sessions/{session.pk}/?turn=999")
    assert jump["Location"] == f"/sessions/{session.pk}/turns/49/"
    assert client.get(f"/sessions/{session.pk}/turns/50/").status_code == 404
    assert sign_in(world.mallory).get(f"/sessions/{session.pk}/turns/7/").status_code == 404


def test_words_are_found_anywhere_in_a_session(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "CHUNK_TURNS", 3)
    session = make_session(world.scout)
    for number in range(30):
        record_turn(session, f"Line {number}", "The WALRUS sings" if number in {4, 25} else "Hm")
    store_turn(session, b"broken", b"broken", index=30)
    text = body(session, sign_in, world, "?q=walrus")
    assert "2 turns with" in text
    assert text.count("<mark>WALRUS</mark>") == 2
    assert "begin=4#turn-4" in text
    assert "begin=25#turn-25" in text
    assert "No turn with" in body(session, sign_in, world, "?q=seal")


def test_a_long_search_says_where_it_would_go_on(
    world: World, sign_in: SignIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(searching, "MAX_HITS", 2)
    session = make_session(world.scout)
    for _ in range(5):
        record_turn(session, "walrus")
    text = body(session, sign_in, world, "?q=walrus")
    assert "Search on from turn 2" in text
    rest = body(session, sign_in, world, "?q=walrus&found_from=4")
    assert "begin=4#turn-4" in rest
    assert "Search on" not in rest


def fail(session: Session, at: Any, code: str = "PROVIDER_TIMEOUT") -> None:
    make_call(
        session.agent,
        session_id=session.pk,
        created_at=at,
        request_id=f"request-{code}",
        status=504,
        error_code=code,
        is_complete=False,
        latency_ms=10_000,
    )


def test_calls_that_failed_stand_where_they_happened(world: World, sign_in: SignIn) -> None:
    now = timezone.now()
    session = make_session(world.scout, created_at=now - timedelta(minutes=9))
    for minutes in (9, 5):
        record_turn(session, f"{minutes} minutes ago", created_at=now - timedelta(minutes=minutes))
    fail(session, now - timedelta(minutes=7), "BETWEEN")
    fail(session, now - timedelta(minutes=1), "AFTERWARDS")
    text = body(session, sign_in, world).split('id="turns"')[1]
    places = [
        text.index(words)
        for words in (">9 minutes ago<", "request-BETWEEN", ">5 minutes ago<", "request-AFTERWARDS")
    ]
    assert places == sorted(places)
    assert text.count("request-BETWEEN") == 1


def test_an_answer_that_was_broken_off_says_with_what(world: World, sign_in: SignIn) -> None:
    session, now = make_session(world.scout), timezone.now()
    for minutes, whole in ((3, False), (2, True), (1, False)):
        at = now - timedelta(minutes=minutes)
        turn = record_turn(session, f"{minutes} minutes ago", is_complete=whole, created_at=at)
        code = "PROVIDER_ERROR" if minutes > 1 else ""
        made = {"session_id": session.pk, "turn_id": turn.pk, "created_at": at}
        make_call(world.scout, error_code=code, is_complete=whole, **made)
    turns = body(session, sign_in, world).split("<article")[1:]
    said = [" ".join(re.findall(r"cut short.*?</span>", turn)) for turn in turns]
    assert 'href="/sessions/?error=PROVIDER_ERROR"' in said[0]
    assert [bool(words) for words in said] == [True, False, True]
    assert "error=" not in said[2]


def follow(session: Session, after: int, status: str = "active", **more: str) -> dict[str, str]:
    return {"after": str(after), "status": status, **more}


def test_new_turns_appear_at_the_end(world: World, sign_in: SignIn, story: Story) -> None:
    client, address = sign_in(world.alice), f"/sessions/{story.session.pk}/tail/"
    assert f'data-live="session:{story.session.pk}"' in body(story.session, sign_in, world)
    assert client.get(address, follow(story.session, 1)).status_code == 204
    record_turn(story.session, "Anything else?")
    text = client.get(address, follow(story.session, 1)).content.decode()
    assert "Anything else?" in text
    assert "When do we ship?" not in text
    assert "after=2" in text
    assert "<html" not in text
    assert client.get(address, follow(story.session, 2)).status_code == 204


def test_who_has_paused_is_told_how_many_are_new(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client, address = sign_in(world.alice), f"/sessions/{story.session.pk}/tail/"
    record_turn(story.session, "Anything else?")
    record_turn(story.session, "And this?")
    text = client.get(address, follow(story.session, 1, paused="on")).content.decode()
    assert "2 new, show" in text
    assert "Anything else?" not in text
    assert "after=1" in text


def test_a_session_that_ended_is_not_asked_for_again(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client = sign_in(world.alice)
    assert client.post(f"/sessions/{story.session.pk}/terminate/").status_code == 302
    text = client.get(
        f"/sessions/{story.session.pk}/tail/", follow(story.session, 1)
    ).content.decode()
    assert "hx-get" not in text
    assert "completed" in text
    assert 'data-live="session' not in body(story.session, sign_in, world)


@pytest.mark.parametrize("query", [{}, {"after": "x"}, {"after": "1"}, {"status": "active"}])
def test_a_tail_that_was_asked_for_wrongly_is_missing(
    world: World, sign_in: SignIn, story: Story, query: dict[str, str]
) -> None:
    address = f"/sessions/{story.session.pk}/tail/"
    assert sign_in(world.alice).get(address, query).status_code == 404


def test_another_orgs_conversation_cannot_be_followed_or_ended(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client, page = sign_in(world.mallory), f"/sessions/{story.session.pk}"
    assert client.get(f"{page}/tail/", follow(story.session, 0)).status_code == 404
    assert client.post(f"{page}/terminate/").status_code == 404
    with tenant(world.acme):
        assert Session.objects.get(pk=story.session.pk).status == "active"


def test_a_session_is_terminated_once_and_audited(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client, page = sign_in(world.alice), f"/sessions/{story.session.pk}/"
    assert f"Terminate <bdi>{story.session.external_id}</bdi>?" in body(
        story.session, sign_in, world
    )
    for _ in range(2):
        assert client.post(f"{page}terminate/").status_code == 302
    with tenant(world.acme):
        session = Session.objects.get(pk=story.session.pk)
        audits = AuditEvent.objects.filter(target_id=session.pk, action="session.complete")
        assert audits.count() == 1
        assert audits[0].actor_id == world.alice.pk
    assert session.status == "completed"
    assert session.extract_after is not None
    assert session.archive_after is not None
    ended = body(session, sign_in, world)
    assert "Terminate this session" not in ended
    assert 'disabled title="The session has ended already."' in ended


def test_a_viewer_cannot_terminate_and_sees_why(
    world: World, sign_in: SignIn, story: Story
) -> None:
    client = sign_in(world.member("viewer"))
    page = client.get(f"/sessions/{story.session.pk}/").content.decode()
    assert "Your role, viewer, does not terminate sessions." in page
    assert "Terminate this session" not in page
    assert client.post(f"/sessions/{story.session.pk}/terminate/").status_code == 403
