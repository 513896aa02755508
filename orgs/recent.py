"""What an operator opened last in an organization, for the palette.

Kept in Redis are kinds and ids, never text; names are read when they are shown, under the rights of
that moment. It is no part of the browser's session: saving one writes all of it, and a slow page
would put the organization back that was left meanwhile. Losing it costs a convenience, so a Redis
that is away is not noticed.
"""

from collections import defaultdict
from datetime import timedelta
from functools import cache
from typing import cast
from uuid import UUID

import redis
from django.conf import settings
from django.urls import reverse

from orgs.access import OrgRequest
from orgs.finding import Finder, open_to

MOST = 8
KEPT_FOR = timedelta(days=90)
PATIENCE_S = 0.2


def note_opened(request: OrgRequest, finder: Finder, row_id: UUID) -> None:
    """Put what was opened first; the list keeps the newest eight, each once."""
    key, entry = _key(request), f"{finder.kind}:{row_id}"
    try:
        with _client().pipeline() as pipe:
            pipe.lrem(key, 0, entry)
            pipe.lpush(key, entry)
            pipe.ltrim(key, 0, MOST - 1)
            pipe.expire(key, KEPT_FOR)
            pipe.execute()
    except redis.RedisError:
        return


def opened(request: OrgRequest) -> list[tuple[Finder, object, str]]:
    """Return what is still there of it, the newest first: finder, row and address.

    One query for each kind in the list, whatever its length.
    """
    try:
        entries = cast("list[str]", _client().lrange(_key(request), 0, MOST - 1))
    except redis.RedisError:
        return []
    finders = {finder.kind: finder for finder in open_to(request)}
    ids: dict[str, list[UUID]] = defaultdict(list)
    for kind, row_id in map(_read, entries):
        if kind in finders:
            ids[kind].append(row_id)
    rows = {kind: finders[kind].recall(request, some) for kind, some in ids.items()}
    return [
        (finders[kind], rows[kind][row_id], reverse(finders[kind].page, args=[row_id]))
        for kind, row_id in map(_read, entries)
        if row_id in rows.get(kind, {})
    ]


def _read(entry: str) -> tuple[str, UUID]:
    kind, _, row_id = entry.rpartition(":")
    return kind, UUID(row_id)


def _key(request: OrgRequest) -> str:
    org_id = request.access.org_id
    return f"{org_id}:recent:{request.user.pk}"


@cache
def _client() -> redis.Redis:
    return redis.Redis.from_url(
        settings.REDIS_URL,
        decode_responses=True,
        socket_timeout=PATIENCE_S,
        socket_connect_timeout=PATIENCE_S,
    )
