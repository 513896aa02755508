"""While the extractor's provider is away, all workers leave it alone together (ADR 0036).

A failure begins a pause, which doubles with every failure until the provider answers somebody.
When a pause is over one call gets through as a probe, and the others wait for what comes of it.
All of it is known in Redis; with Redis away there is no pause, and sessions wait on their own.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from hashlib import sha256

import structlog
from redis import Redis, RedisError
from redis.backoff import NoBackoff
from redis.retry import Retry

from memories import metrics
from memories.extraction.base import ExtractionInvalid, ExtractionPaused, ExtractionUnavailable

FIRST = timedelta(seconds=2)
LONGEST = timedelta(seconds=60)
PROBE_GRACE = timedelta(seconds=5)
FORGOTTEN_AFTER = timedelta(hours=1)
"""An outage after which nobody asked for so long is over."""
REDIS_TIMEOUT_S = 0.5
PROBE, PAUSE = b"probe", b"pause"

log = structlog.get_logger(__name__)


class Outage:
    """What all processes know of one provider being away.

    `provider` names it: after a change of its address, model or key nothing is known of it.
    `call_s` is how long one use of it takes at most, in seconds.
    """

    def __init__(self, redis_url: str, provider: str, call_s: float) -> None:
        self._redis = Redis.from_url(
            redis_url,
            socket_timeout=REDIS_TIMEOUT_S,
            socket_connect_timeout=REDIS_TIMEOUT_S,
            retry=Retry(NoBackoff(), 0),
        )
        name = f"ibex:extractor:{sha256(provider.encode()).hexdigest()[:16]}"
        self._pause, self._failures = f"{name}:pause", f"{name}:failures"
        self._probe_lasts = timedelta(seconds=call_s) + PROBE_GRACE

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Use the provider inside this block, and learn from how that ends.

        Raises `ExtractionPaused` instead while it is left alone. A failure that is not the first
        since it last answered says in its `wait` when the pause it began is over.
        """
        is_probe = self._enter()
        try:
            yield
        except ExtractionUnavailable as error:
            error.wait = self._note_failure(is_probe=is_probe)
            raise
        except ExtractionInvalid:
            self.note_answer()
            raise
        self.note_answer()

    def pause(self) -> timedelta | None:
        """Return for how long the provider is left alone; None when one may ask, as a probe too."""
        try:
            return self._left() if self._redis.exists(self._pause) else None
        except RedisError:
            return None

    def note_answer(self) -> None:
        """End the outage, if there is one: the provider answers."""
        try:
            ended = self._redis.delete(self._failures, self._pause)
        except RedisError:
            return
        if ended:
            metrics.EXTRACTION_PAUSE.set(0)
            log.info("extractor back")

    def _enter(self) -> bool:
        """Say whether this is the probe. Raises `ExtractionPaused`."""
        try:
            if not self._redis.exists(self._failures):
                return False
            if self._redis.set(self._pause, PROBE, px=self._probe_lasts, nx=True):
                return True
            left = self._left()
        except RedisError:
            return False
        raise ExtractionPaused(left)

    def _note_failure(self, *, is_probe: bool) -> timedelta | None:
        """Begin a pause, unless another failure has; None when nobody failed before this one."""
        try:
            if not is_probe and not self._redis.set(self._pause, PAUSE, px=FIRST, nx=True):
                return self._left()
            failures = int(self._redis.incr(self._failures))
            self._redis.expire(self._failures, FORGOTTEN_AFTER)
            pause = min(FIRST * float(2 ** min(failures - 1, 20)), LONGEST)
            self._redis.set(self._pause, PAUSE, px=pause)
        except RedisError:
            return None
        metrics.EXTRACTION_PAUSE.set(pause.total_seconds())
        log.warning("extractor left alone", seconds=pause.total_seconds(), failures=failures)
        return None if failures == 1 else pause

    def _left(self) -> timedelta:
        """Return when to try again; a probe under way tells soon."""
        left = int(self._redis.pttl(self._pause))
        if left <= 0 or self._redis.get(self._pause) == PROBE:
            return FIRST
        return timedelta(milliseconds=left)
