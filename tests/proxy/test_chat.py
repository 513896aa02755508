"""An application changes its base URL and key, and its conversations are answered and kept."""

import http.client
import json
import zlib

import openai
import pytest

from agents.services import update_agent
from directives.services import push_directive
from ibex.ids import uuid7
from tests.conftest import TESTS
from tests.proxy.conftest import Talker, say
from tests.proxy.provider import ProviderPeer


def test_the_official_client_gets_an_answer_and_the_turn_is_kept(
    talker: Talker, provider: ProviderPeer
) -> None:
    answer = talker.client().chat.completions.with_raw_response.create(
        model="gpt-4o-mini", messages=say("My dog is called Rex.")
    )
    assert answer.parse().choices[0].message.content == "Noted."
    assert answer.headers["x-request-id"]
    assert answer.headers["x-ratelimit-limit"] == "60000"
    assert answer.headers["x-ratelimit-remaining-requests"] == "99"
    assert "set-cookie" not in answer.headers
    assert float(answer.headers["x-ibex-overhead-ms"]) >= 0
    (turn,) = talker.turns()
    (session,) = talker.sessions()
    assert session["external_id"] == answer.headers["x-ibex-session-id"] == str(session["id"])
    assert (turn["index"], turn["is_complete"], turn["tokens_in"]) == (0, True, 11)
    request = json.loads(zlib.decompress(turn["request"]))
    assert request["messages"] == say("My dog is called Rex.")
    assert json.loads(zlib.decompress(turn["completion"]))["id"] == "chatcmpl-1"
    assert session["extract_after"] is not None
    (record,) = talker.rows("SELECT * FROM analytics_requestrecord")
    assert (record["turn_id"], record["status"]) == (turn["id"], 200)


def test_a_stream_arrives_as_it_was_sent(talker: Talker, provider: ProviderPeer) -> None:
    chunks = list(
        talker.client().chat.completions.create(
            model="gpt-4o-mini", messages=say("Hello"), stream=True
        )
    )
    text = "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)
    assert text == "".join(f"Noted. {n} " for n in range(5))
    assert all(chunk.choices for chunk in chunks), "the usage event was not asked for"
    assert provider.behaviour.seen[0]["stream_options"] == {"include_usage": True}
    (turn,) = talker.turns()
    assert (turn["is_streaming"], turn["tokens_out"], turn["finish_reason"]) == (True, 7, "stop")
    assert zlib.decompress(turn["completion"]).endswith(b"data: [DONE]\n\n")


def test_a_client_that_asks_for_usage_gets_the_usage_event(talker: Talker) -> None:
    chunks = list(
        talker.client().chat.completions.create(
            model="gpt-4o-mini",
            messages=say("Hello"),
            stream=True,
            stream_options={"include_usage": True},
        )
    )
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 7


def test_what_ibex_does_not_understand_is_passed_on(talker: Talker, provider: ProviderPeer) -> None:
    tools = [{"type": "function", "function": {"name": "lookup", "parameters": {}}}]
    talker.client().chat.completions.create(
        model="gpt-4o-mini",
        messages=say("Hi"),
        tools=tools,  # type: ignore[arg-type]
        response_format={"type": "json_object"},
        extra_body={"reasoning_effort": "low", "made_up": {"a": [1]}},
    )
    (seen,) = provider.behaviour.seen
    assert (seen["tools"], seen["made_up"]) == (tools, {"a": [1]})
    assert seen["response_format"] == {"type": "json_object"}


def test_the_clients_credential_never_goes_upstream(talker: Talker, provider: ProviderPeer) -> None:
    talker.client().chat.completions.create(model="m", messages=say("Hi"))
    (headers,) = provider.behaviour.headers
    assert headers["Authorization"] == "Bearer sk-of-the-provider"
    assert talker.token not in json.dumps(headers)
    assert not [name for name in headers if name.lower().startswith("x-ibex")]


def test_with_nothing_to_inject_the_original_bytes_go_upstream(
    talker: Talker, provider: ProviderPeer
) -> None:
    odd = b'{ "model":"m",  "messages":[{"role":"user","content":"h\\u00e9"}],"n" : 1}'
    status, _headers, _body = post(talker, odd)
    assert status == 200
    assert provider.behaviour.raw == [odd]


def test_a_directive_comes_first_in_every_request(talker: Talker, provider: ProviderPeer) -> None:
    version = push_directive(agent=talker.world.scout, content="Answer in verse.", actor=TESTS)
    answer = talker.client().chat.completions.with_raw_response.create(
        model="m", messages=[{"role": "system", "content": "Be brief."}, *say("Hi")]
    )
    assert answer.headers["x-ibex-directive-version"] == str(version.number) == "1"
    roles = [(m["role"], m["content"]) for m in provider.behaviour.seen[0]["messages"]]
    assert roles == [("system", "Answer in verse."), ("system", "Be brief."), ("user", "Hi")]
    push_directive(agent=talker.world.scout, content="Answer in prose.", actor=TESTS)
    talker.client().chat.completions.create(model="m", messages=say("Hi"))
    assert provider.behaviour.seen[1]["messages"][0]["content"] == "Answer in prose."


def test_a_missing_model_is_the_agents_default(talker: Talker, provider: ProviderPeer) -> None:
    body = b'{"messages":[{"role":"user","content":"Hi"}]}'
    assert post(talker, body)[0] == 400
    update_agent(agent=talker.world.scout, actor=TESTS, default_model="gpt-4o-mini")
    assert post(talker, body)[0] == 200
    assert provider.behaviour.seen[0]["model"] == "gpt-4o-mini"


def test_a_named_session_collects_its_turns(talker: Talker) -> None:
    client = talker.client(**{"X-IBEX-Session-ID": "ticket-7"})
    for text in ("One", "Two", "Three"):
        client.chat.completions.create(model="m", messages=say(text))
    (session,) = talker.sessions()
    assert (session["external_id"], session["turn_count"]) == ("ticket-7", 3)
    assert [turn["index"] for turn in talker.turns()] == [0, 1, 2]


def test_the_same_name_under_another_subject_is_another_session(talker: Talker) -> None:
    for subject in ("ann", "ben"):
        client = talker.client(**{"X-IBEX-Session-ID": "s", "X-IBEX-Subject-ID": subject})
        client.chat.completions.create(model="m", messages=say("Hi"))
    assert sorted(s["subject"] for s in talker.sessions()) == ["ann", "ben"]


def test_the_user_field_names_the_subject(talker: Talker) -> None:
    talker.client().chat.completions.create(model="m", messages=say("Hi"), user="ann")
    assert [s["subject"] for s in talker.sessions()] == ["ann"]


def test_ending_a_session_by_header_or_by_call_completes_it(talker: Talker) -> None:
    ending = talker.client(**{"X-IBEX-Session-ID": "a", "X-IBEX-Session-End": "true"})
    ending.chat.completions.create(model="m", messages=say("Bye"))
    talker.client(**{"X-IBEX-Session-ID": "b"}).chat.completions.create(
        model="m", messages=say("Hi")
    )
    assert [s["status"] for s in talker.sessions()] == ["completed", "active"]
    for _again in range(2):
        assert post(talker, b"", path="/v1/sessions/b/terminate")[0] == 200
    assert [s["status"] for s in talker.sessions()] == ["completed", "completed"]
    assert post(talker, b"", path="/v1/sessions/none/terminate")[0] == 404
    events = talker.rows("SELECT * FROM orgs_auditevent WHERE action = 'session.complete'")
    assert len(events) == 1


def test_talking_on_reopens_a_completed_session(talker: Talker) -> None:
    client = talker.client(**{"X-IBEX-Session-ID": "a"})
    client.chat.completions.create(model="m", messages=say("Hi"))
    post(talker, b"", path="/v1/sessions/a/terminate")
    client.chat.completions.create(model="m", messages=say("One more"))
    (session,) = talker.sessions()
    assert (session["status"], session["turn_count"]) == ("active", 2)


def test_extraction_is_skipped_when_the_caller_says_so(talker: Talker) -> None:
    talker.client(**{"X-IBEX-Skip-Extraction": "1"}).chat.completions.create(
        model="m", messages=say("Hi")
    )
    talker.client().chat.completions.create(model="m", messages=say("Hi again"))
    assert [turn["skip_extraction"] for turn in talker.turns()] == [True, False]


def test_an_idempotency_key_answers_once(talker: Talker, provider: ProviderPeer) -> None:
    key = {"Idempotency-Key": str(uuid7())}
    first = post(talker, body_of("Hi"), **key)
    again = post(talker, body_of("Hi"), **key)
    assert first[2] == again[2]
    assert again[1]["x-idempotency-replayed"] == "true"
    assert len(provider.behaviour.seen) == 1
    status, headers, body = post(talker, body_of("Other"), **key)
    assert (status, headers["x-should-retry"]) == (409, "false")
    assert json.loads(body)["error"]["code"] == "IDEMPOTENCY_KEY_REUSE"


def test_a_failed_call_releases_its_idempotency_key(talker: Talker, provider: ProviderPeer) -> None:
    key = {"Idempotency-Key": str(uuid7())}
    provider.reset(status=500)
    assert post(talker, body_of("Hi"), **key)[0] == 502
    provider.reset()
    assert post(talker, body_of("Hi"), **key)[0] == 200


def test_the_providers_refusal_of_a_request_is_passed_on(
    talker: Talker, provider: ProviderPeer
) -> None:
    provider.reset(status=422)
    with pytest.raises(openai.UnprocessableEntityError, match="refused by the peer"):
        talker.client().chat.completions.create(model="m", messages=say("Hi"))
    assert talker.turns() == []
    (record,) = talker.rows("SELECT * FROM analytics_requestrecord")
    assert (record["status"], record["error_code"], record["turn_id"]) == (422, "peer", None)


@pytest.mark.parametrize(
    ("upstream", "status", "code"),
    [
        (401, 503, "PROVIDER_UNAVAILABLE"),
        (403, 503, "PROVIDER_UNAVAILABLE"),
        (500, 502, "PROVIDER_ERROR"),
    ],
)
def test_a_providers_own_failure_is_ours_to_tell(
    talker: Talker, provider: ProviderPeer, upstream: int, status: int, code: str
) -> None:
    provider.reset(status=upstream)
    got, headers, body = post(talker, body_of("Hi"))
    assert (got, json.loads(body)["error"]["code"]) == (status, code)
    assert headers["x-ibex-session-id"]


def test_a_short_outage_of_the_provider_is_ridden_out(
    talker: Talker, provider: ProviderPeer
) -> None:
    provider.reset(fail_times=2)
    assert talker.client().chat.completions.create(model="m", messages=say("Hi")).choices
    assert len(provider.behaviour.seen) == 3


def test_a_provider_that_does_not_answer_times_out(talker: Talker, provider: ProviderPeer) -> None:
    provider.reset(delay_s=6)
    status, _headers, body = post(talker, body_of("Hi"))
    assert (status, json.loads(body)["error"]["code"]) == (504, "PROVIDER_TIMEOUT")


def test_without_the_context_service_chat_goes_on(talker: Talker) -> None:
    answer = talker.client().chat.completions.with_raw_response.create(
        model="m", messages=say("Hi")
    )
    assert answer.headers["x-ibex-context-fallback"] == "true"
    assert answer.headers["x-ibex-memories-injected"] == "0"
    skipped = talker.client(**{"X-IBEX-Skip-Memory": "true"}).chat.completions.with_raw_response
    assert "x-ibex-context-fallback" not in skipped.create(model="m", messages=say("Hi")).headers


def body_of(text: str, **fields: object) -> bytes:
    return json.dumps({"model": "m", "messages": say(text), **fields}).encode()


def post(
    talker: Talker, body: bytes, *, path: str = "/v1/chat/completions", **headers: str
) -> tuple[int, dict[str, str], bytes]:
    """POST raw bytes with Alice's token and agent."""
    connection = http.client.HTTPConnection("127.0.0.1", talker.proxy.port, timeout=30)
    all_headers = {
        "Authorization": f"Bearer {talker.token}",
        "X-IBEX-Agent-ID": str(talker.world.scout.pk),
        "Content-Type": "application/json",
        **headers,
    }
    connection.request("POST", path, body, all_headers)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, {k.lower(): v for k, v in response.getheaders()}, content
