"""Reading a model's answer strictly: one candidate that breaks a rule makes it all unusable.

A model that was talked into something, or is too weak for the schema, shows it in the form first.
Problems name the place and the rule; they never quote the answer.
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from math import isfinite
from typing import Any, NoReturn, TypeVar

import orjson

from memories.extraction.base import CandidateMemory, ExtractionInvalid, TurnText
from memories.extraction.prompt import LABEL, MAX_LABELS, MAX_PER_TURN, MEMORY
from memories.indexing.text import sanitise
from memories.models import Category, DeadLetter

MAX_CONTENT_CHARACTERS = 1_000
MAX_KEY_CHARACTERS = 200
MAX_REPLACED = 5
FIRST_YEAR, LAST_YEAR = 1900, 2200
A_DAY = timedelta(days=1)
DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
KEY = re.compile(r"[^\W_][\w+#'-]*(?:\.[\w+#'-]+)*")
Reason = DeadLetter.Reason
V = TypeVar("V")


def read_answer(text: str, turns: Sequence[TurnText]) -> list[CandidateMemory]:
    """Return the candidates of an answer. Raises `ExtractionInvalid` with the first problem."""
    try:
        answer = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise ExtractionInvalid(Reason.NOT_JSON, "the answer is not JSON") from None
    rows = _list("memories", _object("answer", answer, ["memories"])["memories"])
    if len(rows) > MAX_PER_TURN * len(turns):
        _refuse("memories", f"at most {MAX_PER_TURN} a turn")
    return [_candidate(f"memories[{index}]", row, turns) for index, row in enumerate(rows)]


def _candidate(place: str, row: Any, turns: Sequence[TurnText]) -> CandidateMemory:
    given = _object(place, row, MEMORY["required"])
    sources = _turns(f"{place}.turns", given["turns"], turns)
    said_at = sources[-1].said_at
    begins = _begin(f"{place}.valid_from", given["valid_from"], said_at)
    return CandidateMemory(
        content=_content(f"{place}.content", given["content"]),
        labels=_labels(f"{place}.labels", given["labels"]),
        confidence=_probability(f"{place}.confidence", given["confidence"]),
        subject_key=_key(f"{place}.subject_key", given["subject_key"]),
        replaces=_replaced(f"{place}.replaces", given["replaces"]),
        valid_from=begins,
        valid_until=_end(f"{place}.valid_until", given["valid_until"], begins),
        observed_at=said_at,
        source_turns=tuple(turn.turn_id for turn in sources),
    )


def _object(place: str, value: Any, names: Sequence[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        _refuse(place, "an object is needed")
    if set(value) != set(names):
        _refuse(place, f"its members must be exactly {', '.join(names)}")
    return value


def _list(place: str, value: Any) -> list[Any]:
    return value if isinstance(value, list) else _refuse(place, "an array is needed")


def _text(place: str, value: Any, limit: int) -> str:
    if not isinstance(value, str):
        _refuse(place, "a string is needed")
    text = sanitise(value).strip()
    return text if len(text) <= limit else _refuse(place, f"at most {limit} characters")


def _content(place: str, value: Any) -> str:
    return _text(place, value, MAX_CONTENT_CHARACTERS) or _refuse(place, "it must not be empty")


def _key(place: str, value: Any) -> str:
    key = _text(place, value, MAX_KEY_CHARACTERS)
    if key and not (KEY.fullmatch(key) and key == key.lower()):
        _refuse(place, "lower-case words joined by dots are needed, or nothing")
    return key


def _replaced(place: str, value: Any) -> tuple[str, ...]:
    keys = _several(place, value, _key)
    if len(keys) > MAX_REPLACED or "" in keys:
        _refuse(place, f"at most {MAX_REPLACED} keys, none of them empty")
    return tuple(keys)


def _labels(place: str, value: Any) -> dict[str, float]:
    labels = dict(_several(place, value, _label))
    if not 0 < len(labels) == len(value) <= MAX_LABELS:
        _refuse(place, f"1 to {MAX_LABELS} different labels are needed")
    return labels


def _label(place: str, value: Any) -> tuple[str, float]:
    given = _object(place, value, LABEL["required"])
    label = given["label"]
    if not isinstance(label, str) or label not in Category.values:
        _refuse(f"{place}.label", f"one of {', '.join(Category.values)} is needed")
    return label, _probability(f"{place}.confidence", given["confidence"])


def _probability(place: str, value: Any) -> float:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not isfinite(value) or not 0 <= value <= 1:
        _refuse(place, "a number from 0 to 1 is needed")
    return float(value)


def _turns(place: str, value: Any, turns: Sequence[TurnText]) -> list[TurnText]:
    """Return the turns that were named, in the order in which they were said."""
    numbers = _list(place, value)
    known = all(type(number) is int and 0 < number <= len(turns) for number in numbers)
    if not numbers or not known or len(set(numbers)) < len(numbers):
        _refuse(place, f"different numbers from 1 to {len(turns)} are needed")
    return [turns[number - 1] for number in sorted(numbers)]


def _begin(place: str, value: Any, said_at: datetime) -> datetime:
    """Read since when it holds. What were to begin later would not be found until then."""
    begins = _moment(place, value)
    if begins and begins > said_at + A_DAY:  # the user's day may be ahead of ours
        _refuse(place, "it must not be later than the turn")
    return min(begins, said_at) if begins else said_at


def _end(place: str, value: Any, begins: datetime) -> datetime | None:
    """Read until when it holds; a date means the end of that day."""
    ends = _moment(place, value)
    if ends and _is_date(value):
        ends += A_DAY
    if ends and ends <= begins:
        _refuse(place, "it must be later than valid_from, and than the turn without one")
    return ends


def _moment(place: str, value: Any) -> datetime | None:
    if value is None:
        return None
    if not isinstance(value, str):
        _refuse(place, "a date YYYY-MM-DD or null is needed")
    try:
        if _is_date(value):
            moment = datetime.combine(date.fromisoformat(value), time(), UTC)
        else:
            moment = datetime.fromisoformat(value)
    except ValueError:
        _refuse(place, "a date YYYY-MM-DD or null is needed")
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        _refuse(place, f"a year from {FIRST_YEAR} to {LAST_YEAR} is needed")
    return moment.astimezone(UTC) if moment.tzinfo else moment.replace(tzinfo=UTC)


def _is_date(value: str) -> bool:
    return DATE.fullmatch(value) is not None


def _several(place: str, value: Any, read: Callable[[str, Any], V]) -> list[V]:
    return [read(f"{place}[{index}]", item) for index, item in enumerate(_list(place, value))]


def _refuse(place: str, rule: str) -> NoReturn:
    raise ExtractionInvalid(Reason.SCHEMA, f"{place}: {rule}")
