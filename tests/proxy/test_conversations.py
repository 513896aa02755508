"""A conversation without a session id is recognised by what was said in it."""

import json
import zlib
from typing import Any

from tests.proxy.conftest import Talker, say
from tests.proxy.provider import ProviderPeer


def talk(talker: Talker, messages: list[Any], **options: Any) -> tuple[str, list[Any]]:
    """Send messages; return the session and the conversation with its answer."""
    answer = talker.client().chat.completions.with_raw_response.create(
        model="m", messages=messages, **options
    )
    message = answer.parse().choices[0].message.model_dump(exclude_none=True)
    return answer.headers["x-ibex-session-id"], [*messages, message]


def test_a_conversation_continues_without_being_named(talker: Talker) -> None:
    session, history = talk(talker, say("My dog is called Rex."))
    for text in ("What is his name?", "And mine?"):
        again, history = talk(talker, [*history, *say(text)])
        assert again == session
    (row,) = talker.sessions()
    assert row["turn_count"] == 3


def test_only_new_messages_are_kept(talker: Talker) -> None:
    _session, history = talk(talker, say("One"))
    talk(talker, [*history, *say("Two")])
    kept = [json.loads(zlib.decompress(t["request"]))["messages"] for t in talker.turns()]
    assert kept == [say("One"), say("Two")]


def test_a_changed_system_message_does_not_lose_the_conversation(talker: Talker) -> None:
    first = [{"role": "system", "content": "It is 9:00."}, *say("Hello")]
    session, history = talk(talker, first)
    later = [{"role": "system", "content": "It is 9:01."}, *history[1:], *say("Still there?")]
    assert talk(talker, later)[0] == session


def test_a_second_continuation_branches(talker: Talker) -> None:
    session, history = talk(talker, say("Hello"))
    assert talk(talker, [*history, *say("Left")])[0] == session
    branch, _ = talk(talker, [*history, *say("Right")])
    assert branch != session
    row = next(s for s in talker.sessions() if str(s["id"]) == branch)
    assert (str(row["branched_from_id"]), row["branched_at_turn"]) == (session, 0)


def test_an_identical_retry_rejoins(talker: Talker) -> None:
    session, history = talk(talker, say("Hello"))
    for _retry in range(2):
        assert talk(talker, [*history, *say("Left")])[0] == session


def test_two_conversations_with_the_same_words_are_not_mixed_up(talker: Talker) -> None:
    one, history = talk(talker, say("Hello"))
    two, _same = talk(talker, say("Hello"))
    assert one != two
    three, _ = talk(talker, [*history, *say("Which one am I?")])
    assert three not in {one, two}


def test_a_subject_tells_equal_conversations_apart(talker: Talker) -> None:
    ann, history = talk(talker, say("Hello"), user="ann")
    ben, _same = talk(talker, say("Hello"), user="ben")
    assert talk(talker, [*history, *say("More")], user="ann")[0] == ann
    assert talk(talker, [*history, *say("More")], user="ben")[0] == ben


def test_a_tool_loop_stays_in_its_session(talker: Talker, provider: ProviderPeer) -> None:
    provider.reset(tool_call=True)
    session, history = talk(talker, say("Look it up"))
    result = {"role": "tool", "tool_call_id": "call_1", "content": "42"}
    again, _ = talk(talker, [*history, result])
    assert again == session


def test_another_orgs_equal_conversation_is_another_session(talker: Talker) -> None:
    session, history = talk(talker, say("Hello"))
    world = talker.world
    mallory = talker.client(token=world.token(world.elsewhere), agent=world.spy.pk)
    answer = mallory.chat.completions.with_raw_response.create(
        model="m", messages=[*history, *say("More")]
    )
    assert answer.headers["x-ibex-session-id"] != session
    assert talk(talker, [*history, *say("More")])[0] == session
