"""A model's answer is read strictly: one broken rule makes all of it unusable."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from memories.extraction import CandidateMemory, ExtractionInvalid, TurnText
from memories.extraction.answers import read_answer
from memories.models import Category
from memories.writing.drafts import prepare
from tests.memories.model import fact

SAID_AT = datetime(2026, 5, 2, 8, 30, tzinfo=UTC)
TURNS = [TurnText(uuid4(), "…", SAID_AT + timedelta(hours=hour)) for hour in range(2)]
TEA = "The user likes tea."


def read(*facts: Any) -> list[CandidateMemory]:
    return read_answer(json.dumps({"memories": facts}), TURNS)


def problem(*facts: Any) -> str:
    with pytest.raises(ExtractionInvalid) as refused:
        read(*facts)
    return refused.value.problem


def day(year: int, month: int, number: int) -> datetime:
    return datetime(year, month, number, tzinfo=UTC)


def test_nothing_is_an_answer_too() -> None:
    assert read() == []


def test_everything_that_was_answered_is_kept() -> None:
    row = fact(
        f"  {TEA} ",
        2,
        1,
        labels=[
            {"label": "preference", "confidence": 1},
            {"label": "behavioral", "confidence": 0.25},
        ],
        confidence=0,
        subject_key="user.likes.tea",
        replaces=["user.likes.coffee"],
        valid_from="2020-02-29",
        valid_until="2026-12-31",
    )
    (found,) = read(row)
    assert found == CandidateMemory(
        content=TEA,
        labels={"preference": 1.0, "behavioral": 0.25},
        confidence=0.0,
        subject_key="user.likes.tea",
        replaces=("user.likes.coffee",),
        valid_from=day(2020, 2, 29),
        valid_until=day(2027, 1, 1),
        observed_at=TURNS[1].said_at,
        source_turns=(TURNS[0].turn_id, TURNS[1].turn_id),
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "JSON"),
        ("[1, 2", "JSON"),
        ('{"memories": [NaN]}', "JSON"),
        ('```json\n{"memories": []}\n```', "JSON"),
        ("[" * 100_000, "JSON"),
        ("[]", "answer: an object"),
        ("{}", "answer: its members"),
        ('{"memories": [], "notes": ""}', "answer: its members"),
        ('{"memories": {}}', "memories: an array"),
        ('{"memories": ["text"]}', "memories[0]: an object"),
    ],
)
def test_an_answer_of_another_form_is_refused(text: str, place: str) -> None:
    with pytest.raises(ExtractionInvalid) as refused:
        read_answer(text, TURNS)
    assert place in refused.value.problem


LABEL = {"label": "factual", "confidence": 0.5}


@pytest.mark.parametrize(
    ("field", "values"),
    [
        ("content", [None, 5, "", " \n", "\0", "x" * 1_001, ["text"]]),
        ("confidence", [None, "0.5", True, -0.1, 1.01, 10**300]),
        ("labels", [None, [], {}, ["factual"], [LABEL] * 2, [{**LABEL, "more": 1}]]),
        ("labels", [[{**LABEL, "label": name} for name in Category.values[:4]]]),
        ("labels", [[{**LABEL, "label": "fact"}], [{**LABEL, "label": ["factual"]}]]),
        ("labels", [[{**LABEL, "confidence": 2}], [{**LABEL, "confidence": None}]]),
        ("subject_key", [None, 5, "User.Name", "user name", ".user", "user..name", "a" * 201]),
        ("replaces", [None, "user.name", [""], ["NO"], [5], [f"a.{n}" for n in range(6)]]),
        ("turns", [None, [], [0], [3], [-1], [1, 1], ["1"], [1.0], [True], 1]),
        ("valid_from", ["", "yesterday", "2026-02-30", "2026-05", 20260502, "1-1-1", "1899-12-31"]),
        ("valid_from", ["2026-05-04", "2027-01-01T00:00:00Z", "9999-12-31"]),
        ("valid_until", ["tomorrow", "2026-13-01", 5, "2201-01-01", "2026-05-01", "1999-01-01"]),
        ("valid_until", ["2026-05-02T08:30:00Z", "2026-05-02T08:30:00+02:00"]),
    ],
)
def test_a_value_that_breaks_its_rule_is_named_and_not_quoted(
    field: str, values: list[Any]
) -> None:
    for value in values:
        named = problem(fact(TEA), {**fact(TEA), field: value})
        assert named.startswith(f"memories[1].{field}"), (value, named)
        assert str(value) not in named or len(str(value)) < 3


def test_a_member_too_many_or_too_few_is_refused() -> None:
    assert "members" in problem({**fact(TEA), "why": "because"})
    short = fact(TEA)
    del short["replaces"]
    assert "members" in problem(short)


def test_ten_memories_a_turn_are_enough() -> None:
    assert len(read(*[fact(TEA)] * 20)) == 20
    assert problem(*[fact(TEA)] * 21) == "memories: at most 10 a turn"


def test_without_dates_it_holds_from_when_it_was_said_last() -> None:
    (found,) = read(fact(TEA, 2))
    assert (found.valid_from, found.valid_until) == (TURNS[1].said_at, None)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("2026-05-02", day(2026, 5, 2)),
        ("2026-05-03", SAID_AT),  # the user's day had begun already
        ("2026-05-01T20:00:00-04:00", day(2026, 5, 2)),
        ("2026-05-01T12:00:00", datetime(2026, 5, 1, 12, tzinfo=UTC)),
    ],
)
def test_it_never_begins_later_than_it_was_said(given: str, expected: datetime) -> None:
    (found,) = read(fact(TEA, valid_from=given))
    assert found.valid_from == expected


def test_the_last_day_belongs_to_it() -> None:
    (found,) = read(fact(TEA, valid_until="2026-05-02"))
    assert found.valid_until == day(2026, 5, 3)


def test_keys_may_be_of_any_language_in_lower_case() -> None:
    for key in ("", "user.likes.node.js", "user.likes.café", "пользователь.имя", "user.speak.c++"):
        assert read(fact(TEA, subject_key=key))[0].subject_key == key


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False)
    | st.text()
    | st.dates(min_value=day(1, 1, 1).date()).map(str)
    | st.datetimes().map(str),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)
LABELS = st.lists(
    st.fixed_dictionaries(
        {"label": st.sampled_from([*Category.values, "other"]), "confidence": st.floats(0, 1)}
    ),
    max_size=4,
)
ROWS = st.fixed_dictionaries(
    {
        "content": st.text() | JSON,
        "labels": LABELS | JSON,
        "confidence": st.floats(0, 1) | JSON,
        "subject_key": st.from_regex(r"[a-z]+(\.[a-z+#'-]+){0,3}", fullmatch=True) | JSON,
        "replaces": st.lists(st.from_regex(r"[a-z.]*", fullmatch=True), max_size=3) | JSON,
        "valid_from": st.none() | st.dates().map(str) | JSON,
        "valid_until": st.none() | st.dates().map(str) | JSON,
        "turns": st.lists(st.integers(-1, 4)) | JSON,
    }
)
NEAR = st.builds(
    lambda field, value: {**fact(TEA), field: value}, st.sampled_from(sorted(fact(TEA))), JSON
)


@settings(max_examples=150, deadline=None)
@given(st.lists(NEAR | ROWS | st.just(fact(TEA)), max_size=3))
def test_whatever_is_answered_is_refused_or_fit_to_be_written(rows: list[Any]) -> None:
    try:
        found = read_answer(json.dumps({"memories": rows}), TURNS)
    except ExtractionInvalid as error:
        refused = error.problem
        found = []
    else:
        refused = ""
    assert refused.isascii()
    assert len(refused) < 200
    assert len(found) == (0 if refused else len(rows))
    for candidate in found:
        assert 0 < len(candidate.labels) <= 3
        assert set(candidate.labels) <= set(Category.values)
        assert candidate.valid_from <= max(turn.said_at for turn in TURNS)
        assert candidate.valid_until is None or candidate.valid_until > candidate.valid_from
        assert_sources(candidate.source_turns)
        prepare(
            content=candidate.content,
            labels=candidate.labels,
            confidence=candidate.confidence,
            subject_key=candidate.subject_key,
            valid_from=candidate.valid_from,
            valid_until=candidate.valid_until,
            observed_at=candidate.observed_at,
            source_turns=candidate.source_turns,
            replaces=candidate.replaces,
        )


def assert_sources(sources: tuple[UUID, ...]) -> None:
    assert sources
    assert len(set(sources)) == len(sources)
    assert set(sources) <= {turn.turn_id for turn in TURNS}


@settings(max_examples=100, deadline=None)
@given(st.text() | JSON.map(json.dumps))
def test_any_text_at_all_is_read_without_another_error(text: str) -> None:
    try:
        read_answer(text, TURNS)
    except ExtractionInvalid:
        return
