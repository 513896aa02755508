"""What a chat completion request says, checked; what IBEX does not understand stays as it is."""

from dataclasses import dataclass
from typing import Any

import orjson

from proxy.errors import ProxyError, invalid
from proxy.http import Request

MAX_MESSAGES = 2000
MAX_MODEL_NAME = 256
TRUTHY = frozenset({"1", "true", "yes", "on"})
Message = dict[str, Any]


@dataclass
class ChatRequest:
    """A parsed body with its original bytes."""

    raw: bytes
    body: dict[str, Any]

    @property
    def messages(self) -> list[Message]:
        """The conversation as the client sent it."""
        messages: list[Message] = self.body["messages"]
        return messages

    @property
    def is_streaming(self) -> bool:
        """Whether the client wants server-sent events."""
        return self.body.get("stream") is True

    @property
    def wants_usage(self) -> bool:
        """Whether the client asked for the usage event of a stream."""
        options = self.body.get("stream_options")
        return isinstance(options, dict) and bool(options.get("include_usage"))

    def forwarded(self, messages: list[Message], *, model: str | None, add_usage: bool) -> bytes:
        """Return the bytes for the provider: the original ones where nothing was changed.

        `model` fills in a missing one; `add_usage` asks a stream for its usage event.
        """
        changed = messages is not self.messages or model is not None
        options = self.body.get("stream_options")
        if not changed and not add_usage:
            return self.raw
        if not changed and options is None:
            head = b'{"stream_options":{"include_usage":true},'
            return head + self.raw.lstrip()[1:]
        body = {**self.body, "messages": messages}
        if model is not None:
            body["model"] = model
        if add_usage:
            body["stream_options"] = {**(options or {}), "include_usage": True}
        return orjson.dumps(body)


def check_content_type(request: Request) -> None:
    """Raise UNSUPPORTED_MEDIA_TYPE (415) for anything but JSON."""
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != "application/json":
        raise ProxyError(415, "UNSUPPORTED_MEDIA_TYPE", "Send the request as application/json.")


def parse(raw: bytes) -> ChatRequest:
    """Parse and check a body. Raises INVALID_JSON or VALIDATION_ERROR (400)."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise ProxyError(400, "INVALID_JSON", "The body is not valid JSON.") from error
    if not isinstance(body, dict):
        raise invalid("The body is a JSON object.")
    _check_messages(body.get("messages"))
    model = body.get("model")
    if model is not None and not _is_name(model):
        raise invalid("`model` is a name of at most 256 characters.", param="model")
    if not isinstance(body.get("stream", False), bool | None):
        raise invalid("`stream` is true or false.", param="stream")
    if not isinstance(body.get("stream_options"), dict | None):
        raise invalid("`stream_options` is an object.", param="stream_options")
    return ChatRequest(raw, body)


def flag(request: Request, name: str) -> bool:
    """Read an on/off header."""
    return request.headers.get(name, "").strip().lower() in TRUTHY


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise invalid("`messages` is a list with at least one message.", param="messages")
    if len(messages) > MAX_MESSAGES:
        raise invalid("A request has at most 2,000 messages.", param="messages")
    for index, message in enumerate(messages):
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            param = f"messages[{index}]"
            raise invalid("Each message is an object with a `role`.", param=param)


def _is_name(model: Any) -> bool:
    return isinstance(model, str) and 0 < len(model) <= MAX_MODEL_NAME and model.isprintable()
