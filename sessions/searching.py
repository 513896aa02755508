"""Finding words inside one session, in everything that was said, called or returned."""

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from django.db.models.functions import Length

from sessions.conversation import all_pieces
from sessions.errors import UnreadableBody
from sessions.models import Session, Turn

MAX_HITS = 50
CHUNK_TURNS = 200
CHUNK_BYTES = 2 * 1024 * 1024
"""Compressed bodies that are read at once, unless a single turn has more."""
MAX_SECONDS = 0.5
"""After so long a search stops, and says where it would go on."""
AROUND = 40


@dataclass(frozen=True)
class Hit:
    """A turn that holds the words, with some text before and after them."""

    index: int
    at: datetime
    before: str
    words: str
    after: str


@dataclass(frozen=True)
class Found:
    """The hits in order, and the turn at which the search would go on; None when it is done."""

    hits: list[Hit]
    following: int | None


def find_in_session(session: Session, words: str, begin: int = 0) -> Found:
    """Look for words, without case, in the turns from index `begin` on."""
    started, hits = time.monotonic(), []
    wanted = words.casefold()
    for turn in _turns(session, begin):
        if hit := _hit(turn, wanted):
            hits.append(hit)
        if len(hits) == MAX_HITS or time.monotonic() - started > MAX_SECONDS:
            following = turn.index + 1
            return Found(hits, following if following < session.turn_count else None)
    return Found(hits, None)


def _turns(session: Session, begin: int) -> Iterator[Turn]:
    mine = Turn.objects.filter(org=session.org_id, session=session)
    while True:
        rows = mine.filter(index__gte=begin).order_by("index")
        sizes = rows.annotate(size=Length("request") + Length("completion"))
        total, last = 0, -1
        for index, size in sizes.values_list("index", "size")[:CHUNK_TURNS]:
            total += size
            if total > CHUNK_BYTES and last >= 0:
                break
            last = index
        if last < 0:
            return
        yield from rows.filter(index__lte=last).defer("assembly", "injected")
        begin = last + 1


def _hit(turn: Turn, wanted: str) -> Hit | None:
    try:
        pieces = all_pieces(turn)
    except UnreadableBody:
        return None
    for piece in pieces:
        for text in (piece.text, piece.title):
            at = text.casefold().find(wanted)
            if at >= 0:
                return _around(turn, text, at, len(wanted))
    return None


def _around(turn: Turn, text: str, at: int, size: int) -> Hit:
    """Quote the place; folding may move it by a letter where a letter folds into two."""
    end = at + size
    return Hit(
        turn.index,
        turn.created_at,
        text[max(at - AROUND, 0) : at],
        text[at:end],
        text[end : end + AROUND],
    )
