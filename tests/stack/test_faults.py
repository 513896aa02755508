"""The fault table (docs/FAULTS.md): `kill -9` of every process while clients keep talking.

Each row says what the clients may see and what they must, that everything heals by itself, and
that nothing acknowledged is lost: every answer whose end a client received is a turn, once, and
every fact in it becomes a memory, once.
"""

import contextlib
import json
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

from ibex.ids import uuid7
from tests.conftest import FULL
from tests.processes import ServerProcess, free_port
from tests.stack import fault_report
from tests.stack.conftest import Stack, eventually, running_stack
from tests.stack.talkers import CUT, MARINA, NO_ANSWER, WHOLE, Answer, Talk, talking

pytestmark = pytest.mark.timeout(900)

ROUNDS = 3 if FULL else 1
CLIENTS = 6 if FULL else 4
LEASE_S = 60 if FULL else 10
"""What a killed worker had claimed is due again after so long; 60 is what a stack has."""
WELL_AFTER = 12
"""So many answers in a row, of all clients together, are as before the kill."""
HEAL_S = 120
LEARN_S = 60 + 4 * LEASE_S
PROVIDER_AWAY_S = 3
DEGRADED = "503 SERVICE_DEGRADED"
BEHAVIOUR = {"text": "Noted.", "chunks": 6, "delay_s": 0.05, "chunk_delay_s": 0.1}

Kill = Callable[[Talk], object]


@pytest.fixture(scope="module")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    """The upstream provider, as a process that can be killed and started again."""
    port = free_port()
    log = tmp_path_factory.mktemp("provider") / "log"
    arguments = (str(port), json.dumps(BEHAVIOUR))
    process = ServerProcess("tests.proxy.provider", *arguments, env={}, port=port, log=log).start()
    yield process
    process.stop()


@pytest.fixture(scope="module")
def stack(provider: ServerProcess) -> Iterator[Stack]:
    """A stack in front of that provider, which knows a marina that everybody may ask for."""
    live = {
        "IBEX_LLM_MODE": "live",
        "IBEX_EXTRACTOR": "rules",
        "OPENAI_API_KEY": "sk-of-the-provider",
        "OPENAI_BASE_URL": f"{provider.url}/v1",
        "IBEX_WORKER_LEASE_S": str(LEASE_S),
    }
    with running_stack(**live) as running:
        _say(running, f"My marina is harbour-{uuid7().hex[-8:]}.")
        asked = f"{MARINA} ({uuid7().hex[-6:]})"
        eventually(lambda: int(_say(running, asked)["x-ibex-memories-injected"]) > 0, LEARN_S)
        yield running


def _say(stack: Stack, text: str) -> dict[str, str]:
    answer = stack.client().chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": text}]
    )
    return dict(answer.headers)


def test_kill_9_of_postgres_costs_a_moment_at_most(stack: Stack) -> None:
    for _talk in endure(stack, "postgres", may={DEGRADED}, must=set()):
        for path in 5 * (f"/api/v1/agents/{stack.facts['agent']}", "/v1/memories"):
            assert stack.api("GET", path)


def test_kill_9_of_redis_refuses_for_a_moment(stack: Stack) -> None:
    endure(stack, "redis", may=set(), must={DEGRADED})


def test_kill_9_of_the_embedder_is_not_seen_by_clients(stack: Stack) -> None:
    for talk in endure(stack, "embedder", may=set(), must={"L1"}):
        eventually(lambda: _unembedded(stack, talk) == 0, LEARN_S)  # noqa: B023 - awaited here


def test_kill_9_of_context_costs_memories_and_no_answer(stack: Stack) -> None:
    endure(stack, "context", may=set(), must={"L3"})


def test_kill_9_of_the_worker_delays_learning_and_nothing_else(stack: Stack) -> None:
    """It is killed while it learns: what it had claimed waits for a lease, no more."""
    at_work = """
        SELECT id FROM agent_sessions_session
        WHERE external_id = ANY(%s) AND extract_claimed_until > now()
    """

    def kill(talk: Talk) -> None:
        while not stack.rows(at_work, talk.subjects):
            time.sleep(0.02)
        _killer(stack, "worker")(talk)

    endure(stack, "worker", may=set(), must=set(), kill=kill)


def test_kill_9_of_the_proxy_breaks_connections_and_loses_no_turn(stack: Stack) -> None:
    endure(stack, "proxy", may={CUT}, must={NO_ANSWER})


def test_kill_9_of_the_provider_is_told_with_our_codes(
    stack: Stack, provider: ServerProcess
) -> None:
    proxy = stack.pid("proxy")
    told = "error event PROVIDER_ERROR"

    def kill(talk: Talk) -> None:
        while not any(talker.is_mid_stream for talker in talk.talkers):
            time.sleep(0.01)
        talk.mark_the_kill()
        provider.kill()
        time.sleep(PROVIDER_AWAY_S)
        provider.start()

    talks = endure(
        stack,
        "provider",
        may={"502 PROVIDER_ERROR"},
        must={"503 PROVIDER_UNAVAILABLE", told},
        kill=kill,
    )
    for talk in talks:
        cut = [a.request_id for a in talk.answers() if a.seen == told]
        sql = "SELECT is_complete FROM agent_sessions_turn WHERE request_id = ANY(%s)"
        assert [turn["is_complete"] for turn in stack.rows(sql, cut)] == [False] * len(cut)
    assert stack.pid("proxy") == proxy


def endure(
    stack: Stack, row: str, *, may: set[str], must: set[str], kill: Kill | None = None
) -> list[Talk]:
    """Kill while clients talk, wait until all is well, and see that nothing was lost.

    Clients see whole answers, what they `may` see and what they `must`; a level of context
    assembly among what they `must` is looked up in the request records.
    """
    talks = []
    for number in range(ROUNDS):
        if number:
            time.sleep(32)  # the supervisor forgets earlier deaths after 30 s
        with talking(stack, CLIENTS) as talk:
            _wait_until_well(stack, talk, since=0.0)
            (kill or _killer(stack, row))(talk)
            _wait_until_well(stack, talk, since=time.monotonic())
        answers = talk.answers(since=talk.killed_at)
        unexpected = [answer for answer in answers if answer.seen not in {WHOLE} | may | must]
        assert unexpected == []
        _every_answer_is_a_turn_once(stack, talk)
        levels = _levels(stack, answers)
        _every_header_tells_what_happened(answers, levels)
        seen = {answer.seen for answer in answers} | set(levels.values())
        assert must <= seen, seen
        _every_fact_is_a_memory_once(stack, talk)
        fault_report.note(_measure(stack, row, talk, answers, levels))
        talks.append(talk)
    return talks


def _killer(stack: Stack, process: str) -> Kill:
    def kill(talk: Talk) -> None:
        before = stack.pid(process)
        talk.mark_the_kill()
        stack.signal(process, signal.SIGKILL)
        eventually(lambda: stack.pid(process) != before, HEAL_S)

    return kill


def _wait_until_well(stack: Stack, talk: Talk, *, since: float) -> None:
    """Wait for answers in a row, all asked after `since`, that are as they ever were."""

    def is_well() -> bool:
        asked = [answer for answer in talk.answers() if answer.began >= since][-WELL_AFTER:]
        return len(asked) == WELL_AFTER and not _unlike_before(asked, _levels(stack, asked))

    eventually(is_well, HEAL_S)


def _unlike_before(answers: list[Answer], levels: dict[str, str]) -> list[Answer]:
    return [a for a in answers if not (a.is_as_ever and levels.get(a.request_id) == "L0")]


def _levels(stack: Stack, answers: list[Answer]) -> dict[str, str]:
    """Return how much of context assembly worked, by request id, from the request records."""
    sql = "SELECT request_id, context_level FROM analytics_requestrecord WHERE request_id = ANY(%s)"
    found = stack.rows(sql, [answer.request_id for answer in answers])
    return {row["request_id"]: row["context_level"] for row in found}


def _every_header_tells_what_happened(answers: list[Answer], levels: dict[str, str]) -> None:
    for answer in answers:
        assert bool(answer.request_id) == (answer.seen != NO_ANSWER), answer
        assert bool(answer.retry_after) == answer.seen.startswith("503"), answer
        if answer.is_acknowledged:
            went_without = levels[answer.request_id] in {"L2", "L3"}
            assert answer.is_fallback == went_without, answer
            assert not (went_without and answer.injected), answer


def _every_answer_is_a_turn_once(stack: Stack, talk: Talk) -> None:
    received = {answer.request_id for answer in talk.answers() if answer.is_acknowledged}
    sql = """
        SELECT request_id, index, external_id, turn_count FROM agent_sessions_turn AS turn
        JOIN agent_sessions_session AS session ON session.id = turn.session_id
        WHERE session.external_id = ANY(%s) ORDER BY external_id, index
    """

    def recorded() -> Counter[str]:
        return Counter(row["request_id"] for row in stack.rows(sql, talk.subjects))

    with contextlib.suppress(AssertionError):
        eventually(lambda: received <= set(recorded()), HEAL_S)
    turns = recorded()
    assert received - set(turns) == set()
    assert {request: n for request, n in turns.items() if n > 1} == {}
    rows = stack.rows(sql, talk.subjects)
    for subject in talk.subjects:
        mine = [row for row in rows if row["external_id"] == subject]
        assert [row["index"] for row in mine] == list(range(len(mine)))
        assert {row["turn_count"] for row in mine} == {len(mine)}


def _every_fact_is_a_memory_once(stack: Stack, talk: Talk) -> None:
    """Wait until nothing is left to learn; then each fact of a whole answer is there, once."""
    due = """
        SELECT id FROM agent_sessions_session
        WHERE external_id = ANY(%s) AND extract_after IS NOT NULL
    """
    eventually(lambda: stack.rows(due, talk.subjects) == [], LEARN_S)
    known = "SELECT content FROM memories_memory WHERE subject = ANY(%s)"
    contents = [row["content"] for row in stack.rows(known, talk.subjects)]
    stated = [answer for answer in talk.answers() if answer.fact]
    counts = {a.fact: sum(a.fact in content for content in contents) for a in stated}
    assert {a.fact for a in stated if a.is_acknowledged and counts[a.fact] == 0} == set()
    assert {fact: n for fact, n in counts.items() if n > 1} == {}
    assert any(answer.is_acknowledged for answer in stated)


def _unembedded(stack: Stack, talk: Talk) -> int:
    sql = "SELECT count(*) AS n FROM memories_memory WHERE subject = ANY(%s) AND embedding IS NULL"
    return int(stack.rows(sql, talk.subjects)[0]["n"])


def _measure(
    stack: Stack, row: str, talk: Talk, answers: list[Answer], levels: dict[str, str]
) -> fault_report.Measured:
    unlike = _unlike_before(answers, levels)
    last = max((answer.ended for answer in unlike), default=talk.killed_at)
    healed = min((a.ended for a in answers if a.began >= last), default=last)
    learned = stack.rows(
        """
        SELECT turn.created_at AS said, memory.created_at AS known
        FROM memories_memory AS memory JOIN agent_sessions_turn AS turn
          ON turn.id = ANY(memory.source_turns)
        WHERE memory.subject = ANY(%s) ORDER BY turn.created_at
        """,
        talk.subjects,
    )
    after = [fact for fact in learned if fact["said"] >= talk.killed_on]
    assert after
    first = min(fact["known"] for fact in after) - talk.killed_on
    slowest = max(fact["known"] - fact["said"] for fact in learned)
    affected = [answer for answer in answers if answer.ended <= healed or not unlike]
    return fault_report.Measured(
        row=row,
        plain=Counter(a.seen for a in affected if not a.is_streaming),
        streams=Counter(a.seen for a in affected if a.is_streaming),
        levels=Counter(levels.get(a.request_id, "none") for a in affected),
        healed_s=round(healed - talk.killed_at, 2) if unlike else 0.0,
        learns_s=round(first.total_seconds(), 2),
        slowest_fact_s=round(slowest.total_seconds(), 2),
        slowest_answer_s=round(max(a.ended - a.began for a in answers), 2),
        acknowledged=sum(a.is_acknowledged for a in talk.answers()),
        facts=len(learned),
    )
