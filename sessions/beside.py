"""A page of a session's conversation, with the memories read and written beside each turn."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import structlog
from django.db.models import QuerySet
from django.db.models.functions import Length
from django.urls import reverse

from analytics.models import RequestRecord
from ibex.failures import describe
from memories.browsing.bars import ScoreBar, score_bar
from memories.learning.recalls import injected
from memories.models import Memory, MemorySource, Passage
from sessions.conversation import Piece, Raw, raw, shown_pieces, user_words
from sessions.errors import UnreadableBody
from sessions.failures import calls_without_turn, codes_of_broken
from sessions.models import Session, Turn

TURNS = 20
MAX_PAGE_BYTES = 1024 * 1024
"""Compressed bodies that a page holds; it ends early rather than hold more."""
TURNS_ABOVE = 2
"""Turns that are shown before the one that a link leads to."""
IDLE = timedelta(minutes=2)
MAX_LEARNED = 200
MAX_HEADLINE = 60

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Place:
    """Where a page begins or ends: without either it is the end of the session.

    `raw_turn` is shown with its bodies, `is_raw` shows every turn so.
    """

    begin: int | None = None
    before: int | None = None
    raw_turn: int | None = None
    is_raw: bool = False


@dataclass(frozen=True)
class Injected:
    """A memory or a passage that stood in a turn's prompt; both are None once it is erased."""

    id: UUID
    rank: int
    bar: ScoreBar
    memory: Memory | None
    passage: Passage | None


@dataclass
class TurnView:
    """One turn with all that is shown beside it. `pieces` is None when it cannot be read.

    `broken_off` is the code with which its answer ended too early, if it did and one is known.
    """

    turn: Turn
    pieces: list[Piece] | None = None
    more_pieces: int = 0
    injected: list[Injected] = field(default_factory=list)
    block_tokens: int = 0
    learned: list[Memory] = field(default_factory=list)
    failures: list[RequestRecord] = field(default_factory=list)
    broken_off: str = ""
    idle: timedelta | None = None
    raw: Raw | None = None

    @property
    def headline(self) -> str:
        """How the turn begins, for the outline."""
        return shortened(user_words(self.pieces or [])) or "no words"

    @property
    def answer(self) -> str:
        """How the answer begins."""
        said = [p.text for p in self.pieces or [] if p.kind == "words" and p.role == "assistant"]
        return shortened(said[-1], 2 * MAX_HEADLINE) if said else ""

    @property
    def calls(self) -> int:
        """How many tools the model asked for."""
        return sum(piece.kind == "call" for piece in self.pieces or [])


@dataclass(frozen=True)
class Conversation:
    """Some consecutive turns; where the page before ends and the one after begins.

    `failures` are calls after the last turn that brought none.
    """

    turns: list[TurnView]
    earlier: int | None
    later: int | None
    failures: list[RequestRecord]

    @property
    def last(self) -> int:
        """The index of the last turn shown, or -1."""
        return self.turns[-1].turn.index if self.turns else -1


def read_conversation(session: Session, place: Place) -> Conversation:
    """Read a page of turns in order."""
    turns = _turns(session, place)
    if not turns:
        return Conversation([], session.turn_count if place.begin else None, None, [])
    return _beside(session, turns, place)


def read_tail(session: Session, after: int) -> Conversation:
    """Read the turns that came after one, as many as fit on a page."""
    return read_conversation(session, Place(begin=after + 1))


def read_turn(session: Session, turn: Turn) -> TurnView:
    """Read one turn alone."""
    return _view(turn, _Found.of(session, [turn]), {}, Place())


def turn_address(session_id: UUID, index: int) -> str:
    """Return the address of a turn among those around it."""
    path = reverse("session", args=[session_id])
    return f"{path}?begin={max(index - TURNS_ABOVE, 0)}#turn-{index}"


def shortened(words: str, size: int = MAX_HEADLINE) -> str:
    """Return the beginning of a text on one line."""
    line = " ".join(words[: size * 4].split())
    return line if len(line) <= size else f"{line[:size]}…"


def first_words(session: Session) -> str:
    """Return how a session begins; empty when that cannot be read."""
    turn = Turn.objects.filter(org=session.org_id, session=session, index=0).first()
    try:
        return shortened(user_words(shown_pieces(turn, {})[0]), 120) if turn else ""
    except UnreadableBody:
        return ""


def _beside(session: Session, turns: list[Turn], place: Place) -> Conversation:
    """Put beside the turns what belongs to them, and between them what happened."""
    found = _Found.of(session, turns)
    tools: dict[str, str] = {}
    views = [_view(turn, found, tools, place) for turn in turns]
    earlier, later = turns[0].index, turns[-1].index + 1
    more = later < session.turn_count
    previous = _time_before(session, turns[0])
    rest = calls_without_turn(session, turns, previous, is_end=not more)
    for view in views:
        gap = view.turn.created_at - previous if previous else timedelta(0)
        view.idle = gap if gap >= IDLE else None
        view.failures = [one for one in rest if one.created_at <= view.turn.created_at]
        rest = rest[len(view.failures) :]
        previous = view.turn.created_at
    return Conversation(views, earlier or None, later if more else None, rest)


@dataclass(frozen=True)
class _Found:
    """The rows that the turns of one page name, read at once."""

    memories: dict[UUID, Memory]
    passages: dict[UUID, Passage]
    learned: dict[UUID, list[Memory]]
    broken: dict[UUID, str]

    @classmethod
    def of(cls, session: Session, turns: list[Turn]) -> "_Found":
        ids = {item for turn in turns for item, _entry in injected(turn)}
        memories = Memory.objects.filter(org=session.org_id, pk__in=ids)
        passages = Passage.objects.filter(org=session.org_id, pk__in=ids)
        return cls(
            _by_id(memories.defer("terms", "embedding")),
            _by_id(passages.defer("terms", "embedding")),
            learned_from(session.org_id, [turn.pk for turn in turns]),
            codes_of_broken(session, turns),
        )


def learned_from(org_id: UUID, turns: list[UUID]) -> dict[UUID, list[Memory]]:
    """Return the memories that were made of each turn, the oldest first."""
    rows = MemorySource.objects.filter(org=org_id, turn_id__in=turns).select_related("memory")
    rows = rows.defer("memory__terms", "memory__embedding")
    by_turn: dict[UUID, list[Memory]] = defaultdict(list)
    for row in rows.order_by("memory__created_at", "memory_id")[:MAX_LEARNED]:
        by_turn[row.turn_id].append(row.memory)
    return by_turn


def _turns(session: Session, place: Place) -> list[Turn]:
    """Return the turns that fit on a page together, in order; at least one if there is any."""
    mine = Turn.objects.filter(org=session.org_id, session=session)
    if place.begin is not None:
        rows = mine.filter(index__gte=place.begin).order_by("index")
        return list(rows[: _fitting(rows)])
    if place.before is not None:
        mine = mine.filter(index__lt=place.before)
    rows = mine.order_by("-index")
    return list(rows[: _fitting(rows)])[::-1]


def _fitting(rows: QuerySet[Turn]) -> int:
    sizes = rows.annotate(size=Length("request") + Length("completion"))
    total, fitting = 0, 0
    for size in sizes.values_list("size", flat=True)[:TURNS]:
        total += size
        if total > MAX_PAGE_BYTES and fitting:
            break
        fitting += 1
    return fitting


def _time_before(session: Session, turn: Turn) -> datetime | None:
    """Return when the turn before was asked for; None for the first."""
    earlier = Turn.objects.filter(org=session.org_id, session=session, index__lt=turn.index)
    return earlier.order_by("-index").values_list("created_at", flat=True).first()


def _view(turn: Turn, found: _Found, tools: dict[str, str], place: Place) -> TurnView:
    """Read one turn. Whatever was stored in it, the others are shown."""
    view = TurnView(
        turn,
        learned=found.learned.get(turn.pk, []),
        broken_off=found.broken.get(turn.pk, ""),
    )
    try:
        view.injected = _injected(turn, found)
        view.block_tokens = _block_tokens(turn)
        view.pieces, view.more_pieces = shown_pieces(turn, tools)
        if place.is_raw or turn.index == place.raw_turn:
            view.raw = raw(turn)
    except UnreadableBody:
        view.raw = raw(turn) if turn.index == place.raw_turn else None
    except Exception as error:  # noqa: BLE001 - the outermost frame of one item of a page
        log.warning("turn_not_shown", turn=str(turn.pk), error=describe(error))
    return view


def _injected(turn: Turn, found: _Found) -> list[Injected]:
    """List what stood in the prompt, the most relevant first."""
    parts = score_parts(turn)
    ranked = sorted(injected(turn), key=lambda pair: -number(pair[1].get("score")))
    return [
        Injected(
            item,
            rank,
            score_bar(number(entry.get("score")), parts.get(str(item))),
            found.memories.get(item),
            found.passages.get(item),
        )
        for rank, (item, entry) in enumerate(ranked, start=1)
    ]


def number(value: Any) -> float:
    """Read a number out of JSON; whatever is none is 0."""
    return float(value) if isinstance(value, int | float) else 0.0


def score_parts(turn: Turn) -> dict[str, dict[str, Any]]:
    """Return the score parts that the assembly noted, by id; a malformed note holds none."""
    return {
        str(entry.get("id")): entry["scores"]
        for entry in noted_candidates(turn)
        if isinstance(entry.get("scores"), dict)
    }


def noted_candidates(turn: Turn) -> list[dict[str, Any]]:
    """Return what the assembly noted of its candidates; a malformed note holds none."""
    noted = turn.assembly.get("candidates") if isinstance(turn.assembly, dict) else None
    return [e for e in noted if isinstance(e, dict)] if isinstance(noted, list) else []


def _block_tokens(turn: Turn) -> int:
    return int(number(turn.assembly.get("tokens"))) if isinstance(turn.assembly, dict) else 0


def _by_id(rows: Iterable[Any]) -> dict[UUID, Any]:
    return {row.pk: row for row in rows}
