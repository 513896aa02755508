"""Every error of the APIs in the contract's envelope (ADR 0013).

No message repeats what the caller sent: it may be memory, directive or token text. For the same
reason an unexpected error is logged by its type and place, never by its words.
"""

import traceback
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import psycopg
import structlog
from django.core import exceptions as django_errors
from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpRequest, JsonResponse, UnreadablePostError
from rest_framework import exceptions as drf
from rest_framework.response import Response

from ibex.errors import DomainError, envelope

log = structlog.get_logger(__name__)

RETRY = {"Retry-After": "2"}
MAX_FIELD_ERRORS = 50
MAX_FIELD_NAME = 100
WITHOUT_THE_VALUE = {
    "invalid_choice": "This is none of the allowed values.",
    "does_not_exist": "There is no such row.",
}
"""Sentences in place of those that would repeat the caller's value, by error code."""


class PayloadTooLarge(DomainError):
    """A body is at most 4 MiB."""

    code = "PAYLOAD_TOO_LARGE"
    status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE

    def __init__(self) -> None:
        super().__init__("The request body exceeds 4 MiB.")


class InvalidJson(DomainError):
    """The body is not one JSON document in UTF-8."""

    code = "INVALID_JSON"

    def __init__(self) -> None:
        super().__init__("The body is not valid JSON.")


@dataclass(frozen=True)
class Problem:
    """What a caller is told about an error."""

    status: int
    code: str
    message: str
    param: str | None = None
    field_errors: dict[str, list[str]] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    def body(self, request: Any) -> dict[str, Any]:
        """Render the envelope with the request's id."""
        return envelope(
            code=self.code,
            message=self.message,
            status=self.status,
            request_id=getattr(request, "request_id", ""),
            param=self.param,
            field_errors=self.field_errors,
        )


def exception_handler(error: Exception, context: dict[str, Any]) -> Response:
    """Render any error of an API view; DRF calls this."""
    problem = describe(error)
    if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        _log(error, problem)
    body = problem.body(context.get("request"))
    return Response(body, status=problem.status, headers=problem.headers)


def describe(error: Exception) -> Problem:
    """Find what the contract says about an error; the first matching kind decides."""
    for kinds, build in KINDS:
        if isinstance(error, kinds):
            return build(error)
    return _unexpected(error)


def bad_request(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a request that Django itself refused, a foreign host name for example."""
    return _respond(request, describe(exception))


def forbidden(request: HttpRequest, exception: Exception) -> JsonResponse:
    """Answer a refusal that was raised outside a viewset."""
    return _respond(request, describe(exception))


def route_not_found(request: HttpRequest, exception: Exception) -> JsonResponse:  # noqa: ARG001
    """Answer a path that no route has."""
    return _respond(request, Problem(404, "ROUTE_NOT_FOUND", "There is no such route."))


def server_error(request: HttpRequest) -> JsonResponse:
    """Answer an error that no handler caught."""
    return _respond(request, _unexpected(Exception()))


def _respond(request: HttpRequest, problem: Problem) -> JsonResponse:
    return JsonResponse(problem.body(request), status=problem.status, headers=problem.headers)


def _domain(error: Any) -> Problem:
    headers = {}
    if error.status == HTTPStatus.UNAUTHORIZED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers |= RETRY
    param = getattr(error, "param", None) or getattr(error, "field", None)
    fields = {param: [error.message]} if param and error.code == "VALIDATION_ERROR" else {}
    return Problem(int(error.status), error.code, error.message, param, fields, headers)


def _invalid(fields: dict[str, list[str]]) -> Problem:
    names = [name for name in fields if name != "non_field_errors"]
    param = names[0] if len(names) == 1 else None
    name, sentences = next(iter(fields.items()), ("", ["The request is not valid."]))
    about = "" if name in {"", "non_field_errors"} else f"{name}: "
    return Problem(400, "VALIDATION_ERROR", about + sentences[0], param, fields)


def _invalid_input(error: Any) -> Problem:
    pairs = list(_flatten(error.detail))[:MAX_FIELD_ERRORS]
    return _invalid(_grouped(pairs))


def _invalid_model(error: Any) -> Problem:
    by_field = getattr(error, "error_dict", None) or {"__all__": error.error_list}
    pairs = [
        ("non_field_errors" if name == "__all__" else name, _sentence(one))
        for name, errors in by_field.items()
        for one in errors
    ]
    return _invalid(_grouped(pairs))


def _sentence(error: Any) -> str:
    """Say what is wrong with a model's field without repeating its value."""
    if error.code in WITHOUT_THE_VALUE:
        return WITHOUT_THE_VALUE[error.code]
    if "%(value)" in str(error.message):
        return "This value is not valid."
    return str(next(iter(error)))


def _flatten(detail: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Walk DRF's nested details as (dotted field, sentence)."""
    if isinstance(detail, Mapping):
        for name, inner in detail.items():
            known = "" if name == "non_field_errors" else str(name)[:MAX_FIELD_NAME]
            yield from _flatten(inner, ".".join(part for part in (path, known) if part))
    elif isinstance(detail, list):
        for inner in detail:
            yield from _flatten(inner, path)
    else:
        sentence = WITHOUT_THE_VALUE.get(getattr(detail, "code", ""), str(detail))
        yield path or "non_field_errors", sentence


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    fields: dict[str, list[str]] = {}
    for name, sentence in pairs:
        fields.setdefault(name, []).append(sentence)
    return fields


def _fixed(
    status: int, code: str, message: str, headers: dict[str, str] | None = None
) -> Callable[[Any], Problem]:
    problem = Problem(status, code, message, headers=headers or {})
    return lambda _error: problem


def _unexpected(_error: Exception) -> Problem:
    return Problem(500, "INTERNAL_ERROR", "Something went wrong on our side.")


def _log(error: Exception, problem: Problem) -> None:
    """Name the error's type and place; Postgres repeats whole rows in its messages."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f"{frames[-1].filename}:{frames[-1].lineno}" if frames else "unknown"
    log.error("request_failed", code=problem.code, error=type(error).__qualname__, where=where)


Kind = type[Exception] | tuple[type[Exception], ...]

KINDS: list[tuple[Kind, Callable[[Any], Problem]]] = [
    (DomainError, _domain),
    (drf.ValidationError, _invalid_input),
    (django_errors.ValidationError, _invalid_model),
    (
        (Http404, drf.NotFound, django_errors.ObjectDoesNotExist),
        _fixed(404, "NOT_FOUND", "There is no such thing here."),
    ),
    (
        drf.MethodNotAllowed,
        _fixed(405, "METHOD_NOT_ALLOWED", "The route does not take this method."),
    ),
    (
        drf.UnsupportedMediaType,
        _fixed(415, "UNSUPPORTED_MEDIA_TYPE", "Send the body as application/json."),
    ),
    (
        (drf.PermissionDenied, django_errors.PermissionDenied),
        _fixed(403, "INSUFFICIENT_PERMISSIONS", "You may not do this."),
    ),
    (django_errors.RequestDataTooBig, lambda _error: _domain(PayloadTooLarge())),
    (
        (django_errors.SuspiciousOperation, django_errors.BadRequest, UnreadablePostError),
        _fixed(400, "INVALID_REQUEST", "The request cannot be understood."),
    ),
    (
        (OperationalError, InterfaceError, psycopg.OperationalError),
        _fixed(503, "SERVICE_DEGRADED", "The database is not available; try again shortly.", RETRY),
    ),
    (DataError, _fixed(400, "VALIDATION_ERROR", "A value is outside what can be stored.")),
    (IntegrityError, _fixed(409, "CONFLICT", "Another request changed the same thing first.")),
]
