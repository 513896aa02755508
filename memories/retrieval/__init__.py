"""Find what is known that matters for a message: the one module that does.

The gRPC service (psycopg, asynchronous) and Django views (a cursor inside `tenant`) run the same
statements: `search` yields batches of SQL and receives rows, `retrieve_async` and `retrieve_sync`
carry them. How relevance is scored is in ADR 0040, how the indexes are used in ADR 0035.
"""

from memories.retrieval.candidates import Candidate, Retrieval, Scores
from memories.retrieval.drivers import CONNECTION_OPTIONS, retrieve_async, retrieve_sync
from memories.retrieval.query import Query, Vector, limit_for
from memories.retrieval.tokens import estimate_tokens

__all__ = [
    "CONNECTION_OPTIONS",
    "Candidate",
    "Query",
    "Retrieval",
    "Scores",
    "Vector",
    "estimate_tokens",
    "limit_for",
    "retrieve_async",
    "retrieve_sync",
]
