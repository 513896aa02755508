"""Relative dates, resolved against the day on which they were said (UTC).

"Last Friday" is the latest Friday before that day, "this Friday" the coming one (or today), and
"next Friday" the one of the following calendar week, which begins on Monday.
"""

import re
from collections.abc import Callable
from datetime import date, timedelta

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
SATURDAY = 5
MONTHS_A_YEAR = 12
SMALL_NUMBERS = {
    word: number
    for number, word in enumerate(
        "one two three four five six seven eight nine ten eleven twelve".split(), 1
    )
} | {"a": 1, "an": 1, "a couple of": 2}
COUNT = rf"(?P<count>\d{{1,3}}|{'|'.join(sorted(SMALL_NUMBERS, key=len, reverse=True))})"
UNIT = r"(?P<unit>day|week|month|year)s?"
PREPOSITION = re.compile(
    r"\b(?:since|until|till|by|from|before|after|on|of|to|between|and|for)\s+$", re.IGNORECASE
)

Resolve = Callable[[re.Match[str], date], str]


def resolve_dates(text: str, said_on: date) -> tuple[str, bool]:
    """Replace relative dates in `text`; say whether there were any."""
    found = False
    for pattern, resolve in PATTERNS:

        def replace(match: re.Match[str], resolve: Resolve = resolve) -> str:
            nonlocal found
            found = True
            when = resolve(match, said_on)
            possessive = match.string.startswith(("'s", "\u2019s"), match.end())
            governed = possessive or PREPOSITION.search(match.string, 0, match.start())
            return re.sub(r"^(?:on|in) ", "", when) if governed else when

        text = pattern.sub(replace, text)
    return text, found


def _day(offset: int, phrase: str = "on {}") -> Resolve:
    return lambda _match, today: phrase.format(today + timedelta(days=offset))


def _weekday(match: re.Match[str], today: date) -> str:
    wanted = WEEKDAYS.index(match["weekday"].lower())
    which = match["which"].lower()
    if which == "last":
        day = today - timedelta(days=(today.weekday() - wanted - 1) % 7 + 1)
    elif which == "this":
        day = today + timedelta(days=(wanted - today.weekday()) % 7)
    else:
        day = _monday(today) + timedelta(days=7 + wanted)
    return f"on {day}"


def _period(match: re.Match[str], today: date) -> str:
    step = {"last": -1, "this": 0, "next": 1}[match["which"].lower()]
    match match["period"].lower():
        case "week":
            return f"in the week of {_monday(today) + timedelta(weeks=step)}"
        case "weekend":
            saturday = _monday(today) + timedelta(days=SATURDAY, weeks=step)
            return f"on the weekend of {saturday}"
        case "month":
            return f"in {_month(today, step)}"
    return f"in {today.year + step}"


def _distance(match: re.Match[str], today: date) -> str:
    text = match["count"].lower()
    count = SMALL_NUMBERS.get(text) or int(text)
    if match[0].lower().endswith("ago"):
        count = -count
    match match["unit"].lower():
        case "day":
            return f"on {today + timedelta(days=count)}"
        case "week":
            return f"around {today + timedelta(weeks=count)}"
        case "month":
            return f"in {_month(today, count)}"
    return f"in {today.year + count}"


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _month(day: date, step: int) -> str:
    months = day.year * MONTHS_A_YEAR + day.month - 1 + step
    return f"{date(months // MONTHS_A_YEAR, months % MONTHS_A_YEAR + 1, 1):%B %Y}"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{text})\b", re.IGNORECASE)


PATTERNS: tuple[tuple[re.Pattern[str], Resolve], ...] = (
    (_pattern("(?:the )?day after tomorrow"), _day(2)),
    (_pattern("(?:the )?day before yesterday"), _day(-2)),
    (_pattern("last night"), _day(-1, "on the night of {}")),
    (_pattern("this morning"), _day(0, "on the morning of {}")),
    (_pattern("this afternoon"), _day(0, "on the afternoon of {}")),
    (_pattern("tonight|this evening"), _day(0, "on the evening of {}")),
    (_pattern("yesterday"), _day(-1)),
    (_pattern("today"), _day(0)),
    (_pattern("tomorrow"), _day(1)),
    (_pattern(rf"(?:on )?(?P<which>last|this|next) (?P<weekday>{'|'.join(WEEKDAYS)})"), _weekday),
    (_pattern("(?P<which>last|this|next) (?P<period>weekend|week|month|year)"), _period),
    (_pattern(rf"{COUNT} {UNIT} ago"), _distance),
    (_pattern(rf"in (?!an? ){COUNT} {UNIT}(?:['\u2019]? time)?"), _distance),
)
