"""How many assemblies work at once, and who is next."""

import asyncio


class Busy(TimeoutError):
    """All places were taken for as long as a request could wait for one."""


class Places:
    """So many places; who comes when all are taken waits for one to be free again.

    Those who wait are let in in turn while they are few. When more wait than there are places, the
    newest goes first: what can be served is then served at once and in time, where a queue would
    let everybody wait just as long and be late.
    """

    def __init__(self, count: int) -> None:
        self._count = count
        self._free = count
        self._waiting: dict[asyncio.Future[bool], None] = {}

    async def take(self, patience_s: float) -> None:
        """Take a place. Raises `Busy` when none was free in time."""
        if self._free:
            self._free -= 1
            return
        loop = asyncio.get_running_loop()
        turn: asyncio.Future[bool] = loop.create_future()
        self._waiting[turn] = None
        timer = loop.call_later(patience_s, _call, turn, False)
        try:
            has_place = await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.result():
                self.free()
            raise
        finally:
            timer.cancel()
            self._waiting.pop(turn, None)
        if not has_place:
            raise Busy

    def free(self) -> None:
        """Give a place back: to whoever is next, if anybody waits."""
        while self._waiting:
            is_crowded = len(self._waiting) > self._count
            turn = next(reversed(self._waiting) if is_crowded else iter(self._waiting))
            del self._waiting[turn]
            if not turn.done():
                _call(turn, True)
                return
        self._free += 1


def _call(turn: "asyncio.Future[bool]", has_place: bool) -> None:
    if not turn.done():
        turn.set_result(has_place)
