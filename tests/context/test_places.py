"""Places are taken in turn; when many wait, the newest goes first."""

import asyncio

import pytest

from context.places import Busy, Places

LONG_S = 5.0


async def test_a_free_place_is_taken_at_once_and_a_taken_one_after_it_is_free() -> None:
    places = Places(1)
    await places.take(0.0)
    waiting = asyncio.create_task(places.take(LONG_S))
    await asyncio.sleep(0)
    assert not waiting.done()
    places.free()
    await asyncio.wait_for(waiting, 1)


async def test_who_waits_too_long_is_told_and_takes_no_place() -> None:
    places = Places(1)
    await places.take(0.0)
    with pytest.raises(Busy):
        await places.take(0.01)
    places.free()
    await places.take(0.0)


@pytest.mark.parametrize(("count", "waiting", "order"), [(2, 2, [0, 1]), (2, 5, [4, 3, 2, 0, 1])])
async def test_a_few_go_in_turn_and_of_many_the_newest_first(
    count: int, waiting: int, order: list[int]
) -> None:
    places = Places(count)
    for _ in range(count):
        await places.take(0.0)
    let_in: list[int] = []

    async def enter(number: int) -> None:
        await places.take(LONG_S)
        let_in.append(number)

    tasks = []
    for number in range(waiting):
        tasks.append(asyncio.create_task(enter(number)))
        await asyncio.sleep(0)
    for _ in tasks:
        places.free()
        await asyncio.sleep(0.001)
    await asyncio.gather(*tasks)
    assert let_in == order


async def test_a_place_that_was_given_to_a_caller_who_left_goes_to_the_next() -> None:
    places = Places(1)
    await places.take(0.0)
    leaving = asyncio.create_task(places.take(LONG_S))
    staying = asyncio.create_task(places.take(LONG_S))
    await asyncio.sleep(0)
    places.free()
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    assert leaving.cancelled()
    await asyncio.wait_for(staying, 1)


async def test_who_stops_waiting_leaves_nothing_behind() -> None:
    places = Places(1)
    await places.take(0.0)
    leaving = asyncio.create_task(places.take(LONG_S))
    await asyncio.sleep(0)
    leaving.cancel()
    await asyncio.gather(leaving, return_exceptions=True)
    places.free()
    await places.take(0.0)
