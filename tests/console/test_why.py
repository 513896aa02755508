"""Why did it say that: the prompt by its parts, what was weighed, and the same question again."""

import json
import re
from typing import Any

import pytest

from ibex.ids import uuid7
from ibex.tenancy import tenant
from memories.models import Memory, MemoryVersion
from memories.services import edit_memory, write_memory
from sessions.models import Session, Turn
from tests.conftest import TESTS, SignIn, World
from tests.console.conftest import Story, store_turn, tell_story
from tests.console.test_sessions import packed
from tests.sessions.turns import make_session, record_turn

SCORES = {
    "bm25": 4.2,
    "cosine": 0.61,
    "share": 0.5,
    "z_bm25": 1.0,
    "z_cosine": 1.0,
    "recency": 1.04,
    "usefulness": 1.0,
    "confidence": 0.96,
    "final": 0.88,
}


def why(session: Session, index: int, sign_in: SignIn, world: World, query: str = "") -> str:
    answer = sign_in(world.alice).get(f"/sessions/{session.pk}/turns/{index}/why/{query}")
    assert answer.status_code == 200
    return answer.content.decode()


def remember(world: World, content: str, **more: Any) -> Memory:
    return write_memory(agent=world.scout, content=content, actor=TESTS, **more).memory


def asked(
    session: Session,
    taken: list[Memory],
    missed: dict[str, str] | None = None,
    **more: Any,
) -> Turn:
    """Record a turn whose assembly took some memories and left others out."""
    entries = [
        {"id": str(m.pk), "kind": "memory", "fate": "taken", "scores": SCORES} for m in taken
    ]
    entries += [
        {"id": pk, "kind": "memory", "fate": fate, "scores": {**SCORES, "final": 0.1}}
        for pk, fate in (missed or {}).items()
    ]
    timings = {"words_ms": 2.0, "scoring_ms": 4.0, "total_ms": 9.4}
    noted = {"level": "L0", "tokens": 118, "pool": 41, "candidates": entries, "timings": timings}
    injected = [
        {"id": str(m.pk), "kind": "memory", "rank": n, "score": 0.88}
        for n, m in enumerate(taken, start=1)
    ]
    return record_turn(
        session, "When do we ship?", "On Fridays.", injected=injected, assembly=noted, **more
    )


def test_the_prompt_is_shown_by_its_parts(world: World, sign_in: SignIn, story: Story) -> None:
    asked(story.session, [story.memory], directive_version=1, tokens_in=500, tokens_cached=250)
    text = why(story.session, 2, sign_in, world)
    for words in (
        "Directive, version 1",
        "Answer briefly.",
        "Memories, 1 of 41",
        "Earlier turns",
        "Last user message",
        "500 tokens, 50 % from the provider",
        "9.4 ms",
        "with everything available (L0)",
        f"&lt;memory id=&quot;{story.memory.pk}&quot;",
    ):
        assert words in text, words


def test_the_context_of_each_turn_opens_in_the_session(
    world: World, sign_in: SignIn, story: Story
) -> None:
    asked(story.session, [story.memory], directive_version=1, tokens_in=500)
    client, session = sign_in(world.alice), f"/sessions/{story.session.pk}/"
    page = client.get(session).content.decode().split('id="turn-2"')[1]
    assert f'hx-get="{session}turns/2/prompt/"' in page
    assert f'href="{session}turns/2/why/#saw-2"' in page
    part = client.get(f"{session}turns/2/prompt/").content.decode()
    assert "<html" not in part
    for text in (part, why(story.session, 2, sign_in, world)):
        assert 'id="saw-2"' in text
        assert 'class="prompt-bar"' in text
        assert "Memories, 1 of 41" in text
        assert f"&lt;memory id=&quot;{story.memory.pk}&quot;" in text
    assert client.get(f"{session}turns/9/prompt/").status_code == 404
    assert sign_in(world.mallory).get(f"{session}turns/2/prompt/").status_code == 404


def test_tools_and_system_messages_are_parts_too(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    said = [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "Hi"}]
    body = {"messages": said, "tools": [{"type": "function", "function": {"name": "lookup"}}]}
    store_turn(session, packed(body), packed({"choices": []}), index=0)
    text = why(session, 0, sign_in, world)
    for words in (
        "System message",
        "Be kind.",
        "Tool definitions",
        "lookup",
        "Memory was not asked",
    ):
        assert words in text, words


def test_what_was_injected_stands_with_its_parts_and_its_source(
    world: World, sign_in: SignIn, story: Story
) -> None:
    asked(story.session, [story.memory])
    text = why(story.session, 2, sign_in, world)
    assert "The team ships on Fridays." in text
    assert "BM25 4.20, cosine 0.61, words matched 0.50" in text
    assert "recency +4 %, confidence -4 %" in text
    assert "this session, turn 0" in text


@pytest.mark.parametrize(
    ("fate", "words"),
    [
        ("budget", "It would have passed the memory budget"),
        ("floor", "Under the relevance floor: cosine 0.61 of 0.30"),
        ("max_items", "No place was left"),
        ("same_turn", "A memory of the same turn says it already"),
        ("duplicate", "A better passage says the same"),
        ("question", "It only asks a question"),
        ("sunspots", "It was left out: sunspots"),
    ],
)
def test_what_just_missed_says_why(world: World, sign_in: SignIn, fate: str, words: str) -> None:
    session = make_session(world.scout)
    memory = remember(world, "The parrot is called Polly.")
    asked(session, [], {str(memory.pk): fate})
    text = why(session, 0, sign_in, world)
    assert "The parrot is called Polly." in text
    assert words in text
    assert "1 of 41 candidates" in text
    assert f"/turns/0/why/memories/{memory.pk}/pin/" in text


def test_a_memory_reads_as_it_did_then(world: World, sign_in: SignIn, story: Story) -> None:
    asked(story.session, [story.memory])
    edit_memory(memory=story.memory, content="The team ships on Mondays.", actor=TESTS)
    with tenant(world.acme):
        now = MemoryVersion.objects.filter(memory=story.memory, number=2).count()
    assert now == 1
    text = why(story.session, 2, sign_in, world)
    assert "The team ships on Fridays." in text
    assert "reads otherwise now" in text


def test_an_erased_memory_leaves_its_place(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    entry = {"id": str(uuid7()), "kind": "memory", "rank": 1, "score": 0.5}
    record_turn(session, "When?", injected=[entry])
    assert "Erased since." in why(session, 0, sign_in, world)


@pytest.mark.parametrize(
    "assembly",
    [
        {"level": "L3", "error": "DEADLINE_EXCEEDED"},
        {"level": "L2", "reason": "OperationalError", "timings": {"total_ms": 3}},
        {"candidates": [1, {"id": 5}, {"id": "x", "scores": [1]}], "timings": [1], "pool": "many"},
        [1, 2],
        "odd",
    ],
)
def test_a_malformed_note_breaks_nothing(world: World, sign_in: SignIn, assembly: Any) -> None:
    session = make_session(world.scout)
    record_turn(session, "When?", assembly=assembly)
    text = why(session, 0, sign_in, world, "?compare=on")
    assert "Why did it say that?" in text
    if isinstance(assembly, dict):
        assert assembly.get("error", "") in text


def test_an_unreadable_turn_can_still_be_asked_about(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    store_turn(session, b"broken", b"broken", index=0)
    text = why(session, 0, sign_in, world, "?compare=on")
    assert "cannot be read" in text
    assert "There is no question to ask again" in text


def test_the_same_question_is_asked_again(
    world: World, sign_in: SignIn, embedder: list[tuple[str, bool]]
) -> None:
    story = tell_story(world)
    record_turn(
        story.session, "Does the team still ship on Fridays?", injected=story.asked.injected
    )
    later = remember(world, "We ship on Fridays and on Tuesdays.")
    embedder.clear()
    text = why(story.session, 2, sign_in, world, "?compare=on")
    assert [words for words, _in in embedder] == ["Does the team still ship on Fridays?"]
    assert not any(inside for _words, inside in embedder)
    assert "As of then" in text
    place = text.split('class="places"')[1].split("</table>")[0]
    assert f"/memories/{story.memory.pk}/" in place
    assert f"/memories/{later.pk}/" in place
    assert "embedding service is away" not in text


def test_without_one_memory_the_prompt_differs(
    world: World, sign_in: SignIn, embedder: list[tuple[str, bool]]
) -> None:
    story = tell_story(world)
    record_turn(
        story.session, "Does the team still ship on Fridays?", injected=story.asked.injected
    )
    text = why(story.session, 2, sign_in, world, f"?compare=on&without={story.memory.pk}")
    assert "The block without it" in text
    assert "<del>" in text


def test_while_the_embedder_is_away_words_alone_are_compared(
    world: World, sign_in: SignIn, story: Story
) -> None:
    assert "words alone are compared" in why(story.session, 1, sign_in, world, "?compare=on")


@pytest.mark.parametrize(
    ("action", "expected"),
    [
        ("pin", {"pinned": True}),
        ("unpin", {"pinned": False}),
        ("archive", {"status": "archived"}),
        ("quarantine", {"status": "quarantined"}),
    ],
)
def test_a_memory_is_acted_on_from_there(
    world: World, sign_in: SignIn, story: Story, action: str, expected: dict[str, Any]
) -> None:
    page = f"/sessions/{story.session.pk}/turns/1/why/"
    address = f"{page}memories/{story.memory.pk}/{action}/"
    assert sign_in(world.mallory).post(address).status_code == 404
    assert sign_in(world.member("viewer")).post(address).status_code == 403
    client = sign_in(world.alice)
    answer = client.post(address)
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert client.get(page).status_code == 200
    with tenant(world.acme):
        memory = Memory.objects.get(pk=story.memory.pk)
    assert {name: getattr(memory, name) for name in expected} == expected


def test_what_was_done_from_there_can_be_taken_back(
    world: World, sign_in: SignIn, story: Story
) -> None:
    page = f"/sessions/{story.session.pk}/turns/1/why/"
    client = sign_in(world.alice)
    client.post(f"{page}memories/{story.memory.pk}/archive/")
    (undo,) = re.findall(r'action="([^"]+)" data-undo', client.get(page).content.decode())
    assert client.post(undo.replace("&amp;", "&"))["Location"] == page
    with tenant(world.acme):
        assert Memory.objects.get(pk=story.memory.pk).status == "active"
    client.get(page)
    client.post(f"{page}memories/{story.memory.pk}/unpin/")  # it is not pinned
    assert "data-undo" not in client.get(page).content.decode()


def test_a_viewer_sees_why_buttons_are_closed(world: World, sign_in: SignIn, story: Story) -> None:
    client = sign_in(world.member("viewer"))
    text = client.get(f"/sessions/{story.session.pk}/turns/1/why/").content.decode()
    assert "Your role, viewer, does not change memories." in text


def test_another_orgs_turn_and_wrong_questions_are_missing(
    world: World, sign_in: SignIn, story: Story
) -> None:
    page = f"/sessions/{story.session.pk}/turns/1/why/"
    assert sign_in(world.mallory).get(page).status_code == 404
    client = sign_in(world.alice)
    assert client.get(page).status_code == 200
    assert client.get(f"{page}?without=x").status_code == 404
    assert client.get(f"/sessions/{story.session.pk}/turns/9/why/").status_code == 404


def test_the_page_of_a_long_prompt_stays_readable(world: World, sign_in: SignIn) -> None:
    session = make_session(world.scout)
    body = {"messages": [{"role": "user", "content": "x" * 1_000_000}], "tools": [{"a": "y" * 99}]}
    store_turn(session, packed(body), packed(json.dumps({"choices": []})), index=0)
    assert len(why(session, 0, sign_in, world)) < 300_000
