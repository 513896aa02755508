"""The ASGI application: `POST /v1/embeddings` in OpenAI's shape, and the three health paths."""

import time
import traceback
from base64 import b64encode
from typing import Any

import structlog

from embedder.asgi import (
    ClientLeft,
    Headers,
    Receive,
    Send,
    check_json,
    check_token,
    read_body,
    read_org,
    send_json,
    unless_client_leaves,
)
from embedder.config import Config
from embedder.limits import EMBEDDING_MODEL
from embedder.metrics import REQUEST_SECONDS, REQUESTS
from embedder.parsing import EmbeddingRequest, parse_request
from embedder.refusals import InternalError, MethodNotAllowed, NotServing, Refusal, RouteNotFound
from embedder.service import Embedded, Embedder
from ibex import health
from ibex.errors import envelope
from ibex.request_ids import accept_request_id

PATH = "/v1/embeddings"
CLIENT_LEFT = 499
EXTRA_HEADERS = {MethodNotAllowed: {"allow": "POST"}, NotServing: {"retry-after": "1"}}

log = structlog.get_logger(__name__)


class App:
    """One embedder process."""

    def __init__(self, config: Config) -> None:
        self._token = config.service_token.encode()
        self._embedder = Embedder(config)
        self._health = health.Health(
            critical={"model": self._embedder.check_model},
            soft={"redis": self._embedder.check_cache},
        )

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve one ASGI connection."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["path"] in health.PATHS:
            await self._health(scope, receive, send)
        else:
            await self._answer(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        self._embedder.start()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._embedder.stop()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Any, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        headers = dict(scope["headers"])
        request_id = accept_request_id(headers.get(b"x-request-id", b"").decode("latin-1"))
        status = 200
        try:
            body = await self._embed(scope, headers, receive)
            await send_json(send, status, body, request_id)
        except ClientLeft:
            status = CLIENT_LEFT
        except Refusal as refusal:
            status = refusal.status
            await _send_refusal(send, refusal, request_id)
        except Exception as error:  # noqa: BLE001 - the outermost loop of a request
            status = InternalError.status
            _log_failure(error, request_id)
            await _send_refusal(send, InternalError(), request_id)
        REQUESTS.labels(str(int(status))).inc()
        REQUEST_SECONDS.observe(time.perf_counter() - started)

    async def _embed(self, scope: Any, headers: Headers, receive: Receive) -> dict[str, Any]:
        if scope["path"] != PATH:
            raise RouteNotFound
        if scope["method"] != "POST":
            raise MethodNotAllowed
        check_token(headers, self._token)
        check_json(headers)
        org_id = read_org(headers)
        request = parse_request(await read_body(headers, receive))
        work = self._embedder.embed(org_id, request.texts, request.kind)
        return _answer_body(request, await unless_client_leaves(receive, work))


def _answer_body(request: EmbeddingRequest, embedded: Embedded) -> dict[str, Any]:
    vectors: Any = embedded.vectors
    if request.encoding == "base64":
        vectors = [b64encode(vector).decode() for vector in embedded.vectors]
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": vector}
            for index, vector in enumerate(vectors)
        ],
        "model": EMBEDDING_MODEL,
        "usage": {"prompt_tokens": embedded.pieces, "total_tokens": embedded.pieces},
    }


async def _send_refusal(send: Send, refusal: Refusal, request_id: str) -> None:
    body = envelope(
        code=refusal.code,
        message=refusal.message,
        status=refusal.status,
        request_id=request_id,
        param=refusal.param,
    )
    await send_json(send, refusal.status, body, request_id, EXTRA_HEADERS.get(type(refusal)))


def _log_failure(error: Exception, request_id: str) -> None:
    # Without the exception's own words: a library may have put the text into them.
    frames = traceback.format_tb(error.__traceback__)
    name = type(error).__name__
    log.error("request failed", request_id=request_id, error=name, frames=frames)
