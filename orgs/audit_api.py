"""The management API of the audit."""

from typing import Any, ClassVar

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from ibex.api import OrgViewSet, StrictSerializer, filter_query
from ibex.openapi import documented, page_of
from orgs.audit_trail import NEWEST_FIRST
from orgs.filters import AuditFilter
from orgs.models import AuditEvent
from orgs.permissions import Permission

SIDE = {"type": ["object", "null"], "additionalProperties": {}}


class AuditActor(StrictSerializer):
    """Who acted: an operator, a token, or IBEX itself."""

    type = serializers.ChoiceField(AuditEvent.Actor.choices, source="actor_type")
    id = serializers.UUIDField(source="actor_id", allow_null=True)
    label = serializers.CharField(source="actor_label")  # type: ignore[assignment]  # a field


class AuditEventSerializer(serializers.ModelSerializer[AuditEvent]):
    """One thing somebody did. `before` and `after` hold hashes, lengths and settings, no text."""

    actor = AuditActor(source="*", read_only=True)
    before = serializers.SerializerMethodField()
    after = serializers.SerializerMethodField()
    subject = serializers.SerializerMethodField()

    class Meta:
        model = AuditEvent
        fields = [
            "id",
            "at",
            "actor",
            "action",
            "target_type",
            "target_id",
            "before",
            "after",
            "reason",
            "subject",
            "ip",
            "request_id",
        ]

    @extend_schema_field(SIDE)
    def get_before(self, event: AuditEvent) -> Any:
        """Return how it was."""
        return event.before

    @extend_schema_field(SIDE)
    def get_after(self, event: AuditEvent) -> Any:
        """Return how it is."""
        return event.after

    @extend_schema_field({"type": ["string", "null"]})
    def get_subject(self, event: AuditEvent) -> str | None:
        """Name the end user it was about, until that person is erased."""
        return (event.subject_details or {}).get("subject")


class AuditViewSet(OrgViewSet[AuditEvent]):
    """Read who did what. A token of one agent sees what was done to that agent itself."""

    queryset = AuditEvent.objects.all()
    required: ClassVar = {"list": Permission.AUDIT_READ}

    def get_queryset(self) -> QuerySet[AuditEvent]:
        """Narrow to the organization; the audit outlives it, so there is no foreign key."""
        if getattr(self, "swagger_fake_view", False):  # the schema is built without a caller
            return AuditEvent.objects.none()
        events = AuditEvent.objects.filter(org_id=self.caller.org_id)
        agent_id = self.caller.agent_id
        return events if agent_id is None else events.filter(target_id=agent_id)

    @documented(query=filter_query(AuditFilter), answers=page_of(AuditEventSerializer))
    def list(self, _request: Request) -> Response:
        """List audit events, newest first; `request_id` finds all that one request did."""
        events, query = self.filtered(AuditFilter)
        show = AuditEventSerializer().to_representation
        return self.page(events, query, show, NEWEST_FIRST)
