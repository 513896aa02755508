"""The management API of tokens."""

from typing import Any, ClassVar
from uuid import UUID

from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from agents.models import Agent
from ibex.api import OrgRelatedField, OrgViewSet, Reason, StrictSerializer, Text, filter_query
from ibex.openapi import documented, page_of
from orgs import services
from orgs.filters import TokenFilter
from orgs.models import Organization, Token
from orgs.permissions import BY_API_NAME, Permission, api_names
from orgs.refusals import AgentNotAuthorized
from orgs.rotation import Grace, rotate_token

PERMISSION_NAMES = [(name, name) for name in BY_API_NAME]


class TokenSerializer(serializers.ModelSerializer[Token]):
    """A token without its secret, which only the answer to its creation holds."""

    permissions = serializers.SerializerMethodField()
    state = serializers.ChoiceField(Token.State.choices, read_only=True)
    created_by = serializers.EmailField(
        source="created_by.email", default=None, allow_null=True, read_only=True
    )
    replaced_by_id = serializers.UUIDField(
        source="successor.pk", default=None, allow_null=True, read_only=True
    )

    class Meta:
        model = Token
        fields = [
            "id",
            "name",
            "prefix",
            "permissions",
            "agent_id",
            "allowed_ips",
            "state",
            "expires_at",
            "revoked_at",
            "last_used_at",
            "created_by",
            "created_at",
            "replaces_id",
            "replaced_by_id",
        ]

    def get_permissions(self, token: Token) -> list[str]:
        """Name what it may do."""
        return api_names(token.permissions)


class IssuedToken(TokenSerializer):
    """A new token with its secret, shown this once."""

    token = serializers.CharField(read_only=True)

    class Meta(TokenSerializer.Meta):
        fields = [*TokenSerializer.Meta.fields, "token"]


class NewToken(StrictSerializer):
    """A new token. It may do what its maker may, or less; without an agent it serves any."""

    name = Text(max_length=255)
    permissions = serializers.ListField(
        child=serializers.ChoiceField(PERMISSION_NAMES), allow_empty=False, max_length=64
    )
    agent_id = OrgRelatedField(
        queryset=Agent.objects.all(), required=False, allow_null=True, default=None
    )
    expires_at = serializers.DateTimeField(required=False, allow_null=True, default=None)
    allowed_ips = serializers.ListField(child=Text(max_length=60), required=False, max_length=50)
    reason = Text(default="", allow_blank=True, max_length=500)


class Rotation(StrictSerializer):
    """How long the old token still works, never beyond its own expiry, and why."""

    grace = serializers.ChoiceField(Grace.choices, default=Grace.DAY)
    reason = Text(default="", allow_blank=True, max_length=500)


class TokenViewSet(OrgViewSet[Token]):
    """List, create, rotate and revoke tokens.

    A token of one agent sees and makes only that agent's.
    """

    queryset = Token.objects.select_related("created_by", "replaced_by")
    required: ClassVar = {
        "list": Permission.TOKEN_CREATE,
        "retrieve": Permission.TOKEN_CREATE,
        "create": Permission.TOKEN_CREATE,
        "rotate": Permission.TOKEN_CREATE | Permission.TOKEN_REVOKE,
        "revoke": Permission.TOKEN_REVOKE,
    }

    @documented(query=filter_query(TokenFilter), answers=page_of(TokenSerializer))
    def list(self, _request: Request) -> Response:
        """List tokens, newest first."""
        tokens, query = self.filtered(TokenFilter)
        return self.page(tokens, query, TokenSerializer().to_representation)

    @documented(answers=TokenSerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show one token."""
        return Response(TokenSerializer(self.get_object()).data)

    @documented(takes=NewToken, answers={201: IssuedToken}, refuses={403: ["AGENT_NOT_AUTHORIZED"]})
    def create(self, request: Request) -> Response:
        """Create a token; `token` in the answer is its secret, and is never shown again."""
        values = self.read(NewToken, request.data)
        agent = values.pop("agent_id")
        if self.caller.agent_id is not None and agent is None:
            raise AgentNotAuthorized
        bits = Permission(0)
        for name in values.pop("permissions"):
            bits |= BY_API_NAME[name]
        token, secret = services.issue_token(
            org=Organization.objects.get(pk=self.caller.org_id),
            permissions=bits,
            held=self.caller.permissions,
            actor=self.caller.actor,
            agent=agent,
            **values,
        )
        return _issued(token, secret)

    @documented(
        takes=Rotation,
        answers={201: IssuedToken},
        refuses={409: ["TOKEN_ENDED", "TOKEN_ROTATED"]},
    )
    def rotate(self, request: Request, **_ids: UUID) -> Response:
        """Replace a token by one with the same rights; the old one works for the grace alone."""
        token, said = self.get_object(), self.read(Rotation, request.data)
        caller = self.caller
        return _issued(
            *rotate_token(token=token, actor=caller.actor, held=caller.permissions, **said)
        )

    @documented(takes=Reason, answers=TokenSerializer)
    def revoke(self, request: Request, **_ids: UUID) -> Response:
        """Refuse a token from now on. Revoking it twice changes nothing."""
        token = self.get_object()
        reason = self.read(Reason, request.data)["reason"]
        services.revoke_token(token=token, actor=self.caller.actor, reason=reason)
        return Response(TokenSerializer(self.get_object()).data)


def _issued(token: Token, secret: str) -> Response:
    shown: dict[str, Any] = {**TokenSerializer(token).data, "token": secret}
    return Response(shown, status=201)
