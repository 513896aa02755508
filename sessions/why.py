"""Why an answer came out as it did: what stood in the prompt, what just missed, and how.

Everything is read from the turn's own record; only the texts of memories are looked up, as they
were when the turn was asked.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from context.budget import item_tokens
from memories.browsing.bars import ScoreBar, score_bar
from memories.models import Memory, MemoryVersion, Passage
from memories.retrieval import Candidate, Scores
from memories.retrieval.relevance import COSINE_FLOOR, SHARE_FLOOR
from sessions.beside import TurnView, noted_candidates, number, read_turn
from sessions.models import Session, Turn
from sessions.prompt_parts import Prompt, block_text, read_prompt

LEVELS = {
    "L0": "with everything available",
    "L1": "without the embedding service, by words alone",
    "L2": "but nothing could be retrieved",
    "L3": "but not in time: the prompt went on without",
}
LAPS = {
    "words_ms": "Search for words, and embed the question",
    "scoring_ms": "Score memories and passages",
    "neighbours_ms": "Look around the best",
    "ranking_ms": "Rank",
    "packing_ms": "Pack into the budget",
}
FATES = {
    "question": "It only asks a question, which says nothing",
    "duplicate": "A better passage says the same",
    "same_turn": "A memory of the same turn says it already",
    "max_items": "No place was left: the agent takes so many and no more",
    "budget": "It would have passed the memory budget",
}
MULTIPLIERS = ("recency", "usefulness", "confidence")


@dataclass(frozen=True)
class Source:
    """The turn that a memory or passage came from."""

    session_id: UUID
    index: int
    at: datetime


@dataclass(frozen=True)
class Weighed:
    """One candidate: where it ranked, its score by parts, and what became of it.

    `text` is as it was then, None once it is erased. `why_not` is empty for what was taken.
    """

    id: UUID
    rank: int
    bar: ScoreBar
    parts: dict[str, Any]
    memory: Memory | None
    passage: Passage | None
    text: str | None
    tokens: int
    source: Source | None
    why_not: str = ""

    @property
    def kind(self) -> str:
        """A memory or a passage; empty once it is erased."""
        return "memory" if self.memory else "passage" if self.passage else ""

    @property
    def is_changed(self) -> bool:
        """Whether it reads otherwise by now."""
        return self.memory is not None and self.text != self.memory.content

    @property
    def moved(self) -> list[str]:
        """What the multipliers did: `recency +4 %`."""
        shares = {name: number(self.parts.get(name)) for name in MULTIPLIERS}
        return [
            f"{name} {100 * (share - 1):+.0f} %"
            for name, share in shares.items()
            if share and round(100 * (share - 1))
        ]

    @property
    def measured(self) -> str:
        """What was measured, before anything was compared."""
        said = []
        for name, words in (("bm25", "BM25"), ("cosine", "cosine"), ("share", "words matched")):
            if isinstance(self.parts.get(name), int | float):
                said.append(f"{words} {self.parts[name]:.2f}")
        return ", ".join(said)


@dataclass(frozen=True)
class Lap:
    """How long one step took, and its share of the longest, out of 100."""

    name: str
    ms: float
    share: float


@dataclass(frozen=True)
class Explanation:
    """Everything that the page shows, apart from a comparison with now."""

    view: TurnView
    prompt: Prompt
    taken: list[Weighed]
    missed: list[Weighed]
    laps: list[Lap]
    level: str
    level_words: str
    reason: str
    total_ms: float
    known: int


def explain(session: Session, turn: Turn) -> Explanation:
    """Read why a turn was answered as it was."""
    noted = turn.assembly if isinstance(turn.assembly, dict) else {}
    view = read_turn(session, turn)
    texts = _Texts.of(turn, noted_candidates(turn))
    taken = texts.taken()
    timings = noted.get("timings")
    laps = timings if isinstance(timings, dict) else {}
    level = str(noted.get("level") or "")
    return Explanation(
        view=view,
        prompt=texts.prompt(taken),
        taken=taken,
        missed=texts.missed(),
        laps=_laps(laps),
        level=level,
        level_words=LEVELS.get(level, ""),
        reason=str(noted.get("reason") or noted.get("error") or ""),
        total_ms=number(laps.get("total_ms")),
        known=int(number(noted.get("pool"))),
    )


def prompt_of(turn: Turn) -> Prompt:
    """Return a turn's context as the model saw it, by its parts."""
    texts = _Texts.of(turn, noted_candidates(turn))
    return texts.prompt(texts.taken())


class _Texts:
    """The candidates that a turn noted, and their rows and texts."""

    def __init__(self, turn: Turn, noted: dict[UUID, dict[str, Any]], injected: list[UUID]) -> None:
        self.noted = noted
        self.injected = injected
        self.turn = turn
        ids = {*noted, *injected}
        memories = Memory.objects.filter(org=turn.org_id, pk__in=ids)
        passages = Passage.objects.filter(org=turn.org_id, pk__in=ids)
        self.memories = {m.pk: m for m in memories.defer("embedding", "terms")}
        self.passages = {p.pk: p for p in passages.defer("embedding", "terms")}
        self.then = _as_of(turn, self.memories)
        self.sources = _sources(turn.org_id, self.memories.values())

    @classmethod
    def of(cls, turn: Turn, entries: list[dict[str, Any]]) -> "_Texts":
        noted = {pk: entry for entry in entries if (pk := _uuid(entry.get("id")))}
        listed = turn.injected if isinstance(turn.injected, list) else []
        given = {
            pk: entry
            for entry in listed
            if isinstance(entry, dict) and (pk := _uuid(entry.get("id")))
        }
        for pk, entry in given.items():
            noted.setdefault(pk, {"fate": "taken", "scores": {"final": entry.get("score")}})
        return cls(turn, noted, list(given))

    def taken(self) -> list[Weighed]:
        """Return what stood in the prompt, the most relevant first."""
        ordered = sorted(self.injected, key=lambda pk: -number(self._parts(pk).get("final")))
        return [self._weighed(pk, rank) for rank, pk in enumerate(ordered, start=1)]

    def missed(self) -> list[Weighed]:
        """Return what was found and left out, as the trace lists it."""
        left = [pk for pk in self.noted if pk not in set(self.injected)]
        first = len(self.injected) + 1
        return [
            self._weighed(pk, rank, _why_not(self.noted[pk]))
            for rank, pk in enumerate(left, start=first)
        ]

    def prompt(self, taken: list[Weighed]) -> Prompt:
        """Divide the turn's prompt into its parts; `taken` stood in its block."""
        noted = self.turn.assembly if isinstance(self.turn.assembly, dict) else {}
        block = block_text([self.candidate(one) for one in taken if one.text is not None])
        tokens, known = int(number(noted.get("tokens"))), int(number(noted.get("pool")))
        return read_prompt(self.turn, block, tokens, known)

    def candidate(self, one: Weighed) -> Candidate:
        """Build what the formatter takes."""
        row: Any = one.memory or one.passage
        at = row.observed_at if one.memory else row.said_at
        parts = {field.name: number(one.parts.get(field.name)) for field in fields(Scores)}
        return Candidate(
            id=one.id,
            kind="memory" if one.memory else "passage",
            content=one.text or "",
            at=at,
            created_at=row.created_at,
            scores=Scores(**parts),
            category=one.memory.category if one.memory else "",
            role="" if one.memory else row.role,
        )

    def _weighed(self, pk: UUID, rank: int, why_not: str = "") -> Weighed:
        parts, text = self._parts(pk), self._text(pk)
        memory, passage = self.memories.get(pk), self.passages.get(pk)
        one = Weighed(
            id=pk,
            rank=rank,
            bar=score_bar(number(parts.get("final")), parts),
            parts=parts,
            memory=memory,
            passage=passage,
            text=text,
            tokens=0,
            source=self._source(memory, passage),
            why_not=why_not,
        )
        if text is None:
            return one
        return Weighed(**{**one.__dict__, "tokens": item_tokens(self.candidate(one))})

    def _parts(self, pk: UUID) -> dict[str, Any]:
        parts = self.noted.get(pk, {}).get("scores")
        return parts if isinstance(parts, dict) else {}

    def _text(self, pk: UUID) -> str | None:
        if memory := self.memories.get(pk):
            return self.then.get(pk, memory.content)
        passage = self.passages.get(pk)
        return passage.text if passage else None

    def _source(self, memory: Memory | None, passage: Passage | None) -> Source | None:
        if passage:
            return Source(passage.session_id, passage.turn_index, passage.said_at)
        if memory and memory.source_turns:
            return self.sources.get(memory.source_turns[-1])
        return None


def _as_of(turn: Turn, memories: Iterable[UUID]) -> dict[UUID, str]:
    """Return the memories' texts as they were when the turn was asked."""
    versions = MemoryVersion.objects.filter(
        org=turn.org_id, memory__in=list(memories), created_at__lte=turn.created_at
    )
    latest = versions.order_by("memory_id", "-number").distinct("memory_id")
    return dict(latest.values_list("memory_id", "content"))


def _sources(org_id: UUID, memories: Iterable[Memory]) -> dict[UUID, Source]:
    wanted = [memory.source_turns[-1] for memory in memories if memory.source_turns]
    turns = Turn.objects.filter(org=org_id, pk__in=wanted)
    rows = turns.values_list("pk", "session_id", "index", "created_at")
    return {pk: Source(session, index, at) for pk, session, index, at in rows}


def _why_not(entry: dict[str, Any]) -> str:
    """Say in words why a candidate was left out."""
    fate = str(entry.get("fate") or "")
    scores = entry.get("scores")
    parts = scores if isinstance(scores, dict) else {}
    if fate == "floor":
        cosine, share = number(parts.get("cosine")), number(parts.get("share"))
        return (
            f"Under the relevance floor: cosine {cosine:.2f} of {COSINE_FLOOR:.2f}, "
            f"words {share:.2f} of {SHARE_FLOOR:.2f}"
        )
    return FATES.get(fate, f"It was left out: {fate}" if fate else "It was left out")


def _laps(timings: dict[str, Any]) -> list[Lap]:
    known = [(words, number(timings.get(name))) for name, words in LAPS.items() if name in timings]
    longest = max((ms for _words, ms in known), default=0.0)
    return [Lap(words, ms, round(100 * ms / longest, 1) if longest else 0.0) for words, ms in known]


def _uuid(value: Any) -> UUID | None:
    try:
        return UUID(value)
    except (ValueError, TypeError, AttributeError):
        return None
