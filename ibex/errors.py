"""The root of every error that a caller is told about, and the envelope it is told in."""

from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any


class DomainError(Exception):
    """A rule was broken; the message is a sentence fit for an operator.

    `code` and `status` are part of the contract: clients decide by them.
    """

    code = "INVALID_REQUEST"
    status = HTTPStatus.BAD_REQUEST

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


ERROR_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    409: "conflict_error",
    429: "rate_limit_error",
}


def envelope(
    *,
    code: str,
    message: str,
    status: int,
    request_id: str,
    param: str | None = None,
    field_errors: dict[str, list[str]] | None = None,
) -> dict[str, Any]:
    """Build the error body that OpenAI's clients parse too."""
    default = (
        "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error"
    )
    error: dict[str, Any] = {
        "message": message,
        "type": ERROR_TYPES.get(status, default),
        "param": param,
        "code": code,
        "request_id": request_id,
        "timestamp": datetime.now(UTC).isoformat(),
    }
    if field_errors:
        error["field_errors"] = field_errors
    return {"error": error}
