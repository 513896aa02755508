"""A page of a session's conversation, with the memories read and written beside each turn."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.db.models.functions import Length

from memories.browsing.bars import ScoreBar, score_bar
from memories.learning.recalls import injected
from memories.models import Memory, Passage
from sessions.conversation import Bubble, Raw, bubbles, raw
from sessions.models import Session, Turn

TURNS = 20
MAX_PAGE_BYTES = 1024 * 1024
"""Compressed bodies that a page holds; it ends early rather than hold more."""
IDLE = timedelta(minutes=2)
LEARNED_WITHIN = timedelta(days=1)
MAX_LEARNED = 200
MAX_HEADLINE = 60


@dataclass(frozen=True)
class Injected:
    """A memory or a passage that stood in a turn's prompt; both are None once it is erased."""

    bar: ScoreBar
    memory: Memory | None
    passage: Passage | None


@dataclass
class TurnView:
    """One turn with all that is shown beside it."""

    turn: Turn
    bubbles: list[Bubble] | None
    injected: list[Injected]
    learned: list[Memory] = field(default_factory=list)
    idle: timedelta | None = None
    raw: Raw | None = None

    @property
    def headline(self) -> str:
        """How the turn begins, for the outline."""
        said = [one.text for one in self.bubbles or [] if one.role == "user" and one.text.strip()]
        words = " ".join(said[0][: MAX_HEADLINE * 4].split()) if said else "no words"
        return words if len(words) <= MAX_HEADLINE else f"{words[:MAX_HEADLINE]}…"


@dataclass(frozen=True)
class Conversation:
    """Some consecutive turns, and where the ones before and after begin."""

    turns: list[TurnView]
    earlier: int | None
    later: int | None


def read_conversation(session: Session, begin: int, raw_turn: int | None) -> Conversation:
    """Read a page of turns from index `begin` on; `raw_turn` is shown with its bodies."""
    turns = _turns(session, begin)
    found = _Found.of(session, turns)
    views = [_view(turn, found, raw_turn) for turn in turns]
    for before, view in zip(turns, views[1:], strict=False):
        gap = view.turn.created_at - before.created_at
        view.idle = gap if gap >= IDLE else None
    end = turns[-1].index + 1 if turns else begin
    more = Turn.objects.filter(org=session.org_id, session=session, index__gte=end).exists()
    return Conversation(views, max(begin - TURNS, 0) if begin else None, end if more else None)


@dataclass(frozen=True)
class _Found:
    """The rows that the turns of one page name, read at once."""

    memories: dict[UUID, Memory]
    passages: dict[UUID, Passage]
    learned: dict[UUID, list[Memory]]

    @classmethod
    def of(cls, session: Session, turns: list[Turn]) -> "_Found":
        ids = {item for turn in turns for item, _entry in injected(turn)}
        memories = Memory.objects.filter(org=session.org_id, pk__in=ids)
        passages = Passage.objects.filter(org=session.org_id, pk__in=ids).defer("terms")
        return cls(_by_id(memories), _by_id(passages), _learned(session, turns))


def _turns(session: Session, begin: int) -> list[Turn]:
    """Return the turns that fit on a page together; at least one."""
    mine = Turn.objects.filter(org=session.org_id, session=session)
    rows = mine.filter(index__gte=begin).order_by("index")
    sizes = rows.annotate(size=Length("request") + Length("completion"))
    total, fitting = 0, 0
    for size in sizes.values_list("size", flat=True)[:TURNS]:
        total += size
        if total > MAX_PAGE_BYTES and fitting:
            break
        fitting += 1
    return list(rows[:fitting])


def _learned(session: Session, turns: list[Turn]) -> dict[UUID, list[Memory]]:
    """Return what was learned from each turn, soon after it was said."""
    by_turn: dict[UUID, list[Memory]] = defaultdict(list)
    if not turns:
        return by_turn
    until = turns[-1].created_at + LEARNED_WITHIN
    ids = {turn.pk for turn in turns}
    soon = Memory.objects.filter(
        org=session.org_id,
        agent=session.agent_id,
        created_at__range=(turns[0].created_at, until),
        source_turns__overlap=list(ids),
    )
    for memory in soon.order_by("created_at", "pk")[:MAX_LEARNED]:
        for turn_id in ids.intersection(memory.source_turns):
            by_turn[turn_id].append(memory)
    return by_turn


def _view(turn: Turn, found: _Found, raw_turn: int | None) -> TurnView:
    return TurnView(
        turn,
        bubbles(turn),
        _injected(turn, found),
        learned=found.learned.get(turn.pk, []),
        raw=raw(turn) if turn.index == raw_turn else None,
    )


def _injected(turn: Turn, found: _Found) -> list[Injected]:
    """List what stood in the prompt, in the order of rank."""
    parts = _score_parts(turn)
    ranked = sorted(injected(turn), key=lambda pair: _number(pair[1].get("rank")))
    return [
        Injected(
            score_bar(_number(entry.get("score")), parts.get(str(item))),
            found.memories.get(item),
            found.passages.get(item),
        )
        for item, entry in ranked
    ]


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _score_parts(turn: Turn) -> dict[str, dict[str, Any]]:
    """Return the score parts that the assembly noted, by id; a malformed note holds none."""
    noted = turn.assembly.get("candidates") if isinstance(turn.assembly, dict) else None
    entries = [e for e in noted if isinstance(e, dict)] if isinstance(noted, list) else []
    return {str(e.get("id")): e["scores"] for e in entries if isinstance(e.get("scores"), dict)}


def _by_id(rows: Iterable[Any]) -> dict[UUID, Any]:
    return {row.pk: row for row in rows}
