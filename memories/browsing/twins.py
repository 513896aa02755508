"""Which of some memories lie so close to another of them that one of the two may be too much.

A cosine proposes and decides nothing (ADR 0037): what is close may say the same, or the opposite.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import numpy as np
from django.db.models import BinaryField, Func, QuerySet

from memories.models import EMBEDDING_DIM, Memory
from memories.writing.neighbours import NEAR_COSINE

MAX_SHOWN = 3
HEADER = 4
"""Bytes before the numbers in what `halfvec_send` writes: dimensions and flags."""
VECTOR = Func("embedding", function="halfvec_send", output_field=BinaryField())


@dataclass(frozen=True)
class Pair:
    """Two memories of one agent, subject and session, and the cosine of their meanings."""

    one: UUID
    other: UUID
    cosine: float


@dataclass(frozen=True)
class Twins:
    """How many memories have another that is closer than the write pipeline lets pass unseen.

    `closest` are a few of the pairs, the closest first.
    """

    count: int
    closest: list[Pair]


def find_twins(memories: QuerySet[Memory]) -> Twins:
    """Compare the memories of one agent with each other, in one query, inside the tenant.

    Each is compared with all of the same subject and session, so hand in a bounded number: a
    thousand take 4 MiB and some milliseconds.
    """
    scopes: dict[Any, list[tuple[UUID, bytes]]] = defaultdict(list)
    embedded = memories.filter(embedding__isnull=False).order_by()
    for pk, subject, session, vector in embedded.values_list("pk", "subject", "session", VECTOR):
        scopes[subject, session].append((pk, bytes(vector)))
    found = [_compared(scope) for scope in scopes.values() if len(scope) > 1]
    closest = sorted((pair for one in found for pair in one.closest), key=lambda p: -p.cosine)
    return Twins(sum(one.count for one in found), closest[:MAX_SHOWN])


def _compared(scope: list[tuple[UUID, bytes]]) -> Twins:
    packed = b"".join(vector[HEADER:] for _pk, vector in scope)
    vectors = np.frombuffer(packed, dtype=">f2").reshape(-1, EMBEDDING_DIM).astype(np.float32)
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), np.float32(1e-6))
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    count = int((cosines > NEAR_COSINE).any(axis=1).sum())
    ones, others = np.nonzero(np.triu(cosines > NEAR_COSINE))
    order = np.argsort(-cosines[ones, others], kind="stable")[:MAX_SHOWN]
    return Twins(
        count,
        [
            Pair(scope[a][0], scope[b][0], float(cosines[a, b]))
            for a, b in zip(ones[order], others[order], strict=True)
        ],
    )
