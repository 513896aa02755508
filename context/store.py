"""The service's connections. Retrieval's SQL is in `memories.retrieval`; nothing else is read."""

from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool

from memories.retrieval import CONNECTION_OPTIONS

MIN_CONNECTIONS = 4
MAX_CONNECTIONS = 10


def make_pool(database_url: str, *, wait_s: float) -> AsyncConnectionPool[AsyncConnection]:
    """Make the pool; it opens in the background. `wait_s` bounds waiting for a connection."""
    return AsyncConnectionPool(
        database_url,
        min_size=MIN_CONNECTIONS,
        max_size=MAX_CONNECTIONS,
        open=False,
        timeout=wait_s,
        reconnect_timeout=5.0,
        max_lifetime=3600.0,
        kwargs={"autocommit": True, "options": CONNECTION_OPTIONS, "connect_timeout": 3},
    )
