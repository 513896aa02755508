"""What an extractor is given and what it proposes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from uuid import UUID

from memories.models import DeadLetter


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
    text mentions these words. `observed_at` is when it was said, where that is not `valid_from`.
    """

    content: str
    labels: Mapping[str, float]
    confidence: float
    valid_from: datetime
    source_turns: tuple[UUID, ...]
    subject_key: str = ""
    valid_until: datetime | None = None
    observed_at: datetime | None = None
    replaces: tuple[str, ...] = field(default=())
    retracts: str = ""


class Extractor(Protocol):
    """Finds what is worth remembering in a batch of turns. It may take seconds."""

    version: str
    """Name and version, kept with what it found."""

    def extract(self, turns: Sequence[TurnText]) -> list[CandidateMemory]:
        """Return candidates in the order in which they were said; often none.

        Raises `ExtractionUnavailable` and `ExtractionInvalid`.
        """
        ...

    def pause(self) -> timedelta | None:
        """Return for how long asking would raise `ExtractionPaused`; None, one may ask."""
        ...


class ExtractionUnavailable(Exception):
    """The extractor cannot be asked now: the turns stay due. The message holds no text.

    `wait` is how long everybody leaves it alone; None, the turns wait as their own attempts say.
    """

    wait: timedelta | None = None
    was_asked = True


class ExtractionPaused(ExtractionUnavailable):
    """The extractor failed others a moment ago, and was not asked."""

    was_asked = False

    def __init__(self, wait: timedelta) -> None:
        self.wait = wait
        super().__init__("it is left alone")


class ExtractorMisconfigured(ExtractionUnavailable):
    """The provider refuses our key, our model or our URL: an operator has to act."""


class ExtractionInvalid(Exception):
    """The extractor's answer cannot be used, and asking again did not help: set the turns aside.

    `problem` names the rule that was broken and where, never what was said.
    """

    def __init__(self, reason: DeadLetter.Reason, problem: str) -> None:
        self.reason = reason
        self.problem = problem
        super().__init__(f"{reason}: {problem}")
