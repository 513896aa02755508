"""Clients that keep talking whatever is killed, and note what they saw of every answer."""

import contextlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx2  # what the official client raises, unwrapped, when a body breaks off
import openai

from ibex.ids import uuid7
from tests.stack.conftest import Stack

PAUSE_S = 0.3
DATA = "data: "
LETTERS = "bcdfghjklmnpqrstvwz"
WHOLE = "200"
NO_ANSWER = "no answer"
CUT = "cut off"
MARINA = "Which marina do I sail from?"


@dataclass(frozen=True)
class Answer:
    """What a client saw of one request; `began` and `ended` are seconds of the monotonic clock.

    `seen` is `200` when the end of the answer was received, a status with its code when it was
    refused, `error event …` for a stream that told of its failure, `cut off` or `no answer` when
    the connection broke.
    """

    began: float
    ended: float
    seen: str
    is_streaming: bool
    request_id: str = ""
    fact: str = ""
    injected: int = 0
    is_fallback: bool = False
    retry_after: str = ""
    message: str = ""

    @property
    def is_acknowledged(self) -> bool:
        return self.seen == WHOLE

    @property
    def is_as_ever(self) -> bool:
        """Whether the answer is whole, and a question found the memory that answers it."""
        return self.is_acknowledged and not self.is_fallback and bool(self.fact or self.injected)


class Talker(threading.Thread):
    """One application with the official client: a fact, two questions, a fact, and so on."""

    def __init__(self, stack: Stack, *, streams: bool) -> None:
        super().__init__(daemon=True)
        self.subject = f"talker-{uuid7().hex[-8:]}"
        self.streams = streams
        self.answers: list[Answer] = []
        self.is_mid_stream = False
        self._message = ""
        self._ended = threading.Event()
        self._client = stack.client(self.subject, **{"X-IBEX-Session-ID": self.subject})

    def run(self) -> None:
        number = 0
        while not self._ended.is_set():
            self.answers.append(self._state_a_fact() if number % 3 == 0 else self._ask())
            number += 1
            self._ended.wait(PAUSE_S)

    def end(self) -> None:
        self._ended.set()

    def _state_a_fact(self) -> Answer:
        mark = "".join(secrets.choice(LETTERS) for _ in range(8))
        return self._say(f"My boat {mark} is called kestrel-{mark}.", fact=f"kestrel-{mark}")

    def _ask(self) -> Answer:
        return self._say(f"{MARINA} ({uuid7().hex[-6:]})")

    def _say(self, text: str, fact: str = "") -> Answer:
        began = time.monotonic()
        self._message = ""
        seen, headers = self._exchange(text)
        return Answer(
            began,
            time.monotonic(),
            seen,
            self.streams,
            request_id=headers.get("x-request-id", ""),
            fact=fact,
            injected=int(headers.get("x-ibex-memories-injected", 0)),
            is_fallback=headers.get("x-ibex-context-fallback") == "true",
            retry_after=headers.get("retry-after", ""),
            message=self._message,
        )

    def _exchange(self, text: str) -> tuple[str, Any]:
        headers: Any = {}
        create = self._client.chat.completions.with_streaming_response.create
        messages: list[Any] = [{"role": "user", "content": text}]
        try:
            with create(model="gpt-4o-mini", messages=messages, stream=self.streams) as response:
                headers = response.headers
                return self._read(response), headers
        except openai.APIStatusError as error:
            self._message = error.message
            return f"{error.status_code} {error.code}", error.response.headers
        except (openai.APITimeoutError, httpx2.TimeoutException):
            return "timeout", headers
        except openai.APIConnectionError:
            return NO_ANSWER, headers
        except httpx2.TransportError:
            return CUT, headers
        finally:
            self.is_mid_stream = False

    def _read(self, response: Any) -> str:
        if not self.streams:
            response.json()
            return WHOLE
        seen = "no end"
        for line in response.iter_lines():
            self.is_mid_stream = True
            if line.startswith(DATA + '{"error"'):
                seen = f"error event {json.loads(line[len(DATA) :])['error']['code']}"
            elif line == DATA + "[DONE]":
                seen = WHOLE
        return seen


class Talk:
    """All clients of one round, from before the kill until all is as before."""

    def __init__(self, stack: Stack, clients: int) -> None:
        self.talkers = [Talker(stack, streams=n % 2 == 1) for n in range(clients)]
        self.killed_at = 0.0
        self.killed_on = datetime.now(UTC)

    def mark_the_kill(self) -> None:
        self.killed_at = time.monotonic()
        self.killed_on = datetime.now(UTC)

    @property
    def subjects(self) -> list[str]:
        return [talker.subject for talker in self.talkers]

    def answers(self, *, since: float = 0.0) -> list[Answer]:
        """All answers to requests that ended after `since`, in the order of their ends."""
        found = [a for talker in self.talkers for a in talker.answers if a.ended >= since]
        return sorted(found, key=lambda answer: answer.ended)


@contextlib.contextmanager
def talking(stack: Stack, clients: int) -> Iterator[Talk]:
    """Let clients talk, half of them in streams, until the block ends."""
    talk = Talk(stack, clients)
    for talker in talk.talkers:
        talker.start()
    try:
        yield talk
    finally:
        for talker in talk.talkers:
            talker.end()
        for talker in talk.talkers:
            talker.join(120)
