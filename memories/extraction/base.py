"""What an extractor is given and what it proposes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID


@dataclass(frozen=True)
class TurnText:
    """What the user said in one turn: no injected blocks, no personal data."""

    turn_id: UUID
    text: str
    said_at: datetime


@dataclass(frozen=True, kw_only=True)
class CandidateMemory:
    """A durable fact that somebody may want remembered, in words that stand on their own.

    `subject_key` says what it is about: another value for the same key replaces it. `replaces`
    names further keys whose memories end with this one; with `retracts`, only those end whose
    text mentions these words.
    """

    content: str
    labels: Mapping[str, float]
    confidence: float
    valid_from: datetime
    source_turns: tuple[UUID, ...]
    subject_key: str = ""
    valid_until: datetime | None = None
    replaces: tuple[str, ...] = field(default=())
    retracts: str = ""


class Extractor(Protocol):
    """Finds what is worth remembering in a batch of turns. It may take seconds."""

    version: str
    """Name and version, kept with what it found."""

    def extract(self, turns: Sequence[TurnText]) -> list[CandidateMemory]:
        """Return candidates in the order in which they were said; often none."""
        ...
