"""From a body to a request that is known to be sound, or a refusal that names the field."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import orjson

from embedder.limits import EMBEDDING_DIM, EMBEDDING_MODEL, KINDS, MAX_TEXTS, Kind
from embedder.refusals import Invalid, InvalidJson

Encoding = Literal["float", "base64"]


@dataclass(frozen=True)
class EmbeddingRequest:
    """The body of `POST /v1/embeddings` in OpenAI's shape, plus `kind`."""

    texts: list[str]
    kind: Kind
    encoding: Encoding


def parse_request(body: bytes) -> EmbeddingRequest:
    """Read a body; raises `InvalidJson` or `Invalid`. Fields unknown here are ignored."""
    try:
        fields = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidJson from None
    if not isinstance(fields, dict):
        raise InvalidJson
    if fields.get("model") != EMBEDDING_MODEL:
        raise Invalid(f"The only model is '{EMBEDDING_MODEL}'.", "model")
    dimensions = fields.get("dimensions")
    if dimensions is not None and (isinstance(dimensions, bool) or dimensions != EMBEDDING_DIM):
        raise Invalid(f"The only number of dimensions is {EMBEDDING_DIM}.", "dimensions")
    if not isinstance(fields.get("user"), str | None):
        raise Invalid("'user' must be a string.", "user")
    return EmbeddingRequest(
        texts=_texts(fields.get("input")),
        kind=cast("Kind", _choice(fields, "kind", KINDS)),
        encoding=cast("Encoding", _choice(fields, "encoding_format", ("float", "base64"))),
    )


def _texts(given: Any) -> list[str]:
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts:
        raise Invalid("'input' must be a string or a list of strings that is not empty.", "input")
    if len(texts) > MAX_TEXTS:
        raise Invalid(f"'input' holds more than {MAX_TEXTS} texts.", "input")
    if not all(isinstance(text, str) for text in texts):
        raise Invalid("'input' must hold strings; token ids are not accepted.", "input")
    if not all(map(str.strip, texts)):
        raise Invalid("'input' holds a blank text.", "input")
    return texts


def _choice(fields: Mapping[str, Any], name: str, choices: tuple[str, ...]) -> str:
    value = fields.get(name)
    if value is None:
        return choices[0]
    if value not in choices:
        raise Invalid(f"'{name}' must be one of {', '.join(choices)}.", name)
    return cast("str", value)
