"""What every API endpoint shares: who calls, what they may do, whose rows exist, how pages end.

A viewset declares; its base protects. No viewset can forget the tenant, the permission or the
refusal of unknown fields.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from math import isfinite
from typing import IO, Any, ClassVar, TypeVar, cast

import django_filters
import orjson
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from rest_framework import permissions, serializers, viewsets
from rest_framework.exceptions import MethodNotAllowed
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.utils.encoders import JSONEncoder

from ibex.api_errors import InvalidJson, PayloadTooLarge, exception_handler
from ibex.bodies import MAX_BODY_BYTES
from ibex.filtering import API_PLACE, ListFilter
from ibex.keyset import NEWEST_FIRST, Order, take_page
from ibex.tenancy import tenant
from orgs.authentication import Caller, OperatorAuthentication, TokenAuthentication
from orgs.permissions import Permission
from orgs.refusals import InsufficientPermissions, MissingToken

__all__ = [
    "OrgRelatedField",
    "OrgViewSet",
    "PageQuery",
    "Probability",
    "Reason",
    "StrictSerializer",
    "Text",
    "exception_handler",
    "filter_query",
]

M = TypeVar("M", bound=Model)

UNROUTED = {None, "metadata"}
"""What DRF calls the action of a method that the route does not have."""


class DeclaredPermission(permissions.BasePermission):
    """Let a caller through who holds what the viewset requires for the action."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Raise the contract's own refusals; an action that declares nothing is a bug."""
        if request.auth is None:
            raise MissingToken
        if view.action in UNROUTED:
            raise MethodNotAllowed(str(request.method))
        caller = cast("Caller", request.auth)
        if missing := view.required[view.action] & ~caller.permissions:
            raise InsufficientPermissions(missing)
        return True


class StrictJsonParser(BaseParser):
    """JSON in UTF-8, at most 4 MiB. NaN, lone surrogates and bottomless nesting are refused."""

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        _media_type: str | None = None,
        _parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        """Read one document. Raises `PayloadTooLarge` and `InvalidJson`."""
        body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise PayloadTooLarge
        try:
            return orjson.loads(body)
        except orjson.JSONDecodeError:
            raise InvalidJson from None


class LenientJsonRenderer(BaseRenderer):
    """JSON in UTF-8. A lone surrogate, which a recorded body may hold, becomes `?`."""

    media_type = "application/json"
    format = "json"
    charset = None

    def render(
        self,
        data: Any,
        _media_type: str | None = None,
        _renderer_context: Mapping[str, Any] | None = None,
    ) -> bytes:
        """Encode an answer; None is an empty body."""
        if data is None:
            return b""
        text = json.dumps(data, cls=JSONEncoder, ensure_ascii=False, separators=(",", ":"))
        return text.encode("utf-8", "replace")


class AlwaysJson(BaseContentNegotiation):
    """Answer in JSON whatever the `Accept` header says; there is nothing else to choose."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> BaseParser | None:
        """Take only a body that says it is JSON."""
        media_type = str(request.content_type).partition(";")[0].strip().lower()
        return next((parser for parser in parsers if parser.media_type == media_type), None)

    def select_renderer(
        self,
        request: Request,  # noqa: ARG002 - DRF's signature
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,  # noqa: ARG002 - DRF's signature
    ) -> tuple[BaseRenderer, str]:
        """Take the first renderer."""
        renderer = next(iter(renderers))
        return renderer, str(renderer.media_type)


class StrictSerializer(serializers.Serializer[Any]):
    """Refuses fields it does not know: a misspelt one must not be silently ignored."""

    def to_internal_value(self, data: Any) -> Any:
        """Name every unknown field at once."""
        if isinstance(data, Mapping) and (unknown := sorted(set(data) - set(self.fields))):
            raise serializers.ValidationError({name: ["Unknown field."] for name in unknown})
        return super().to_internal_value(data)


class Text(serializers.CharField):
    """A string; DRF's own field takes numbers too. NUL and lone surrogates are refused."""

    def to_internal_value(self, data: Any) -> str:
        """Refuse what is no string."""
        if not isinstance(data, str):
            self.fail("invalid")
        return str(super().to_internal_value(data))


class Probability(serializers.FloatField):
    """A JSON number from 0 to 1; neither NaN nor `true` is one."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=0, max_value=1, **options)

    def to_internal_value(self, data: Any) -> float:
        """Refuse what DRF would convert, and NaN, which every comparison lets through."""
        if isinstance(data, bool) or not isinstance(data, int | float) or not isfinite(data):
            self.fail("invalid")
        return super().to_internal_value(data)


class PageQuery(StrictSerializer):
    """The query parameters of every list; lists add their filters."""

    limit = serializers.IntegerField(min_value=1, max_value=100, default=20)
    cursor = serializers.CharField(default=None)


DOCUMENTED: list[tuple[type[Any], Callable[..., serializers.Field[Any, Any, Any, Any]]]] = [
    (django_filters.BooleanFilter, serializers.BooleanField),
    (django_filters.NumberFilter, serializers.FloatField),
    (django_filters.IsoDateTimeFilter, serializers.DateTimeField),
    (django_filters.DateTimeFilter, serializers.DateTimeField),
    (django_filters.DateFilter, serializers.DateField),
    (django_filters.UUIDFilter, serializers.UUIDField),
    (django_filters.ModelChoiceFilter, serializers.UUIDField),
]


@cache
def filter_query(kind: type[ListFilter]) -> type[PageQuery]:
    """Describe the query parameters of a list for its documentation."""
    fields = {name: _documented_filter(one) for name, one in kind.base_filters.items()}
    return type(f"{kind.__name__}Query", (PageQuery,), {**fields, "__doc__": kind.__doc__})


def _documented_filter(one: Any) -> serializers.Field[Any, Any, Any, Any]:
    """Name the type of one filter's value; what is in no list is a string."""
    words = f"Not this {one.label}." if one.exclude else f"{one.label}."
    said: dict[str, Any] = {"required": False, "help_text": words}
    choices = one.extra.get("choices")
    if isinstance(one, django_filters.ChoiceFilter) and choices and not callable(choices):
        return serializers.ChoiceField(choices, **said)
    for filter_kind, field in DOCUMENTED:
        if isinstance(one, filter_kind):
            return field(**said)
    return serializers.CharField(**said)


class Reason(StrictSerializer):
    """The body of an action that takes nothing but why."""

    reason = Text(default="", allow_blank=True, max_length=500)


class OrgRelatedField(serializers.PrimaryKeyRelatedField[Any]):
    """A related row, chosen only from those that exist for the caller."""

    def get_queryset(self) -> QuerySet[Any]:
        """Narrow to the caller's organization, and to their agent if they have but one."""
        queryset = cast("QuerySet[Any]", super().get_queryset())
        return visible_rows(queryset, self.context["view"].caller)


class OrgViewSet(viewsets.GenericViewSet[M]):
    """A viewset that only ever sees the organization its caller acts for."""

    required: ClassVar[Mapping[str, Permission]] = {}
    """What each action needs; an action without an entry is a bug that a test finds."""
    enters_tenant_itself: ClassVar[frozenset[str]] = frozenset()
    """Actions that ask another service first and hold no transaction while they wait."""

    authentication_classes = [TokenAuthentication, OperatorAuthentication]
    permission_classes = [DeclaredPermission]
    parser_classes = [StrictJsonParser]
    renderer_classes = [LenientJsonRenderer]
    content_negotiation_class = AlwaysJson
    http_method_names = ["get", "post", "patch", "delete", "head"]

    caller: Caller

    @property
    def default_response_headers(self) -> dict[str, str]:
        """Keep answers out of every cache: they are one caller's."""
        return {**super().default_response_headers, "Cache-Control": "no-store"}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Response:
        """Do as DRF does, but run the handler in the caller's tenant, its commit included.

        An error rolls back what the handler changed, and is answered after that.
        """
        self.args, self.kwargs = args, kwargs
        self.request = self.initialize_request(request, *args, **kwargs)
        self.headers = self.default_response_headers
        try:
            self.initial(self.request, *args, **kwargs)
            response = self._handle(*args, **kwargs)
        except Exception as error:  # noqa: BLE001 - the outermost handler of a request
            response = self.handle_exception(error)
        self.response = self.finalize_response(self.request, response, *args, **kwargs)
        return self.response

    def initialize_request(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Request:
        """Let DRF read a chunked body too; without a length it takes it for an empty one."""
        if request.headers.get("Transfer-Encoding") and not request.headers.get("Content-Length"):
            request.META["CONTENT_LENGTH"] = str(MAX_BODY_BYTES)
        return super().initialize_request(request, *args, **kwargs)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Authenticate and authorize; only then is anything else looked at."""
        super().initial(request, *args, **kwargs)
        self.caller = cast("Caller", request.auth)
        declared = request.META.get("CONTENT_LENGTH") or ""
        if declared.isdigit() and int(declared) > MAX_BODY_BYTES:
            raise PayloadTooLarge

    def get_queryset(self) -> QuerySet[M]:
        """Return the rows that exist for the caller."""
        queryset = super().get_queryset()
        if getattr(self, "swagger_fake_view", False):  # the schema is built without a caller
            return queryset.none()
        return visible_rows(queryset, self.caller)

    def read_query(self, kind: type[StrictSerializer]) -> dict[str, Any]:
        """Validate the query parameters; an empty one is a wrong one, not an absent one."""
        return self.read(kind, self.request.query_params.dict())

    def read(self, kind: type[StrictSerializer], data: Any) -> dict[str, Any]:
        """Validate what the caller sent. Raises DRF's `ValidationError`."""
        serializer = kind(data=data, context=self.get_serializer_context())
        serializer.is_valid(raise_exception=True)
        return dict(serializer.validated_data)

    def read_page(self) -> dict[str, Any]:
        """Validate which page was asked for."""
        given = self.request.query_params
        return self.read(PageQuery, {name: given[name] for name in API_PLACE if name in given})

    def require(self, needs: Permission) -> None:
        """Ask for more than the action as such does. Raises `InsufficientPermissions`."""
        if missing := needs & ~self.caller.permissions:
            raise InsufficientPermissions(missing)

    def filtered(
        self, kind: type[ListFilter], rows: QuerySet[Any] | None = None
    ) -> tuple[QuerySet[Any], dict[str, Any]]:
        """Narrow `rows`, the viewset's own by default, by the console's filter of this list.

        Return them with the page that was asked for. Raises Django's `ValidationError` for a
        filter that the list does not have, or cannot read.
        """
        given = self.request.query_params
        found = self.get_queryset() if rows is None else rows
        filters = kind(
            given,
            found,
            org_id=self.caller.org_id,
            agent_id=self.caller.agent_id,
            is_strict=True,
        )
        return filters.rows_or_refuse(), self.read_page()

    def page(
        self,
        rows: QuerySet[Any],
        query: Mapping[str, Any],
        show: Callable[[Any], Any],
        order: Order = NEWEST_FIRST,
    ) -> Response:
        """Answer one page of `rows`, each as `show` renders it."""
        page = take_page(rows, limit=query["limit"], cursor=query["cursor"], order=order)
        items = [show(row) for row in page.items]
        return Response({"items": items, "next_cursor": page.next_cursor})

    def _handle(self, *args: Any, **kwargs: Any) -> Response:
        handler: Callable[..., Response] = getattr(self, str(self.request.method).lower())
        if self.action in self.enters_tenant_itself:
            return handler(self.request, *args, **kwargs)
        with tenant(self.caller.org_id):
            return handler(self.request, *args, **kwargs)


def visible_rows(queryset: QuerySet[M], caller: Caller) -> QuerySet[M]:
    """Keep the caller's org; a token of one agent sees no rows of another."""
    rows = queryset.filter(org=caller.org_id)
    if caller.agent_id is None:
        return rows
    is_agent = queryset.model._meta.label == "agents.Agent"  # noqa: SLF001 - documented options
    return rows.filter(**{"pk" if is_agent else "agent": caller.agent_id})
