"""What the proxy refuses or fails with, as contract codes."""

from collections.abc import Mapping

import orjson

from ibex.errors import envelope

NEVER_RETRY = {"x-should-retry": "false"}


class ProxyError(Exception):
    """An answer other than the provider's. The message never holds text of a request."""

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        *,
        param: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.param = param
        self.headers = dict(headers or {})

    def body(self, request_id: str) -> bytes:
        """Render the envelope that OpenAI's clients parse too."""
        return orjson.dumps(
            envelope(
                code=self.code,
                message=self.message,
                status=self.status,
                request_id=request_id,
                param=self.param,
            )
        )


def invalid(message: str, *, param: str | None = None) -> ProxyError:
    """Refuse a request whose content breaks a rule."""
    return ProxyError(400, "VALIDATION_ERROR", message, param=param)


def invalid_token() -> ProxyError:
    """Refuse a token: malformed, unknown, expired and revoked look the same."""
    return ProxyError(401, "INVALID_TOKEN", "The token is not valid.", headers=NEVER_RETRY)


def degraded(what: str) -> ProxyError:
    """Refuse because a store that must answer does not."""
    message = f"{what} is not available; try again shortly."
    return ProxyError(503, "SERVICE_DEGRADED", message, headers={"retry-after": "2"})
