"""The service's connections. Retrieval's SQL is in `memories.retrieval`; nothing else is read."""

from ibex.pools import RECONNECT_S, SurePool
from memories.retrieval import CONNECTION_OPTIONS

MIN_CONNECTIONS = 4
MAX_CONNECTIONS = 10
CONNECT_TIMEOUT_S = 3
MAX_LIFETIME_S = 3600.0

PING = "SELECT 1"


def make_pool(database_url: str, *, deadline_s: float) -> SurePool:
    """Make the pool, closed. Waiting for a connection, and each statement, ends at the deadline.

    The server ends a late statement by itself: asking it to would take a connection more, just
    when there are too few.
    """
    timeout = f"-c statement_timeout={int(deadline_s * 1000)}"
    return SurePool(
        database_url,
        min_size=MIN_CONNECTIONS,
        max_size=MAX_CONNECTIONS,
        open=False,
        timeout=deadline_s,
        reconnect_timeout=RECONNECT_S,
        max_lifetime=MAX_LIFETIME_S,
        kwargs={
            "autocommit": True,
            "options": f"{CONNECTION_OPTIONS} {timeout}",
            "connect_timeout": CONNECT_TIMEOUT_S,
        },
    )
