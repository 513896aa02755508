"""The management API of sessions and their turns."""

from dataclasses import asdict
from typing import Any, ClassVar
from uuid import UUID

from django.db.models import QuerySet
from django.db.models.functions import Length
from django.http import StreamingHttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from ibex.api import (
    AlwaysJson,
    LenientJsonRenderer,
    OrgViewSet,
    PageQuery,
    StrictSerializer,
    filter_query,
)
from ibex.keyset import Order, take_page
from ibex.openapi import documented, page_of
from orgs.permissions import Permission
from sessions import bodies, services
from sessions.archive import ArchiveLink, archive_url, open_signed
from sessions.archiving import CONTENT_TYPE
from sessions.errors import UnreadableBody
from sessions.file_chunks import FileChunks
from sessions.filters import ORDERS, SessionFilter
from sessions.models import Session, Turn

IN_ORDER = Order(("index",), descending=False)
MAX_PAGE_BYTES = 1024 * 1024
"""Compressed bodies that a page of turns holds; it ends early rather than hold more."""


class SessionSerializer(serializers.ModelSerializer[Session]):
    """A conversation as the API shows it, without its words."""

    class Meta:
        model = Session
        fields = [
            "id",
            "agent_id",
            "external_id",
            "subject",
            "status",
            "turn_count",
            "tokens_in",
            "tokens_out",
            "error_count",
            "directive_version",
            "branched_from_id",
            "branched_at_turn",
            "created_at",
            "last_turn_at",
            "completed_at",
        ]


class TurnSerializer(serializers.ModelSerializer[Turn]):
    """One request and its answer. The words are null when the stored bytes cannot be read."""

    messages = serializers.SerializerMethodField()
    answer = serializers.SerializerMethodField()

    class Meta:
        model = Turn
        fields = [
            "id",
            "index",
            "messages",
            "answer",
            "model",
            "provider",
            "is_streaming",
            "is_complete",
            "finish_reason",
            "tokens_in",
            "tokens_out",
            "tokens_cached",
            "usage_estimated",
            "latency_ms",
            "ttfb_ms",
            "directive_version",
            "injected",
            "request_id",
            "created_at",
        ]

    def get_messages(self, turn: Turn) -> list[dict[str, Any]] | None:
        """Return the new messages of the request, as the client sent them."""
        try:
            return bodies.messages(turn)
        except UnreadableBody:
            return None

    def get_answer(self, turn: Turn) -> str | None:
        """Return the text of the answer."""
        try:
            return bodies.answer_text(turn)
        except UnreadableBody:
            return None


class ArchiveLinkSerializer(serializers.Serializer[ArchiveLink]):
    """A link that downloads an archive, and how to tell that all of it arrived."""

    url = serializers.URLField()
    expires_at = serializers.DateTimeField()
    sha256 = serializers.CharField()
    size = serializers.IntegerField(help_text="In bytes.")
    version = serializers.IntegerField(help_text="How often the archive was written.")


class SessionViewSet(OrgViewSet[Session]):
    """Read conversations, and end them."""

    queryset = Session.objects.all()
    required: ClassVar = {
        "list": Permission.SESSION_READ,
        "retrieve": Permission.SESSION_READ,
        "turns": Permission.SESSION_READ,
        "terminate": Permission.SESSION_TERMINATE,
        "archive_url": Permission.SESSION_EXPORT,
    }

    @documented(query=filter_query(SessionFilter), answers=page_of(SessionSerializer))
    def list(self, request: Request) -> Response:
        """List sessions, the newest first unless another order is asked for."""
        sessions, query = self.filtered(SessionFilter)
        order = ORDERS[request.query_params.get("sort", "")]
        return self.page(sessions, query, SessionSerializer().to_representation, order)

    @documented(answers=SessionSerializer)
    def retrieve(self, _request: Request, **_ids: UUID) -> Response:
        """Show one session."""
        return Response(SessionSerializer(self.get_object()).data)

    @documented(query=PageQuery, answers=page_of(TurnSerializer))
    def turns(self, _request: Request, **_ids: UUID) -> Response:
        """List the turns of a session in order, with their words."""
        session = self.get_object()
        query = self.read_query(PageQuery)
        turns = Turn.objects.filter(org=session.org_id, session=session)
        query["limit"] = _fitting(turns, query)
        return self.page(turns, query, TurnSerializer().to_representation, IN_ORDER)

    @documented(takes=StrictSerializer, answers=SessionSerializer)
    def terminate(self, request: Request, **_ids: UUID) -> Response:
        """End a session: what it has not been learned from yet is due at once."""
        session = self.get_object()
        self.read(StrictSerializer, request.data)  # takes nothing
        session = services.complete_session(
            session=session, actor=self.caller.actor, how="completed"
        )
        return Response(SessionSerializer(session).data)

    @documented(
        takes=StrictSerializer,
        answers=ArchiveLinkSerializer,
        refuses={409: ["ARCHIVE_NOT_READY"]},
    )
    def archive_url(self, request: Request, **_ids: UUID) -> Response:
        """Make a link that downloads the session's archive for 15 minutes; it is audited."""
        session = self.get_object()
        self.read(StrictSerializer, request.data)  # takes nothing
        link = archive_url(session=session, actor=self.caller.actor)
        is_ours = link.url.startswith("/")
        url = request.build_absolute_uri(link.url) if is_ours else link.url
        return Response({**asdict(link), "url": url})


class ArchiveDownload(APIView):
    """Archives in a local folder, by signed link: the link itself is the permission."""

    authentication_classes = []
    permission_classes = []
    renderer_classes = [LenientJsonRenderer]
    content_negotiation_class = AlwaysJson
    http_method_names = ["get", "head"]

    @documented(
        answers={(200, CONTENT_TYPE): bytes},
        refuses={403: ["ARCHIVE_LINK_INVALID"]},
    )
    def get(self, _request: Request, signed: str) -> StreamingHttpResponse:
        """Stream the archive. 403 for a link that is too old or was changed."""
        archive = open_signed(signed)
        headers = {
            "Content-Length": str(archive.size),
            "Content-Disposition": f'attachment; filename="{archive.filename}"',
            "Cache-Control": "private, no-store",
        }
        return StreamingHttpResponse(
            FileChunks(archive.file), content_type=CONTENT_TYPE, headers=headers
        )


def _fitting(turns: QuerySet[Turn], query: dict[str, Any]) -> int:
    """Return how many turns of the page are small enough together; at least one."""
    sized: QuerySet[Any] = turns.defer("request", "completion").annotate(
        size=Length("request") + Length("completion")
    )
    page = take_page(sized, limit=query["limit"], cursor=query["cursor"], order=IN_ORDER)
    total = 0
    for count, turn in enumerate(page.items):
        total += turn.size
        if count and total > MAX_PAGE_BYTES:
            return count
    return max(len(page.items), 1)
