"""What clients send and what they make of the answer."""

from base64 import b64decode
from collections.abc import Sequence
from http import HTTPStatus
from uuid import UUID

import numpy as np
import orjson

from embedder.errors import EmbeddingUnavailable, TextRefused
from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL, MAX_BODY_BYTES, MAX_TEXTS, Kind, Vectors

PATH = "/v1/embeddings"


def request_headers(service_token: str, org_id: UUID) -> dict[str, str]:
    """Say who asks, and for which org."""
    return {
        "Authorization": f"Bearer {service_token}",
        "Content-Type": "application/json",
        "X-IBEX-Org-ID": str(org_id),
    }


def request_body(texts: Sequence[str], kind: Kind) -> bytes:
    """Encode texts; raises `TextRefused` for what the service would turn away anyway."""
    if len(texts) > MAX_TEXTS:
        raise TextRefused(f"At most {MAX_TEXTS} texts can be embedded at once.")
    if not all(map(str.strip, texts)):
        raise TextRefused("A blank text cannot be embedded.")
    fields = {
        "model": EMBEDDING_MODEL,
        "input": list(texts),
        "kind": kind,
        "encoding_format": "base64",
    }
    try:
        body = orjson.dumps(fields)
    except TypeError:  # a lone surrogate
        raise TextRefused("A text that is not valid Unicode cannot be embedded.") from None
    if len(body) > MAX_BODY_BYTES:
        raise TextRefused(f"The texts are larger than {MAX_BODY_BYTES:,} bytes together.")
    return body


def read_answer(status: int, body: bytes, expected: int) -> Vectors:
    """Return the vectors (expected, 384) of an answer, or raise what it means."""
    if status not in {HTTPStatus.OK, HTTPStatus.BAD_REQUEST}:
        raise EmbeddingUnavailable(f"it answered with status {status}")
    try:
        answer = orjson.loads(body)
        if status == HTTPStatus.OK:
            return _vectors(answer["data"], expected)
        message, param = answer["error"]["message"], answer["error"]["param"]
    except (LookupError, TypeError, ValueError) as error:
        raise EmbeddingUnavailable("it answered with something else than embeddings") from error
    if param != "input":  # not about the texts: another version of the service, say
        raise EmbeddingUnavailable(f"it refused the request: {message}")
    raise TextRefused(message)


def _vectors(data: list[dict[str, str]], expected: int) -> Vectors:
    joined = b"".join(b64decode(item["embedding"]) for item in data)
    return np.frombuffer(joined, "<f4").reshape(expected, EMBEDDING_DIM).astype(np.float32)


def no_vectors() -> Vectors:
    """Return the answer to no texts at all."""
    return np.empty((0, EMBEDDING_DIM), np.float32)
