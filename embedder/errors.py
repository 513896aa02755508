"""What a caller of the embedder has to expect."""

from http import HTTPStatus

from ibex.errors import DomainError


class EmbeddingUnavailable(DomainError):
    """The embedder gave no answer, or none in time; the same call may succeed later."""

    code = "SERVICE_DEGRADED"
    status = HTTPStatus.SERVICE_UNAVAILABLE

    def __init__(self, reason: str) -> None:
        super().__init__(f"The embedding service gave no answer: {reason}.")


class TextRefused(DomainError, ValueError):
    """The texts themselves are at fault: too many, too long, or blank. Retrying cannot help."""

    code = "VALIDATION_ERROR"
