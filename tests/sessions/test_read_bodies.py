"""What was said in a turn is read back from the bytes that the recorder kept."""

import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sessions.bodies import answer_text, messages, user_text
from sessions.errors import UnreadableBody
from sessions.models import Turn
from tests.sessions.turns import plain_answer, streamed_answer


def turn(request: bytes = b"{}", completion: bytes = b"", *, is_streaming: bool = False) -> Turn:
    return Turn(
        request=zlib.compress(request),
        completion=zlib.compress(completion),
        is_streaming=is_streaming,
    )


def test_only_what_the_user_said_is_user_text() -> None:
    request = b"""{"messages": [
        {"role": "system", "content": "You are terse."},
        {"role": "developer", "content": "Be kind."},
        {"role": "user", "content": "My host is a."},
        {"role": "assistant", "content": "Fine.", "tool_calls": []},
        {"role": "tool", "tool_call_id": "1", "content": "My host is b."},
        {"role": "user", "content": [
            {"type": "text", "text": "And it is fast."},
            {"type": "image_url", "image_url": {"url": "data:x"}},
            {"type": "tool_result", "content": "My host is c."}]}
    ]}"""
    assert user_text(turn(request)) == "My host is a.\n\nAnd it is fast."
    assert [message["role"] for message in messages(turn(request))][:2] == ["system", "developer"]


@pytest.mark.parametrize("is_streaming", [False, True])
def test_an_answer_reads_the_same_streamed_or_not(is_streaming: bool) -> None:
    raw = (streamed_answer if is_streaming else plain_answer)("Grüße, “Ada”! 🎉\nBye.")
    assert answer_text(turn(b"{}", raw, is_streaming=is_streaming)) == "Grüße, “Ada”! 🎉\nBye."


def test_a_stream_that_was_cut_short_reads_as_far_as_it_came() -> None:
    raw = streamed_answer("The answer is forty-two.")[:-60]
    text = answer_text(turn(b"{}", raw, is_streaming=True))
    assert text
    assert "The answer is forty-two.".startswith(text)


def test_only_the_first_choice_is_the_answer() -> None:
    raw = b"""{"choices": [{"index": 1, "message": {"content": "no"}},
                           {"index": 0, "message": {"content": "yes"}}]}"""
    assert answer_text(turn(b"{}", raw)) == "yes"


def test_tool_calls_and_refusals_have_no_answer_text() -> None:
    raw = b'{"choices": [{"message": {"content": null, "tool_calls": [{"id": "1"}]}}]}'
    assert answer_text(turn(b"{}", raw)) == ""


@given(st.binary(max_size=200), st.booleans())
def test_no_bytes_make_reading_fail(raw: bytes, is_streaming: bool) -> None:
    odd = turn(raw, raw, is_streaming=is_streaming)
    assert isinstance(user_text(odd) + answer_text(odd), str)


@given(st.text(max_size=100))
def test_any_text_comes_back_from_a_stream(text: str) -> None:
    assert answer_text(turn(b"{}", streamed_answer(text), is_streaming=True)) == text


def test_bytes_that_the_recorder_never_wrote_are_refused_without_quoting_them() -> None:
    with pytest.raises(UnreadableBody) as refused:
        user_text(Turn(request=b"My secret", completion=b""))
    assert "secret" not in str(refused.value)
