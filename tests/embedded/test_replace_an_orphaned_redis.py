"""A Redis that outlived its supervisor makes way for the next one."""

from pathlib import Path

from ibex.embedded.children import Child
from ibex.embedded.redis import Redis


def test_an_orphaned_redis_is_stopped_before_the_next_one_starts(folder: Path) -> None:
    first, second = (Redis(folder / "redis", log=folder / "redis.log") for _ in range(2))
    orphan, child = Child(first), Child(second)
    first.wait_ready(orphan.start())
    try:
        second.wait_ready(child.start())
        assert orphan.process.wait(10) == 0
        assert second.answers()
    finally:
        orphan.stop()
        child.stop()
    assert not second.answers()


def test_a_pid_file_that_names_a_stranger_harms_neither(folder: Path) -> None:
    redis = Redis(folder / "redis", log=folder / "redis.log")
    (folder / "redis/redis.pid").write_text("1\n")
    child = Child(redis)
    redis.wait_ready(child.start())
    child.stop()
