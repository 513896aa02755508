"""A model behind a real socket that answers what a test tells it to, in OpenAI's wire format."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from aiohttp import web

from memories.extraction import get_extractor
from memories.extraction.llm import LlmExtractor
from memories.extraction.outage import Outage
from tests.processes import free_port
from tests.proxy.provider import ProviderPeer

MODEL = "gpt-test"


@dataclass
class Reply:
    """One answer of the model."""

    content: str | None = '{"memories": []}'
    finish_reason: str = "stop"
    refusal: str | None = None
    status: int = 200
    body: Any = None
    delay_s: float = 0.0


class ModelPeer(ProviderPeer):
    """Replies in the order in which a test gave them, then that there is nothing to remember."""

    replies: list[Reply]
    about: str

    def will(self, *replies: Reply, about: str = "") -> None:
        """Give the next answers; to what is not about these words, that there is nothing."""
        self.reset()
        self.replies = list(replies)
        self.about = about

    @property
    def asked(self) -> list[dict[str, Any]]:
        """What it was sent, about these words."""
        return self.behaviour.seen

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        body = json.loads(await request.read())
        is_meant = self.about in body["messages"][-1]["content"]
        if is_meant:
            self.behaviour.seen.append(body)
            self.behaviour.headers.append(dict(request.headers))
        how = self.replies.pop(0) if is_meant and self.replies else Reply()
        await asyncio.sleep(how.delay_s)
        if how.status != 200:
            echo = json.dumps(body["messages"])  # a provider may quote what it was asked
            return web.json_response({"error": {"message": echo}}, status=how.status)
        if isinstance(how.body, bytes):
            return web.Response(body=how.body, content_type="text/html")
        if how.body is not None:
            return web.json_response(how.body)
        message = {"role": "assistant", "content": how.content, "refusal": how.refusal}
        choice = {"index": 0, "message": message, "finish_reason": how.finish_reason}
        answer = {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": body["model"],
            "choices": [choice],
            "usage": {"prompt_tokens": 211, "completion_tokens": 37, "total_tokens": 248},
        }
        return web.json_response(answer)


def fact(content: str, *turns: int, **changes: Any) -> dict[str, Any]:
    """Return one memory as the model would answer it."""
    return {
        "content": content,
        "labels": [{"label": "factual", "confidence": 0.9}],
        "confidence": 0.9,
        "subject_key": "",
        "replaces": [],
        "valid_from": None,
        "valid_until": None,
        "turns": list(turns) or [1],
        **changes,
    }


def told(*facts: dict[str, Any]) -> Reply:
    """Return a reply with these memories."""
    return Reply(json.dumps({"memories": list(facts)}))


@pytest.fixture(scope="session")
def model_peer() -> Iterator[ModelPeer]:
    peer = ModelPeer()
    yield peer.start()  # type: ignore[misc]
    peer.stop()


@pytest.fixture
def model(model_peer: ModelPeer, monkeypatch: pytest.MonkeyPatch) -> Iterator[ModelPeer]:
    """Let the extractor `llm` ask this model."""
    model_peer.will()
    monkeypatch.setenv("IBEX_EXTRACTOR", "llm")
    monkeypatch.setenv("IBEX_EXTRACTOR_BASE_URL", model_peer.base_url)
    monkeypatch.setenv("IBEX_EXTRACTOR_API_KEY", "a-key")
    monkeypatch.setenv("IBEX_EXTRACTOR_MODEL", MODEL)
    monkeypatch.setenv("IBEX_EXTRACTOR_TIMEOUT_S", "10")
    get_extractor.cache_clear()
    answered_somebody()
    yield model_peer
    monkeypatch.undo()
    get_extractor.cache_clear()


def outage() -> Outage:
    """Return what is known of the provider being away."""
    extractor = get_extractor()
    assert isinstance(extractor, LlmExtractor)
    return extractor.outage


def answered_somebody() -> None:
    """Say that the provider has answered, as a call that succeeds does."""
    outage().note_answer()


@pytest.fixture
def model_away(model: ModelPeer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the model away: its port is closed."""
    monkeypatch.setenv("IBEX_EXTRACTOR_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    get_extractor.cache_clear()
