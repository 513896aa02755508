"""`python -m ibex.embedded up`, with toys in the place of IBEX's processes."""

import http.client
import os
import signal
import socket
import stat
from collections.abc import Callable
from urllib.parse import urlsplit

import psycopg
import redis

from ibex.embedded.processes import wait_until
from ibex.embedded.strangers import Identity
from tests.embedded.toys import NO_STORES, PATIENCE_S, TOY, Stack

Make = Callable[..., Stack]


def answers(stack: Stack, name: str) -> bool:
    """Say whether a toy answers on its port."""
    address = urlsplit(stack.facts()["processes"][name]["url"])
    connection = http.client.HTTPConnection(address.hostname, address.port, timeout=2)
    try:
        connection.request("GET", "/readyz")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()


def test_a_stack_comes_up_tells_how_to_use_it_and_leaves_no_process(make_stack: Make) -> None:
    stack = make_stack(api=f"{TOY} api", worker=f"{TOY} worker").start().ready()
    facts = stack.facts()
    assert answers(stack, "api")
    assert stat.S_IMODE(stack.stack_file.stat().st_mode) == 0o600
    assert stat.S_IMODE((stack.home / "secrets.env").stat().st_mode) == 0o600
    assert facts["processes"]["worker"]["ports"] == {"worker_health": 8006 + stack.offset}
    assert wait_until(lambda: "LLM MODE: LOCAL" in stack.terminal(), PATIENCE_S)
    assert facts["operator"]["password"] in stack.terminal()
    assert stack.signal(signal.SIGTERM) == 0
    assert not stack.left_running()
    assert not stack.stack_file.exists()


def test_processes_get_what_they_need_and_not_the_owners_database(make_stack: Make) -> None:
    stack = make_stack(api=f"{TOY} api")
    show = "python -c \"import os; print(os.environ['IBEX_DATABASE_URL'])\""
    stack.start(show, IBEX_LLM_MODE="", IBEX_FORWARD="false", OPENAI_API_KEY="sk-test").ready()
    environment = stack.told("api")["environment"]
    assert environment["IBEX_ENV"] == "development"
    assert environment["IBEX_CONTEXT_ADDR"] == f"127.0.0.1:{9092 + stack.offset}"
    assert environment["IBEX_FORWARD"] == "false"
    assert "IBEX_LLM_MODE" not in environment
    assert "IBEX_DATABASE_OWNER_URL" not in environment
    assert "IBEX_DEV_OPERATOR_PASSWORD" not in environment
    assert environment["IBEX_DATABASE_URL"].startswith("postgres://ibex_app:")
    assert (stack.home / "log/prepare.log").read_text().startswith("postgres://ibex_owner:")
    with psycopg.connect(environment["IBEX_DATABASE_URL"]) as connection:
        assert connection.execute("SELECT current_user").fetchone() == ("ibex_app",)
    assert redis.Redis.from_url(environment["IBEX_REDIS_URL"]).ping()


def test_what_dies_comes_back_by_itself(make_stack: Make) -> None:
    stack = make_stack(api=f"{TOY} api", worker=f"{TOY} worker").start().ready()
    first, bystander = stack.pid("api"), stack.pid("worker")
    os.kill(first, signal.SIGKILL)
    assert wait_until(lambda: stack.pid("api") not in {first, None}, PATIENCE_S)
    assert wait_until(lambda: answers(stack, "api"), PATIENCE_S)
    assert stack.pid("worker") == bystander
    assert "api was ended by SIGKILL" in stack.terminal()

    environment = stack.facts()["environment"]
    postmaster = int((stack.home / "postgres/data/postmaster.pid").read_text().split()[0])
    os.kill(postmaster, signal.SIGKILL)
    os.kill(int((stack.home / "redis/redis.pid").read_text()), signal.SIGKILL)
    assert wait_until(lambda: postgres_answers(environment["IBEX_DATABASE_URL"]), PATIENCE_S)
    assert wait_until(lambda: redis_answers(environment["IBEX_REDIS_URL"]), PATIENCE_S)


def postgres_answers(url: str) -> bool:
    try:
        with psycopg.connect(url, connect_timeout=2):
            return True
    except psycopg.OperationalError:
        return False


def redis_answers(url: str) -> bool:
    try:
        return bool(redis.Redis.from_url(url).ping())
    except redis.ConnectionError:
        return False


def test_a_killed_supervisor_leaves_nothing_the_next_start_cannot_clear(make_stack: Make) -> None:
    lines = {"api": f"{TOY} api", "worker": f"{TOY} worker stubborn"}
    stack = make_stack(**lines).start().ready()
    secrets = (stack.home / "secrets.env").read_text()
    with psycopg.connect(stack.facts()["database_owner_url"]) as owner:
        owner.execute("CREATE TABLE kept AS SELECT 1 AS a")
    leftovers = [Identity.of(stack.pid("worker")), Identity.of(stack.told("worker")["grandchild"])]
    gone = [Identity.of(stack.pid("api")), Identity.of(stack.told("api")["grandchild"])]
    stack.signal(signal.SIGKILL)
    assert wait_until(lambda: not gone[0].alive(), PATIENCE_S)
    assert leftovers[0].alive()

    stack.stack_file.unlink()
    stack.start().ready()
    assert not any(process.alive() for process in (*leftovers, *gone))
    with psycopg.connect(stack.facts()["environment"]["IBEX_DATABASE_URL"]) as app:
        assert app.execute("SELECT a FROM kept").fetchone() == (1,)
    assert (stack.home / "secrets.env").read_text() == secrets
    assert "that a killed supervisor had left" in stack.terminal()


def test_a_second_signal_hurries(make_stack: Make) -> None:
    stack = make_stack(worker=f"{TOY} worker stubborn").start(**NO_STORES).ready()
    stack.process.terminate()
    assert wait_until(lambda: "stopping" in stack.terminal(), PATIENCE_S)
    assert stack.signal(signal.SIGINT) == 0
    assert not stack.left_running()


def test_a_taken_port_is_named_before_anything_starts(make_stack: Make) -> None:
    stack = make_stack(api=f"{TOY} api", context=f"{TOY} context")
    with socket.create_server(("127.0.0.1", 9092 + stack.offset)):
        assert stack.start().ended() == 1
    assert f"port {9092 + stack.offset} (wanted by context)" in stack.terminal()
    assert "wanted by api" not in stack.terminal()
    assert not (stack.home / "postgres").exists()


def test_a_home_has_one_supervisor(make_stack: Make) -> None:
    stack = make_stack(plain="sleep 600").start(**NO_STORES).ready()
    first = stack.process
    assert stack.start(**NO_STORES).ended() == 1
    assert f"Process {first.pid} already runs a stack" in stack.terminal()
    stack.process = first
    assert stack.signal(signal.SIGTERM) == 0


def test_a_failing_preparation_is_shown_and_nothing_runs(make_stack: Make) -> None:
    stack = make_stack(plain="sleep 600")
    assert stack.start("sh -c 'echo the table is missing; exit 3'", **NO_STORES).ended() == 1
    assert "failed with code 3" in stack.terminal()
    assert "the table is missing" in stack.terminal()
    assert not stack.left_running()


def test_a_process_that_keeps_dying_is_named_with_the_end_of_its_log(make_stack: Make) -> None:
    stack = make_stack(api="sh -c 'echo no such setting; exit 1'", plain="sleep 600")
    assert stack.start(**NO_STORES).ended() == 1
    assert "api did not become ready" in stack.terminal()
    assert "no such setting" in stack.terminal()
    assert not stack.left_running()


def test_stores_of_the_operators_own_are_used(make_stack: Make) -> None:
    stack = make_stack(api=f"{TOY} api")
    assert stack.start(IBEX_DATABASE_URL="postgres://ibex_app@db/ibex").ended() == 1
    assert "IBEX_DATABASE_OWNER_URL is not" in stack.terminal()
    stack.start(**NO_STORES).ready()
    environment = stack.told("api")["environment"]
    assert environment["IBEX_DATABASE_URL"] == NO_STORES["IBEX_DATABASE_URL"]
    assert environment["IBEX_CELERY_BROKER_URL"] == "redis://cache/0"
    assert not (stack.home / "postgres").exists()


def test_the_data_survives_the_loss_of_the_secrets(make_stack: Make) -> None:
    stack = make_stack(plain="sleep 600").start().ready()
    before = stack.facts()["environment"]
    stack.signal(signal.SIGTERM)
    (stack.home / "secrets.env").unlink()
    stack.start().ready()
    renewed = stack.facts()["environment"]
    assert renewed["IBEX_TOKEN_KEY"] != before["IBEX_TOKEN_KEY"]
    assert postgres_answers(renewed["IBEX_DATABASE_URL"])
    assert not postgres_answers(before["IBEX_DATABASE_URL"])
