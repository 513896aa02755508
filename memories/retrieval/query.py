"""What is asked."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal
from uuid import UUID

import numpy as np
import numpy.typing as npt

Vector = npt.NDArray[np.float32]
"""A unit vector of 384 numbers."""

Kind = Literal["memory", "passage"]
BOTH_KINDS: frozenset[Kind] = frozenset({"memory", "passage"})

MISSED = 10
"""How many of those below the floor are reported, unless more are asked for."""
CANDIDATES_PER_ITEM = 3
MAX_CANDIDATES = 200


@dataclass(frozen=True, kw_only=True)
class Query:
    """One question to an agent's memory, and who asks it.

    `subject` and `session_id` are those of the request, None when it has none. Without a
    `vector` only words are compared. `as_of` asks what was believed then: superseded memories
    are found too, and what began later is not.

    `limit` bounds the candidates, `missed` those that are reported though they did not pass the
    floor. Pinned memories are candidates beside the limit: they must not be crowded out.

    With `overseen` an operator asks, about all that these agents remember: no visibility, session
    or scope holds anything back, a `subject` narrows, and pinned memories have to match as well.
    """

    org_id: UUID
    agent_id: UUID
    text: str
    now: datetime
    subject: str | None = None
    session_id: UUID | None = None
    memory_scope: Literal["agent", "subject"] = "agent"
    vector: Vector | None = None
    limit: int = 50
    missed: int = MISSED
    kinds: frozenset[Kind] = BOTH_KINDS
    as_of: datetime | None = None
    overseen: tuple[UUID, ...] = ()

    @property
    def at(self) -> datetime:
        """The moment for which validity is judged."""
        return self.as_of or self.now


def limit_for(max_items: int) -> int:
    """Return how many candidates to ask for, to choose so many items among them."""
    return min(max(max_items, 1) * CANDIDATES_PER_ITEM, MAX_CANDIDATES)
