"""The OpenAPI document of the management API and the memory API.

A viewset says with `documented` what an action takes and answers. Everything that follows from
its base is added here: who may call it, which errors it has, the headers of the memory API.
`manage.py spectacular` writes the document; a test fails when it is stale.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from http import HTTPStatus
from typing import Any, TypeVar

from drf_spectacular.drainage import GENERATOR_STATS
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.generators import SchemaGenerator
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.settings import patched_settings
from drf_spectacular.utils import OpenApiExample, extend_schema, inline_serializer
from rest_framework import serializers

from ibex.openapi_parts import COMPONENTS, MEMORY_API, PAGES, SETTINGS, X_REQUEST_ID

F = TypeVar("F", bound=Callable[..., Any])
Refusals = Mapping[int, Sequence[str]]

ERROR = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
MEMORY_PREFIX = "/v1/"
BODY = {
    400: ["INVALID_JSON", "VALIDATION_ERROR"],
    413: ["PAYLOAD_TOO_LARGE"],
    415: ["UNSUPPORTED_MEDIA_TYPE"],
}
CALLER = {
    401: ["MISSING_TOKEN", "INVALID_TOKEN"],
    403: ["INSUFFICIENT_PERMISSIONS", "ORG_SUSPENDED", "IP_NOT_ALLOWED"],
}
CSRF = {403: ["CSRF_FAILED"]}
ANY = {400: ["INVALID_REQUEST"], 500: ["INTERNAL_ERROR"], 503: ["SERVICE_DEGRADED"]}
ACTING = {
    400: ["VALIDATION_ERROR", "MISSING_AGENT_ID"],
    403: ["AGENT_NOT_AUTHORIZED", "AGENT_SUSPENDED"],
}


def documented(
    *,
    answers: Any,
    takes: type[serializers.Serializer[Any]] | None = None,
    query: type[serializers.Serializer[Any]] | None = None,
    refuses: Refusals | None = None,
    examples: Sequence[OpenApiExample] = (),
) -> Callable[[F], F]:
    """Say what an action takes and answers, and which errors of its own it has.

    `answers` is a serializer, or one per status. `refuses` maps a status to codes; what every
    action of its kind may answer is known already.
    """

    def decorate(action: F) -> F:
        action.kwargs = {"schema": ApiSchema}  # type: ignore[attr-defined] # extend_schema's base
        action.refuses = dict(refuses or {})  # type: ignore[attr-defined]
        return extend_schema(
            request=takes,
            responses=answers,
            parameters=[query] if query else None,
            examples=list(examples),
        )(action)

    return decorate


@cache
def page_of(item: type[serializers.Serializer[Any]]) -> serializers.Serializer[Any]:
    """Describe one page of a list."""
    name = f"{item.__name__.removesuffix('Serializer')}Page"
    cursor = serializers.CharField(
        allow_null=True, help_text="The `cursor` of the page after this one; null at the end."
    )
    return inline_serializer(name, {"items": item(many=True), "next_cursor": cursor})


def document() -> tuple[dict[str, Any], bool]:
    """Build the document; say whether anything about it could not be found out."""
    with patched_settings(SETTINGS):
        generator: Any = Generator(urlconf="ibex.urls.schema")  # type: ignore[no-untyped-call]
        schema: dict[str, Any] = generator.get_schema(public=True)
    schema["components"] |= {"headers": {X_REQUEST_ID: COMPONENTS["headers"][X_REQUEST_ID]}}
    return schema, bool(GENERATOR_STATS)


class ApiSchema(AutoSchema):
    """What follows for an action from its base and its place."""

    def get_operation(self, *args: Any) -> dict[str, Any] | None:
        """Add the errors, the memory API's headers, and the request's id to every answer."""
        operation: dict[str, Any] | None = super().get_operation(*args)
        if operation is None:
            return None
        if self._is_memory_api():
            named = [{"$ref": f"#/components/parameters/{name}"} for name in MEMORY_API]
            operation["parameters"] = [*operation.get("parameters", []), *named]
            operation["servers"] = [{"url": "http://localhost:8080", "description": "the proxy"}]
        for parameter in operation.get("parameters", []):
            if parameter.get("name") in PAGES:
                parameter["description"] = PAGES[parameter["name"]]
        for status, codes in sorted(self._refusals().items()):
            operation["responses"][str(status)] = _refusal(status, codes)
        for status, answer in operation["responses"].items():
            reference = {"$ref": f"#/components/headers/{X_REQUEST_ID}"}
            answer["headers"] = {X_REQUEST_ID: reference}
            answer["description"] = answer["description"] or HTTPStatus(int(status)).phrase
        return operation

    def get_auth(self) -> list[dict[str, list[str]]]:
        """Take any one of the credentials, not all of them."""
        return [{name: []} for together in super().get_auth() for name in sorted(together)]

    def get_operation_id(self) -> str:
        """Name an operation by its place and action: `agents_list`, `own_memories_search`."""
        parts = [part.replace("-", "_") for part in self._parts() if not part.startswith("{")]
        action = {"partial_update": "update", "destroy": "delete"}.get(self._action())
        action = action or self._action()
        name = parts if parts[-1] == action else [*parts, action]
        return "_".join(["own", *name] if self._is_memory_api() else name)

    def get_tags(self) -> list[str]:
        """Group by what the path is about; an agent's own door is one group."""
        if self._is_memory_api():
            return ["Memory API"]
        parts = self._parts()
        if "directive" in parts:
            return ["Directives"]
        about = "memories" if "memories" in parts else parts[0]
        return ["Sessions" if about == "archives" else about.replace("-", " ").capitalize()]

    def get_summary(self) -> str:
        """Return the docstring's first sentence."""
        return self._words().split("\n")[0].rstrip(".")

    def get_description(self) -> str:  # type: ignore[override]
        """Return the docstring, and what the caller must be allowed to do."""
        required = getattr(self.view, "required", {}).get(self._action())
        if required is None:
            return self._words()
        if not required:
            return f"{self._words()}\n\nNeeds no permission for what is the caller's own."
        name = "".join(word.capitalize() for word in str(required.name).split("_"))
        return f"{self._words()}\n\nNeeds the permission `{name}`."

    def _map_serializer(self, serializer: Any, *args: Any, **options: Any) -> Any:
        """Require what a model's serializer shows: it leaves none of its fields out."""
        schema = super()._map_serializer(serializer, *args, **options)  # type: ignore[no-untyped-call]
        if isinstance(serializer, serializers.ModelSerializer):
            schema["required"] = sorted(schema["properties"])
            for field in schema["properties"].values():
                field.pop("readOnly", None)
        return schema

    def _is_list_view(self, serializer: Any = None) -> bool:  # noqa: ARG002
        """Say no: a list answers one page, which is documented as such."""
        return False

    def _refusals(self) -> dict[int, list[str]]:
        """Join what every action of this kind may answer with what this one says of itself."""
        authenticators = self.view.authentication_classes
        is_list = self.method == "GET" and self._action() in {"list", "turns", "events"}
        holds = [
            (True, getattr(self._handler(), "refuses", {})),
            (True, ANY),
            (bool(authenticators), CALLER),
            (len(authenticators) > 1 and self.method != "GET", CSRF),
            (self._is_memory_api(), ACTING),
            (self.method in {"POST", "PUT", "PATCH"}, BODY),
            ("{" in self.path, {404: ["NOT_FOUND"]}),
            (is_list, {400: ["VALIDATION_ERROR"]}),
        ]
        return _joined([kind for does_hold, kind in holds if does_hold])

    def _words(self) -> str:
        return inspect.getdoc(self._handler()) or ""

    def _handler(self) -> Any:
        return getattr(self.view, self._action())

    def _action(self) -> str:
        return str(getattr(self.view, "action", None) or self.method.lower())

    def _parts(self) -> list[str]:
        return self.path.removeprefix("/api").removeprefix(MEMORY_PREFIX).split("/")

    def _is_memory_api(self) -> bool:
        return self.path.startswith(MEMORY_PREFIX)


class Generator(SchemaGenerator):
    """Describes an action that nobody documented too, as well as it can be told."""

    def create_view(self, *args: Any, **kwargs: Any) -> Any:
        """Give such an action our schema; DRF's own makes no OpenAPI 3.1."""
        view = super().create_view(*args, **kwargs)  # type: ignore[no-untyped-call]
        if not isinstance(view.schema, AutoSchema):
            self._set_schema_to_view(view, ApiSchema())  # type: ignore[no-untyped-call]
        return view


class TokenScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """An agent's token, in either of two headers."""

    target_class = "orgs.authentication.TokenAuthentication"
    name = ["bearer", "apiKey"]

    def get_security_definition(self, auto_schema: AutoSchema) -> list[dict[str, str]]:  # noqa: ARG002
        """Describe both headers."""
        return [
            {"type": "http", "scheme": "bearer", "description": "`ibex_pat_…`, a token."},
            {"type": "apiKey", "in": "header", "name": "x-api-key", "description": "The same."},
        ]


class OperatorScheme(OpenApiAuthenticationExtension):  # type: ignore[no-untyped-call]
    """A signed-in operator's browser."""

    target_class = "orgs.authentication.OperatorAuthentication"
    name = "operatorSession"

    def get_security_definition(self, auto_schema: AutoSchema) -> dict[str, str]:  # noqa: ARG002
        """Describe the console's cookie."""
        words = "The console's session. Changes need the header `X-CSRFToken` too."
        return {"type": "apiKey", "in": "cookie", "name": "sessionid", "description": words}


def _refusal(status: int, codes: Sequence[str]) -> dict[str, Any]:
    named = ", ".join(f"`{code}`" for code in codes)
    return {"description": f"{HTTPStatus(status).phrase}: {named}", "content": ERROR}


def _joined(kinds: Sequence[Refusals]) -> dict[int, list[str]]:
    """Put the codes of each status together, each once and in order."""
    found: dict[int, list[str]] = {}
    for kind in kinds:
        for status, codes in kind.items():
            known = found.setdefault(status, [])
            known += [code for code in codes if code not in known]
    return {status: sorted(codes) for status, codes in found.items()}
