"""The addresses of the bundled stores, in the shapes their clients read."""

import os
from pathlib import Path
from urllib.parse import quote

SAFE = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789")


def postgres_url(*, user: str, password: str, sockets: Path, database: str) -> str:
    """Return the URL of a database behind a unix socket, for libpq and for dj-database-url.

    Capitals of the folder are percent-encoded too: `urlsplit` lowers the host, and with it the
    path of a socket.
    """
    host = "".join(chr(byte) if byte in SAFE else f"%{byte:02X}" for byte in os.fsencode(sockets))
    return f"postgres://{user}:{quote(password, safe='')}@{host}:5432/{database}"


def redis_url(socket: Path, database: int = 0) -> str:
    """Return the URL that redis-py reads."""
    return f"unix://{quote(str(socket))}?db={database}"


def broker_url(socket: Path, database: int = 1) -> str:
    """Return the URL that Celery reads: a database of its own beside the cache's."""
    return f"redis+socket://{quote(str(socket))}?virtual_host={database}"


def broker_url_of(url: str) -> str:
    """Return the broker's address on a Redis of the operator's own: the same database of it."""
    socket, found, database = url.removeprefix("unix://").partition("?db=")
    if not url.startswith("unix://"):
        return url
    return f"redis+socket://{socket}?virtual_host={database if found else 0}"
