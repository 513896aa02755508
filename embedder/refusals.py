"""Why a request is turned away. No message carries any of its text."""

from http import HTTPStatus

from embedder.limits import MAX_BODY_BYTES
from ibex.errors import DomainError


class Refusal(DomainError):
    """A request that gets an error envelope; `param` names the field at fault."""

    def __init__(self, message: str, param: str | None = None) -> None:
        super().__init__(message)
        self.param = param


class Invalid(Refusal):
    """A field or header is missing, malformed or over a limit."""

    code = "VALIDATION_ERROR"


class InvalidJson(Refusal):
    """The body is no JSON object."""

    code = "INVALID_JSON"

    def __init__(self) -> None:
        super().__init__("The body is not a JSON object.")


class MissingToken(Refusal):
    """There is no bearer token."""

    code = "MISSING_TOKEN"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__("Send the service token as 'Authorization: Bearer <token>'.")


class InvalidToken(Refusal):
    """The bearer token is not the service token."""

    code = "INVALID_TOKEN"
    status = HTTPStatus.UNAUTHORIZED

    def __init__(self) -> None:
        super().__init__("The token is not valid.")


class RouteNotFound(Refusal):
    """Nothing lives at this path."""

    code = "ROUTE_NOT_FOUND"
    status = HTTPStatus.NOT_FOUND

    def __init__(self) -> None:
        super().__init__("There is nothing at this path; embeddings are at POST /v1/embeddings.")


class MethodNotAllowed(Refusal):
    """Embeddings are only ever posted for."""

    code = "METHOD_NOT_ALLOWED"
    status = HTTPStatus.METHOD_NOT_ALLOWED

    def __init__(self) -> None:
        super().__init__("Only POST is allowed here.")


class PayloadTooLarge(Refusal):
    """The body is over the limit."""

    code = "PAYLOAD_TOO_LARGE"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self) -> None:
        super().__init__(f"The body is larger than {MAX_BODY_BYTES:,} bytes.")


class UnsupportedMediaType(Refusal):
    """The body is declared as something other than JSON."""

    code = "UNSUPPORTED_MEDIA_TYPE"
    status = HTTPStatus.UNSUPPORTED_MEDIA_TYPE

    def __init__(self) -> None:
        super().__init__("The content type must be application/json.")


class NotServing(Refusal):
    """The model is loading or its queue is full; the caller may try again."""

    code = "SERVICE_DEGRADED"
    status = HTTPStatus.SERVICE_UNAVAILABLE


class InternalError(Refusal):
    """Something broke; the log knows where."""

    code = "INTERNAL_ERROR"
    status = HTTPStatus.INTERNAL_SERVER_ERROR

    def __init__(self) -> None:
        super().__init__("The embedding service failed.")
