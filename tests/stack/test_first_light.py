"""A conversation through the proxy becomes a memory and comes back, on one command."""

import json
import os
import signal
import subprocess
import time
import urllib.request
from pathlib import Path
from typing import Any

import openai
import pytest
import redis

from ibex.ids import uuid7
from tests.stack.conftest import ROOT, Stack, eventually

pytestmark = pytest.mark.timeout(400)


def say(stack: Stack, text: str, subject: str | None = None, **headers: str) -> Any:
    """One plain turn; returns the raw response."""
    return stack.client(subject, **headers).chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": text}]
    )


def content(answer: Any) -> str:
    return str(answer.parse().choices[0].message.content)


def memories(stack: Stack, word: str) -> list[dict[str, Any]]:
    path = f"/api/v1/agents/{stack.facts['agent']}/memories?limit=100"
    return [m for m in stack.api("GET", path)["items"] if word in m["content"]]


def teach(stack: Stack, text: str, fact: str, subject: str | None = None) -> None:
    """State a fact and wait until it is a memory; looking it up makes no turns to learn from."""
    say(stack, text, subject)
    eventually(lambda: memories(stack, fact), 120)


def test_the_smoke_test_passes(stack: Stack) -> None:
    environment = {**stack.env, "IBEX_PROXY_ADDR": stack.proxy_url}
    ended = subprocess.run(
        [str(ROOT / "infra/scripts/e2e_smoke_p3.sh")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert ended.stdout.count("PASS") >= 5


def test_the_smoke_test_fails_when_the_proxy_is_not_there(stack: Stack) -> None:
    environment = {**stack.env, "IBEX_PROXY_ADDR": "http://127.0.0.1:1"}
    ended = subprocess.run(
        [str(ROOT / "infra/scripts/e2e_smoke_p3.sh")],
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode != 0


def test_every_process_is_ready_and_counts(stack: Stack) -> None:
    for name, process in stack.facts["processes"].items():
        for port_name, port in process["ports"].items():
            if port_name == "context":
                continue  # gRPC; its health has a port of its own
            base = f"http://127.0.0.1:{port}"
            assert urllib.request.urlopen(f"{base}/healthz", timeout=5).status == 200, name
            with urllib.request.urlopen(f"{base}/readyz", timeout=5) as ready:
                assert json.load(ready)["status"] == "ok", name
            metrics = urllib.request.urlopen(f"{base}/metrics", timeout=5).read().decode()
            assert "# HELP" in metrics, name
            assert "org=" not in metrics, name


def test_a_fact_is_soon_searchable_in_another_session(stack: Stack) -> None:
    fact = f"kestrel-{uuid7().hex[-8:]}"
    say(stack, f"My project codename is {fact}.")
    search = {"query": "What is the project codename?", "limit": 10}
    eventually(
        lambda: any(
            fact in item["content"]
            for item in stack.api("POST", "/v1/memories/search", search)["items"]
        ),
        30,
    )
    answer = say(stack, "What is my project codename?")
    assert int(answer.headers["x-ibex-memories-injected"]) > 0
    assert answer.headers["x-ibex-context-fallback"] == "false"
    assert fact in content(answer)


def test_a_fact_of_one_subject_is_not_told_to_another(stack: Stack) -> None:
    ann, ben = f"ann-{uuid7().hex[-6:]}", f"ben-{uuid7().hex[-6:]}"
    fact = f"marzipan-{uuid7().hex[-8:]}"
    teach(stack, f"My favourite pastry shop is {fact}.", fact, ann)
    question = "Which is my favourite pastry shop?"
    eventually(lambda: fact in content(say(stack, question, ann)), 20)
    assert fact not in content(say(stack, question, ben))
    assert fact not in content(say(stack, question))


def test_a_deleted_memory_is_gone_though_its_turn_still_exists(stack: Stack) -> None:
    subject = f"cid-{uuid7().hex[-6:]}"
    fact = f"obsidian-{uuid7().hex[-8:]}"
    question = "What is my vault passphrase hint?"
    teach(stack, f"My vault passphrase hint is {fact}.", fact, subject)
    eventually(lambda: fact in content(say(stack, question, subject)), 60)
    for memory in memories(stack, fact):
        stack.api("DELETE", f"/api/v1/memories/{memory['id']}")
    answer = say(stack, question, subject)
    assert fact not in content(answer)
    turns = stack.rows("SELECT id FROM agent_sessions_turn WHERE subject = %s", subject)
    assert len(turns) >= 2


def test_the_openai_client_streams(stack: Stack) -> None:
    chunks = stack.client().chat.completions.create(
        model="gpt-4o-mini", messages=[{"role": "user", "content": "Hello there"}], stream=True
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "Noted: Hello there"


@pytest.mark.parametrize("service", ["embedder", "context"])
def test_chat_goes_on_without_a_service_and_recovers_by_itself(stack: Stack, service: str) -> None:
    subject = f"dot-{uuid7().hex[-6:]}"
    fact = f"harbour-{uuid7().hex[-8:]}"
    question = "Which marina do I sail from?"
    teach(stack, f"My marina is {fact}.", fact, subject)
    eventually(lambda: fact in content(say(stack, question, subject)), 60)
    stopped = stack.pid(service)
    os.kill(stopped, signal.SIGSTOP)  # it neither answers nor lets its port go
    try:
        answer = say(stack, f"Where is the {uuid7().hex} harbour?", subject)
        assert answer.http_response.status_code == 200
        if service == "context":
            assert answer.headers["x-ibex-context-fallback"] == "true"
            assert answer.headers["x-ibex-memories-injected"] == "0"
    finally:
        os.kill(stopped, signal.SIGCONT)
    eventually(lambda: fact in content(say(stack, f"{question} {uuid7().hex[:4]}", subject)), 60)
    os.kill(stopped, signal.SIGKILL)
    assert say(stack, "Hello?", subject).http_response.status_code == 200
    eventually(lambda: fact in content(say(stack, f"{question} {uuid7().hex[:4]}", subject)), 60)


def test_killed_stores_come_back_and_no_turn_is_missing(stack: Stack) -> None:
    answered = 0
    for store in ("redis", "postgres"):
        session = f"through-{store}-{uuid7().hex[-6:]}"
        kept = 0
        for n in range(12):
            if n == 3:
                stack.signal(store, signal.SIGKILL)
            try:
                say(stack, f"Message {n}", **{"X-IBEX-Session-ID": session})
                kept += 1
            except openai.InternalServerError as error:
                assert error.status_code == 503  # noqa: PT017 - some fail, and only so
            time.sleep(0.3)
        count = "SELECT turn_count FROM agent_sessions_session WHERE external_id = %s"
        eventually(lambda: stack.rows(count, session)[0]["turn_count"] == kept)  # noqa: B023
        eventually(lambda: say(stack, "Still there?"))
        answered += kept
    assert answered > 6


def test_learning_goes_on_after_redis_was_emptied(stack: Stack) -> None:
    fact = f"lantern-{uuid7().hex[-8:]}"
    say(stack, f"My lighthouse is called {fact}.")
    redis.from_url(stack.facts["environment"]["IBEX_REDIS_URL"]).flushall()
    eventually(lambda: memories(stack, fact), 130)


def test_a_second_start_reuses_the_data_and_is_quick(stack: Stack) -> None:
    before = stack.rows("SELECT count(*) AS n FROM memories_memory")[0]["n"]
    children = [int(p["pid"]) for p in stack.facts["processes"].values() if p["pid"]]
    stack.stop()
    assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
    stack.start()
    assert stack.rows("SELECT count(*) AS n FROM memories_memory")[0]["n"] == before > 0


def test_a_killed_supervisor_leaves_nothing_that_the_next_start_cannot_recover(
    stack: Stack,
) -> None:
    fact = f"ember-{uuid7().hex[-8:]}"
    teach(stack, f"My campsite is {fact}.", fact)
    assert stack.supervisor is not None
    stack.supervisor.kill()
    stack.supervisor.wait()
    stack.start()
    eventually(lambda: fact in content(say(stack, "What is my campsite?")), 30)
