"""The bundled extractor finds durable facts in what users state, and nothing elsewhere."""

import time
from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibex.ids import uuid7
from memories import extraction
from memories.extraction import CandidateMemory, TurnText, get_extractor
from memories.extraction.dates import resolve_dates
from memories.extraction.rules import MAX_PER_TURN, RulesExtractor

SUNDAY = datetime(2026, 11, 22, 10, tzinfo=UTC)


def find(text: str, turn_id: UUID | None = None) -> list[CandidateMemory]:
    return RulesExtractor().extract([TurnText(turn_id or uuid7(), text, SUNDAY)])


def contents(text: str) -> list[str]:
    return [candidate.content for candidate in find(text)]


@pytest.mark.parametrize(
    ("said", "content", "key", "category"),
    [
        (
            "My database host is db.smoketest.example.com. Please confirm you noted that.",
            "The user's database host is db.smoketest.example.com.",
            "user.database.host",
            "factual",
        ),
        (
            "the host of our db is pg.example.com",
            "The user's db's host is pg.example.com.",
            "user.database.host",
            "factual",
        ),
        ("our deployment day is Friday", None, "user.deployment.day", "factual"),
        ("My favourite colour is blue", None, "user.favorite.color", "preference"),
        ("my dog's Rex", "The user's dog is Rex.", "user.dog", "factual"),
        ("- My budget: 10,000 EUR", "The user's budget is 10,000 EUR.", "user.budget", "factual"),
        ("My editor is `vim`.", "The user's editor is vim.", "user.editor", "factual"),
        ("My goal is to run a marathon", None, "user.goal", "factual"),
        ("I'm a backend engineer", "The user is a backend engineer.", "user.occupation", "factual"),
        ("I am 34 years old", None, "user.age", "factual"),
        ("I'm from Brazil", "The user is from Brazil.", "user.origin", "factual"),
        ("I'm allergic to peanuts", None, "user.allergic.peanuts", "factual"),
        ("I'm a vegetarian", None, "user.diet", "factual"),
        ("I'm Ana Silva", "The user is Ana Silva.", "user.name", "factual"),
        ("I have two kids", "The user has two kids.", "user.has.kid", "factual"),
        ("I was born in Oslo", None, "user.birthplace", "factual"),
        ("I live in Lisbon", "The user lives in Lisbon.", "user.home.location", "factual"),
        ("I moved to Berlin", "The user moved to Berlin.", "user.home.location", "factual"),
        ("I work at Acme", "The user works at Acme.", "user.employer", "factual"),
        ("I work as a nurse", "The user works as a nurse.", "user.occupation", "factual"),
        ("I now work for Acme", None, "user.employer", "factual"),
        ("I prefer dark mode", "The user prefers dark mode.", "user.prefers.mode", "preference"),
        ("I love my dog", "The user loves their dog.", "user.likes.dog", "preference"),
        ("I don't like tea", "The user does not like tea.", "user.likes.tea", "preference"),
        ("I can't stand cilantro", None, "user.likes.cilantro", "preference"),
        ("I'm a big fan of Dune", None, "user.likes.dune", "preference"),
        ("we use Jenkins for CI", None, "user.uses.for.ci", "factual"),
        (
            "I've been using Postgres",
            "The user is using Postgres.",
            "user.uses.postgres",
            "factual",
        ),
        ("I do not use Windows", "The user does not use Windows.", "user.uses.windows", "factual"),
        (
            "I usually drink coffee in the morning",
            "The user usually drinks coffee in the morning.",
            "user.habit.drink.coffee.morning",
            "behavioral",
        ),
        ("I never work on Sundays", None, "user.habit.work.sundays", "behavioral"),
        (
            "Please always answer in German.",
            "The assistant should always answer in German.",
            "assistant.language",
            "procedural",
        ),
        ("Never use emojis", None, "assistant.use.emojis", "procedural"),
        ("Please don't use emojis", None, "assistant.use.emojis", "procedural"),
        ("From now on, write in British English", None, "assistant.language", "procedural"),
        ("I'd like you to always show code first", None, "assistant.show.code.first", "procedural"),
        (
            "Remember that the deploy key rotates monthly.",
            "The deploy key rotates monthly.",
            "",
            "factual",
        ),
        ("Don't forget that my mother's name is Rosa", None, "user.mother.name", "factual"),
        ("Can you remember that my anniversary is June 3?", None, "user.anniversary", "factual"),
        ("Call me Al.", "The user wants to be called Al.", "user.name.preferred", "preference"),
        ("Ana's birthday is 3 May", "Ana's birthday is 3 May.", "ana.birthday", "factual"),
        ("We moved from Heroku to Fly.io", None, "user.uses.fly.io", "factual"),
        ("I switched from Python to Go", None, "user.uses.go", "factual"),
        (
            "I changed my editor from Vim to Zed",
            "The user's editor is Zed.",
            "user.editor",
            "factual",
        ),
        ("Actually, my host is b", "The user's host is b.", "user.host", "factual"),
        ("My phone number is [PHONE].", None, "user.phone.number", "factual"),
    ],
)
def test_a_statement_becomes_a_candidate(
    said: str, content: str | None, key: str, category: str
) -> None:
    (candidate,) = find(said)
    assert content is None or candidate.content == content
    assert candidate.subject_key == key
    assert list(candidate.labels) == [category]
    assert candidate.valid_from == SUNDAY


@pytest.mark.parametrize(
    "said",
    [
        "What is my database host?",
        "Is my host db.a.com?",
        "My name is Ana, right?",
        "do you know where I live",
        "If my host is down, call Dana.",
        "Suppose my name is Bob.",
        "Let's say my salary is 100k.",
        "Maybe my host is a.",
        "Imagine I live in Rome.",
        'She said "my name is Eve".',
        "“I am Bob”, he said.",
        "> my name is Quoted",
        "```\nmy host is x\n```",
        "```python\nmy host is x",
        '"""\nMy name is John. I work at Google.\n"""',
        "    my host is x",
        "<email>My name is Doc. I live in Rome.</email>",
        "Translate to French: My house is big. I love my garden.",
        "Summarize the following text: I work at Google.",
        "My code is not working. My app is crashing.",
        "My question is how to sort. My problem is that it hangs.",
        "I have a question. I need help. I want to sort a list.",
        "I'm trying to fix a bug. I'm not sure. I'm getting an error.",
        "I like it. I love this. I like the way you answer.",
        "I use this function to parse. I use the following script.",
        "I always get an error.",
        "I would like to book a flight.",
        "Write a poem about my cat.",
        "Call me tomorrow.",
        "Never mind. Thanks!",
        "You are a helpful assistant. My task is to classify emails.",
        "it is sunny. It's broken",
        "My wife and",
        "",
    ],
)
def test_nothing_is_taken_from_what_is_no_statement(said: str) -> None:
    assert contents(said) == []


def test_several_statements_are_several_candidates() -> None:
    assert contents(
        "Hi! My name is Ana and I live in Lisbon; I love Rust but I hate meetings."
    ) == [
        "The user's name is Ana.",
        "The user lives in Lisbon.",
        "The user loves Rust.",
        "The user hates meetings.",
    ]
    assert contents("I use Python, Go and Rust") == [
        "The user uses Python.",
        "The user uses Go.",
        "The user uses Rust.",
    ]


def test_a_correction_refers_to_what_was_said_before() -> None:
    found = find("My host is db1.example.com. No, it's db2.example.com")
    assert [candidate.content for candidate in found][1] == "The user's host is db2.example.com."
    assert {candidate.subject_key for candidate in found} == {"user.host"}


@pytest.mark.parametrize(
    ("said", "content", "key", "retracts"),
    [
        ("I no longer live in Berlin", "The user no longer lives in Berlin.", "home", "Berlin"),
        ("I used to live in Paris", "The user used to live in Paris.", "home", "Paris"),
        ("I don't work at Acme anymore", "The user no longer works at Acme.", "employer", "Acme"),
        ("My host is not db1", "The user's host is not db1.", "host", "db1"),
        ("We don't use Jenkins for CI", None, "ci", "Jenkins"),
    ],
)
def test_what_is_no_longer_so_ends_only_what_it_names(
    said: str, content: str | None, key: str, retracts: str
) -> None:
    (candidate,) = find(said)
    assert content is None or candidate.content == content
    assert candidate.subject_key == ""
    assert key in candidate.replaces[0]
    assert candidate.retracts == retracts


def test_opposite_statements_share_a_key() -> None:
    pairs = [
        ("I like tea", "I hate tea"),
        ("I like tea", "I don't like tea anymore"),
        ("I use Vim", "I stopped using Vim"),
        ("I prefer tabs over spaces", "I prefer spaces over tabs"),
        ("I prefer short answers", "I prefer detailed answers"),
        ("Always use emojis", "Never use emojis"),
        ("I always drink tea at noon", "I never drink tea at noon"),
        ("Always answer in German", "From now on answer in French"),
    ]
    for one, other in pairs:
        (first,), (second,) = find(one), find(other)
        assert first.subject_key == second.subject_key != "", (one, other)


def test_what_a_switch_leaves_behind_is_named() -> None:
    (candidate,) = find("We switched from Heroku to Fly.io")
    assert candidate.replaces == ("user.uses.heroku",)


def test_what_is_only_believed_is_less_sure() -> None:
    (candidate,) = find("I think my timezone is UTC+2")
    assert candidate.confidence < 0.6


@pytest.mark.parametrize(
    ("said", "content"),
    [
        ("Yesterday I visited Rome.", "On 2026-11-21, the user visited Rome."),
        ("My flight is next Friday.", "The user's flight is on 2026-11-27."),
        (
            "I'm flying to Tokyo next week.",
            "The user is flying to Tokyo in the week of 2026-11-23.",
        ),
        ("I met Ana two weeks ago", "The user met Ana around 2026-11-08."),
        ("I have a flight tomorrow", "The user has a flight on 2026-11-23."),
    ],
)
def test_relative_dates_are_resolved_against_the_turn(said: str, content: str) -> None:
    assert contents(said) == [content]


@pytest.mark.parametrize(
    ("text", "resolved"),
    [
        ("since yesterday", "since 2026-11-21"),
        ("today's lunch", "2026-11-22's lunch"),
        ("last Friday", "on 2026-11-20"),
        ("last Sunday", "on 2026-11-15"),
        ("this Sunday", "on 2026-11-22"),
        ("on next Monday", "on 2026-11-23"),
        ("the day after tomorrow", "on 2026-11-24"),
        ("last weekend", "on the weekend of 2026-11-14"),
        ("last month", "in October 2026"),
        ("in three months", "in February 2027"),
        ("10 years ago", "in 2016"),
        ("in 3 days", "on 2026-11-25"),
        ("by next year", "by 2027"),
        ("three times in a week", "three times in a week"),
    ],
)
def test_each_way_to_name_a_day_is_understood(text: str, resolved: str) -> None:
    assert resolve_dates(text, SUNDAY.date())[0] == resolved


def test_a_turn_gives_at_most_ten_candidates() -> None:
    assert len(find(" ".join(f"My dog number {n} is Rex {n}." for n in range(30)))) == MAX_PER_TURN


def test_the_same_turns_always_give_the_same_candidates() -> None:
    turn = TurnText(uuid7(), "I like tea. My host is a. Actually it's b.", SUNDAY)
    first, second = (RulesExtractor().extract([turn, turn]) for _ in range(2))
    assert first == second
    assert all(candidate.source_turns == (turn.turn_id,) for candidate in first)


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    for candidate in find(text):
        assert candidate.content.strip()


@pytest.mark.parametrize(
    "text",
    [
        "<a " * 20_000,
        '"' * 20_000,
        "my " * 20_000,
        "`" * 20_000,
        "I like a, " * 5_000,
        "\n" * 50_000,
    ],
)
def test_hostile_text_is_read_quickly(text: str) -> None:
    started = time.perf_counter()
    find(text)
    assert time.perf_counter() - started < 5


def test_an_unknown_extractor_stops_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IBEX_EXTRACTOR", "oracle")
    get_extractor.cache_clear()
    with pytest.raises(SystemExit, match="IBEX_EXTRACTOR must be one of rules"):
        get_extractor()
    monkeypatch.undo()
    get_extractor.cache_clear()
    assert isinstance(get_extractor(), extraction.EXTRACTORS["rules"])
